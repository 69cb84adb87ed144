// SPDX-License-Identifier: GPL-2.0
/*
 * Loopback under load: threads send pieces of random sizes over many connections
 * in both directions at once, with and without waiting, while readers peek, poll
 * and set SO_RCVLOWAT, writers resize their buffers, and taps come and go. All
 * bytes arrive in order, and nobody waits for ever.
 *
 * HAMMER_SEED=N repeats the choices of a run, HAMMER_MB=N sets the data of a
 * direction.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/netlink.h>

#include "fixture.h"
#include "netlink.h"

#define PAIRS 4
#define DIRECTIONS (2 * PAIRS)
#define LONGEST 100000
#define SMALLEST_BUFFER 256
#define BUFFER_SIZE 262144

/* No progress for so long is a hang, also on a slow machine. */
#define PATIENCE_S 120

/* Data from one socket to another: one thread sends, another one receives. */
struct direction {
	int from;
	int to;
	int type;
	bool resizes;		/* the sender changes its buffer */
	bool lowat;		/* the receiver changes SO_RCVLOWAT */
	size_t bytes;
	uint64_t dice[2];	/* of the sender and the receiver */
	unsigned char seed;
	const char *failed;	/* NULL, or what went wrong */
	int error;
	size_t place;
};

static uint64_t roll(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static unsigned char byte_at(const struct direction *d, size_t place)
{
	return place * 167 + (place >> 8) * 13 + d->seed;
}

/* Often short, at times longer than a packet */
static size_t random_size(uint64_t *dice)
{
	static const size_t most[] = { 4, 100, 100, 1000, 5000, 66000, LONGEST };

	return 1 + roll(dice) % most[roll(dice) % (sizeof(most) / sizeof(*most))];
}

static int fails(struct direction *d, const char *what, size_t place)
{
	if (!d->failed) {
		d->error = errno;
		d->place = place;
		d->failed = what;
	}
	shutdown(d->from, SHUT_RDWR);
	shutdown(d->to, SHUT_RDWR);
	return -1;
}

static bool wait_for(int sock, short event)
{
	struct pollfd p = { .fd = sock, .events = event };

	errno = ETIMEDOUT;
	return poll(&p, 1, PATIENCE_S * 1000) == 1;
}

static void resize(struct direction *d, uint64_t *dice)
{
	static const unsigned long long sizes[] = {
		SMALLEST_BUFFER, 4096, 65536, 100000, BUFFER_SIZE,
	};

	if (roll(dice) % 16)
		return;
	if (set_buffer_size(d->from, sizes[roll(dice) % 5]))
		fails(d, "resizing the buffer", 0);
}

static void *send_all(void *arg)
{
	struct direction *d = arg;
	uint64_t *dice = &d->dice[0];
	unsigned char *data = malloc(LONGEST);
	size_t sent = 0, len, i;
	ssize_t done;

	while (sent < d->bytes && !d->failed) {
		int flags = roll(dice) % 2 ? MSG_DONTWAIT : 0;

		len = random_size(dice);
		if (len > d->bytes - sent)
			len = d->bytes - sent;
		for (i = 0; i < len; i++)
			data[i] = byte_at(d, sent + i);
		if (d->resizes)
			resize(d, dice);
		done = send(d->from, data, len, flags | MSG_NOSIGNAL);
		if (done > 0)
			sent += done;
		else if (errno == EMSGSIZE && d->resizes)
			set_buffer_size(d->from, BUFFER_SIZE);
		else if (errno != EAGAIN || !flags || !wait_for(d->from, POLLOUT))
			fails(d, "send()", sent);
	}
	free(data);
	/* The other direction may still need this socket. */
	if (shutdown(d->from, SHUT_WR) && !d->failed)
		fails(d, "shutdown()", sent);
	return NULL;
}

static void set_lowat(struct direction *d, uint64_t *dice)
{
	static const int lowats[] = { 1, 1, 200, 5000, 70000, BUFFER_SIZE / 2, BUFFER_SIZE - 1 };
	int lowat = lowats[roll(dice) % 7];

	if (setsockopt(d->to, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat)))
		fails(d, "SO_RCVLOWAT", 0);
}

