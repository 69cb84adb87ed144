// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of bound sockets
 */
#include "vsock_kunit.h"

#define ANY	VMADDR_CID_ANY
#define PORT	5000

/* Bound to a CID, asked for a CID: is that a match? */
static void bound_is_found_by_cid_or_any(struct kunit *test)
{
	static const struct {
		u32 bound;
		u32 asked;
		bool match;
	} combos[] = {
		{ 1, 1, true }, { 1, 2, false }, { 1, ANY, true },
		{ ANY, 1, true }, { ANY, ANY, true },
	};
	struct net *scope = build_scope(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(combos); i++) {
		struct vsock_sock *vsk = build_socket(test, scope);
		u32 port = PORT + i;

		KUNIT_ASSERT_EQ(test, bind_to(vsk, combos[i].bound, port), 0);
		KUNIT_EXPECT_PTR_EQ_MSG(test,
					find_bound(scope, combos[i].asked, port),
					combos[i].match ? vsk : NULL,
					"case %d", i);
		KUNIT_EXPECT_NULL(test, find_bound(scope, combos[i].asked,
						   port + 1));
	}
}

static void bind_conflicts_where_a_packet_could_mean_both(struct kunit *test)
{
	static const struct {
		u32 first;
		u32 second;
		int err;
	} combos[] = {
		{ 1, 1, -EADDRINUSE }, { 1, ANY, -EADDRINUSE },
		{ ANY, 1, -EADDRINUSE }, { ANY, ANY, -EADDRINUSE },
		{ 1, 2, 0 },
	};
	struct net *scope = build_scope(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(combos); i++) {
		struct vsock_sock *first = build_socket(test, scope);
		struct vsock_sock *second = build_socket(test, scope);
		u32 port = PORT + i;

		KUNIT_ASSERT_EQ(test, bind_to(first, combos[i].first, port), 0);
		KUNIT_EXPECT_EQ_MSG(test,
				    bind_to(second, combos[i].second, port),
				    combos[i].err, "case %d", i);
	}
}

static void a_refused_bind_changes_nothing(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vsock_sock *first = build_socket(test, scope);
	struct vsock_sock *second = build_socket(test, scope);

	KUNIT_ASSERT_EQ(test, bind_to(first, ANY, PORT), 0);
	KUNIT_ASSERT_EQ(test, bind_to(second, 1, PORT), -EADDRINUSE);

	KUNIT_EXPECT_FALSE(test, vsock_addr_bound(&second->local_addr));
	EXPECT_REFS(test, second, 1);
	vsock_remove_bound(second);
	EXPECT_REFS(test, second, 1);
	KUNIT_EXPECT_PTR_EQ(test, find_bound(scope, 1, PORT), first);

	vsock_remove_bound(first);
	KUNIT_EXPECT_EQ(test, bind_to(second, 1, PORT), 0);
	KUNIT_EXPECT_PTR_EQ(test, find_bound(scope, 1, PORT), second);
}

/* With the same hash, too, which is the worst case. */
static void bound_scopes_never_meet(struct kunit *test)
{
	struct net *a = build_scope(test), *b = build_scope(test);
	struct net *c = build_scope(test);
	struct vsock_sock *in_a = build_socket(test, a);
	struct vsock_sock *in_b = build_socket(test, b);

	b->hash_mix = a->hash_mix;
	c->hash_mix = a->hash_mix;
	KUNIT_ASSERT_EQ(test, bind_to(in_a, ANY, PORT), 0);
	KUNIT_ASSERT_EQ(test, bind_to(in_b, ANY, PORT), 0);

	KUNIT_EXPECT_PTR_EQ(test, find_bound(a, 1, PORT), in_a);
	KUNIT_EXPECT_PTR_EQ(test, find_bound(b, 1, PORT), in_b);
	KUNIT_EXPECT_NULL(test, find_bound(c, 1, PORT));
	vsock_remove_bound(in_a);
	KUNIT_EXPECT_NULL(test, find_bound(a, 1, PORT));
	KUNIT_EXPECT_PTR_EQ(test, find_bound(b, 1, PORT), in_b);
}

