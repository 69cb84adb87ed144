// SPDX-License-Identifier: GPL-2.0
/*
 * The packets of a socket arrive over loopback in the order in which it sent them,
 * also while connections of others in the same namespace keep the worker busy.
 * Data may take another way than the packets that open and close a connection.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "fixture.h"
#include "lock_holder.h"

#define ROUNDS 150
#define FLOODERS 2
#define LO VMADDR_CID_LOCAL
#define PATIENCE_S 60

/* Threads that connect to a port without a listener, again and again */
struct flood {
	pthread_t threads[FLOODERS];
	atomic_bool stop;
};

static void *flood(void *arg)
{
	atomic_bool *stop = arg;

	while (!*stop) {
		int sock = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK, 0);

		connect_to(sock, LO, PORT + 99);
		close(sock);
	}
	return NULL;
}

FIXTURE(order)
{
	struct flood flood;
	int ns;
	int listener;
	char data[100000];
};

FIXTURE_VARIANT(order)
{
	int type;
	unsigned int cid;
	bool flooded;
};

#define VARIANT(name, t, c, f) \
	FIXTURE_VARIANT_ADD(order, name) { .type = t, .cid = c, .flooded = f }

VARIANT(of_a_stream, SOCK_STREAM, LO, false);
VARIANT(of_a_stream_beside_a_flood, SOCK_STREAM, LO, true);
VARIANT(of_a_stream_to_an_alias_beside_a_flood, SOCK_STREAM, VMADDR_CID_HOST, true);
VARIANT(of_messages, SOCK_SEQPACKET, LO, false);
VARIANT(of_messages_beside_a_flood, SOCK_SEQPACKET, LO, true);

FIXTURE_SETUP(order)
{
	int i;

	SKIP_IF(cannot_run());
	SKIP_IF(cannot_use_cid(variant->cid));
	self->ns = ns_local();
	ASSERT_LE(0, self->ns);
	ASSERT_EQ(0, ns_enter(self->ns));
	self->listener = listen_in(self->ns, variant->type, VMADDR_CID_ANY, PORT);
	ASSERT_LE(0, self->listener);
	for (i = 0; i < (int)sizeof(self->data); i++)
		self->data[i] = i * 167 + (i >> 8) * 13;
	for (i = 0; i < FLOODERS && variant->flooded; i++)
		ASSERT_EQ(0, pthread_create(&self->flood.threads[i], NULL, flood,
					    &self->flood.stop));
}

FIXTURE_TEARDOWN(order)
{
	int i;

	self->flood.stop = true;
	for (i = 0; i < FLOODERS && self->flood.threads[i]; i++)
		pthread_join(self->flood.threads[i], NULL);
	close(self->listener);
	close(self->ns);
}

/* Pieces of 1, 2, 4 ... bytes, and one that is longer than a packet now and then */
static size_t send_pieces(int sock, const char *data, int round)
{
	size_t sent = 0, len;

	for (len = 1; len <= (round % 10 ? 256 : 70000); len *= round % 10 ? 2 : 40) {
		if (send(sock, data + sent, len, MSG_NOSIGNAL) != (ssize_t)len)
			return 0;
		sent += len;
	}
	return sent;
}

/* Returns how many bytes are right before the end of the stream; an error counts as none. */
static size_t receive_all(int sock, const char *data)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	static char got[100000];
	size_t received = 0;
	ssize_t n;

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while ((n = recv(sock, got, sizeof(got), 0)) > 0) {
		if (memcmp(got, data + received, n))
			return 0;
		received += n;
	}
	return n < 0 ? 0 : received;
}

/* The client sends and ends; returns 0 if all arrives before the end. */
static int send_and_end(int sock, const char *data, int round, size_t *sent)
{
	*sent = send_pieces(sock, data, round);
	if (round % 2)
		return shutdown(sock, SHUT_WR);
	return close(sock);
}

TEST_F_TIMEOUT(order, keeps_data_before_the_end, 600)
{
	size_t sent;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		int client = connect_in(self->ns, variant->type, variant->cid, PORT);
		int server = accept_one(self->listener);

		ASSERT_LE(0, client);
		ASSERT_LE(0, server);
		ASSERT_EQ(0, send_and_end(client, self->data, round, &sent));
		ASSERT_LT(0, sent);
		ASSERT_EQ(sent, receive_all(server, self->data));
		if (round % 2)
			close(client);
		close(server);
	}
}

struct server {
	int listener;
	const char *data;
	size_t sent[ROUNDS];
};

/* Send as soon as there is a connection: the client's connect() may not have returned. */
static void *serve(void *arg)
{
	struct server *server = arg;
	int round, sock;

	for (round = 0; round < ROUNDS; round++) {
		sock = accept_one(server->listener);
		send_and_end(sock, server->data, round, &server->sent[round]);
		if (round % 2) {
			char byte;

			recv(sock, &byte, 1, 0);	/* until the client closes */
			close(sock);
		}
	}
	return NULL;
}

