// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of connected sockets
 */
#include "vsock_kunit.h"

#define LOCAL	1234
#define CID	3
#define PORT	5000

static void connected_is_found_by_peer_and_port(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vsock_sock *vsk = build_peer_of(test, scope, LOCAL, CID, PORT);

	KUNIT_EXPECT_PTR_EQ(test, find_connected(scope, CID, PORT, LOCAL), vsk);
	KUNIT_EXPECT_NULL(test, find_connected(scope, CID + 1, PORT, LOCAL));
	KUNIT_EXPECT_NULL(test, find_connected(scope, CID, PORT + 1, LOCAL));
	KUNIT_EXPECT_NULL(test, find_connected(scope, CID, PORT, LOCAL + 1));
	KUNIT_EXPECT_NULL(test, find_connected(scope, VMADDR_CID_ANY, PORT,
					       LOCAL));
}

static void connected_ignores_the_local_cid(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vsock_sock *vsk = build_peer_of(test, scope, LOCAL, CID, PORT);

	vsk->local_addr.svm_cid = CID + 7;
	KUNIT_EXPECT_PTR_EQ(test, find_connected(scope, CID, PORT, LOCAL), vsk);
}

static void connected_scopes_never_meet(struct kunit *test)
{
	struct net *a = build_scope(test), *b = build_scope(test);
	struct vsock_sock *in_a, *in_b;

	b->hash_mix = a->hash_mix;
	in_a = build_peer_of(test, a, LOCAL, CID, PORT);
	KUNIT_EXPECT_NULL(test, find_connected(b, CID, PORT, LOCAL));
	in_b = build_peer_of(test, b, LOCAL, CID, PORT);
	KUNIT_EXPECT_PTR_EQ(test, find_connected(a, CID, PORT, LOCAL), in_a);
	KUNIT_EXPECT_PTR_EQ(test, find_connected(b, CID, PORT, LOCAL), in_b);
}

static void of_duplicates_the_newest_is_found(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vsock_sock *vsks[3];
	int i;

	for (i = 0; i < ARRAY_SIZE(vsks); i++) {
		vsks[i] = build_peer_of(test, scope, LOCAL, CID, PORT);
		KUNIT_EXPECT_PTR_EQ(test,
				    find_connected(scope, CID, PORT, LOCAL),
				    vsks[i]);
	}
	vsock_remove_connected(vsks[1]);
	KUNIT_EXPECT_PTR_EQ(test, find_connected(scope, CID, PORT, LOCAL),
			    vsks[2]);
	vsock_remove_connected(vsks[2]);
	KUNIT_EXPECT_PTR_EQ(test, find_connected(scope, CID, PORT, LOCAL),
			    vsks[0]);
	vsock_remove_connected(vsks[0]);
	KUNIT_EXPECT_NULL(test, find_connected(scope, CID, PORT, LOCAL));
}

static void connected_sockets_are_referenced_once(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vsock_sock *vsk = build_peer_of(test, scope, LOCAL, CID, PORT);

	EXPECT_REFS(test, vsk, 2);
	KUNIT_EXPECT_TRUE(test, vsock_is_connected(vsk));
	KUNIT_EXPECT_PTR_EQ(test, find_connected(scope, CID, PORT, LOCAL), vsk);
	EXPECT_REFS(test, vsk, 2);
	vsock_remove_connected(vsk);
	EXPECT_REFS(test, vsk, 1);
	KUNIT_EXPECT_FALSE(test, vsock_is_connected(vsk));
	vsock_remove_connected(vsk);
	EXPECT_REFS(test, vsk, 1);
}

/* A client that autobound: bound stays when connected goes. */
static void the_two_tables_do_not_mind_each_other(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vsock_sock *vsk = build_socket(test, scope);

	KUNIT_ASSERT_EQ(test, bind_to(vsk, VMADDR_CID_ANY, LOCAL), 0);
	vsock_addr_init(&vsk->remote_addr, CID, PORT);
	KUNIT_ASSERT_EQ(test, vsock_insert_connected(vsk), 0);
	EXPECT_REFS(test, vsk, 3);
	KUNIT_EXPECT_PTR_EQ(test, find_bound(scope, 1, LOCAL), vsk);
	vsock_remove_connected(vsk);
	KUNIT_EXPECT_NULL(test, find_connected(scope, CID, PORT, LOCAL));
	KUNIT_EXPECT_PTR_EQ(test, find_bound(scope, 1, LOCAL), vsk);

	vsock_addr_init(&vsk->remote_addr, CID + 1, PORT);
	KUNIT_ASSERT_EQ(test, vsock_insert_connected(vsk), 0);
	vsock_remove_bound(vsk);
	KUNIT_EXPECT_NULL(test, find_bound(scope, 1, LOCAL));
	KUNIT_EXPECT_NULL(test, find_connected(scope, CID, PORT, LOCAL));
	KUNIT_EXPECT_PTR_EQ(test, find_connected(scope, CID + 1, PORT, LOCAL),
			    vsk);
}

