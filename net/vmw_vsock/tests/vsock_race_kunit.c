// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lookups while the tables change, on two CPUs
 *
 * Run with KASAN, PROVE_RCU and lockdep. The results that a reader may get are
 * exact; only the number of times that the two sides meet is random.
 */
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include "vsock_kunit.h"

#define LOCAL	1234
#define CID	3
#define POOL	16
#define ROUNDS	3000

struct race {
	struct net *scope;
	struct vsock_sock *vsks[POOL];
	struct vsock_sock *rival;
	atomic_t round;
	atomic_t done;
	atomic_t won;
	long missed;
	long wrong;
	long found;
};

static struct race *build_race(struct kunit *test)
{
	struct race *race;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	race->scope = build_scope(test);

	return race;
}

static struct task_struct *start(struct kunit *test, int (*fn)(void *),
				 struct race *race)
{
	struct task_struct *task = kthread_run(fn, race, "vsock_kunit");

	KUNIT_ASSERT_FALSE(test, IS_ERR(task));

	return task;
}

static void look(struct race *race, bool must)
{
	struct vsock_sock *vsk;
	int i;

	for (i = 0; i < POOL; i++) {
		vsk = find_connected(race->scope, CID, i, LOCAL + i);
		race->found += !!vsk;
		race->missed += must && !vsk;
		race->wrong += vsk && vsk != race->vsks[i];
		vsk = find_bound(race->scope, 1, LOCAL + i);
		race->found += !!vsk;
		race->missed += must && !vsk;
		race->wrong += vsk && vsk != race->vsks[i];
	}
}

static int look_for_all(void *data)
{
	while (!kthread_should_stop()) {
		look(data, true);
		cond_resched();
	}
	return 0;
}

static int look_for_some(void *data)
{
	while (!kthread_should_stop()) {
		look(data, false);
		cond_resched();
	}
	return 0;
}

static void build_pool(struct kunit *test, struct race *race)
{
	int i;

	for (i = 0; i < POOL; i++) {
		race->vsks[i] = build_peer_of(test, race->scope, LOCAL + i,
					      CID, i);
		KUNIT_ASSERT_EQ(test, bind_to(race->vsks[i], VMADDR_CID_ANY,
					      LOCAL + i), 0);
	}
}

static void growth_and_shrink_hide_nobody(struct kunit *test)
{
	struct race *race = build_race(test);
	int i, round, count = 4000;
	struct vsock_sock **vsks;
	struct task_struct *task;

	vsks = kunit_kmalloc_array(test, count, sizeof(*vsks), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vsks);
	for (i = 0; i < count; i++) {
		vsks[i] = build_socket(test, race->scope);
		vsock_addr_init(&vsks[i]->remote_addr, CID + 1, i);
	}
	build_pool(test, race);

	task = start(test, look_for_all, race);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < count; i++) {
			KUNIT_EXPECT_EQ(test,
					bind_to(vsks[i], VMADDR_CID_ANY,
						2 * LOCAL + i), 0);
			KUNIT_EXPECT_EQ(test, vsock_insert_connected(vsks[i]),
					0);
			cond_resched();
		}
		for (i = 0; i < count; i++) {
			vsock_remove_connected(vsks[i]);
			vsock_remove_bound(vsks[i]);
			cond_resched();
		}
		schedule_timeout_uninterruptible(HZ / 5);
	}
	kthread_stop(task);

	KUNIT_EXPECT_EQ(test, race->missed, 0);
	KUNIT_EXPECT_EQ(test, race->wrong, 0);
	KUNIT_EXPECT_GT(test, race->found, 0);
}