static void sockets_on_one_port_are_told_apart_by_cid(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vsock_sock *vsks[8];
	int i, gone;

	for (i = 0; i < ARRAY_SIZE(vsks); i++) {
		vsks[i] = build_socket(test, scope);
		KUNIT_ASSERT_EQ(test, bind_to(vsks[i], i, PORT), 0);
	}
	/* The middle of the list, its head, its end. */
	for (gone = 0; gone < ARRAY_SIZE(vsks); gone++) {
		vsock_remove_bound(vsks[(gone * 3 + 4) % ARRAY_SIZE(vsks)]);
		vsks[(gone * 3 + 4) % ARRAY_SIZE(vsks)] = NULL;
		for (i = 0; i < ARRAY_SIZE(vsks); i++)
			KUNIT_EXPECT_PTR_EQ(test, find_bound(scope, i, PORT),
					    vsks[i]);
	}
}

static void bound_sockets_are_referenced_once(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vsock_sock *vsk = build_socket(test, scope);
	struct sockaddr_vm addr;
	struct sock *sk;

	vsock_addr_init(&addr, ANY, PORT);
	EXPECT_REFS(test, vsk, 1);
	KUNIT_ASSERT_EQ(test, bind_to(vsk, ANY, PORT), 0);
	EXPECT_REFS(test, vsk, 2);
	sk = vsock_find_bound_socket(scope, &addr);
	KUNIT_ASSERT_PTR_EQ(test, sk, sk_vsock(vsk));
	EXPECT_REFS(test, vsk, 3);
	sock_put(sk);
	vsock_remove_bound(vsk);
	EXPECT_REFS(test, vsk, 1);
	vsock_remove_bound(vsk);
	EXPECT_REFS(test, vsk, 1);
}

static void a_socket_can_be_bound_again_elsewhere(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vsock_sock *vsk = build_socket(test, scope);

	KUNIT_ASSERT_EQ(test, bind_to(vsk, ANY, PORT), 0);
	vsock_remove_bound(vsk);
	KUNIT_ASSERT_EQ(test, bind_to(vsk, 1, PORT + 1), 0);
	KUNIT_EXPECT_NULL(test, find_bound(scope, ANY, PORT));
	KUNIT_EXPECT_PTR_EQ(test, find_bound(scope, ANY, PORT + 1), vsk);
	KUNIT_EXPECT_EQ(test, vsk->local_addr.svm_cid, 1);
	KUNIT_EXPECT_EQ(test, vsk->local_addr.svm_port, PORT + 1);
}

/* Binds to any port where the next @taken are not free. */
static int bind_beyond(struct kunit *test, int taken, u32 *port)
{
	struct net *scope = build_scope(test);
	struct vsock_sock *vsk = build_socket(test, scope);
	int err;

	KUNIT_ASSERT_EQ(test, bind_to(vsk, ANY, VMADDR_PORT_ANY), 0);
	*port = vsk->local_addr.svm_port;
	KUNIT_EXPECT_GT(test, *port, LAST_RESERVED_PORT);
	while (taken--) {
		*port = vsock_ns_port_from(*port + 1);
		KUNIT_ASSERT_EQ(test, bind_to(build_socket(test, scope), ANY,
					      *port), 0);
	}

	vsk = build_socket(test, scope);
	err = bind_to(vsk, ANY, VMADDR_PORT_ANY);
	if (err) {
		KUNIT_EXPECT_FALSE(test, vsock_addr_bound(&vsk->local_addr));
		EXPECT_REFS(test, vsk, 1);
		*port = 0;
	} else {
		*port = vsk->local_addr.svm_port - *port;
	}

	return err;
}

/* 24 tries, each with the next port. */
static void free_ports_are_looked_for_in_order(struct kunit *test)
{
	u32 distance;

	KUNIT_EXPECT_EQ(test, bind_beyond(test, 0, &distance), 0);
	KUNIT_EXPECT_EQ(test, distance, 1);
	KUNIT_EXPECT_EQ(test, bind_beyond(test, 23, &distance), 0);
	KUNIT_EXPECT_EQ(test, distance, 1);
	KUNIT_EXPECT_EQ(test, bind_beyond(test, 24, &distance),
			-EADDRNOTAVAIL);
}

