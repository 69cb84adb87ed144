// SPDX-License-Identifier: GPL-2.0
/*
 * A tenant holds the locks of its sockets while packets for them arrive. Other
 * sockets connect, transfer and close over loopback meanwhile, in other scopes
 * and in the same one. Packets for a locked socket are delivered when its lock
 * is released.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"
#include "kernel_memory.h"
#include "lock_holder.h"

#define LO VMADDR_CID_LOCAL

/* More works than a workqueue runs at a time on one CPU: WQ_DFL_ACTIVE is 256. */
#define HUNDREDS 300
#define TRANSFER 100000
#define ROUNDS 12
#define WINDOW 262144
#define REQUESTS 1000
#define UPDATES 20000
#define WAIT_MS 15000

FIXTURE(attack_locks)
{
	struct lock_holder holder;
	struct pair pairs[HUNDREDS];
	int victim;
};

FIXTURE_VARIANT(attack_locks)
{
	int locks;
	bool one_scope_each;
	bool victim_elsewhere;
};

FIXTURE_VARIANT_ADD(attack_locks, one_in_the_namespace_of_the_victim)
{
	.locks = 1,
};

FIXTURE_VARIANT_ADD(attack_locks, hundreds_in_the_namespace_of_the_victim)
{
	.locks = HUNDREDS,
};

FIXTURE_VARIANT_ADD(attack_locks, hundreds_in_another_namespace)
{
	.locks = HUNDREDS, .victim_elsewhere = true,
};

FIXTURE_VARIANT_ADD(attack_locks, one_in_each_of_hundreds_of_namespaces)
{
	.locks = HUNDREDS, .one_scope_each = true, .victim_elsewhere = true,
};

/* A workqueue runs works on the CPU of the task that queues them. */
static int stay_on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static int allow_many_files(void)
{
	const struct rlimit limit = { 4096, 4096 };

	return setrlimit(RLIMIT_NOFILE, &limit);
}

/* The lock holder shrinks the buffer, but not below the data in it. */
static int keep_window(int sock)
{
	unsigned long long window = WINDOW;

	return setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MIN_SIZE, &window,
			  sizeof(window));
}

FIXTURE_SETUP(attack_locks)
{
	int ns, i;

	SKIP_IF(cannot_run());
	SKIP_IF(cannot_hold_locks());
	ASSERT_EQ(0, allow_many_files());
	ASSERT_EQ(0, stay_on_one_cpu());
	ns = ns_local();
	ASSERT_LE(0, ns);
	self->victim = variant->victim_elsewhere ? ns_here() : ns;
	for (i = 0; i < variant->locks; i++) {
		if (i && variant->one_scope_each) {
			close(ns);
			ns = ns_local();
		}
		ASSERT_EQ(0, pair_in(&self->pairs[i], ns, SOCK_STREAM, LO));
		ASSERT_EQ(0, keep_window(self->pairs[i].server));
	}
}

FIXTURE_TEARDOWN(attack_locks)
{
	locks_release(&self->holder);
}

static int hold_all(struct lock_holder *holder, const struct pair *pairs, int count)
{
	int socks[HUNDREDS] = { 0 }, i, err;

	for (i = 0; i < count; i++)
		socks[i] = pairs[i].server;
	err = locks_hold(holder, socks, count);
	/* Queue a packet for each locked socket */
	for (i = 0; i < count && !err; i++)
		if (send(pairs[i].client, "x", 1, 0) != 1)
			err = -EIO;
	return err;
}

TEST_F_TIMEOUT(attack_locks, leave_others_connecting_transferring_and_closing, 120)
{
	struct pair pair;
	int type;

	ASSERT_EQ(0, hold_all(&self->holder, self->pairs, variant->locks));
	for (type = SOCK_STREAM; type <= SOCK_SEQPACKET; type += SOCK_SEQPACKET - SOCK_STREAM) {
		ASSERT_EQ(0, pair_in(&pair, self->victim, type, LO));
		ASSERT_EQ(0, exchange(pair.client, pair.server, TRANSFER));
		close(pair.client);
		ASSERT_TRUE(at_end(pair.server));
		close(pair.server);
		EXPECT_EQ(-ECONNRESET, connect_in(self->victim, type, LO, PORT));
	}
}

TEST_F_TIMEOUT(attack_locks, leave_nothing_behind_when_they_are_released, 120)
{
	int i;

	ASSERT_EQ(0, hold_all(&self->holder, self->pairs, variant->locks));
	locks_release(&self->holder);
	for (i = 0; i < variant->locks; i++) {
		char byte = 0;

		ASSERT_EQ(1, recv(self->pairs[i].server, &byte, 1, 0));
		ASSERT_EQ('x', byte);
		ASSERT_EQ(0, talk(self->pairs[i].client, self->pairs[i].server));
	}
}

/* ---- one locked socket ---- */

FIXTURE(locked_socket)
{
	struct lock_holder holder;
	struct pair pair;
	int ns;
};

FIXTURE_VARIANT(locked_socket)
{
	int type;
};

FIXTURE_VARIANT_ADD(locked_socket, stream)
{
	.type = SOCK_STREAM,
};