static void put_in(struct kunit *test, struct race *race, int i)
{
	KUNIT_EXPECT_EQ(test, vsock_table_add(race->vsks[i], GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, bind_to(race->vsks[i], VMADDR_CID_ANY,
				      LOCAL + i), 0);
	KUNIT_EXPECT_EQ(test, vsock_insert_connected(race->vsks[i]), 0);
}

static void take_out(struct race *race, int i)
{
	vsock_remove_connected(race->vsks[i]);
	vsock_remove_bound(race->vsks[i]);
	vsock_table_del(race->vsks[i]);
}

/* The entry that was freed last is the next to be used, as a rule: two sockets
 * swap theirs, under the eyes of the reader.
 */
static void a_recycled_entry_is_not_mistaken(struct kunit *test)
{
	struct race *race = build_race(test);
	struct task_struct *task;
	int i, round;

	build_pool(test, race);
	task = start(test, look_for_some, race);
	for (round = 0; round < 5 * ROUNDS; round++) {
		i = round % (POOL - 1);
		take_out(race, i);
		take_out(race, i + 1);
		put_in(test, race, i);
		put_in(test, race, i + 1);
		cond_resched();
	}
	kthread_stop(task);

	KUNIT_EXPECT_EQ(test, race->wrong, 0);
	KUNIT_EXPECT_GT(test, race->found, 0);
	for (i = 0; i < POOL; i++)
		EXPECT_REFS(test, race->vsks[i], 3);
}

static void await(const atomic_t *counter, int value)
{
	while (atomic_read(counter) < value && !kthread_should_stop())
		cond_resched();
}

static int bind_as_rival(void *data)
{
	struct race *race = data;
	int i;

	for (i = 1; i <= ROUNDS; i++) {
		await(&race->round, i);
		if (!bind_to(race->rival, 1, LOCAL + i))
			atomic_inc(&race->won);
		atomic_inc(&race->done);
	}
	while (!kthread_should_stop())
		schedule_timeout_uninterruptible(1);

	return 0;
}

static void one_of_two_binds_wins(struct kunit *test)
{
	struct race *race = build_race(test);
	struct vsock_sock *vsk = build_socket(test, race->scope);
	struct task_struct *task;
	int i;

	race->rival = build_socket(test, race->scope);
	task = start(test, bind_as_rival, race);
	for (i = 1; i <= ROUNDS; i++) {
		atomic_set(&race->won, 0);
		atomic_set(&race->round, i);
		if (!bind_to(vsk, VMADDR_CID_ANY, LOCAL + i))
			atomic_inc(&race->won);
		while (atomic_read(&race->done) < i)
			cond_resched();
		KUNIT_EXPECT_EQ(test, atomic_read(&race->won), 1);
		vsock_remove_bound(vsk);
		vsock_remove_bound(race->rival);
	}
	kthread_stop(task);
}

static int churn_list(void *data)
{
	struct race *race = data;

	while (!kthread_should_stop()) {
		vsock_list_add(race->rival);
		vsock_list_del(race->rival);
		race->found++;
		cond_resched();
	}
	return 0;
}

static int count_pool(struct sock *sk, void *arg)
{
	struct race *race = arg;
	int i;

	for (i = 0; i < POOL; i++)
		race->wrong += sk_vsock(race->vsks[i]) == sk;

	return 0;
}

static void a_dump_counts_right_while_sockets_come_and_go(struct kunit *test)
{
	struct race *race = build_race(test);
	struct vsock_node *cursor;
	struct task_struct *task;
	int i;

	cursor = kunit_kzalloc(test, sizeof(*cursor), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, cursor);
	build_pool(test, race);
	for (i = 0; i < POOL; i++)
		vsock_list_add(race->vsks[i]);
	race->rival = build_socket(test, race->scope);
	task = start(test, churn_list, race);
	for (i = 0; i < ROUNDS; i++) {
		race->wrong = 0;
		vsock_list_start(cursor, &init_net);
		KUNIT_EXPECT_EQ(test, vsock_list_next(cursor, &init_net,
						      count_pool, race), 0);
		vsock_list_stop(cursor, &init_net);
		KUNIT_EXPECT_EQ(test, race->wrong, POOL);
		cond_resched();
	}
	kthread_stop(task);
	KUNIT_EXPECT_GT(test, race->found, 0);
}

static struct kunit_case vsock_race_cases[] = {
	KUNIT_CASE_SLOW(growth_and_shrink_hide_nobody),
	KUNIT_CASE_SLOW(a_recycled_entry_is_not_mistaken),
	KUNIT_CASE_SLOW(one_of_two_binds_wins),
	KUNIT_CASE_SLOW(a_dump_counts_right_while_sockets_come_and_go),
	{}
};

static struct kunit_suite vsock_race_suite = {
	.name = "vsock_race",
	.test_cases = vsock_race_cases,
};

kunit_test_suite(vsock_race_suite);