static void the_search_for_ports_wraps(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, vsock_ns_port_from(0), LAST_RESERVED_PORT + 1);
	KUNIT_EXPECT_EQ(test, vsock_ns_port_from(LAST_RESERVED_PORT),
			LAST_RESERVED_PORT + 1);
	KUNIT_EXPECT_EQ(test, vsock_ns_port_from(LAST_RESERVED_PORT + 1),
			LAST_RESERVED_PORT + 1);
	KUNIT_EXPECT_EQ(test, vsock_ns_port_from(VMADDR_PORT_ANY - 1),
			VMADDR_PORT_ANY - 1);
	KUNIT_EXPECT_EQ(test, vsock_ns_port_from(VMADDR_PORT_ANY),
			LAST_RESERVED_PORT + 1);
}

static void an_entry_without_memory_is_an_error(struct kunit *test)
{
	struct vsock_sock *vsk = kunit_kzalloc(test, sizeof(*vsk), GFP_KERNEL);
	int err;

	KUNIT_ASSERT_NOT_NULL(test, vsk);
	vsk->scope = build_scope(test);
	fail_next_alloc(test);
	err = vsock_table_add(vsk, GFP_ATOMIC | __GFP_NOWARN);
	fail_no_more();

	KUNIT_EXPECT_EQ(test, err, -ENOMEM);
	vsock_table_del(vsk);
}

/* Scopes with the same hash make a chain that no resizing makes shorter. The
 * table gives up on it, as it does when there is no memory.
 */
static void a_bind_that_fails_changes_nothing(struct kunit *test)
{
	struct vsock_sock *vsks[64];
	int i, err = 0;

	for (i = 0; i < ARRAY_SIZE(vsks) && !err; i++) {
		struct net *scope = build_scope(test);

		scope->hash_mix = 1;
		vsks[i] = build_socket(test, scope);
		err = bind_to(vsks[i], ANY, PORT);
	}
	KUNIT_ASSERT_EQ(test, err, -ENOMEM);
	i--;
	KUNIT_EXPECT_FALSE(test, vsock_addr_bound(&vsks[i]->local_addr));
	EXPECT_REFS(test, vsks[i], 1);
	KUNIT_EXPECT_NULL(test, find_bound(vsks[i]->scope, ANY, PORT));
	KUNIT_EXPECT_EQ(test, bind_to(vsks[i], ANY, PORT + 1), 0);
	KUNIT_EXPECT_PTR_EQ(test, find_bound(vsks[i]->scope, ANY, PORT + 1),
			    vsks[i]);
	while (i--)
		KUNIT_EXPECT_PTR_EQ(test,
				    find_bound(vsks[i]->scope, ANY, PORT),
				    vsks[i]);
}

static struct kunit_case vsock_bound_cases[] = {
	KUNIT_CASE(bound_is_found_by_cid_or_any),
	KUNIT_CASE(bind_conflicts_where_a_packet_could_mean_both),
	KUNIT_CASE(a_refused_bind_changes_nothing),
	KUNIT_CASE(bound_scopes_never_meet),
	KUNIT_CASE(sockets_on_one_port_are_told_apart_by_cid),
	KUNIT_CASE(bound_sockets_are_referenced_once),
	KUNIT_CASE(a_socket_can_be_bound_again_elsewhere),
	KUNIT_CASE(free_ports_are_looked_for_in_order),
	KUNIT_CASE(the_search_for_ports_wraps),
	KUNIT_CASE(an_entry_without_memory_is_an_error),
	KUNIT_CASE(a_bind_that_fails_changes_nothing),
	{}
};

static struct kunit_suite vsock_bound_suite = {
	.name = "vsock_bound",
	.test_cases = vsock_bound_cases,
};

kunit_test_suite(vsock_bound_suite);
