// SPDX-License-Identifier: GPL-2.0
/*
 * bind(2): ports are assigned per scope and counted per namespace.
 */
#include <sched.h>
#include <linux/capability.h>

#include "fixture.h"

#define ANY VMADDR_CID_ANY
#define LO VMADDR_CID_LOCAL
#define LOW_PORT 1023

/* Two binds to one port: namespace and CID of the first, then of the second */
#define CIDS(fixture, name, a, b)					\
	CASE(fixture, name##_any_any, a, ANY, b, ANY);			\
	CASE(fixture, name##_any_1, a, ANY, b, LO);			\
	CASE(fixture, name##_1_any, a, LO, b, ANY);			\
	CASE(fixture, name##_1_1, a, LO, b, LO)

#define CASE(fixture, name, a, cid_a, b, cid_b)				\
	FIXTURE_VARIANT_ADD(fixture, name)				\
	{								\
		.first = a, .first_cid = cid_a,				\
		.second = b, .second_cid = cid_b,			\
	}

/* ---- conflicts ---- */

FIXTURE(one_scope)
{
	int ns[NS_COUNT];
};

FIXTURE_VARIANT(one_scope)
{
	int first;
	unsigned int first_cid;
	int second;
	unsigned int second_cid;
};

PAIRS_IN_ONE_SCOPE(CIDS, one_scope);

NAMESPACES_SETUP(one_scope, cannot_run())

TEST_F(one_scope, refuses_a_port_that_is_taken_until_it_is_free)
{
	int first = bind_in(self->ns[variant->first], variant->first_cid, PORT);

	ASSERT_LE(0, first);
	EXPECT_EQ(-EADDRINUSE, bind_in(self->ns[variant->second],
				       variant->second_cid, PORT));
	close(first);
	EXPECT_LE(0, bind_in(self->ns[variant->second], variant->second_cid,
			     PORT));
}

FIXTURE(two_scopes)
{
	int ns[NS_COUNT];
};

FIXTURE_VARIANT(two_scopes)
{
	int first;
	unsigned int first_cid;
	int second;
	unsigned int second_cid;
};

PAIRS_IN_TWO_SCOPES(CIDS, two_scopes);

NAMESPACES_SETUP(two_scopes, cannot_run())

TEST_F(two_scopes, have_the_same_port_each)
{
	ASSERT_LE(0, bind_in(self->ns[variant->first], variant->first_cid, PORT));
	EXPECT_LE(0, bind_in(self->ns[variant->second], variant->second_cid,
			     PORT));
	EXPECT_EQ(-EADDRINUSE, bind_in(self->ns[variant->first],
				       variant->first_cid, PORT));
}

FIXTURE(bind)
{
	int ns[NS_COUNT];
};

NAMESPACES_SETUP(bind, cannot_run())

TEST_F(bind, cid_that_is_not_this_machines_is_not_available)
{
	EXPECT_EQ(-EADDRNOTAVAIL, bind_in(self->ns[INIT], NO_CID, PORT));
	EXPECT_EQ(-EADDRNOTAVAIL, bind_in(self->ns[G0], NO_CID, PORT));
	EXPECT_EQ(-EADDRNOTAVAIL, bind_in(self->ns[L0], NO_CID, PORT));
	EXPECT_EQ(-EADDRNOTAVAIL, bind_in(self->ns[L0], 0, PORT));
}

TEST_F(bind, cid_of_a_vm_is_not_available)
{
	SKIP_IF(cannot_make_vms());
	ASSERT_LE(0, vm_with_cid(self->ns[INIT], CID));
	ASSERT_LE(0, vm_with_cid(self->ns[L0], CID));
	EXPECT_EQ(-EADDRNOTAVAIL, bind_in(self->ns[INIT], CID, PORT));
	EXPECT_EQ(-EADDRNOTAVAIL, bind_in(self->ns[L0], CID, PORT));
}

TEST_F(bind, cid_2_is_available_everywhere_and_is_not_cid_1)
{
	SKIP_IF(cannot_make_vms());
	ASSERT_LE(0, bind_in(self->ns[INIT], VMADDR_CID_HOST, PORT));
	EXPECT_LE(0, bind_in(self->ns[INIT], LO, PORT));
	ASSERT_LE(0, bind_in(self->ns[L0], VMADDR_CID_HOST, PORT));
	EXPECT_LE(0, bind_in(self->ns[L0], LO, PORT));
	EXPECT_EQ(-EADDRINUSE, bind_in(self->ns[L0], VMADDR_CID_HOST, PORT));
	EXPECT_EQ(-EADDRINUSE, bind_in(self->ns[L0], ANY, PORT));
}

TEST_F(bind, port_of_a_listener_is_taken_in_its_scope_alone)
{
	ASSERT_LE(0, listen_in(self->ns[L0], SOCK_STREAM, ANY, PORT));
	EXPECT_EQ(-EADDRINUSE, bind_in(self->ns[L0], ANY, PORT));
	EXPECT_LE(0, bind_in(self->ns[L1], ANY, PORT));
	EXPECT_LE(0, bind_in(self->ns[G0], ANY, PORT));
	EXPECT_EQ(-EADDRINUSE, bind_in(self->ns[INIT], ANY, PORT));
}

TEST_F(bind, stream_and_seqpacket_share_the_ports_of_a_scope)
{
	int packets = sock_in(self->ns[L0], SOCK_SEQPACKET);
	int packets_elsewhere = sock_in(self->ns[L1], SOCK_SEQPACKET);

	ASSERT_LE(0, bind_in(self->ns[L0], ANY, PORT));
	EXPECT_EQ(-EADDRINUSE, bind_to(packets, ANY, PORT));
	EXPECT_EQ(0, bind_to(packets_elsewhere, ANY, PORT));
}

TEST_F(bind, socket_of_l0_binds_in_l0_wherever_its_task_is)
{
	int sock = sock_in(self->ns[L0], SOCK_STREAM);

	ASSERT_LE(0, bind_in(self->ns[G0], ANY, PORT));
	ASSERT_EQ(0, ns_enter(self->ns[G0]));
	EXPECT_EQ(0, bind_to(sock, ANY, PORT));
	EXPECT_EQ(-EADDRINUSE, bind_in(self->ns[L0], ANY, PORT));
}

/* ---- VMADDR_PORT_ANY ---- */

static long long some_port_in(int ns)
{
	int sock = bind_in(ns, ANY, VMADDR_PORT_ANY);

	return sock < 0 ? sock : port_of(sock);
}

static bool near(long long a, long long b)
{
	return llabs(a - b) < 1000;
}

TEST_F(bind, any_port_is_free_and_not_reserved)
{
	EXPECT_LE(1024, some_port_in(self->ns[INIT]));
	EXPECT_LE(1024, some_port_in(self->ns[G0]));
	EXPECT_LE(1024, some_port_in(self->ns[L0]));
}

TEST_F(bind, any_port_counts_up_in_a_namespace)
{
	long long first = some_port_in(self->ns[L0]);

	ASSERT_LE(1024, first);
	EXPECT_EQ(first + 1, some_port_in(self->ns[L0]));
	EXPECT_EQ(first + 2, some_port_in(self->ns[L0]));
}

TEST_F(bind, any_port_skips_the_one_that_is_taken)
{
	long long first = some_port_in(self->ns[L0]);

	ASSERT_LE(1024, first);
	ASSERT_LE(0, bind_in(self->ns[L0], ANY, first + 1));
	EXPECT_EQ(first + 2, some_port_in(self->ns[L0]));
}

TEST_F(bind, any_port_skips_the_one_that_another_of_its_scope_has)
{
	long long first = some_port_in(self->ns[G0]);

	ASSERT_LE(1024, first);
	ASSERT_LE(0, bind_in(self->ns[G1], ANY, first + 1));
	EXPECT_EQ(first + 2, some_port_in(self->ns[G0]));
}

TEST_F(bind, any_port_does_not_skip_what_another_scope_has)
{
	long long first = some_port_in(self->ns[L0]);

	ASSERT_LE(1024, first);
	ASSERT_LE(0, bind_in(self->ns[L1], ANY, first + 1));
	ASSERT_LE(0, bind_in(self->ns[INIT], ANY, first + 1));
	EXPECT_EQ(first + 1, some_port_in(self->ns[L0]));
}

TEST_F(bind, any_port_of_init_does_not_tell_how_busy_others_are)
{
	long long before = some_port_in(self->ns[INIT]);
	int i;

	ASSERT_LE(1024, before);
	for (i = 0; i < 100; i++) {
		ASSERT_LE(1024, some_port_in(self->ns[L0]));
		ASSERT_LE(1024, some_port_in(self->ns[G0]));
	}
	EXPECT_EQ(before + 1, some_port_in(self->ns[INIT]));
}

TEST_F(bind, any_port_of_a_namespace_does_not_tell_how_busy_init_is)
{
	long long l0 = some_port_in(self->ns[L0]);
	long long l1 = some_port_in(self->ns[L1]);
	long long g0 = some_port_in(self->ns[G0]);
	int i;

	for (i = 0; i < 100; i++)
		ASSERT_LE(1024, some_port_in(self->ns[INIT]));
	EXPECT_EQ(l0 + 1, some_port_in(self->ns[L0]));
	EXPECT_EQ(l1 + 1, some_port_in(self->ns[L1]));
	EXPECT_EQ(g0 + 1, some_port_in(self->ns[G0]));
}

TEST_F(bind, any_port_of_a_client_is_counted_per_namespace_too)
{
	int listener = listen_in(self->ns[L0], SOCK_STREAM, ANY, PORT);
	long long before = some_port_in(self->ns[INIT]);
	long long first;

	ASSERT_LE(0, listener);
	first = port_of(connect_in(self->ns[L0], SOCK_STREAM, LO, PORT));
	ASSERT_LE(1024, first);
	EXPECT_EQ(first + 1, port_of(connect_in(self->ns[L0], SOCK_STREAM, LO,
						PORT)));
	EXPECT_EQ(before + 1, some_port_in(self->ns[INIT]));
}

TEST_F(bind, any_port_starts_far_from_every_other_namespaces)
{
	long long port[9];
	int i, j;

	port[0] = some_port_in(self->ns[INIT]);
	for (i = 1; i < 9; i++)
		port[i] = some_port_in(i % 2 ? ns_local() : ns_global());
	for (i = 0; i < 9; i++) {
		ASSERT_LE(1024, port[i]);
		for (j = 0; j < i; j++)
			EXPECT_FALSE(near(port[i], port[j]));
	}
}

/* ---- privileged ports ---- */

TEST_F(bind, low_port_is_for_root_in_every_namespace)
{
	int i;

	for (i = INIT; i < NS_COUNT; i++) {
		int sock = bind_in(self->ns[i], ANY, LOW_PORT);

		EXPECT_LE(0, sock);
		close(sock);
	}
}

/* Bind a low port in *ns as an unprivileged user; returns the errno as exit status. */
static int user_binds_in(void *ns)
{
	int sock = sock_in(*(int *)ns, SOCK_STREAM);

	if (sock < 0 || become_user())
		return 100;
	return -bind_to(sock, ANY, LOW_PORT);
}

TEST_F(bind, low_port_is_not_for_users)
{
	EXPECT_EQ(EACCES, in_a_child(user_binds_in, &self->ns[INIT]));
	EXPECT_EQ(EACCES, in_a_child(user_binds_in, &self->ns[G0]));
	EXPECT_EQ(EACCES, in_a_child(user_binds_in, &self->ns[L0]));
}

/* The same as root of a user namespace that does not own *ns. */
static int foreign_root_binds_in(void *ns)
{
	int sock = sock_in(*(int *)ns, SOCK_STREAM);

	if (sock < 0 || become_root_of_a_user_namespace(CLONE_NEWNET))
		return 100;
	return -bind_to(sock, ANY, LOW_PORT);
}

TEST_F(bind, low_port_is_not_for_the_root_of_another_user_namespace)
{
	EXPECT_EQ(EACCES, in_a_child(foreign_root_binds_in, &self->ns[INIT]));
	EXPECT_EQ(EACCES, in_a_child(foreign_root_binds_in, &self->ns[L0]));
}

static int own_root_binds_in_a(void *mode)
{
	int ns;

	if (become_root_of_a_user_namespace(CLONE_NEWNET))
		return 100;
	if (choose_for_children(ns_here(), *(enum mode *)mode))
		return 101;
	ns = ns_child_of(ns_here());
	return -bind_to(sock_in(ns, SOCK_STREAM), ANY, LOW_PORT);
}

TEST_F(bind, low_port_of_a_local_namespace_is_for_the_root_that_owns_it)
{
	enum mode local = LOCAL, global = GLOBAL;

	EXPECT_EQ(0, in_a_child(own_root_binds_in_a, &local));
	EXPECT_EQ(EACCES, in_a_child(own_root_binds_in_a, &global));
}

/* Root of the owning user namespace, but without CAP_NET_BIND_SERVICE. */
static int own_root_binds_without_capability(void *unused)
{
	int ns;

	(void)unused;
	if (become_root_of_a_user_namespace(CLONE_NEWNET) ||
	    choose_for_children(ns_here(), LOCAL))
		return 100;
	ns = ns_child_of(ns_here());
	if (drop_capability(CAP_NET_BIND_SERVICE))
		return 101;
	return -bind_to(sock_in(ns, SOCK_STREAM), ANY, LOW_PORT);
}

TEST_F(bind, low_port_wants_the_capability_even_there)
{
	EXPECT_EQ(EACCES, in_a_child(own_root_binds_without_capability, NULL));
}

TEST_HARNESS_MAIN
