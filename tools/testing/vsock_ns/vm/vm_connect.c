// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets in connect() to a VM that does not answer. They are freed when they
 * are closed, regardless of their timeout. Timeouts of one scope expire while
 * tasks of another hold the locks of their sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <linux/netlink.h>

#include "fixture.h"
#include "lock_holder.h"
#include "netlink.h"
#include "vm_link.h"

#define YEAR (365L * 24 * 3600)
#define REQUESTS 1000

/* One work per socket on one CPU: the system workqueue runs 256 at a time. */
#define HELD 600
#define HELD_TIMEOUT_MS 4000
#define HELD_MAX_TIMEOUT_MS 64000

static int set_timeout(int sock, long milliseconds)
{
	struct timeval time = {
		.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000,
	};

	return setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT,
			  &time, sizeof(time)) ? -errno : 0;
}

/* Create a socket with a non-blocking connect() and this timeout. */
static int sock_with_timeout(int ns, int type, long milliseconds)
{
	int sock = sock_in(ns, type);

	if (sock < 0)
		return sock;
	return fcntl(sock, F_SETFL, O_NONBLOCK) || set_timeout(sock, milliseconds) ? -EINVAL : sock;
}

static int outcome(int sock)
{
	return sock_outcome(sock, POLLOUT, VM_PATIENCE_MS);
}

/* ---- closing a connecting socket ---- */

/* The socket has a namespace of its own; the VM is in another one of the same scope. */
FIXTURE(closed)
{
	struct vm vm;
	int route;
	int id;
	int ns;
	int sock;
};

FIXTURE_VARIANT(closed)
{
	int type;
	bool takes_packets;
};

FIXTURE_VARIANT_ADD(closed, stream)
{
	.type = SOCK_STREAM,
};

FIXTURE_VARIANT_ADD(closed, stream_to_a_vm_that_takes_packets)
{
	.type = SOCK_STREAM, .takes_packets = true,
};

FIXTURE_VARIANT_ADD(closed, seqpacket)
{
	.type = SOCK_SEQPACKET,
};

FIXTURE_VARIANT_ADD(closed, seqpacket_to_a_vm_that_takes_packets)
{
	.type = SOCK_SEQPACKET, .takes_packets = true,
};

FIXTURE_SETUP(closed)
{
	struct guest_options options = { .ring = 16, .buffer = 2048 };

	SKIP_IF(cannot_link_vms());
	options.bare = !variant->takes_packets;
	ASSERT_EQ(0, vm_start_with(&self->vm, ns_here(), CID, &options));
	self->ns = ns_global();
	self->sock = sock_with_timeout(self->ns, variant->type, YEAR * 1000);
	ASSERT_LE(0, self->sock);
	self->route = netlink_open(NETLINK_ROUTE);
	ASSERT_LE(0, self->route);
	self->id = getpid();
	ASSERT_EQ(0, namespace_set_id(self->route, self->ns, self->id));
	ASSERT_EQ(0, namespace_lives(self->route, self->id));
	close(self->ns);
	ASSERT_EQ(0, namespace_lives(self->route, self->id));
}

FIXTURE_TEARDOWN(closed)
{
	vm_stop(&self->vm);
}

/* Returns 0 once the namespace is freed. */
static int freed(int route, int id)
{
	long long until = guest_now() + VM_PATIENCE_MS / 2;
	int err;

	while (!(err = namespace_lives(route, id)) && guest_now() < until)
		usleep(10000);
	return err == -ENOENT ? 0 : err ?: -ETIMEDOUT;
}

TEST_F(closed, while_it_connects_is_freed)
{
	ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, CID, vm_port(variant->type)));
	close(self->sock);
	EXPECT_EQ(0, freed(self->route, self->id));
}

static int connect_and_close(int ns, int type)
{
	int sock = sock_with_timeout(ns, type, YEAR * 1000);
	int err = sock < 0 ? sock : connect_to(sock, CID, vm_port(type));

	if (sock >= 0)
		close(sock);
	return err;
}

static int keep_connecting(void *type)
{
	int ns = ns_here();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (connect_and_close(ns, *(const int *)type) == -EINPROGRESS)
		;
	return 1;
}

/* Another process wakes vhost's worker, which has the request in its hands again and again. */
TEST_F(closed, while_its_request_is_sent_is_freed)
{
	int type = variant->type, id = self->id + 1, i;
	/* Before there is a namespace that it could keep */
	pid_t other = start(keep_connecting, &type);
	int ns = ns_global();

	EXPECT_EQ(0, namespace_set_id(self->route, ns, id));
	for (i = 0; i < REQUESTS; i++)
		EXPECT_EQ(-EINPROGRESS, connect_and_close(ns, type));
	close(ns);
	EXPECT_EQ(0, freed(self->route, id));
	kill(other, SIGKILL);
	EXPECT_EQ(-EINTR, finish(other));
}

TEST_F(closed, after_a_shutdown_while_it_connects_is_freed)
{
	ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, CID, vm_port(variant->type)));
	ASSERT_EQ(0, shutdown(self->sock, SHUT_RDWR));
	close(self->sock);
	EXPECT_EQ(0, freed(self->route, self->id));
}

