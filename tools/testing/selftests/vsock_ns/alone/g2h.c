// SPDX-License-Identifier: GPL-2.0
/*
 * A guest-to-host transport without support for scopes serves global namespaces
 * only. The virtio transport is loaded here without a device. CID 2 no longer
 * addresses this machine then, so the program needs a VM to itself.
 */
#include <glob.h>

#include "fixture.h"

#define TRANSPORT "vmw_vsock_virtio_transport"
#define ANY VMADDR_CID_ANY
#define LO VMADDR_CID_LOCAL
#define HOST VMADDR_CID_HOST

#ifndef VMADDR_FLAG_TO_HOST
#define VMADDR_FLAG_TO_HOST 1
#endif

/* A transport without a device serves no socket and can be loaded and unloaded. */
static bool is_guest(void)
{
	glob_t devices;
	bool any = !glob("/sys/bus/virtio/drivers/" TRANSPORT "/virtio*", 0,
			 NULL, &devices);

	globfree(&devices);
	return any;
}

static const char *cannot_start_without(void)
{
	const char *why = cannot_run();

	if (!why)
		why = cannot_make_vms();
	if (!why && is_guest())
		why = "this machine is a guest: CID 2 is its host";
	if (!why && access("/proc/modules", F_OK))
		why = "kernel without modules";
	if (!why)
		module_unload(TRANSPORT);
	return why ? why : cannot_alias_the_host();
}

FIXTURE(g2h)
{
	int ns[NS_COUNT];
	struct pair old;
	struct pair old_alias;
};

FIXTURE_SETUP(g2h)
{
	SKIP_IF(cannot_start_without());
	ASSERT_EQ(0, ns_make(self->ns));
	ASSERT_EQ(0, pair_in(&self->old, self->ns[L0], SOCK_STREAM, LO));
	ASSERT_EQ(0, pair_in(&self->old_alias, self->ns[L0], SOCK_STREAM, HOST));
	if (module_load(TRANSPORT))
		SKIP(return, "cannot load " TRANSPORT);
	if (is_guest())
		SKIP(return, "this machine is a guest: CID 2 is its host");
}

FIXTURE_TEARDOWN(g2h)
{
	ns_close(self->ns);
	if (module_loaded(TRANSPORT))
		EXPECT_EQ(0, module_unload(TRANSPORT));
}

/* ---- CID 2 ---- */

TEST_F(g2h, stream_from_a_local_namespace_to_cid_2_is_unreachable)
{
	int init = listen_in(self->ns[INIT], SOCK_STREAM, ANY, PORT);
	int l0 = listen_in(self->ns[L0], SOCK_STREAM, ANY, PORT);

	EXPECT_EQ(-ENETUNREACH, connect_in(self->ns[L0], SOCK_STREAM, HOST, PORT));
	EXPECT_EQ(-ENETUNREACH, connect_in(self->ns[L1], SOCK_STREAM, HOST, PORT));
	EXPECT_TRUE(quiet(init));
	EXPECT_TRUE(quiet(l0));
}

TEST_F(g2h, seqpacket_from_a_local_namespace_to_cid_2_is_not_supported)
{
	EXPECT_EQ(-ESOCKTNOSUPPORT, connect_in(self->ns[L0], SOCK_SEQPACKET,
					       HOST, PORT));
}

TEST_F(g2h, stream_from_a_global_namespace_to_cid_2_goes_to_the_transport)
{
	EXPECT_EQ(-ENODEV, connect_in(self->ns[INIT], SOCK_STREAM, HOST, PORT));
	EXPECT_EQ(-ENODEV, connect_in(self->ns[G0], SOCK_STREAM, HOST, PORT));
}

TEST_F(g2h, seqpacket_from_a_global_namespace_to_cid_2_goes_to_the_transport)
{
	EXPECT_EQ(-ESOCKTNOSUPPORT, connect_in(self->ns[INIT], SOCK_SEQPACKET,
					       HOST, PORT));
	EXPECT_EQ(-ESOCKTNOSUPPORT, connect_in(self->ns[G0], SOCK_SEQPACKET,
					       HOST, PORT));
}

TEST_F(g2h, socket_of_l0_is_unreachable_from_a_task_in_init_too)
{
	int sock = sock_in(self->ns[L0], SOCK_STREAM);

	EXPECT_EQ(-ENETUNREACH, connect_to(sock, HOST, PORT));
	close(sock);
}

