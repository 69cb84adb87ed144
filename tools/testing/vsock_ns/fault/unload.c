// SPDX-License-Identifier: GPL-2.0
/*
 * The loopback's module is unloaded while namespaces end, and while packets are in
 * a backlog: the task that releases the lock runs the module's code. Unloads a
 * module, so the program needs a VM to itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"
#include "lock_holder.h"

#define MODULE "vsock_loopback"
#define LO VMADDR_CID_LOCAL

/* A socket that waits for its peer's answer holds the module for 8 s. */
#define CLOSE_MS 9000

#define TENANTS 2
#define UNLOADS 8
#define PATIENCE_S 60

FIXTURE(unload)
{
	struct lock_holder holder;
	int listener;
};

FIXTURE_SETUP(unload)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_hold_locks());
	SKIP_IF(!module_loaded(MODULE) ? MODULE " is built in" : NULL);
	/* An unload would wait for the worker, which waits for the lock. */
	SKIP_IF(system("grep -qw vsock_lock_or_defer /proc/kallsyms") ?
		"packets for a socket whose lock is held have no backlog" : NULL);
	self->listener = listen_in(ns_here(), SOCK_STREAM, VMADDR_CID_ANY, PORT);
	ASSERT_LE(0, self->listener);
}

FIXTURE_TEARDOWN(unload)
{
	close(self->listener);
	EXPECT_EQ(0, module_unload(MODULE));
	EXPECT_EQ(0, module_load(MODULE));
}

/* A listener has no transport, so it does not hold the module: the packet does. */
TEST_F_TIMEOUT(unload, waits_for_packets_in_a_backlog, 120)
{
	int client = sock_in(ns_here(), SOCK_STREAM), ms;

	ASSERT_EQ(0, locks_hold(&self->holder, &self->listener, 1));
	ASSERT_EQ(0, fcntl(client, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(-EINPROGRESS, connect_to(client, LO, PORT));
	usleep(100000);
	close(client);
	for (ms = 0; ms < CLOSE_MS; ms += 100) {
		ASSERT_EQ(-EAGAIN, module_try_unload(MODULE));
		usleep(100000);
	}
	locks_release(&self->holder);
}

/* Returns the number of connections that carried data, at most 100. */
static int come_and_go(void *arg)
{
	const time_t end = time(NULL) + PATIENCE_S;
	int here = ns_here(), done = 0;
	const bool *stop = arg;
	struct pair pair;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED) && time(NULL) < end) {
		int ns = ns_local();

		if (!pair_in(&pair, ns, done % 2 ? SOCK_STREAM : SOCK_SEQPACKET, LO)) {
			if (talk(pair.client, pair.server))
				return 200;
			/* The end finds data that nobody has read. */
			send(pair.client, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
			close(pair.client);
			close(pair.server);
			done += done < 100;
		}
		close(ns);
		if (ns_enter(here))
			return 201;
		usleep(rand() % 100000);
	}
	return done;
}

TEST_F_TIMEOUT(unload, beside_tenants_that_come_and_go_loses_no_data, 300)
{
	bool *stop = mmap(NULL, sizeof(*stop), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const time_t end = time(NULL) + PATIENCE_S;
	int unloads = 0, done, i;
	pid_t pid[TENANTS];

	ASSERT_NE(MAP_FAILED, stop);
	for (i = 0; i < TENANTS; i++)
		pid[i] = start(come_and_go, stop);
	while (unloads < UNLOADS && time(NULL) < end) {
		if (module_try_unload(MODULE)) {
			usleep(1000);
			continue;
		}
		unloads++;
		usleep(50000);
		ASSERT_EQ(0, module_load(MODULE));
		usleep(300000);
	}
	__atomic_store_n(stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < TENANTS; i++) {
		done = finish(pid[i]);
		EXPECT_LT(0, done);
		EXPECT_GE(100, done);
	}
	TH_LOG("%d unloads", unloads);
	EXPECT_LT(0, unloads);
}

TEST_HARNESS_MAIN
