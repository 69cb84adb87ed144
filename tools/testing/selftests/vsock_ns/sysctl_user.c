// SPDX-License-Identifier: GPL-2.0
/*
 * Permissions of child_ns_mode: only root of the user namespace that owns the
 * network namespace may write it.
 */
#include <fcntl.h>
#include <sched.h>

#include "fixture.h"

FIXTURE(user)
{
	int init;
	int ns;
};

FIXTURE_SETUP(user)
{
	SKIP_IF(cannot_run());
	self->init = ns_here();
	self->ns = ns_global();
	ASSERT_LE(0, self->ns);
}

NO_TEARDOWN(user)

/*
 * The children below run as another user. A child exits with 0, with the errno
 * of the tested call, or with the number of the failed step.
 */
#define PREPARE(step)							\
	do {								\
		if ((step) != 0)					\
			return CANNOT_PREPARE;				\
	} while (0)

#define CANNOT_PREPARE 200

/* Some systems forbid user namespaces to unprivileged users. */
static int may_unshare_user(void *unused)
{
	(void)unused;
	return become_root_of_a_user_namespace(CLONE_NEWNET) ? 1 : 0;
}

FIXTURE(user_ns)
{
	int init;
	int ns;
};

FIXTURE_SETUP(user_ns)
{
	SKIP_IF(cannot_run());
	if (in_a_child(may_unshare_user, NULL))
		SKIP(return, "users may not create user namespaces here");
	self->init = ns_here();
	self->ns = ns_global();
	ASSERT_LE(0, self->ns);
}

NO_TEARDOWN(user_ns)

/* ---- a user of init ---- */

static int user_writes(void *ns)
{
	PREPARE(ns_enter(*(int *)ns));
	PREPARE(become_user());
	return open("/proc/sys/net/vsock/child_ns_mode", O_WRONLY) < 0 ? errno : 0;
}

TEST_F(user, unprivileged_user_cannot_write_in_init)
{
	EXPECT_EQ(EACCES, in_a_child(user_writes, &self->init));
	EXPECT_EQ(GLOBAL, child_mode_of(self->init));
}

TEST_F(user, unprivileged_user_cannot_write_in_another_namespace_of_root)
{
	EXPECT_EQ(EACCES, in_a_child(user_writes, &self->ns));
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
}

/* Does not use the helpers, which need the privilege to change namespaces. */
static bool reads_global_here(const char *path)
{
	char text[16] = "";
	int fd = open(path, O_RDONLY);

	return read(fd, text, sizeof(text) - 1) == 7 && !strcmp(text, "global\n");
}

static int user_reads(void *ns)
{
	PREPARE(ns_enter(*(int *)ns));
	PREPARE(become_user());
	if (!reads_global_here("/proc/sys/net/vsock/ns_mode"))
		return 1;
	if (!reads_global_here("/proc/sys/net/vsock/child_ns_mode"))
		return 2;
	return 0;
}

TEST_F(user, unprivileged_user_can_read_both)
{
	EXPECT_EQ(0, in_a_child(user_reads, &self->init));
	EXPECT_EQ(0, in_a_child(user_reads, &self->ns));
}

static int user_writes_to_roots_file(void *file)
{
	PREPARE(become_user());
	return write(*(int *)file, "local", 5) == 5 ? 0 : errno;
}

TEST_F(user, an_open_file_does_not_lend_its_openers_rights)
{
	int file = sysctl_open(self->ns, "child_ns_mode", O_WRONLY);

	ASSERT_LE(0, file);
	EXPECT_EQ(EPERM, in_a_child(user_writes_to_roots_file, &file));
	EXPECT_EQ(GLOBAL, child_mode_of(self->ns));
	EXPECT_EQ(0, choose_for_children(self->ns, GLOBAL));
}

/* ---- root of a user namespace ---- */

static int root_of_user_ns_writes_to_a_ns_that_it_does_not_own(void *ns)
{
	PREPARE(ns_enter(*(int *)ns));
	PREPARE(become_root_of_a_user_namespace(0));
	return open("/proc/sys/net/vsock/child_ns_mode", O_WRONLY) < 0 ? errno : 0;
}

TEST_F(user_ns, root_of_a_user_namespace_cannot_write_in_init)
{
	EXPECT_EQ(EACCES, in_a_child(root_of_user_ns_writes_to_a_ns_that_it_does_not_own,
				     &self->init));
	EXPECT_EQ(EACCES, in_a_child(root_of_user_ns_writes_to_a_ns_that_it_does_not_own,
				     &self->ns));
	EXPECT_EQ(GLOBAL, child_mode_of(self->init));
}