/* With SO_RCVLOWAT, only poll() waits: recv() is woken for that many bytes only. */
static ssize_t receive_some(struct direction *d, unsigned char *data, uint64_t *dice)
{
	size_t len = d->type == SOCK_STREAM ? random_size(dice) : LONGEST;
	int flags = roll(dice) % 2 || d->lowat ? MSG_DONTWAIT : 0;

	if (d->lowat && roll(dice) % 8 == 0)
		set_lowat(d, dice);
	if (d->lowat && !wait_for(d->to, POLLIN))
		return -1;
	if (roll(dice) % 8 == 0)
		recv(d->to, data, len, MSG_PEEK | MSG_DONTWAIT);
	return recv(d->to, data, len, flags);
}

static void *receive_all(void *arg)
{
	struct direction *d = arg;
	uint64_t *dice = &d->dice[1];
	unsigned char *data = malloc(LONGEST);
	size_t received = 0;
	ssize_t done, i;

	while (!d->failed) {
		done = receive_some(d, data, dice);
		if (done == 0)
			break;
		if (done < 0) {
			if (errno != EAGAIN || !wait_for(d->to, POLLIN))
				fails(d, "recv()", received);
			continue;
		}
		for (i = 0; i < done && data[i] == byte_at(d, received); i++)
			received++;
		if (i < done)
			fails(d, "wrong data", received);
	}
	if (received != d->bytes && !d->failed)
		fails(d, "the end came early", received);
	free(data);
	return NULL;
}

/* ---- a tap that comes and goes ---- */

struct tapper {
	atomic_bool stop;
	int rounds;
	int error;
};

static void *toggle_tap(void *arg)
{
	struct tapper *tapper = arg;
	int route = netlink_open(NETLINK_ROUTE);

	while (!tapper->stop && !tapper->error) {
		tapper->error = tap_create(route, "hammertap");
		usleep(20000);
		if (!tapper->error)
			tapper->error = tap_delete(route, "hammertap");
		usleep(20000);
		tapper->rounds++;
	}
	close(route);
	return NULL;
}

/* ---- all together ---- */

FIXTURE(hammer)
{
	struct pair pairs[PAIRS];
	struct direction directions[DIRECTIONS];
	unsigned long long seed;
	size_t bytes;
};

FIXTURE_VARIANT(hammer)
{
	int type;
	unsigned int cid;
	bool resizes;
	bool lowat;
	bool tapped;
};

FIXTURE_VARIANT_ADD(hammer, streams) {
	.type = SOCK_STREAM, .cid = VMADDR_CID_LOCAL,
};

FIXTURE_VARIANT_ADD(hammer, streams_with_taps) {
	.type = SOCK_STREAM, .cid = VMADDR_CID_LOCAL, .tapped = true,
};

FIXTURE_VARIANT_ADD(hammer, streams_of_resized_writers) {
	.type = SOCK_STREAM, .cid = VMADDR_CID_LOCAL, .resizes = true,
};

FIXTURE_VARIANT_ADD(hammer, streams_of_resized_writers_to_readers_with_lowat) {
	.type = SOCK_STREAM, .cid = VMADDR_CID_LOCAL, .resizes = true, .lowat = true,
};

FIXTURE_VARIANT_ADD(hammer, streams_to_readers_with_lowat_with_taps) {
	.type = SOCK_STREAM, .cid = VMADDR_CID_LOCAL, .lowat = true, .tapped = true,
};

FIXTURE_VARIANT_ADD(hammer, streams_to_an_alias) {
	.type = SOCK_STREAM, .cid = VMADDR_CID_HOST,
};

FIXTURE_VARIANT_ADD(hammer, messages) {
	.type = SOCK_SEQPACKET, .cid = VMADDR_CID_LOCAL,
};