/* Entries are used again at once: nothing of the old socket may be left. */
static void a_new_socket_inherits_no_key(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vsock_sock *vsk;
	int i;

	for (i = 0; i < 100; i++) {
		vsk = build_peer_of(test, scope, LOCAL, CID, PORT);
		KUNIT_ASSERT_EQ(test, bind_to(vsk, VMADDR_CID_ANY, LOCAL), 0);
		vsock_remove_connected(vsk);
		vsock_remove_bound(vsk);
		vsock_table_del(vsk);
		KUNIT_ASSERT_EQ(test, vsock_table_add(vsk, GFP_KERNEL), 0);
		KUNIT_EXPECT_NULL(test,
				  find_connected(scope, CID, PORT, LOCAL));
		KUNIT_EXPECT_NULL(test, find_bound(scope, 1, LOCAL));
	}
}

/* As with binding, see vsock_bound_kunit.c. */
static void an_insertion_that_fails_changes_nothing(struct kunit *test)
{
	struct vsock_sock *vsks[64];
	int i, err = 0;

	for (i = 0; i < ARRAY_SIZE(vsks) && !err; i++) {
		struct net *scope = build_scope(test);

		scope->hash_mix = 1;
		vsks[i] = build_socket(test, scope);
		vsock_addr_init(&vsks[i]->local_addr, VMADDR_CID_HOST, LOCAL);
		vsock_addr_init(&vsks[i]->remote_addr, CID, PORT);
		err = vsock_insert_connected(vsks[i]);
	}
	KUNIT_ASSERT_EQ(test, err, -ENOMEM);
	i--;
	KUNIT_EXPECT_FALSE(test, vsock_is_connected(vsks[i]));
	EXPECT_REFS(test, vsks[i], 1);
	KUNIT_EXPECT_NULL(test,
			  find_connected(vsks[i]->scope, CID, PORT, LOCAL));
	vsks[i]->remote_addr.svm_port++;
	KUNIT_EXPECT_EQ(test, vsock_insert_connected(vsks[i]), 0);
	KUNIT_EXPECT_PTR_EQ(test,
			    find_connected(vsks[i]->scope, CID, PORT + 1,
					   LOCAL), vsks[i]);
	while (i--)
		KUNIT_EXPECT_PTR_EQ(test,
				    find_connected(vsks[i]->scope, CID, PORT,
						   LOCAL), vsks[i]);
}

/* Up to eight times the least size and back. */
static void many_connections_are_all_found(struct kunit *test)
{
	struct net *scope = build_scope(test);
	int i, round, count = 4096;
	struct vsock_sock **vsks;

	vsks = kunit_kmalloc_array(test, count, sizeof(*vsks), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vsks);
	for (i = 0; i < count; i++)
		vsks[i] = build_peer_of(test, scope, LOCAL, CID, i);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < count; i++)
			KUNIT_EXPECT_PTR_EQ(test,
					    find_connected(scope, CID, i, LOCAL),
					    round && i % 16 ? NULL : vsks[i]);
		for (i = 0; i < count && !round; i++)
			if (i % 16)
				vsock_remove_connected(vsks[i]);
		/* Lets the table shrink. */
		schedule_timeout_uninterruptible(HZ / 10);
	}
}

static struct kunit_case vsock_connected_cases[] = {
	KUNIT_CASE(connected_is_found_by_peer_and_port),
	KUNIT_CASE(connected_ignores_the_local_cid),
	KUNIT_CASE(connected_scopes_never_meet),
	KUNIT_CASE(of_duplicates_the_newest_is_found),
	KUNIT_CASE(connected_sockets_are_referenced_once),
	KUNIT_CASE(the_two_tables_do_not_mind_each_other),
	KUNIT_CASE(a_new_socket_inherits_no_key),
	KUNIT_CASE(an_insertion_that_fails_changes_nothing),
	KUNIT_CASE(many_connections_are_all_found),
	{}
};

static struct kunit_suite vsock_connected_suite = {
	.name = "vsock_connected",
	.test_cases = vsock_connected_cases,
};

kunit_test_suite(vsock_connected_suite);
