// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs that come and go while sockets look for them, on two CPUs
 *
 * To be run with KASAN, PROVE_RCU and lockdep: VMs and sockets are freed here as
 * early as the driver and the core may free them.
 */
#include <kunit/test.h>
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/virtio_vsock.h>
#include <net/af_vsock.h>
#include <net/net_namespace.h>
#include "../vsock_cid.h"
#include "../vsock_peer.h"

#define CID	3
#define CONSTANT_CID	5
#define ROUNDS	2000
#define PEERS	24

struct race_vm {
	struct vhost_vsock_vm vm;
	struct vhost_vsock_peers peers;
	struct rcu_head rcu;
};

/**
 * struct race - state shared by the two sides
 * @scope: in which the VMs are
 * @constant: VM that is there all the time
 * @vm: VM that is about to be closed
 * @vsks: its peers
 * @round: the round that may begin
 * @done: rounds that the other side has ended
 * @found: how often a VM was found
 * @missed: how often the one that is there was not
 * @wrong: how often one was found that is not of the scope
 */
struct race {
	struct net *scope;
	struct race_vm *constant;
	struct race_vm __rcu *vm;
	struct vsock_sock *vsks[PEERS];
	atomic_t round;
	atomic_t done;
	long found;
	long missed;
	long wrong;
};

static struct net *build_scope(struct kunit *test, u32 mix)
{
	struct net *scope = kunit_kzalloc(test, sizeof(*scope), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, scope);
	scope->hash_mix = mix;

	return scope;
}

static struct race_vm *build_vm(struct kunit *test, struct net *scope)
{
	struct race_vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vm);
	vhost_vsock_vm_init(&vm->vm, scope);
	vhost_vsock_peers_init(&vm->peers);

	return vm;
}

static int set_cid(struct vhost_vsock_vm *vm, u32 cid)
{
	return vhost_vsock_vm_set_cid(vm, cid, NULL);
}

/* As the driver does it, but without waiting. */
static void close_vm(struct race_vm *vm)
{
	vhost_vsock_vm_clear_cid(&vm->vm);
	kfree_rcu(vm, rcu);
}

static struct race *build_race(struct kunit *test)
{
	struct race *race;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	race->scope = build_scope(test, 4711);

	return race;
}

static struct task_struct *start(struct kunit *test, int (*fn)(void *),
				 struct race *race)
{
	struct task_struct *task = kthread_run(fn, race, "vhost_vsock_kunit");

	KUNIT_ASSERT_FALSE(test, IS_ERR(task));

	return task;
}

/* ---- CIDs ---- */

static void look(struct race *race, u32 cid)
{
	struct vhost_vsock_vm *vm;

	rcu_read_lock();
	vm = vhost_vsock_vm_find(race->scope, cid);
	if (vm) {
		race->found++;
		race->wrong += READ_ONCE(vm->scope) != race->scope;
	}
	if (cid == CONSTANT_CID)
		race->missed += vm != &race->constant->vm;
	rcu_read_unlock();
}

static int look_for_vms(void *data)
{
	while (!kthread_should_stop()) {
		look(data, CID);
		look(data, CID + 1);
		look(data, CONSTANT_CID);
		cond_resched();
	}
	return 0;
}

static void vms_come_and_go_under_a_reader(struct kunit *test)
{
	struct race *race = build_race(test);
	struct task_struct *task;
	int i;

	race->constant = build_vm(test, race->scope);
	KUNIT_ASSERT_EQ(test, set_cid(&race->constant->vm, CONSTANT_CID), 0);
	task = start(test, look_for_vms, race);
	for (i = 0; i < ROUNDS; i++) {
		struct race_vm *a = build_vm(test, race->scope);
		struct race_vm *b = build_vm(test, race->scope);

		KUNIT_EXPECT_EQ(test, set_cid(&a->vm, CID), 0);
		KUNIT_EXPECT_EQ(test, set_cid(&b->vm, CID), -EADDRINUSE);
		KUNIT_EXPECT_EQ(test, set_cid(&a->vm, CID + 1), 0);
		KUNIT_EXPECT_EQ(test, set_cid(&b->vm, CID), 0);
		close_vm(a);
		close_vm(b);
		cond_resched();
	}
	kthread_stop(task);
	close_vm(race->constant);

	KUNIT_EXPECT_EQ(test, race->missed, 0);
	KUNIT_EXPECT_EQ(test, race->wrong, 0);
	KUNIT_EXPECT_GT(test, race->found, 0);
}

