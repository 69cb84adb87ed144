// SPDX-License-Identifier: GPL-2.0
/*
 * Modes: defaults, inheritance, and that a choice is permanent. See
 * sysctl_input.c for the accepted values, sysctl_user.c for permissions and
 * race.c for concurrent writers.
 */
#include <fcntl.h>
#include <sched.h>

#include "fixture.h"

FIXTURE(sysctl)
{
	int init;
	int ns;
};

FIXTURE_SETUP(sysctl)
{
	SKIP_IF(cannot_run());
	self->init = ns_here();
	self->ns = ns_global();
	ASSERT_LE(0, self->ns);
}

NO_TEARDOWN(sysctl)

/* ---- defaults ---- */

TEST_F(sysctl, init_and_its_children_are_global)
{
	EXPECT_EQ(GLOBAL, mode_of(self->init));
	EXPECT_EQ(GLOBAL, child_mode_of(self->init));
}

TEST_F(sysctl, a_new_namespace_is_global_with_global_children)
{
	EXPECT_EQ(GLOBAL, mode_of(self->ns));
	EXPECT_EQ(GLOBAL, child_mode_of(self->ns));
}

TEST_F(sysctl, ns_mode_cannot_be_opened_for_writing_even_by_root)
{
	EXPECT_EQ(-EACCES, sysctl_open(self->init, "ns_mode", O_WRONLY));
	EXPECT_EQ(-EACCES, sysctl_open(self->ns, "ns_mode", O_WRONLY));
	EXPECT_EQ(-EACCES, sysctl_open(self->ns, "ns_mode", O_RDWR));
}

/* ---- the lock ---- */

TEST_F(sysctl, same_value_again_is_ok)
{
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(LOCAL, child_mode_of(self->ns));
}

TEST_F(sysctl, global_after_local_is_busy)
{
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(-EBUSY, choose_for_children(self->ns, GLOBAL));
	EXPECT_EQ(LOCAL, child_mode_of(self->ns));
}

TEST_F(sysctl, local_after_global_is_busy)
{
	EXPECT_EQ(0, choose_for_children(self->ns, GLOBAL));
	EXPECT_EQ(-EBUSY, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(GLOBAL, child_mode_of(self->ns));
}

TEST_F(sysctl, writing_the_current_value_locks_and_can_be_repeated)
{
	EXPECT_EQ(0, choose_for_children(self->ns, GLOBAL));
	EXPECT_EQ(0, choose_for_children(self->ns, GLOBAL));
	EXPECT_EQ(-EBUSY, choose_for_children(self->ns, LOCAL));
}

TEST_F(sysctl, a_busy_write_leaves_the_choice_in_force)
{
	int child;

	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(-EBUSY, choose_for_children(self->ns, GLOBAL));
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	child = ns_child_of(self->ns);
	ASSERT_LE(0, child);
	EXPECT_EQ(LOCAL, mode_of(child));
}

TEST_F(sysctl, a_choice_for_children_does_not_change_ones_own_mode)
{
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(GLOBAL, mode_of(self->ns));
}

TEST_F(sysctl, a_choice_changes_no_other_namespace)
{
	int other = ns_global();

	ASSERT_LE(0, other);
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(GLOBAL, child_mode_of(self->init));
	EXPECT_EQ(GLOBAL, child_mode_of(other));
	EXPECT_EQ(0, choose_for_children(other, LOCAL));
}

/* ---- local namespaces ---- */

TEST_F(sysctl, local_namespace_cannot_make_global_children)
{
	int local = ns_local();

	ASSERT_LE(0, local);
	EXPECT_EQ(-EPERM, choose_for_children(local, GLOBAL));
	EXPECT_EQ(LOCAL, child_mode_of(local));
}

TEST_F(sysctl, local_namespace_is_not_locked_by_a_refused_global)
{
	int local = ns_local();

	ASSERT_LE(0, local);
	EXPECT_EQ(-EPERM, choose_for_children(local, GLOBAL));
	EXPECT_EQ(0, choose_for_children(local, LOCAL));
	EXPECT_EQ(0, choose_for_children(local, LOCAL));
}

TEST_F(sysctl, local_namespace_refuses_global_with_eperm_when_locked_too)
{
	int local = ns_local();

	ASSERT_LE(0, local);
	EXPECT_EQ(0, choose_for_children(local, LOCAL));
	EXPECT_EQ(-EPERM, choose_for_children(local, GLOBAL));
	EXPECT_EQ(LOCAL, child_mode_of(local));
}

/* ---- inheritance ---- */

TEST_F(sysctl, child_after_the_choice_is_local_with_local_children)
{
	int child;

	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	child = ns_child_of(self->ns);
	ASSERT_LE(0, child);
	EXPECT_EQ(LOCAL, mode_of(child));
	EXPECT_EQ(LOCAL, child_mode_of(child));
}

TEST_F(sysctl, child_before_the_choice_stays_as_it_is)
{
	int child = ns_child_of(self->ns);

	ASSERT_LE(0, child);
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(GLOBAL, mode_of(child));
	EXPECT_EQ(GLOBAL, child_mode_of(child));
}

TEST_F(sysctl, child_before_the_choice_may_still_choose_itself)
{
	int child = ns_child_of(self->ns);

	ASSERT_LE(0, child);
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(0, choose_for_children(child, GLOBAL));
	EXPECT_EQ(-EBUSY, choose_for_children(child, LOCAL));
}

TEST_F(sysctl, child_of_a_chosen_global_is_global_and_may_choose)
{
	int child;

	EXPECT_EQ(0, choose_for_children(self->ns, GLOBAL));
	child = ns_child_of(self->ns);
	ASSERT_LE(0, child);
	EXPECT_EQ(GLOBAL, mode_of(child));
	EXPECT_EQ(GLOBAL, child_mode_of(child));
	EXPECT_EQ(0, choose_for_children(child, LOCAL));
}

TEST_F(sysctl, grandchildren_of_local_are_local)
{
	int child = ns_local();
	int grandchild, great_grandchild;

	ASSERT_LE(0, child);
	grandchild = ns_child_of(child);
	ASSERT_LE(0, grandchild);
	EXPECT_EQ(LOCAL, mode_of(grandchild));
	EXPECT_EQ(LOCAL, child_mode_of(grandchild));
	EXPECT_EQ(-EPERM, choose_for_children(grandchild, GLOBAL));

	great_grandchild = ns_child_of(grandchild);
	ASSERT_LE(0, great_grandchild);
	EXPECT_EQ(LOCAL, mode_of(great_grandchild));
	EXPECT_EQ(LOCAL, child_mode_of(great_grandchild));
}

static int mode_here(void *unused)
{
	int here = ns_here();

	(void)unused;
	return mode_of(here);
}

static int mode_of_my_clone(void *ns)
{
	static char stack[65536];
	pid_t pid;

	if (ns_enter(*(int *)ns))
		return -1;
	pid = clone(mode_here, stack + sizeof(stack), CLONE_NEWNET | SIGCHLD,
		    NULL);
	return pid < 0 ? -1 : finish(pid);
}

TEST_F(sysctl, clone_gives_the_mode_as_unshare_does)
{
	EXPECT_EQ(GLOBAL, in_a_child(mode_of_my_clone, &self->ns));
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(LOCAL, in_a_child(mode_of_my_clone, &self->ns));
}

TEST_F(sysctl, mode_comes_from_the_namespace_of_the_task_that_creates)
{
	int child, stranger;

	/* the current namespace of the creating task counts */
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	child = ns_child_of(self->ns);
	stranger = ns_child_of(self->init);
	EXPECT_EQ(LOCAL, mode_of(child));
	EXPECT_EQ(GLOBAL, mode_of(stranger));
}

/* ---- the namespace of an open file ---- */

TEST_F(sysctl, open_file_writes_to_the_namespace_that_it_was_opened_in)
{
	int fd = sysctl_open(self->ns, "child_ns_mode", O_WRONLY);
	int other = ns_global();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ns_enter(other));
	EXPECT_EQ(5, write(fd, "local", 5));
	EXPECT_EQ(LOCAL, child_mode_of(self->ns));
	EXPECT_EQ(GLOBAL, child_mode_of(other));
	EXPECT_EQ(0, choose_for_children(other, GLOBAL));
}

