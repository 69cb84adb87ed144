// SPDX-License-Identifier: GPL-2.0
/*
 * VMCI, the one transport with datagrams, does not support scopes, so a local
 * namespace has no datagrams. Loads VMCI, so it needs a VM to itself.
 */
#include "fixture.h"

#define TRANSPORT "vmw_vsock_vmci_transport"

FIXTURE(dgram)
{
	int ns[NS_COUNT];
};

FIXTURE_SETUP(dgram)
{
	SKIP_IF(cannot_run());
	ASSERT_EQ(0, ns_make(self->ns));
	EXPECT_EQ(-ENODEV, sock_in(self->ns[INIT], SOCK_DGRAM));
	EXPECT_EQ(-ENODEV, sock_in(self->ns[L0], SOCK_DGRAM));
	if (module_load(TRANSPORT))
		SKIP(return, "cannot load " TRANSPORT);
}

FIXTURE_TEARDOWN(dgram)
{
	ns_close(self->ns);
	EXPECT_EQ(0, module_unload(TRANSPORT));
}

TEST_F(dgram, sockets_are_for_global_namespaces)
{
	int init = sock_in(self->ns[INIT], SOCK_DGRAM);
	int g0 = sock_in(self->ns[G0], SOCK_DGRAM);

	EXPECT_LE(0, init);
	EXPECT_LE(0, g0);
	close(init);
	close(g0);
}

TEST_F(dgram, sockets_do_not_exist_in_local_namespaces)
{
	EXPECT_EQ(-ENODEV, sock_in(self->ns[L0], SOCK_DGRAM));
	EXPECT_EQ(-ENODEV, sock_in(self->ns[L1], SOCK_DGRAM));
}

TEST_F(dgram, transport_leaves_streams_of_local_namespaces_alone)
{
	struct pair pair;

	ASSERT_EQ(0, pair_in(&pair, self->ns[L0], SOCK_STREAM, VMADDR_CID_LOCAL));
	EXPECT_EQ(0, talk(pair.client, pair.server));
}

TEST_HARNESS_MAIN
