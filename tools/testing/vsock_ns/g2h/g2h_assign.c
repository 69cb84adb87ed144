// SPDX-License-Identifier: GPL-2.0
/*
 * Assignment of the guest-to-host transport: rights, errors, and which namespaces know
 * of the transport. The virtio transport is loaded without a device, so the program
 * needs a VM to itself. g2h_guest has the tests with a host.
 */
#include <errno.h>
#include <sched.h>
#include <linux/capability.h>

#include "fixture.h"
#include "g2h.h"

#define TRANSPORT "vmw_vsock_virtio_transport"
#define HOST VMADDR_CID_HOST

FIXTURE(g2h_assign)
{
	int ns[NS_COUNT];
	int dev;	/* /dev/vsock, opened in l0 */
};

FIXTURE_SETUP(g2h_assign)
{
	SKIP_IF(cannot_run());
	SKIP_IF(access("/proc/modules", F_OK) ? "kernel without modules" : NULL);
	ASSERT_EQ(0, ns_make(self->ns));
	self->dev = dev_vsock_in(self->ns[L0]);
	ASSERT_LE(0, self->dev);
	if (module_load(TRANSPORT))
		SKIP(return, "cannot load " TRANSPORT);
	errno = 0;
	if (ioctl(self->dev, IOCTL_VM_SOCKETS_ASSIGN_G2H_NETNS) && errno == ENOTTY)
		SKIP(return, "kernel without assignment");
	ASSERT_EQ(0, assign_to(self->ns[INIT]));
}

FIXTURE_TEARDOWN(g2h_assign)
{
	close(self->dev);
	ns_close(self->ns);
	if (module_loaded(TRANSPORT))
		EXPECT_EQ(0, module_unload(TRANSPORT));
}

/* ---- who may ---- */

static int assigns(void *dev)
{
	return -assign_by(*(int *)dev);
}

static int assigns_as_a_user(void *dev)
{
	return become_user() ? 255 : assigns(dev);
}

static int assigns_without_the_capability(void *dev)
{
	return drop_capability(CAP_NET_ADMIN) ? 255 : assigns(dev);
}

static int assigns_as_root_of_a_user_namespace(void *dev)
{
	int own;

	if (become_root_of_a_user_namespace(CLONE_NEWNET))
		return 255;
	own = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
	if (own >= 0 && assign_by(own) != -EPERM)
		return 254;
	return assigns(dev);
}

TEST_F(g2h_assign, root_of_the_machine_may)
{
	EXPECT_EQ(0, assign_by(self->dev));
	EXPECT_EQ(0, assign_by(self->dev));
}

TEST_F(g2h_assign, a_user_may_not)
{
	EXPECT_EQ(EPERM, in_a_child(assigns_as_a_user, &self->dev));
}

TEST_F(g2h_assign, root_without_cap_net_admin_may_not)
{
	EXPECT_EQ(EPERM, in_a_child(assigns_without_the_capability, &self->dev));
}

TEST_F(g2h_assign, root_of_a_user_namespace_may_not_even_with_a_descriptor_of_the_machines_root)
{
	EXPECT_EQ(EPERM, in_a_child(assigns_as_root_of_a_user_namespace, &self->dev));
	EXPECT_EQ(-ENODEV, connect_in(self->ns[INIT], SOCK_STREAM, HOST, PORT));
}

TEST_F(g2h_assign, is_enodev_without_a_transport)
{
	ASSERT_EQ(0, module_unload(TRANSPORT));
	EXPECT_EQ(-ENODEV, assign_by(self->dev));
	EXPECT_EQ(-ENODEV, assign_to(self->ns[INIT]));
}

/* ---- whose it is ---- */

/*
 * Without a device, connect() in the scope of the transport is ENODEV. In other
 * scopes, CID 2 is this machine.
 */
static bool has_it(int ns)
{
	int listener = listen_in(ns, SOCK_STREAM, VMADDR_CID_ANY, PORT);
	int err = connect_in(ns, SOCK_STREAM, HOST, PORT);

	close(listener);
	if (err >= 0)
		close(err);
	return err == -ENODEV;
}

