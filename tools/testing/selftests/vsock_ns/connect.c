// SPDX-License-Identifier: GPL-2.0
/*
 * connect() that is refused, that times out, or that is interrupted, and the next
 * connect() of the same socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lock_holder.h"
#include "vsock_ns_util.h"

/* ---- the lock of a socket ---- */

FIXTURE(lock)
{
	struct lock_holder holder;
};

FIXTURE_SETUP(lock)
{
	const char *why = cannot_run();

	if (!why)
		why = cannot_hold_locks();
	if (why)
		SKIP(return, "%s", why);
}

FIXTURE_TEARDOWN(lock)
{
}

static int ask_for_the_port(void *arg)
{
	return port_of(*(int *)arg) >= 0 ? 0 : 1;
}

TEST_F(lock, held_by_a_page_fault_stops_other_users_until_it_is_released)
{
	int sock = sock_in(ns_here(), SOCK_STREAM);
	siginfo_t info = { .si_pid = 0 };
	pid_t pid;

	ASSERT_LE(0, sock);
	ASSERT_EQ(0, locks_hold(&self->holder, &sock, 1));
	pid = start(ask_for_the_port, &sock);
	ASSERT_LT(0, pid);
	usleep(300000);
	EXPECT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT));
	EXPECT_EQ(0, info.si_pid);
	locks_release(&self->holder);
	EXPECT_EQ(0, finish(pid));
}

TEST_HARNESS_MAIN
