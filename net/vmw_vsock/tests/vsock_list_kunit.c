// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of all sockets of a namespace
 */
#include "vsock_kunit.h"

#define SOCKETS	10

struct dump {
	struct vsock_node cursor;
	struct vsock_sock **vsks;
	int seen[SOCKETS];
	int order[2 * SOCKETS];
	int count;
	int pause_after;
};

static int see(struct sock *sk, void *arg)
{
	struct dump *dump = arg;
	int i;

	if (dump->pause_after && dump->count == dump->pause_after)
		return -EMSGSIZE;

	for (i = 0; i < SOCKETS && sk_vsock(dump->vsks[i]) != sk; i++)
		;
	if (i == SOCKETS || !vsock_list_shows(dump->vsks[i]))
		return 0;

	dump->seen[i]++;
	dump->order[dump->count++] = i;

	return 0;
}

static struct dump *build_dump(struct kunit *test, struct vsock_sock **vsks)
{
	struct dump *dump = kunit_kzalloc(test, sizeof(*dump), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, dump);
	dump->vsks = vsks;

	return dump;
}

static struct vsock_sock **build_list(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vsock_sock **vsks;
	int i;

	vsks = kunit_kmalloc_array(test, SOCKETS, sizeof(*vsks), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vsks);
	for (i = 0; i < SOCKETS; i++) {
		vsks[i] = build_socket(test, scope);
		vsock_list_add(vsks[i]);
	}

	return vsks;
}

static void a_dump_shows_each_socket_once_in_order(struct kunit *test)
{
	struct vsock_sock **vsks = build_list(test);
	struct dump *dump = build_dump(test, vsks);
	int i;

	vsock_list_start(&dump->cursor, &init_net);
	KUNIT_EXPECT_EQ(test, vsock_list_next(&dump->cursor, &init_net, see,
					      dump), 0);
	KUNIT_EXPECT_EQ(test, vsock_list_next(&dump->cursor, &init_net, see,
					      dump), 0);
	vsock_list_stop(&dump->cursor, &init_net);

	KUNIT_EXPECT_EQ(test, dump->count, SOCKETS);
	for (i = 0; i < SOCKETS; i++)
		KUNIT_EXPECT_EQ(test, dump->order[i], i);
}

static void a_dump_goes_on_where_it_paused(struct kunit *test)
{
	struct vsock_sock **vsks = build_list(test);
	struct dump *dump = build_dump(test, vsks);
	int i;

	vsock_list_start(&dump->cursor, &init_net);
	for (dump->pause_after = 1; dump->pause_after < SOCKETS;
	     dump->pause_after++) {
		KUNIT_EXPECT_EQ(test,
				vsock_list_next(&dump->cursor, &init_net, see,
						dump), -EMSGSIZE);
		KUNIT_EXPECT_EQ(test, dump->count, dump->pause_after);
	}
	dump->pause_after = 0;
	KUNIT_EXPECT_EQ(test, vsock_list_next(&dump->cursor, &init_net, see,
					      dump), 0);
	vsock_list_stop(&dump->cursor, &init_net);

	for (i = 0; i < SOCKETS; i++)
		KUNIT_EXPECT_EQ(test, dump->seen[i], 1);
}

/* The one before the cursor, the one that is next, one far off; and new ones. */
static void what_comes_and_goes_disturbs_no_dump(struct kunit *test)
{
	struct vsock_sock **vsks = build_list(test);
	struct dump *dump = build_dump(test, vsks);
	int i;

	dump->pause_after = 4;
	vsock_list_start(&dump->cursor, &init_net);
	vsock_list_next(&dump->cursor, &init_net, see, dump);
	vsock_list_del(vsks[3]);
	vsock_list_del(vsks[4]);
	vsock_list_del(vsks[8]);
	vsock_list_add(build_socket(test, vsks[0]->scope));
	dump->pause_after = 0;
	KUNIT_EXPECT_EQ(test, vsock_list_next(&dump->cursor, &init_net, see,
					      dump), 0);
	vsock_list_stop(&dump->cursor, &init_net);

	for (i = 0; i < SOCKETS; i++)
		KUNIT_EXPECT_EQ(test, dump->seen[i], i != 4 && i != 8);
}