TEST_F(sysctl, open_file_of_a_local_namespace_refuses_global_everywhere)
{
	int local = ns_local();
	int fd = sysctl_open(local, "child_ns_mode", O_WRONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ns_enter(self->ns));
	EXPECT_EQ(-1, write(fd, "global", 6));
	EXPECT_EQ(EPERM, errno);
}

TEST_F(sysctl, open_file_of_a_global_namespace_takes_global_from_a_local_one)
{
	int fd = sysctl_open(self->ns, "child_ns_mode", O_WRONLY);
	int local = ns_local();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ns_enter(local));
	EXPECT_EQ(6, write(fd, "global", 6));
	EXPECT_EQ(-EBUSY, choose_for_children(self->ns, LOCAL));
}

TEST_F(sysctl, open_file_reads_the_namespace_that_it_was_opened_in)
{
	int local = ns_local();
	int mode = sysctl_open(local, "ns_mode", O_RDONLY);
	int child_mode = sysctl_open(local, "child_ns_mode", O_RDONLY);
	char text[64];

	ASSERT_LE(0, mode);
	ASSERT_LE(0, child_mode);
	EXPECT_EQ(6, read(mode, text, sizeof(text)));
	EXPECT_EQ(0, memcmp(text, "local\n", 6));
	EXPECT_EQ(6, read(child_mode, text, sizeof(text)));
	EXPECT_EQ(0, memcmp(text, "local\n", 6));
}

static int write_received_file(void *channel)
{
	int fd;

	if (unshare(CLONE_NEWNET))
		return errno;
	fd = receive_fd(*(int *)channel);
	if (fd < 0)
		return -fd;
	return write(fd, "local", 5) == 5 ? 0 : errno;
}

TEST_F(sysctl, file_handed_to_a_task_elsewhere_keeps_its_namespace)
{
	int fd = sysctl_open(self->ns, "child_ns_mode", O_WRONLY);
	int channel[2];
	pid_t pid;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, channel));
	pid = start(write_received_file, &channel[1]);
	ASSERT_EQ(0, send_fd(channel[0], fd));
	EXPECT_EQ(0, finish(pid));
	EXPECT_EQ(LOCAL, child_mode_of(self->ns));
	EXPECT_EQ(GLOBAL, child_mode_of(self->init));
}

TEST_F(sysctl, one_path_leads_each_task_to_its_own_namespace)
{
	int local = ns_local();
	char text[16] = "";
	int fd;

	ASSERT_EQ(0, ns_enter(local));
	fd = open("/proc/sys/net/vsock/ns_mode", O_RDONLY);
	EXPECT_EQ(6, read(fd, text, sizeof(text) - 1));
	EXPECT_STREQ("local\n", text);
	close(fd);

	memset(text, 0, sizeof(text));
	ASSERT_EQ(0, ns_enter(self->ns));
	fd = open("/proc/sys/net/vsock/ns_mode", O_RDONLY);
	EXPECT_EQ(7, read(fd, text, sizeof(text) - 1));
	EXPECT_STREQ("global\n", text);
}

TEST_HARNESS_MAIN
