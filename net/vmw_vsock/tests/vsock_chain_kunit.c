// SPDX-License-Identifier: GPL-2.0-only
/*
 * A socket is found beside entries that are used again, on two CPUs
 *
 * An entry that goes and comes back elsewhere takes the reader who stands on it
 * along. To make that happen, this has tables of its own: the same code, but all
 * is in one chain, and the reader lingers on every entry that is not its own.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/jhash.h>
#include <linux/kthread.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <net/netns/hash.h>
#include "vsock_kunit.h"

static struct task_struct *reader;

static void linger(void)
{
	if (current == READ_ONCE(reader))
		udelay(50); /* as long as it takes to move an entry */
}

/* The entries of the socket tables have a cache with the other name. */
static struct kmem_cache *chain_cache_create(const char *name,
					     unsigned int size,
					     unsigned int align,
					     slab_flags_t flags,
					     void (*ctor)(void *data))
{
	return kmem_cache_create("vsock_kunit_entry", size, align, flags, ctor);
}

/* The kernel's headers are included above, so they do not see these macros. A
 * reader that finds an entry of another socket lingers before it continues.
 */
#undef EXPORT_SYMBOL_GPL
#define EXPORT_SYMBOL_GPL(symbol)
#undef __init
#define __init
#undef READ_ONCE
#define READ_ONCE(x)			({ typeof(x) v = __READ_ONCE(x); linger(); v; })
#define jhash_2words(a, b, seed)	(((a) | (b) | (seed)) & 0)
#define jhash_3words(a, b, c, seed)	(((a) | (b) | (c) | (seed)) & 0)
#undef kmem_cache_create
#define kmem_cache_create		chain_cache_create
#define vsock_table_init		chain_init
#define vsock_table_exit		chain_exit
#define vsock_table_add			chain_add
#define vsock_table_del			chain_del
#define vsock_insert_bound		chain_insert_bound
#define vsock_remove_bound		chain_remove_bound
#define vsock_set_local_cid		chain_set_local_cid
#define vsock_find_bound_socket		chain_find_bound_socket
#define vsock_insert_connected		chain_insert_connected
#define vsock_remove_connected		chain_remove_connected
#define vsock_is_connected		chain_is_connected
#define vsock_call_connected		chain_call_connected
#define vsock_find_connected_socket	chain_find_connected_socket

#undef _NET_VSOCK_TABLE_H
#define vsock_links			unused_links
#include <net/vsock_table.h>
#undef vsock_links
#include "../vsock_table.c"

#define ROUNDS	10000
#define CID	3

/**
 * struct chain - state shared by the two sides
 * @scope: of all sockets
 * @there: the socket that the reader looks for, in the table all the time
 * @other: another one that stays
 * @moving: the one that comes and goes
 * @find: looks for @there
 * @found: how often it was found
 * @missed: how often it was not
 */
struct chain {
	struct net *scope;
	struct vsock_sock there;
	struct vsock_sock other;
	struct vsock_sock moving;
	struct sock *(*find)(struct chain *chain);
	long found;
	long missed;
};

static void build_chain_socket(struct kunit *test, struct chain *chain,
			       struct vsock_sock *vsk)
{
	refcount_set(&vsk->sk.sk_refcnt, 1);
	spin_lock_init(&vsk->sk.sk_lock.slock);
	sock_net_set(sk_vsock(vsk), &init_net);
	vsk->scope = chain->scope;
	KUNIT_ASSERT_EQ(test, chain_add(vsk, GFP_KERNEL), 0);
}

static struct chain *build_chain(struct kunit *test,
				 struct sock *(*find)(struct chain *chain))
{
	struct chain *chain;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	chain = kunit_kzalloc(test, sizeof(*chain), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, chain);
	chain->scope = build_scope(test);
	chain->find = find;
	KUNIT_ASSERT_EQ(test, chain_init(), 0);
	build_chain_socket(test, chain, &chain->other);
	build_chain_socket(test, chain, &chain->there);
	build_chain_socket(test, chain, &chain->moving);

	return chain;
}

static void drop_chain_socket(struct vsock_sock *vsk)
{
	chain_remove_bound(vsk);
	chain_remove_connected(vsk);
	chain_del(vsk);
}