static void dumps_pass_each_other(struct kunit *test)
{
	struct vsock_sock **vsks = build_list(test);
	struct dump *a = build_dump(test, vsks), *b = build_dump(test, vsks);
	int i;

	vsock_list_start(&a->cursor, &init_net);
	a->pause_after = 5;
	vsock_list_next(&a->cursor, &init_net, see, a);
	vsock_list_start(&b->cursor, &init_net);
	b->pause_after = 7;
	vsock_list_next(&b->cursor, &init_net, see, b);
	a->pause_after = 0;
	b->pause_after = 0;
	vsock_list_next(&a->cursor, &init_net, see, a);
	vsock_list_stop(&a->cursor, &init_net);
	vsock_list_next(&b->cursor, &init_net, see, b);
	vsock_list_stop(&b->cursor, &init_net);

	for (i = 0; i < SOCKETS; i++) {
		KUNIT_EXPECT_EQ(test, a->seen[i], 1);
		KUNIT_EXPECT_EQ(test, b->seen[i], 1);
	}
}

static void sockets_without_a_file_are_shown_while_connected(struct kunit *test)
{
	struct vsock_sock **vsks = build_list(test);
	struct dump *dump = build_dump(test, vsks);

	vsks[2]->sk.sk_socket = NULL;
	vsks[6]->sk.sk_socket = NULL;
	vsock_addr_init(&vsks[6]->local_addr, VMADDR_CID_HOST, 1);
	vsock_addr_init(&vsks[6]->remote_addr, 3, 1);
	KUNIT_ASSERT_EQ(test, vsock_insert_connected(vsks[6]), 0);

	vsock_list_start(&dump->cursor, &init_net);
	vsock_list_next(&dump->cursor, &init_net, see, dump);
	vsock_list_stop(&dump->cursor, &init_net);

	KUNIT_EXPECT_EQ(test, dump->seen[2], 0);
	KUNIT_EXPECT_EQ(test, dump->seen[6], 1);
	KUNIT_EXPECT_EQ(test, dump->count, SOCKETS - 1);
}

static void a_socket_leaves_its_list_once(struct kunit *test)
{
	struct vsock_sock *vsk = build_socket(test, build_scope(test));

	vsock_list_del(vsk);
	vsock_list_add(vsk);
	KUNIT_EXPECT_FALSE(test, list_empty(&vsk->node.list));
	vsock_list_del(vsk);
	KUNIT_EXPECT_TRUE(test, list_empty(&vsk->node.list));
	vsock_list_del(vsk);
}

static int calls;

static void count_call(struct sock *sk)
{
	calls++;
	WARN_ON_ONCE(refcount_read(&sk->sk_refcnt) < 2);
}

static void a_transport_calls_its_connected_sockets(struct kunit *test)
{
	static struct vsock_transport mine, other;
	struct net *scope = build_scope(test);
	struct vsock_sock *vsk;
	int i;

	calls = 0;
	for (i = 0; i < 8; i++) {
		vsk = i % 2 ? build_socket(test, scope) :
			      build_peer_of(test, scope, 1, 3, i);
		vsk->transport = i < 6 ? &mine : &other;
		vsock_list_add(vsk);
	}
	vsock_for_each_connected_socket(&mine, count_call);
	KUNIT_EXPECT_EQ(test, calls, 3);
	vsock_remove_connected(vsk);
	vsock_for_each_connected_socket(&other, count_call);
	KUNIT_EXPECT_EQ(test, calls, 4);
}

/* More than are visited under one hold of the lock. */
static void a_transport_calls_all_of_many(struct kunit *test)
{
	static struct vsock_transport mine;
	struct net *scope = build_scope(test);
	struct vsock_sock *vsk;
	int i;

	for (i = 0; i < 1000; i++) {
		vsk = build_peer_of(test, scope, 1, 3, i);
		vsk->transport = &mine;
		vsock_list_add(vsk);
	}
	calls = 0;
	vsock_for_each_connected_socket(&mine, count_call);
	KUNIT_EXPECT_EQ(test, calls, 1000);
}

static struct kunit_case vsock_list_cases[] = {
	KUNIT_CASE(a_dump_shows_each_socket_once_in_order),
	KUNIT_CASE(a_dump_goes_on_where_it_paused),
	KUNIT_CASE(what_comes_and_goes_disturbs_no_dump),
	KUNIT_CASE(dumps_pass_each_other),
	KUNIT_CASE(sockets_without_a_file_are_shown_while_connected),
	KUNIT_CASE(a_socket_leaves_its_list_once),
	KUNIT_CASE(a_transport_calls_its_connected_sockets),
	KUNIT_CASE(a_transport_calls_all_of_many),
	{}
};

static struct kunit_suite vsock_list_suite = {
	.name = "vsock_list",
	.test_cases = vsock_list_cases,
};

kunit_test_suite(vsock_list_suite);
