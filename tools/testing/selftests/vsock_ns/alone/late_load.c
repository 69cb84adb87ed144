// SPDX-License-Identifier: GPL-2.0
/*
 * The modules are loaded after namespaces exist, so no parent could have chosen
 * a mode for them. Unloads the modules for the whole machine, so the program
 * needs a VM to itself.
 */
#include "fixture.h"

/* In load order: each needs some of the modules before it. */
static const char * const modules[] = {
	"vsock", "vmw_vsock_virtio_transport_common", "vsock_loopback",
	"vhost_vsock", "vsock_diag",
};

static int unload_all(void)
{
	int err, i;

	for (i = ARRAY_SIZE(modules) - 1; i >= 0; i--) {
		err = module_unload(modules[i]);
		if (err && err != -ENOENT)
			return err;
	}
	return 0;
}

static int load_all(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modules); i++)
		if (module_load(modules[i]))
			return -ENOENT;
	return 0;
}

FIXTURE(late_load)
{
	int init;
	int ns;
	int child;
};

FIXTURE_SETUP(late_load)
{
	SKIP_IF(cannot_run());
	if (unload_all()) {
		load_all();
		SKIP(return, "the modules are in use or built in");
	}
	self->init = ns_here();
	self->ns = ns_global();
	ASSERT_LE(0, self->ns);
	self->child = ns_child_of(self->ns);
	ASSERT_LE(0, self->child);
}

FIXTURE_TEARDOWN(late_load)
{
	close(self->init);
	close(self->ns);
	close(self->child);
	EXPECT_EQ(0, load_all());
}

TEST_F(late_load, finds_namespaces_and_makes_them_global)
{
	ASSERT_EQ(0, load_all());
	EXPECT_EQ(GLOBAL, mode_of(self->init));
	EXPECT_EQ(GLOBAL, child_mode_of(self->init));
	EXPECT_EQ(GLOBAL, mode_of(self->ns));
	EXPECT_EQ(GLOBAL, child_mode_of(self->ns));
	EXPECT_EQ(GLOBAL, mode_of(self->child));
	EXPECT_EQ(GLOBAL, child_mode_of(self->child));
}

TEST_F(late_load, from_within_a_namespace_makes_it_and_all_others_global)
{
	int back = ns_here();

	ASSERT_EQ(0, ns_enter(self->ns));
	ASSERT_EQ(0, load_all());
	ASSERT_EQ(0, ns_enter(back));
	EXPECT_EQ(GLOBAL, mode_of(self->init));
	EXPECT_EQ(GLOBAL, mode_of(self->ns));
	EXPECT_EQ(GLOBAL, mode_of(self->child));
}

TEST_F(late_load, leaves_the_choice_to_namespaces_that_it_finds)
{
	int grandchild;

	ASSERT_EQ(0, load_all());
	EXPECT_EQ(0, choose_for_children(self->child, LOCAL));
	EXPECT_EQ(0, choose_for_children(self->ns, GLOBAL));
	EXPECT_EQ(-EBUSY, choose_for_children(self->ns, LOCAL));
	grandchild = ns_child_of(self->child);
	EXPECT_EQ(LOCAL, mode_of(grandchild));
	EXPECT_EQ(GLOBAL, mode_of(self->child));
}

/* The modules cannot be unloaded then, or the next load finds the modes. */
TEST_F(late_load, after_an_unload_leaves_local_namespaces_closed)
{
	int local;

	ASSERT_EQ(0, load_all());
	ASSERT_EQ(0, choose_for_children(self->child, LOCAL));
	local = ns_child_of(self->child);
	ASSERT_EQ(LOCAL, mode_of(local));

	if (!unload_all())
		ASSERT_EQ(0, load_all());

	EXPECT_EQ(LOCAL, mode_of(local));
	EXPECT_EQ(LOCAL, child_mode_of(self->child));
	EXPECT_EQ(-EBUSY, choose_for_children(self->child, GLOBAL));
	EXPECT_EQ(LOCAL, mode_of(ns_child_of(self->child)));
	EXPECT_EQ(GLOBAL, mode_of(self->child));
}

TEST_F(late_load, connects_namespaces_that_it_finds)
{
	int listener;

	ASSERT_EQ(0, load_all());
	listener = listen_in(self->ns, SOCK_STREAM, VMADDR_CID_ANY, PORT);
	ASSERT_LE(0, listener);
	EXPECT_LE(0, connect_in(self->child, SOCK_STREAM, 1, PORT));
	EXPECT_LE(0, connect_in(self->init, SOCK_STREAM, 1, PORT));
	EXPECT_EQ(-ECONNRESET, connect_in(ns_local(), SOCK_STREAM, 1, PORT));
}

TEST_HARNESS_MAIN