TEST_F(g2h_assign, belongs_to_all_global_namespaces_at_first)
{
	EXPECT_TRUE(has_it(self->ns[INIT]));
	EXPECT_TRUE(has_it(self->ns[G0]));
	EXPECT_EQ(-ENETUNREACH, connect_in(self->ns[L0], SOCK_STREAM, HOST, PORT));
}

TEST_F(g2h_assign, belongs_to_the_namespace_in_which_the_file_was_opened)
{
	ASSERT_EQ(0, assign_by(self->dev));
	EXPECT_TRUE(has_it(self->ns[L0]));
	EXPECT_FALSE(has_it(self->ns[INIT]));
	EXPECT_FALSE(has_it(self->ns[G0]));
	EXPECT_FALSE(has_it(self->ns[L1]));
}

TEST_F(g2h_assign, without_loopback_others_have_no_transport_for_cid_2)
{
	ASSERT_EQ(0, assign_by(self->dev));
	ASSERT_EQ(0, module_unload("vsock_loopback"));
	EXPECT_EQ(-ENODEV, connect_in(self->ns[INIT], SOCK_STREAM, HOST, PORT));
	EXPECT_EQ(-ENODEV, connect_in(self->ns[L1], SOCK_STREAM, HOST, PORT));
	EXPECT_EQ(0, module_load("vsock_loopback"));
}

TEST_F(g2h_assign, moves_to_another_local_namespace)
{
	ASSERT_EQ(0, assign_by(self->dev));
	ASSERT_EQ(0, assign_to(self->ns[L1]));
	EXPECT_TRUE(has_it(self->ns[L1]));
	EXPECT_FALSE(has_it(self->ns[L0]));
	EXPECT_FALSE(has_it(self->ns[INIT]));
}

TEST_F(g2h_assign, is_shared_again_by_a_file_of_any_global_namespace)
{
	ASSERT_EQ(0, assign_by(self->dev));
	ASSERT_EQ(0, assign_to(self->ns[G1]));
	EXPECT_TRUE(has_it(self->ns[INIT]));
	EXPECT_TRUE(has_it(self->ns[G0]));
	EXPECT_EQ(-ENETUNREACH, connect_in(self->ns[L0], SOCK_STREAM, HOST, PORT));
}

TEST_F(g2h_assign, is_shared_again_when_the_transport_is_loaded_again)
{
	ASSERT_EQ(0, assign_by(self->dev));
	ASSERT_EQ(0, module_unload(TRANSPORT));
	ASSERT_EQ(0, module_load(TRANSPORT));
	EXPECT_TRUE(has_it(self->ns[INIT]));
	EXPECT_FALSE(has_it(self->ns[L0]));
}

TEST_F(g2h_assign, is_shared_again_when_the_namespace_ends)
{
	int ns = ns_local(), tries = 200;

	ASSERT_LE(0, ns);
	ASSERT_EQ(0, assign_to(ns));
	ASSERT_FALSE(has_it(self->ns[INIT]));
	close(ns);
	while (!has_it(self->ns[INIT]) && --tries)
		usleep(100000);
	EXPECT_LT(0, tries);
}

TEST_F(g2h_assign, an_open_file_keeps_the_namespace_and_the_assignment)
{
	int ns = ns_local(), dev = dev_vsock_in(ns);

	ASSERT_LE(0, dev);
	close(ns);
	ASSERT_EQ(0, assign_by(dev));
	EXPECT_FALSE(has_it(self->ns[INIT]));
	close(dev);
}

TEST_F_TIMEOUT(g2h_assign, a_thousand_namespaces_have_it_one_after_the_other, 300)
{
	int i;

	for (i = 0; i < 1000; i++) {
		int ns = i % 10 ? self->ns[i % 2 ? L0 : L1] : ns_local();

		ASSERT_LE(0, ns);
		ASSERT_EQ(0, assign_to(ns));
		ASSERT_TRUE(has_it(ns));
		if (i % 10 == 0)
			close(ns);
	}
}

TEST_HARNESS_MAIN
