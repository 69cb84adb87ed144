// SPDX-License-Identifier: GPL-2.0
/*
 * Reachability over loopback. Two sockets can connect if and only if they have
 * the same scope: the namespace itself if it is local, init if it is global.
 */
#include "fixture.h"

/*
 * Each row names a client and a listener; the fixture says if their scopes are
 * equal. A row runs for both socket types, with CID 1 and with CID 2. CID 2 is
 * this machine too unless the machine is a guest.
 */
#define ROW(fixture, name, from, to)					\
	CASE(fixture, name##_stream_cid1, from, to, SOCK_STREAM, 1);	\
	CASE(fixture, name##_stream_cid2, from, to, SOCK_STREAM, 2);	\
	CASE(fixture, name##_seqpacket_cid1, from, to, SOCK_SEQPACKET, 1); \
	CASE(fixture, name##_seqpacket_cid2, from, to, SOCK_SEQPACKET, 2)

#define CASE(fixture, name, from, to, kind, number)			\
	FIXTURE_VARIANT_ADD(fixture, name)				\
	{								\
		.client = from, .listener = to,				\
		.type = kind, .cid = number,				\
	}

/* ---- one scope ---- */

FIXTURE(one_scope)
{
	int ns[NS_COUNT];
};

FIXTURE_VARIANT(one_scope)
{
	int client;
	int listener;
	int type;
	unsigned int cid;
};

PAIRS_IN_ONE_SCOPE(ROW, one_scope);

NAMESPACES_SETUP(one_scope, cannot_run() ?: cannot_use_cid(variant->cid))

TEST_F(one_scope, connects_and_carries_data_both_ways)
{
	int listener, client, server;

	listener = listen_in(self->ns[variant->listener], variant->type,
			     VMADDR_CID_ANY, PORT);
	ASSERT_LE(0, listener);
	client = connect_in(self->ns[variant->client], variant->type,
			    variant->cid, PORT);
	ASSERT_LE(0, client);
	server = accept_one(listener);
	ASSERT_LE(0, server);
	EXPECT_EQ(0, talk(client, server));
	close(client);
	EXPECT_TRUE(at_end(server));
}

/* ---- two scopes ---- */

FIXTURE(two_scopes)
{
	int ns[NS_COUNT];
};

FIXTURE_VARIANT(two_scopes)
{
	int client;
	int listener;
	int type;
	unsigned int cid;
};

PAIRS_IN_TWO_SCOPES(ROW, two_scopes);

NAMESPACES_SETUP(two_scopes, cannot_run() ?: cannot_use_cid(variant->cid))

TEST_F(two_scopes, are_reset_and_the_listener_sees_nothing)
{
	int listener = listen_in(self->ns[variant->listener], variant->type,
				 VMADDR_CID_ANY, PORT);

	ASSERT_LE(0, listener);
	EXPECT_EQ(-ECONNRESET, connect_in(self->ns[variant->client],
					  variant->type, variant->cid, PORT));
	EXPECT_TRUE(quiet(listener));
}

/* ---- listeners of the same port in several scopes ---- */

FIXTURE(same_port)
{
	int ns[NS_COUNT];
};

NAMESPACES_SETUP(same_port, cannot_run())

TEST_F(same_port, each_scope_reaches_its_own_listener)
{
	int init = listen_in(self->ns[INIT], SOCK_STREAM, VMADDR_CID_ANY, PORT);
	int l0 = listen_in(self->ns[L0], SOCK_STREAM, VMADDR_CID_ANY, PORT);
	int l1 = listen_in(self->ns[L1], SOCK_STREAM, VMADDR_CID_ANY, PORT);

	ASSERT_LE(0, init);
	ASSERT_LE(0, l0);
	ASSERT_LE(0, l1);

	ASSERT_LE(0, connect_in(self->ns[L1], SOCK_STREAM, 1, PORT));
	EXPECT_FALSE(quiet(l1));
	EXPECT_TRUE(quiet(l0));
	EXPECT_TRUE(quiet(init));

	ASSERT_LE(0, connect_in(self->ns[G0], SOCK_STREAM, 1, PORT));
	EXPECT_FALSE(quiet(init));
	EXPECT_TRUE(quiet(l0));
}

TEST_F(same_port, connections_with_equal_addresses_do_not_mix)
{
	int listener[2], client[2], server[2];
	int i;

	/* use equal CIDs and ports on all four sockets */
	for (i = 0; i < 2; i++) {
		listener[i] = listen_in(self->ns[L0 + i], SOCK_STREAM,
					VMADDR_CID_ANY, PORT);
		ASSERT_LE(0, listener[i]);
		client[i] = sock_in(self->ns[L0 + i], SOCK_STREAM);
		ASSERT_EQ(0, bind_to(client[i], VMADDR_CID_ANY, PORT + 1));
		ASSERT_EQ(0, connect_to(client[i], 1, PORT));
		server[i] = accept_one(listener[i]);
		ASSERT_LE(0, server[i]);
	}
	EXPECT_EQ(0, talk(client[0], server[0]));
	EXPECT_EQ(0, talk(client[1], server[1]));
	close(client[0]);
	EXPECT_TRUE(at_end(server[0]));
	EXPECT_EQ(0, talk(client[1], server[1]));
}

/* ---- a CID without a VM ---- */

FIXTURE(nobody)
{
	int ns[NS_COUNT];
};

FIXTURE_VARIANT(nobody)
{
	int client;
};

FIXTURE_VARIANT_ADD(nobody, from_init)
{
	.client = INIT,
};

FIXTURE_VARIANT_ADD(nobody, from_g0)
{
	.client = G0,
};

FIXTURE_VARIANT_ADD(nobody, from_l0)
{
	.client = L0,
};

FIXTURE_SETUP(nobody)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	SKIP_IF(cannot_alias_the_host());
	ASSERT_EQ(0, ns_make(self->ns));
}

NO_TEARDOWN(nobody)

TEST_F(nobody, has_the_cid_stream_ends_with_enodev)
{
	EXPECT_EQ(-ENODEV, connect_in(self->ns[variant->client], SOCK_STREAM,
				      NO_CID, PORT));
}

TEST_F(nobody, has_the_cid_seqpacket_ends_with_esocktnosupport)
{
	EXPECT_EQ(-ESOCKTNOSUPPORT, connect_in(self->ns[variant->client],
					       SOCK_SEQPACKET, NO_CID, PORT));
}

TEST_F(nobody, listens_on_the_port_so_connect_is_reset)
{
	EXPECT_EQ(-ECONNRESET, connect_in(self->ns[variant->client],
					  SOCK_STREAM, VMADDR_CID_LOCAL, PORT));
}

TEST_HARNESS_MAIN