static int connect_by_way_of_the_host(int ns)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = NO_CID,
		.svm_port = PORT,
		.svm_flags = VMADDR_FLAG_TO_HOST,
	};
	int sock = sock_in(ns, SOCK_STREAM);
	int err = connect(sock, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;

	close(sock);
	return err;
}

TEST_F(g2h, flag_to_host_leads_nobody_out_of_a_local_namespace)
{
	EXPECT_EQ(-ENETUNREACH, connect_by_way_of_the_host(self->ns[L0]));
	EXPECT_EQ(-ENODEV, connect_by_way_of_the_host(self->ns[INIT]));
}

TEST_F(g2h, without_vhost_no_cid_leads_out_of_a_local_namespace)
{
	ASSERT_EQ(0, module_unload("vhost_vsock"));
	EXPECT_EQ(-ENETUNREACH, connect_in(self->ns[L0], SOCK_STREAM, NO_CID,
					   PORT));
	EXPECT_EQ(-ENODEV, connect_in(self->ns[INIT], SOCK_STREAM, NO_CID, PORT));
	EXPECT_EQ(0, module_load("vhost_vsock"));
}

/* ---- loopback, VMs and binds stay unchanged ---- */

TEST_F(g2h, leaves_loopback_on_cid_1_as_it_was)
{
	struct pair pair;

	EXPECT_EQ(0, pair_in(&pair, self->ns[INIT], SOCK_STREAM, LO));
	EXPECT_EQ(0, talk(pair.client, pair.server));
	EXPECT_EQ(0, pair_in(&pair, self->ns[INIT], SOCK_SEQPACKET, LO));
	EXPECT_EQ(0, talk(pair.client, pair.server));
	EXPECT_EQ(0, pair_in(&pair, self->ns[L0], SOCK_STREAM, LO));
	EXPECT_EQ(0, talk(pair.client, pair.server));
}

TEST_F(g2h, leaves_seqpacket_within_a_local_namespace_as_it_was)
{
	struct pair pair;

	ASSERT_EQ(0, pair_in(&pair, self->ns[L0], SOCK_SEQPACKET, LO));
	EXPECT_EQ(0, talk(pair.client, pair.server));
}

TEST_F(g2h, leaves_scopes_apart_on_cid_1)
{
	int init = listen_in(self->ns[INIT], SOCK_STREAM, ANY, PORT);

	ASSERT_LE(0, init);
	EXPECT_EQ(-ECONNRESET, connect_in(self->ns[L0], SOCK_STREAM, LO, PORT));
	EXPECT_LE(0, connect_in(self->ns[G0], SOCK_STREAM, LO, PORT));
}

TEST_F(g2h, leaves_old_connections_of_a_local_namespace_as_they_were)
{
	EXPECT_EQ(0, talk(self->old.client, self->old.server));
	EXPECT_EQ(0, talk(self->old_alias.client, self->old_alias.server));
}

TEST_F(g2h, leaves_binds_as_they_were)
{
	int n;

	for (n = INIT; n < NS_COUNT; n += L0) {
		int any = bind_in(self->ns[n], ANY, PORT);

		ASSERT_LE(0, any);
		EXPECT_EQ(-EADDRINUSE, bind_in(self->ns[n], LO, PORT));
		close(any);
		EXPECT_LE(0, bind_in(self->ns[n], LO, PORT));
		EXPECT_LE(0, bind_in(self->ns[n], HOST, PORT));
		EXPECT_EQ(-EADDRNOTAVAIL, bind_in(self->ns[n], NO_CID, PORT));
	}
}

TEST_F(g2h, leaves_cids_of_vms_as_they_were)
{
	ASSERT_LE(0, vm_with_cid(self->ns[INIT], CID));
	EXPECT_LE(0, vm_with_cid(self->ns[L0], CID));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[G0], CID));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[L0], CID));
}

TEST_F(g2h, unloaded_again_gives_cid_2_back)
{
	struct pair pair;

	ASSERT_EQ(0, module_unload(TRANSPORT));
	ASSERT_EQ(0, pair_in(&pair, self->ns[L0], SOCK_STREAM, HOST));
	EXPECT_EQ(0, talk(pair.client, pair.server));
	ASSERT_EQ(0, pair_in(&pair, self->ns[INIT], SOCK_STREAM, HOST));
	EXPECT_EQ(0, talk(pair.client, pair.server));
	EXPECT_EQ(0, talk(self->old_alias.client, self->old_alias.server));
}

TEST_HARNESS_MAIN