static void many_other_vms_do_not_hide_one(struct kunit *test)
{
	struct race *race = build_race(test);
	struct net *other = build_scope(test, 815);
	struct task_struct *task;
	struct race_vm **vms;
	int i, round;

	vms = kunit_kcalloc(test, ROUNDS, sizeof(*vms), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vms);
	race->constant = build_vm(test, race->scope);
	KUNIT_ASSERT_EQ(test, set_cid(&race->constant->vm, CONSTANT_CID), 0);
	task = start(test, look_for_vms, race);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < ROUNDS; i++) {
			vms[i] = build_vm(test, other);
			KUNIT_EXPECT_EQ(test, set_cid(&vms[i]->vm, CID + i),
					0);
			cond_resched();
		}
		for (i = 0; i < ROUNDS; i++)
			close_vm(vms[i]);
		schedule_timeout_uninterruptible(HZ / 5);
	}
	kthread_stop(task);
	close_vm(race->constant);

	KUNIT_EXPECT_EQ(test, race->missed, 0);
	KUNIT_EXPECT_EQ(test, race->wrong, 0);
}

/* ---- peers ---- */

static struct vsock_sock *build_peer(struct kunit *test)
{
	struct virtio_vsock_sock *vvs = kzalloc(sizeof(*vvs), GFP_KERNEL);
	struct vsock_sock *vsk = kzalloc(sizeof(*vsk), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vsk);
	KUNIT_ASSERT_NOT_NULL(test, vvs);
	refcount_set(&vsk->sk.sk_refcnt, 1);
	spin_lock_init(&vsk->sk.sk_lock.slock);
	refcount_set(&vsk->sk.sk_wmem_alloc, 2); /* sk_free() does not free it */
	vsk->remote_addr.svm_cid = CID;
	vsk->trans = vvs;
	vvs->vsk = vsk;

	return vsk;
}

static int add_peer(struct race_vm *vm, struct vsock_sock *vsk)
{
	int err;

	spin_lock_bh(&vsk->sk.sk_lock.slock);
	err = vhost_vsock_peer_add(&vm->peers, vsk);
	spin_unlock_bh(&vsk->sk.sk_lock.slock);

	return err;
}

/* As soon as the last reference is gone. If the VM's side drops that, it ends
 * with a change of sk_wmem_alloc.
 */
static void free_peer(struct vsock_sock *vsk)
{
	if (!refcount_dec_and_test(&vsk->sk.sk_refcnt))
		while (refcount_read(&vsk->sk.sk_wmem_alloc) == 2)
			cond_resched();
	vhost_vsock_peer_del(vsk);
	kfree(vsk->trans);
	kfree(vsk);
}

/* The second half of them is late, and may find the VM closed. */
static void add_late_peers(struct race *race)
{
	struct race_vm *vm;
	int i;

	for (i = PEERS / 2; i < PEERS; i++) {
		rcu_read_lock();
		vm = rcu_dereference(race->vm);
		if (vm && !add_peer(vm, race->vsks[i]))
			race->found++;
		rcu_read_unlock();
	}
}

/* Freed at once, as the core does it. */
static int use_peers(void *data)
{
	struct race *race = data;
	int i, round;

	for (round = 1; round <= ROUNDS; round++) {
		while (atomic_read(&race->round) < round)
			cond_resched();
		add_late_peers(race);
		for (i = 0; i < PEERS; i++)
			free_peer(race->vsks[i]);
		atomic_inc(&race->done);
	}
	while (!kthread_should_stop())
		schedule_timeout_uninterruptible(1);

	return 0;
}

static long resets;

static void reset(struct vsock_sock *vsk)
{
	const struct virtio_vsock_sock *vvs = vsk->trans;

	resets += !!vvs->vm; /* touches both */
}

static void build_round(struct kunit *test, struct race *race)
{
	struct race_vm *vm = build_vm(test, race->scope);
	int i;

	vhost_vsock_peers_open(&vm->peers, CID);
	for (i = 0; i < PEERS; i++)
		race->vsks[i] = build_peer(test);
	for (i = 0; i < PEERS / 2; i++)
		KUNIT_EXPECT_EQ(test, add_peer(vm, race->vsks[i]), 0);
	rcu_assign_pointer(race->vm, vm);
}

static void a_vm_and_its_peers_go_at_once(struct kunit *test)
{
	struct race *race = build_race(test);
	struct task_struct *task = start(test, use_peers, race);
	struct race_vm *vm;
	int round;

	resets = 0;
	for (round = 1; round <= ROUNDS; round++) {
		build_round(test, race);
		vm = rcu_dereference_protected(race->vm, true);
		atomic_set(&race->round, round);
		vhost_vsock_peers_close(&vm->peers, reset);
		RCU_INIT_POINTER(race->vm, NULL);
		close_vm(vm);
		while (atomic_read(&race->done) < round)
			cond_resched();
	}
	kthread_stop(task);
	KUNIT_EXPECT_GT(test, resets, 0);
}

static struct kunit_case vsock_race_cases[] = {
	KUNIT_CASE_SLOW(vms_come_and_go_under_a_reader),
	KUNIT_CASE_SLOW(many_other_vms_do_not_hide_one),
	KUNIT_CASE_SLOW(a_vm_and_its_peers_go_at_once),
	{}
};

static struct kunit_suite vsock_race_suite = {
	.name = "vhost_vsock_race",
	.test_cases = vsock_race_cases,
};

kunit_test_suite(vsock_race_suite);