/* The timeouts of the first attempts are a year ahead. */
TEST_F(closed, after_connect_was_refused_again_and_again_is_freed)
{
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, VMADDR_CID_LOCAL, PORT));
		ASSERT_EQ(-ECONNRESET, outcome(self->sock));
	}
	ASSERT_EQ(-EINPROGRESS, connect_to(self->sock, CID, vm_port(variant->type)));
	close(self->sock);
	EXPECT_EQ(0, freed(self->route, self->id));
}

TEST_F(closed, after_connect_succeeded_is_freed)
{
	struct pair pair = { .client = self->sock };
	int listener = listen_in(ns_here(), variant->type, VMADDR_CID_ANY, PORT);

	ASSERT_LE(0, listener);
	ASSERT_EQ(-EINPROGRESS, connect_to(pair.client, VMADDR_CID_LOCAL, PORT));
	ASSERT_EQ(0, outcome(pair.client));
	pair.server = accept_one(listener);
	ASSERT_LE(0, pair.server);
	EXPECT_EQ(0, talk(pair.client, pair.server));
	close(pair.client);
	close(pair.server);
	EXPECT_EQ(0, freed(self->route, self->id));
}

static void interrupted(int signal)
{
	(void)signal;
}

TEST_F(closed, after_a_signal_has_ended_connect_is_freed)
{
	const struct sigaction action = { .sa_handler = interrupted };
	const struct itimerval soon = { { 0, 100000 }, { 0, 100000 } }, never = { { 0 }, { 0 } };

	ASSERT_EQ(0, fcntl(self->sock, F_SETFL, 0));
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &soon, NULL));
	EXPECT_EQ(-EINTR, connect_to(self->sock, CID, vm_port(variant->type)));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
	close(self->sock);
	EXPECT_EQ(0, freed(self->route, self->id));
}

/* ---- locked sockets ---- */

FIXTURE(held_locks)
{
	int ns[NS_COUNT];
	struct vm tenants;
	struct vm vm;
	struct lock_holder holder;
	int sock[HELD];
};

FIXTURE_SETUP(held_locks)
{
	const struct guest_options options = { .bare = true };
	struct rlimit files = { 2 * HELD, 2 * HELD };
	cpu_set_t first;

	SKIP_IF(cannot_link_vms());
	SKIP_IF(cannot_hold_locks());
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(first), &first));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	ASSERT_EQ(0, ns_make(self->ns));
	ASSERT_EQ(0, vm_start_with(&self->tenants, self->ns[L0], CID, &options));
	ASSERT_EQ(0, vm_start_with(&self->vm, self->ns[INIT], CID, &options));
}

FIXTURE_TEARDOWN(held_locks)
{
	vm_stop(&self->vm);
	vm_stop(&self->tenants);
	ns_close(self->ns);
}

static int connect_and_hold(struct lock_holder *holder, int ns, int *sock, int timeout)
{
	int i, err;

	for (i = 0; i < HELD; i++) {
		sock[i] = sock_with_timeout(ns, SOCK_STREAM, timeout);
		if (sock[i] < 0)
			return sock[i];
		err = connect_to(sock[i], CID, VM_PORT);
		if (err != -EINPROGRESS)
			return err ?: -EISCONN;
	}
	return locks_hold(holder, sock, HELD);
}

/* Returns once all timeouts have expired while all locks were held. */
static int hold_over_the_timeouts(struct lock_holder *holder, int ns, int *sock)
{
	long long since;
	int i, timeout, err;

	for (timeout = HELD_TIMEOUT_MS; timeout <= HELD_MAX_TIMEOUT_MS; timeout *= 2) {
		since = guest_now();
		err = connect_and_hold(holder, ns, sock, timeout);
		if (err)
			return err;
		if (guest_now() < since + timeout) {
			usleep((timeout + 500) * 1000);
			return 0;
		}
		/*
		 * The machine was too slow to take all locks in time: retry
		 * with a longer timeout.
		 */
		locks_release(holder);
		for (i = 0; i < HELD; i++)
			close(sock[i]);
	}
	return -ETIME;
}

TEST_F_TIMEOUT(held_locks, of_a_tenants_sockets_delay_no_timeout_of_another_scope, 300)
{
	int sock, i;

	ASSERT_EQ(0, hold_over_the_timeouts(&self->holder, self->ns[L0], self->sock));
	sock = sock_with_timeout(self->ns[INIT], SOCK_STREAM, 300);
	ASSERT_EQ(-EINPROGRESS, connect_to(sock, CID, VM_PORT));
	EXPECT_EQ(-ETIMEDOUT, outcome(sock));

	/*
	 * The timeouts of the locked sockets take effect when their locks are
	 * released.
	 */
	locks_release(&self->holder);
	for (i = 0; i < HELD; i++)
		ASSERT_EQ(-ETIMEDOUT, outcome(self->sock[i]));
}

TEST_HARNESS_MAIN