TEST_F_TIMEOUT(order, keeps_data_of_a_server_behind_its_answer, 600)
{
	struct server server = { .listener = self->listener, .data = self->data };
	size_t received[ROUNDS];
	pthread_t thread;
	int round;

	ASSERT_EQ(0, pthread_create(&thread, NULL, serve, &server));
	for (round = 0; round < ROUNDS; round++) {
		int client = connect_in(self->ns, variant->type, variant->cid, PORT);

		ASSERT_LE(0, client);
		received[round] = receive_all(client, self->data);
		close(client);
	}
	pthread_join(thread, NULL);
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_LT(0, server.sent[round]);
		ASSERT_EQ(server.sent[round], received[round]);
	}
}

/* ---- a writer whose lock is held ---- */

#define WINDOW 262144

/* The lock holder sets the size of the buffer, which must stay as it is. */
static int keep_window(int sock)
{
	const unsigned long long window = WINDOW;

	return setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MIN_SIZE,
			  &window, sizeof(window));
}

FIXTURE(held_writer)
{
	struct lock_holder holder;
	struct pair pair;
};

FIXTURE_SETUP(held_writer)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_hold_locks());
	ASSERT_EQ(0, pair_in(&self->pair, ns_here(), SOCK_STREAM, LO));
	ASSERT_EQ(0, keep_window(self->pair.client));
}

FIXTURE_TEARDOWN(held_writer)
{
	locks_release(&self->holder);
	close(self->pair.client);
	close(self->pair.server);
}

static size_t fill(int sock)
{
	static const char zeroes[WINDOW];
	size_t sent = 0;
	ssize_t n;

	while ((n = send(sock, zeroes, sizeof(zeroes), MSG_DONTWAIT)) > 0)
		sent += n;
	return sent;
}

static size_t drain(int sock)
{
	static char data[WINDOW / 2];
	size_t received = 0;
	ssize_t n;

	while ((n = recv(sock, data, sizeof(data), MSG_DONTWAIT)) > 0)
		received += n;
	return received;
}

/* The byte waits for the lock, with an old credit. The credit comes after it. */
TEST_F(held_writer, has_all_of_its_window_when_its_lock_is_released)
{
	struct pollfd p = { .fd = self->pair.client, .events = POLLOUT };

	ASSERT_EQ(WINDOW, fill(self->pair.client));
	ASSERT_EQ(0, locks_hold(&self->holder, &self->pair.client, 1));
	ASSERT_EQ(1, send(self->pair.server, "x", 1, 0));
	ASSERT_EQ(WINDOW, drain(self->pair.server));
	locks_release(&self->holder);
	ASSERT_EQ(1, poll(&p, 1, PATIENCE_S * 1000));
	EXPECT_EQ(WINDOW, fill(self->pair.client));
}

/* ---- a reader whose lock is held ---- */

FIXTURE(held_reader)
{
	struct lock_holder holder;
	struct pair pair;
	sigset_t signals;
};

FIXTURE_SETUP(held_reader)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_hold_locks());
	sigemptyset(&self->signals);
	sigaddset(&self->signals, SIGIO);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &self->signals, NULL));
	ASSERT_EQ(0, pair_in(&self->pair, ns_here(), SOCK_STREAM, LO));
	ASSERT_EQ(0, keep_window(self->pair.server));
	ASSERT_EQ(0, fcntl(self->pair.server, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->pair.server, F_SETFL, O_ASYNC));
}

FIXTURE_TEARDOWN(held_reader)
{
	locks_release(&self->holder);
	close(self->pair.client);
	close(self->pair.server);
}

/* The owner of a lock may be reading the queue. poll() and recv() wait for it, signals do not. */
TEST_F(held_reader, is_told_of_data_when_its_lock_is_released)
{
	const struct timespec now = { 0 }, patience = { .tv_sec = PATIENCE_S };
	char got[2];

	while (sigtimedwait(&self->signals, NULL, &now) > 0)
		;
	ASSERT_EQ(0, locks_hold(&self->holder, &self->pair.server, 1));
	ASSERT_EQ(1, send(self->pair.client, "x", 1, 0));
	ASSERT_EQ(1, send(self->pair.client, "y", 1, 0));
	EXPECT_EQ(-1, sigtimedwait(&self->signals, NULL, &now));
	locks_release(&self->holder);
	EXPECT_EQ(SIGIO, sigtimedwait(&self->signals, NULL, &patience));
	EXPECT_EQ(2, recv(self->pair.server, got, 2, MSG_WAITALL));
	EXPECT_EQ(0, memcmp("xy", got, 2));
}

/* ---- a socket that is its own peer ---- */

FIXTURE(itself)
{
	int sock;
};

FIXTURE_SETUP(itself)
{
	SKIP_IF(cannot_run());
	self->sock = socket(AF_VSOCK, SOCK_STREAM, 0);
	ASSERT_EQ(0, bind_to(self->sock, VMADDR_CID_LOCAL, PORT));
}

NO_TEARDOWN(itself)

TEST_F(itself, as_a_peer_is_refused_at_once)
{
	int err = connect_to(self->sock, VMADDR_CID_LOCAL, PORT);

	EXPECT_GT(0, err);
	EXPECT_NE(-ETIMEDOUT, err);
}

TEST_HARNESS_MAIN