static int own_namespace_starts_global(void *unused)
{
	int here;

	(void)unused;
	PREPARE(become_root_of_a_user_namespace(CLONE_NEWNET));
	here = ns_here();
	if (mode_of(here) != GLOBAL)
		return 1;
	if (child_mode_of(here) != GLOBAL)
		return 2;
	return 0;
}

TEST_F(user_ns, own_namespace_of_a_user_starts_global)
{
	EXPECT_EQ(0, in_a_child(own_namespace_starts_global, NULL));
}

static int user_opts_in(void *unused)
{
	int outer, inner;

	(void)unused;
	PREPARE(become_root_of_a_user_namespace(CLONE_NEWNET));
	outer = ns_here();
	if (choose_for_children(outer, LOCAL))
		return 1;
	if (child_mode_of(outer) != LOCAL)
		return 2;
	if (unshare(CLONE_NEWNET))
		return 3;
	inner = ns_here();
	if (mode_of(inner) != LOCAL)
		return 4;
	if (child_mode_of(inner) != LOCAL)
		return 5;
	return 0;
}

TEST_F(user_ns, user_chooses_local_in_its_namespace_and_unshare_inside_is_local)
{
	EXPECT_EQ(0, in_a_child(user_opts_in, NULL));
	EXPECT_EQ(GLOBAL, child_mode_of(self->init));
}

static int user_may_not_go_back(void *unused)
{
	int outer, inner;

	(void)unused;
	PREPARE(become_root_of_a_user_namespace(CLONE_NEWNET));
	outer = ns_here();
	PREPARE(choose_for_children(outer, LOCAL));
	if (choose_for_children(outer, GLOBAL) != -EBUSY)
		return 1;
	PREPARE(unshare(CLONE_NEWNET));
	inner = ns_here();
	if (choose_for_children(inner, GLOBAL) != -EPERM)
		return 2;
	return 0;
}

TEST_F(user_ns, root_of_a_user_namespace_is_bound_by_its_choice)
{
	EXPECT_EQ(0, in_a_child(user_may_not_go_back, NULL));
}

static int user_in_local_parent(void *ns)
{
	int here;

	PREPARE(ns_enter(*(int *)ns));
	PREPARE(become_root_of_a_user_namespace(CLONE_NEWNET));
	here = ns_here();
	if (mode_of(here) != LOCAL)
		return 1;
	if (choose_for_children(here, GLOBAL) != -EPERM)
		return 2;
	return 0;
}

TEST_F(user_ns, user_cannot_leave_a_parents_choice_by_a_user_namespace)
{
	ASSERT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(0, in_a_child(user_in_local_parent, &self->ns));
}

static int rootless_runtime(void *unused)
{
	struct pair pair;
	int inner;

	(void)unused;
	PREPARE(become_root_of_a_user_namespace(CLONE_NEWNET));
	PREPARE(choose_for_children(ns_here(), LOCAL));
	PREPARE(unshare(CLONE_NEWNET));
	inner = ns_here();
	if (pair_in(&pair, inner, SOCK_STREAM, VMADDR_CID_LOCAL))
		return 1;
	if (talk(pair.client, pair.server))
		return 2;
	return 0;
}

TEST_F(user_ns, user_in_its_local_namespace_can_connect_within)
{
	EXPECT_EQ(0, in_a_child(rootless_runtime, NULL));
}

static int rootless_reaches_out(void *unused)
{
	(void)unused;
	PREPARE(become_root_of_a_user_namespace(CLONE_NEWNET));
	PREPARE(choose_for_children(ns_here(), LOCAL));
	PREPARE(unshare(CLONE_NEWNET));
	return -connect_in(ns_here(), SOCK_STREAM, VMADDR_CID_LOCAL, PORT);
}

TEST_F(user_ns, user_in_its_local_namespace_does_not_reach_init)
{
	int listener;

	listener = listen_in(self->init, SOCK_STREAM, VMADDR_CID_ANY, PORT);
	ASSERT_LE(0, listener);
	EXPECT_EQ(ECONNRESET, in_a_child(rootless_reaches_out, NULL));
	EXPECT_TRUE(quiet(listener));
}

TEST_HARNESS_MAIN
