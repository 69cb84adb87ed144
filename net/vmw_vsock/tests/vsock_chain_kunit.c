// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lookups beside an entry that is removed and inserted elsewhere, on two CPUs
 *
 * rhashtable readers follow a chain without a lock. If another CPU moves the entry
 * that a reader stands on, the reader continues in the chain that the entry is in
 * now. A hash function of the test puts all its sockets into two chains, and
 * interrupts stop the reader, for as long as a move takes, on any entry. This suite
 * runs first: no table has grown, and no worker rehashes it with its own function.
 */
#include <kunit/static_stub.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/smp.h>
#include "vsock_kunit.h"

#define ROUNDS	10000
#define CID	3
#define HERE	2000	/* port of @there */
#define NEXT	3000	/* port of @other, in the same chain */
#define AWAY	4001	/* a port in the other chain */

/**
 * struct chain - state shared by the two sides
 * @test: the running test
 * @scope: scope of all sockets
 * @there: the socket that the reader looks up; it stays in the table
 * @other: another one that stays
 * @moving: the one that is removed and inserted
 * @find: looks up @there
 * @found: number of lookups that returned @there
 * @missed: number of other lookups
 */
struct chain {
	struct kunit *test;
	struct net *scope;
	struct vsock_sock *there;
	struct vsock_sock *other;
	struct vsock_sock *moving;
	struct vsock_sock *(*find)(struct chain *chain);
	long found;
	long missed;
};

/* The chain is chosen by the last bit of the port. */
static u32 bound_hash(const void *data, u32 len, u32 seed)
{
	const struct vsock_key *key = data;

	return key->local_port & 1;
}

static u32 connected_hash(const void *data, u32 len, u32 seed)
{
	const struct vsock_key *key = data;

	return key->remote_port & 1;
}

static struct chain *build_chain(struct kunit *test,
				 struct vsock_sock *(*find)(struct chain *chain))
{
	struct chain *chain;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	chain = kunit_kzalloc(test, sizeof(*chain), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, chain);
	chain->test = test;
	chain->scope = build_scope(test);
	chain->find = find;
	/* Before the sockets, whose removal at the end of the test needs them. */
	kunit_activate_static_stub(test, vsock_bound_hash, bound_hash);
	kunit_activate_static_stub(test, vsock_connected_hash, connected_hash);
	chain->other = build_socket(test, chain->scope);
	chain->there = build_socket(test, chain->scope);
	chain->moving = build_socket(test, chain->scope);

	return chain;
}

static int look_up(void *data)
{
	struct chain *chain = data;

	current->kunit_test = chain->test; /* for the hash functions */
	while (!kthread_should_stop()) {
		bool found = chain->find(chain) == chain->there;

		chain->found += found;
		chain->missed += !found;
		cond_resched();
	}
	current->kunit_test = NULL;
	return 0;
}

static void stop_for_a_move(void *unused)
{
	udelay(50);
}

static void run_chain(struct kunit *test, struct chain *chain,
		      void (*move)(struct chain *chain, int round))
{
	int round, cpu = get_cpu(), reader = cpumask_any_but(cpu_online_mask, cpu);
	struct task_struct *task;

	put_cpu();
	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(current, cpumask_of(cpu)), 0);
	task = kthread_run_on_cpu(look_up, chain, reader, "vsock_kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	for (round = 0; round < ROUNDS; round++) {
		smp_call_function_single(reader, stop_for_a_move, NULL, false);
		move(chain, round);
		cond_resched();
	}
	kthread_stop(task);
	set_cpus_allowed_ptr(current, cpu_possible_mask);

	KUNIT_EXPECT_GT(test, chain->found, 0);
	KUNIT_EXPECT_EQ(test, chain->missed, 0);
}

static struct vsock_sock *find_bound_there(struct chain *chain)
{
	return find_bound(chain->scope, 1, HERE);
}

/* To the other chain, then to the port of @other: with a CID of its own, or in vain. */
static void move_bound(struct chain *chain, int round)
{
	bool free = round % 2;

	KUNIT_EXPECT_EQ(chain->test, bind_to(chain->moving, 1, AWAY), 0);
	vsock_remove_bound(chain->moving);
	KUNIT_EXPECT_EQ(chain->test, bind_to(chain->moving, free ? 2 : 1, NEXT),
			free ? 0 : -EADDRINUSE);
	vsock_remove_bound(chain->moving);
}

static void a_bound_socket_is_found_beside_one_that_moves(struct kunit *test)
{
	struct chain *chain = build_chain(test, find_bound_there);

	KUNIT_EXPECT_EQ(test, bind_to(chain->there, VMADDR_CID_ANY, HERE), 0);
	KUNIT_EXPECT_EQ(test, bind_to(chain->other, 1, NEXT), 0);
	run_chain(test, chain, move_bound);
}

static int connect_to(struct vsock_sock *vsk, u32 port)
{
	vsock_addr_init(&vsk->local_addr, VMADDR_CID_HOST, 1);
	vsock_addr_init(&vsk->remote_addr, CID, port);

	return vsock_insert_connected(vsk);
}

static struct vsock_sock *find_connected_there(struct chain *chain)
{
	return find_connected(chain->scope, CID, HERE, 1);
}

static void move_connected(struct chain *chain, int round)
{
	KUNIT_EXPECT_EQ(chain->test, connect_to(chain->moving, AWAY), 0);
	vsock_remove_connected(chain->moving);
	KUNIT_EXPECT_EQ(chain->test, connect_to(chain->moving, NEXT), 0);
	vsock_remove_connected(chain->moving);
}

static void a_connected_socket_is_found_beside_one_that_moves(struct kunit *test)
{
	struct chain *chain = build_chain(test, find_connected_there);

	KUNIT_EXPECT_EQ(test, connect_to(chain->there, HERE), 0);
	KUNIT_EXPECT_EQ(test, connect_to(chain->other, NEXT), 0);
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