FIXTURE_VARIANT_ADD(locked_socket, seqpacket)
{
	.type = SOCK_SEQPACKET,
};

FIXTURE_SETUP(locked_socket)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_hold_locks());
	self->ns = ns_local();
	ASSERT_EQ(0, pair_in(&self->pair, self->ns, variant->type, LO));
	ASSERT_EQ(0, keep_window(self->pair.server));
}

FIXTURE_TEARDOWN(locked_socket)
{
	locks_release(&self->holder);
}

static bool next_byte_is(int sock, unsigned char expected)
{
	unsigned char byte = ~expected;

	return recv(sock, &byte, 1, 0) == 1 && byte == expected;
}

TEST_F(locked_socket, gets_what_was_sent_meanwhile_in_order_and_then_the_end)
{
	unsigned char sent = 0, received = 0;
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(0, locks_hold(&self->holder, &self->pair.server, 1));
		for (i = 0; i < 2 * round; i++, sent++)
			ASSERT_EQ(1, send(self->pair.client, &sent, 1, 0));
		if (round == ROUNDS - 1)
			ASSERT_EQ(0, shutdown(self->pair.client, SHUT_WR));
		locks_release(&self->holder);
		/* The other half stays for the next round. */
		for (i = 0; i < round; i++, received++)
			ASSERT_TRUE(next_byte_is(self->pair.server, received));
	}
	for (; received != sent; received++)
		ASSERT_TRUE(next_byte_is(self->pair.server, received));
	EXPECT_TRUE(at_end(self->pair.server));
}

TEST_F(locked_socket, that_listens_accepts_a_connection_that_came_meanwhile)
{
	int listener = listen_in(self->ns, variant->type, VMADDR_CID_ANY, PORT + 1);
	int client = sock_in(self->ns, variant->type), server;

	ASSERT_LE(0, listener);
	ASSERT_EQ(0, keep_window(listener));
	ASSERT_EQ(0, fcntl(client, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, locks_hold(&self->holder, &listener, 1));
	ASSERT_EQ(-EINPROGRESS, connect_to(client, LO, PORT + 1));
	EXPECT_EQ(0, talk(self->pair.client, self->pair.server));
	locks_release(&self->holder);
	server = accept_one(listener);
	ASSERT_LE(0, server);
	EXPECT_EQ(0, talk(client, server));
}

/* The listener can accept 64, and SO_RCVBUF has room for some hundreds. */
TEST_F_TIMEOUT(locked_socket, that_listens_refuses_what_it_could_not_accept, 120)
{
	int listener = listen_in(self->ns, variant->type, VMADDR_CID_ANY, PORT + 1);
	int clients[REQUESTS], i;

	ASSERT_EQ(0, allow_many_files());
	ASSERT_EQ(0, keep_window(listener));
	ASSERT_EQ(0, locks_hold(&self->holder, &listener, 1));
	for (i = 0; i < REQUESTS; i++) {
		clients[i] = sock_in(self->ns, variant->type);
		ASSERT_LE(0, clients[i]);
		ASSERT_EQ(0, fcntl(clients[i], F_SETFL, O_NONBLOCK));
		ASSERT_EQ(-EINPROGRESS, connect_to(clients[i], LO, PORT + 1));
	}
	EXPECT_EQ(-ECONNRESET, sock_outcome(clients[REQUESTS - 1], POLLOUT, WAIT_MS));
	EXPECT_EQ(-EINPROGRESS, sock_outcome(clients[0], POLLOUT, 0));
	locks_release(&self->holder);
	EXPECT_EQ(0, sock_outcome(clients[0], POLLOUT, WAIT_MS));
	EXPECT_LE(0, accept_one(listener));
}

TEST_F_TIMEOUT(locked_socket, takes_no_memory_when_its_peer_changes_a_buffer_often, 120)
{
	long long before, after;
	int i;

	ASSERT_EQ(0, locks_hold(&self->holder, &self->pair.server, 1));
	before = kernel_bytes();
	ASSERT_LT(0, before);
	for (i = 0; i < UPDATES; i++) {
		ASSERT_EQ(0, set_buffer_size(self->pair.client, WINDOW - i % 2 * 4096));
		sched_yield();	/* to the worker */
	}
	after = kernel_bytes();
	TH_LOG("%lld bytes of kernel memory for %d updates", after - before, UPDATES);
	EXPECT_GT(4 << 20, after - before);
}

TEST_F(locked_socket, that_is_closed_meanwhile_tells_its_peer_afterwards)
{
	ASSERT_EQ(0, locks_hold(&self->holder, &self->pair.server, 1));
	ASSERT_EQ(1, send(self->pair.client, "x", 1, 0));
	close(self->pair.server);
	locks_release(&self->holder);
	EXPECT_TRUE(at_end(self->pair.client) || errno == ECONNRESET);
}

TEST_F(locked_socket, whose_peer_closed_meanwhile_is_at_its_end_afterwards)
{
	ASSERT_EQ(0, locks_hold(&self->holder, &self->pair.server, 1));
	close(self->pair.client);
	locks_release(&self->holder);
	EXPECT_TRUE(at_end(self->pair.server));
}

TEST_HARNESS_MAIN