static int look(void *data)
{
	struct chain *chain = data;

	while (!kthread_should_stop()) {
		struct sock *sk = chain->find(chain);

		chain->found += sk == sk_vsock(&chain->there);
		chain->missed += sk != sk_vsock(&chain->there);
		if (sk)
			sock_put(sk);
		cond_resched();
	}
	return 0;
}

static void run_chain(struct kunit *test, struct chain *chain,
		      void (*move)(struct kunit *test, struct chain *chain,
				   int round))
{
	struct task_struct *task;
	int round;

	task = kthread_create(look, chain, "vsock_kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	WRITE_ONCE(reader, task);
	wake_up_process(task);
	for (round = 0; round < ROUNDS; round++) {
		move(test, chain, round);
		cond_resched();
	}
	kthread_stop(task);

	KUNIT_EXPECT_GT(test, chain->found, 0);
	KUNIT_EXPECT_EQ(test, chain->missed, 0);
	drop_chain_socket(&chain->other);
	drop_chain_socket(&chain->there);
	drop_chain_socket(&chain->moving);
	chain_exit();
}

static int chain_bind(struct vsock_sock *vsk, u32 cid, u32 port)
{
	struct sockaddr_vm addr;
	int err;

	vsock_addr_init(&addr, cid, port);
	spin_lock_bh(&vsk->sk.sk_lock.slock);
	err = chain_insert_bound(vsk, &addr);
	spin_unlock_bh(&vsk->sk.sk_lock.slock);

	return err;
}

static struct sock *find_bound_there(struct chain *chain)
{
	struct sockaddr_vm addr;

	vsock_addr_init(&addr, 1, 2000);

	return chain_find_bound_socket(chain->scope, &addr);
}

/* Behind one with another port, then at the port of @other: with a CID of its
 * own, or in vain.
 */
static void move_bound(struct kunit *test, struct chain *chain, int round)
{
	bool free = round % 2;

	KUNIT_EXPECT_EQ(test, chain_bind(&chain->moving, 1, 4000), 0);
	chain_remove_bound(&chain->moving);
	KUNIT_EXPECT_EQ(test, chain_bind(&chain->moving, free ? 2 : 1, 3000),
			free ? 0 : -EADDRINUSE);
	chain_remove_bound(&chain->moving);
}

static void a_bound_socket_is_found_beside_one_that_moves(struct kunit *test)
{
	struct chain *chain = build_chain(test, find_bound_there);

	KUNIT_EXPECT_EQ(test, chain_bind(&chain->other, 1, 3000), 0);
	KUNIT_EXPECT_EQ(test, chain_bind(&chain->there, VMADDR_CID_ANY, 2000),
			0);
	run_chain(test, chain, move_bound);
}

static int chain_connect(struct vsock_sock *vsk, u32 port)
{
	vsock_addr_init(&vsk->local_addr, VMADDR_CID_HOST, 1);
	vsock_addr_init(&vsk->remote_addr, CID, port);

	return chain_insert_connected(vsk);
}

static struct sock *find_connected_there(struct chain *chain)
{
	struct sockaddr_vm src, dst;

	vsock_addr_init(&src, CID, 2000);
	vsock_addr_init(&dst, VMADDR_CID_HOST, 1);

	return chain_find_connected_socket(chain->scope, &src, &dst);
}

static void move_connected(struct kunit *test, struct chain *chain, int round)
{
	KUNIT_EXPECT_EQ(test, chain_connect(&chain->moving, 4000), 0);
	chain_remove_connected(&chain->moving);
	KUNIT_EXPECT_EQ(test, chain_connect(&chain->moving, 3000), 0);
	chain_remove_connected(&chain->moving);
}

static void a_connected_socket_is_found_beside_one_that_moves(struct kunit *test)
{
	struct chain *chain = build_chain(test, find_connected_there);

	KUNIT_EXPECT_EQ(test, chain_connect(&chain->other, 3000), 0);
	KUNIT_EXPECT_EQ(test, chain_connect(&chain->there, 2000), 0);
	run_chain(test, chain, move_connected);
}

static struct kunit_case vsock_chain_cases[] = {
	KUNIT_CASE_SLOW(a_bound_socket_is_found_beside_one_that_moves),
	KUNIT_CASE_SLOW(a_connected_socket_is_found_beside_one_that_moves),
	{}
};

static struct kunit_suite vsock_chain_suite = {
	.name = "vsock_chain",
	.test_cases = vsock_chain_cases,
};

kunit_test_suite(vsock_chain_suite);
