// SPDX-License-Identifier: GPL-2.0
/*
 * connect() that is refused or times out, and the next connect() of the same
 * socket, over loopback and to a VM that receives no packets.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include <sys/time.h>

#include "fixture.h"
#include "lock_holder.h"
#include "vm_link.h"

#define ANY VMADDR_CID_ANY
#define LO VMADDR_CID_LOCAL

FIXTURE(connect)
{
	int ns;
	int sock;
	struct vm vm;
};

FIXTURE_VARIANT(connect)
{
	int (*make)(void);
	int type;
};

FIXTURE_VARIANT_ADD(connect, local_stream) { .make = ns_local, .type = SOCK_STREAM };
FIXTURE_VARIANT_ADD(connect, local_seqpacket) { .make = ns_local, .type = SOCK_SEQPACKET };
FIXTURE_VARIANT_ADD(connect, global_stream) { .make = ns_global, .type = SOCK_STREAM };
FIXTURE_VARIANT_ADD(connect, global_seqpacket) { .make = ns_global, .type = SOCK_SEQPACKET };

FIXTURE_SETUP(connect)
{
	const struct guest_options options = { .bare = true };

	SKIP_IF(cannot_link_vms());
	self->ns = variant->make();
	ASSERT_EQ(0, vm_start_with(&self->vm, self->ns, CID, &options));
	self->sock = sock_in(self->ns, variant->type);
	ASSERT_LE(0, self->sock);
	ASSERT_EQ(0, fcntl(self->sock, F_SETFL, O_NONBLOCK));
}

FIXTURE_TEARDOWN(connect)
{
	close(self->sock);
	vm_stop(&self->vm);
	close(self->ns);
}

static int set_timeout(int sock, long milliseconds)
{
	struct timeval time = {
		.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000,
	};

	return setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT,
			  &time, sizeof(time)) ? -errno : 0;
}

/* Wait for the end of an attempt without reading its error. */
static bool has_ended(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLOUT };

	return poll(&p, 1, VM_PATIENCE_MS) == 1;
}

static int outcome(int sock)
{
	return sock_outcome(sock, POLLOUT, VM_PATIENCE_MS);
}

/* ---- refused connections ---- */

TEST_F(connect, refused_and_read_by_so_error_connects_again)
{
	int listener;

	ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, LO, PORT));
	ASSERT_EQ(-ECONNRESET, outcome(self->sock));
	listener = listen_in(self->ns, variant->type, ANY, PORT);
	ASSERT_LE(0, listener);
	ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, LO, PORT));
	ASSERT_EQ(0, outcome(self->sock));
	EXPECT_EQ(0, talk(self->sock, accept_one(listener)));
}

TEST_F(connect, refused_reports_it_once_and_connects_again)
{
	int listener = listen_in(self->ns, variant->type, ANY, PORT + 1);

	ASSERT_LE(0, listener);
	ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, LO, PORT));
	ASSERT_TRUE(has_ended(self->sock));
	EXPECT_EQ(-ECONNRESET, connect_to(self->sock, LO, PORT + 1));
	ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, LO, PORT + 1));
	ASSERT_EQ(0, outcome(self->sock));
	EXPECT_EQ(0, talk(self->sock, accept_one(listener)));
}

TEST_F(connect, refused_and_read_by_so_error_connects_again_and_waits)
{
	int listener = listen_in(self->ns, variant->type, ANY, PORT + 1);

	ASSERT_LE(0, listener);
	ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, LO, PORT));
	ASSERT_EQ(-ECONNRESET, outcome(self->sock));
	ASSERT_EQ(0, fcntl(self->sock, F_SETFL, 0));
	ASSERT_EQ(0, connect_to(self->sock, LO, PORT + 1));
	EXPECT_EQ(0, talk(self->sock, accept_one(listener)));
}

TEST_F(connect, refused_can_be_refused_again)
{
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, LO, PORT));
		ASSERT_EQ(-ECONNRESET, outcome(self->sock));
	}
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, LO, PORT));
		ASSERT_TRUE(has_ended(self->sock));
		ASSERT_EQ(-ECONNRESET, connect_to(self->sock, LO, PORT));
	}
}

/* From loopback to the VM and back: the transport of the socket changes. */
TEST_F(connect, refused_or_timed_out_connects_by_another_transport)
{
	int listener = listen_in(self->ns, variant->type, ANY, PORT + 1);

	ASSERT_LE(0, listener);
	ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, LO, PORT));
	ASSERT_EQ(-ECONNRESET, outcome(self->sock));
	ASSERT_EQ(0, set_timeout(self->sock, 100));
	ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, CID, PORT));
	ASSERT_EQ(-ETIMEDOUT, outcome(self->sock));
	ASSERT_EQ(0, set_timeout(self->sock, VM_PATIENCE_MS));
	ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, LO, PORT + 1));
	ASSERT_EQ(0, outcome(self->sock));
	EXPECT_EQ(0, talk(self->sock, accept_one(listener)));
}

TEST_F(connect, to_no_vm_fails_at_once_and_connects_again)
{
	int listener = listen_in(self->ns, variant->type, ANY, PORT);
	int err = variant->type == SOCK_STREAM ? -ENODEV : -ESOCKTNOSUPPORT;

	ASSERT_LE(0, listener);
	EXPECT_EQ(err, connect_to(self->sock, NO_CID, PORT));
	EXPECT_EQ(err, connect_to(self->sock, NO_CID, PORT));
	ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, LO, PORT));
	ASSERT_EQ(0, outcome(self->sock));
	EXPECT_EQ(0, talk(self->sock, accept_one(listener)));
}

/* ---- timeouts ---- */

struct attempt {
	int sock;
	int cid;
};

static int connect_and_wait(void *arg)
{
	const struct attempt *attempt = arg;

	return -connect_to(attempt->sock, attempt->cid, PORT);
}

/* The first attempt has failed, but its timeout has not expired. */
TEST_F(connect, refused_has_no_timeout_that_ends_the_next_attempt)
{
	struct attempt next = { .sock = self->sock, .cid = CID };
	siginfo_t info = { .si_pid = 0 };
	pid_t pid;

	ASSERT_EQ(0, set_timeout(self->sock, 1000));
	ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, LO, PORT));
	ASSERT_TRUE(has_ended(self->sock));
	ASSERT_EQ(0, fcntl(self->sock, F_SETFL, 0));
	ASSERT_EQ(-ECONNRESET, connect_to(self->sock, LO, PORT));
	ASSERT_EQ(0, set_timeout(self->sock, 600000));
	pid = start(connect_and_wait, &next);
	ASSERT_LT(0, pid);
	usleep(1500000);
	EXPECT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT));
	EXPECT_EQ(0, info.si_pid);
	kill(pid, SIGKILL);
	finish(pid);
}

/* ---- locked sockets ---- */

FIXTURE(lock)
{
	struct lock_holder holder;
};

FIXTURE_SETUP(lock)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_hold_locks());
}

NO_TEARDOWN(lock)

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