FIXTURE_VARIANT_ADD(hammer, messages_with_taps) {
	.type = SOCK_SEQPACKET, .cid = VMADDR_CID_LOCAL, .tapped = true,
};

FIXTURE_VARIANT_ADD(hammer, messages_of_resized_writers) {
	.type = SOCK_SEQPACKET, .cid = VMADDR_CID_LOCAL, .resizes = true,
};

static unsigned long long number(const char *name, unsigned long long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

FIXTURE_SETUP(hammer)
{
	int ns, i;

	SKIP_IF(cannot_run());
	SKIP_IF(cannot_use_cid(variant->cid));
	self->seed = number("HAMMER_SEED", time(NULL));
	self->bytes = number("HAMMER_MB", 1) << 20;
	printf("# seed %llu\n", self->seed);
	ns = ns_local();
	ASSERT_LE(0, ns);
	ASSERT_EQ(0, ns_enter(ns));
	for (i = 0; i < PAIRS; i++) {
		ASSERT_EQ(0, pair_in(&self->pairs[i], ns, variant->type, variant->cid));
		ASSERT_EQ(0, sock_set_patience(self->pairs[i].client, PATIENCE_S));
		ASSERT_EQ(0, sock_set_patience(self->pairs[i].server, PATIENCE_S));
	}
	close(ns);
}

FIXTURE_TEARDOWN(hammer)
{
	int i;

	for (i = 0; i < PAIRS; i++) {
		close(self->pairs[i].client);
		close(self->pairs[i].server);
	}
}

/*
 * The second direction of each pair, from the server back. A writer that resizes
 * its buffer must not be sent to: the data in flight may not fit any more.
 */
static void prepare(struct direction *directions, int count, const struct pair *pairs,
		    unsigned long long seed)
{
	int i;

	for (i = 0; i < count; i++) {
		const struct pair *pair = &pairs[i % PAIRS];
		uint64_t dice = (seed + i + 1) * 0x9e3779b97f4a7c15ull;

		directions[i].from = i < PAIRS ? pair->client : pair->server;
		directions[i].to = i < PAIRS ? pair->server : pair->client;
		directions[i].seed = i * 31;
		directions[i].dice[0] = dice | 1;
		directions[i].dice[1] = ~dice | 1;
	}
}

TEST_F_TIMEOUT(hammer, arrive_whole_and_in_order, 900)
{
	int count = variant->resizes ? PAIRS : DIRECTIONS, i;
	pthread_t senders[DIRECTIONS], receivers[DIRECTIONS], thread;
	struct tapper tapper = { 0 };

	for (i = 0; i < count; i++) {
		self->directions[i].type = variant->type;
		self->directions[i].resizes = variant->resizes;
		self->directions[i].lowat = variant->lowat;
		self->directions[i].bytes = self->bytes;
	}
	prepare(self->directions, count, self->pairs, self->seed);
	if (variant->tapped)
		ASSERT_EQ(0, pthread_create(&thread, NULL, toggle_tap, &tapper));
	for (i = 0; i < count; i++) {
		struct direction *d = &self->directions[i];

		ASSERT_EQ(0, pthread_create(&senders[i], NULL, send_all, d));
		ASSERT_EQ(0, pthread_create(&receivers[i], NULL, receive_all, d));
	}
	for (i = 0; i < count; i++) {
		pthread_join(senders[i], NULL);
		pthread_join(receivers[i], NULL);
	}
	if (variant->tapped) {
		tapper.stop = true;
		pthread_join(thread, NULL);
		EXPECT_EQ(0, tapper.error);
		EXPECT_LT(0, tapper.rounds);
	}
	for (i = 0; i < count; i++) {
		struct direction *d = &self->directions[i];

		EXPECT_EQ(NULL, d->failed)
			TH_LOG("seed %llu, direction %d, %s after %zu bytes: %s", self->seed, i,
			       d->failed, d->place, strerror(d->error));
	}
}

TEST_HARNESS_MAIN
