// SPDX-License-Identifier: GPL-2.0
/*
 * Captures of loopback connections by a vsockmon device: each packet is there once
 * and before the packets that it causes, and the credit that a sender uses was
 * shown before. Scopes without a tap need no packets for credit.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/virtio_vsock.h>
#include <linux/vsockmon.h>

#include "fixture.h"
#include "netlink.h"

#define DEVICE "capture"
#define TRIPS 50
#define WINDOW 4096
#define STREAM (256 * 1024)
#define PATIENCE_S 60

/* Phases of a tap that comes and goes while data is sent */
#define PHASES 20
#define PHASE_US 50000

/**
 * struct capture - a packet socket on the tap, and what the packets have said so far
 * @sock: the packet socket
 * @port: port of the writer
 * @place: end of the payload that the writer has sent, -1 if unknown
 * @fwd_cnt: bytes that the reader has told to have read, valid if @told
 * @buf_alloc: buffer size that the reader has told
 * @told: a packet of the reader was seen
 * @payloads: packets with payload
 * @updates: credit updates of the reader
 */
struct capture {
	int sock;
	unsigned int port;
	long long place;
	uint32_t fwd_cnt;
	uint32_t buf_alloc;
	bool told;
	int payloads;
	int updates;
};

/* Room for all packets of a test; the buffer of the socket must not overflow. */
static int capture_start(struct capture *capture, unsigned int port)
{
	int size = 64 << 20;

	*capture = (struct capture) { .port = port, .place = -1 };
	capture->sock = tap_open(DEVICE);
	if (capture->sock < 0)
		return capture->sock;
	return setsockopt(capture->sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ?
	       -errno : 0;
}

struct packet {
	struct af_vsockmon_hdr tap;
	struct virtio_vsock_hdr hdr;
	uint32_t words[65536 / 4];
} __attribute__((packed));

/* Returns the length of the payload, or -EAGAIN if the capture is at its end. */
static ssize_t next_packet(struct capture *capture, struct packet *packet)
{
	ssize_t len = recv(capture->sock, packet, sizeof(*packet), MSG_DONTWAIT);

	return len < 0 ? -errno : len - (ssize_t)offsetof(struct packet, words);
}

/* The payload is the numbers of its words. */
static const char *check_payload(struct capture *capture, const struct packet *packet,
				 ssize_t len)
{
	long long place = packet->words[0] * 4ll;
	ssize_t i;

	if (len <= 0 || len % 4)
		return "a packet without its payload";
	for (i = 0; i < len / 4; i++)
		if (packet->words[i] != packet->words[0] + i)
			return "wrong payload";
	if (capture->place >= 0 && place != capture->place)
		return place < capture->place ? "payload that comes again" : "lost payload";
	capture->place = place + len;
	capture->payloads++;
	if (capture->told && (uint32_t)capture->place - capture->fwd_cnt > capture->buf_alloc)
		return "payload before its credit";
	return NULL;
}

/* Returns NULL, or what is wrong with the capture. */
static const char *check_capture(struct capture *capture)
{
	struct tpacket_stats stats;
	socklen_t size = sizeof(stats);
	static struct packet packet;
	const char *wrong = NULL;
	ssize_t len;

	while (!wrong && (len = next_packet(capture, &packet)) != -EAGAIN) {
		bool of_writer = le32toh(packet.hdr.src_port) == capture->port;

		if (len < 0)
			return "not a packet of vsock";
		if (of_writer && le16toh(packet.hdr.op) == VIRTIO_VSOCK_OP_RW) {
			wrong = check_payload(capture, &packet, len);
		} else if (!of_writer) {
			capture->fwd_cnt = le32toh(packet.hdr.fwd_cnt);
			capture->buf_alloc = le32toh(packet.hdr.buf_alloc);
			capture->told = true;
			capture->updates += le16toh(packet.hdr.op) == VIRTIO_VSOCK_OP_CREDIT_UPDATE;
		}
	}
	if (getsockopt(capture->sock, SOL_PACKET, PACKET_STATISTICS, &stats, &size) ||
	    stats.tp_drops)
		return "the packet socket has dropped some";
	return wrong;
}

FIXTURE(capture)
{
	int ns;
	int route;
	struct pair pair;
};

FIXTURE_SETUP(capture)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_tap());
	self->ns = ns_local();
	ASSERT_LE(0, self->ns);
	ASSERT_EQ(0, ns_enter(self->ns));
	self->route = netlink_open(NETLINK_ROUTE);
	ASSERT_LE(0, self->route);
	ASSERT_EQ(0, pair_with_buffers(&self->pair, self->ns, SOCK_STREAM, WINDOW));
	ASSERT_EQ(0, sock_set_patience(self->pair.client, PATIENCE_S));
	ASSERT_EQ(0, sock_set_patience(self->pair.server, PATIENCE_S));
}

NO_TEARDOWN(capture)

static int pass(int from, int to, uint32_t word)
{
	uint32_t got;

	if (send(from, &word, sizeof(word), 0) != sizeof(word) ||
	    recv(to, &got, sizeof(got), MSG_WAITALL) != sizeof(got))
		return -errno;
	return got == word ? 0 : -EBADMSG;
}

static int trips(const struct pair *pair, int from, int count)
{
	int i, err = 0;

	for (i = from; i < from + count && !err; i++) {
		err = pass(pair->client, pair->server, i);
		if (!err)
			err = pass(pair->server, pair->client, i);
	}
	return err;
}

/* With windows of the default size, each packet tells of enough credit. */
TEST_F(capture, of_a_ping_pong_is_two_packets_a_trip_in_turn)
{
	struct capture capture;
	struct packet packet;
	unsigned int port;
	struct pair pair;
	int i;

	ASSERT_EQ(0, pair_in(&pair, self->ns, SOCK_STREAM, VMADDR_CID_LOCAL));
	port = port_of(pair.client);
	ASSERT_EQ(0, tap_create(self->route, DEVICE));
	ASSERT_EQ(0, capture_start(&capture, port));
	ASSERT_EQ(0, trips(&pair, 0, TRIPS));
	for (i = 0; i < 2 * TRIPS; i++) {
		ASSERT_EQ(4, next_packet(&capture, &packet))
			TH_LOG("packet %d: op %d", i, le16toh(packet.hdr.op));
		EXPECT_EQ(VIRTIO_VSOCK_OP_RW, le16toh(packet.hdr.op));
		EXPECT_EQ(i / 2, packet.words[0]);
		EXPECT_EQ(i % 2, le32toh(packet.hdr.src_port) != port);
	}
	EXPECT_EQ(-EAGAIN, next_packet(&capture, &packet));
	close(capture.sock);
	close(pair.client);
	close(pair.server);
}

/* ---- a stream: one thread writes, another one reads ---- */

struct stream {
	int from;
	int to;
	size_t bytes;
	atomic_bool stop;
	const char *failed;
};

static void *write_all(void *arg)
{
	static const unsigned long long windows[] = { 512, 1024, WINDOW };
	struct stream *s = arg;
	uint32_t words[WINDOW / 4], word = 0;
	int round, i;

	for (round = 1; word * 4 < s->bytes && !s->stop; round++) {
		int count = 1 + round * 37 % (WINDOW / 4);

		for (i = 0; i < count; i++)
			words[i] = word++;
		if (round % 5 == 0 && set_buffer_size(s->from, windows[round / 5 % 3]))
			s->failed = "resizing";
		if (send(s->from, words, 4 * count, MSG_NOSIGNAL) != 4 * count) {
			s->failed = "send()";
			break;
		}
	}
	shutdown(s->from, SHUT_WR);
	return NULL;
}

static void *read_all(void *arg)
{
	struct stream *s = arg;
	char data[WINDOW];
	ssize_t n;

	while ((n = recv(s->to, data, sizeof(data), 0)) > 0)
		;
	if (n)
		s->failed = "recv()";
	return NULL;
}

static int stream_start(struct stream *s, pthread_t threads[2])
{
	int err = pthread_create(&threads[0], NULL, write_all, s);

	return err ? err : pthread_create(&threads[1], NULL, read_all, s);
}

static void stream_join(pthread_t threads[2])
{
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
}

TEST_F_TIMEOUT(capture, of_a_stream_is_complete_and_shows_credit_before_its_use, 300)
{
	struct stream s = { .from = self->pair.client, .to = self->pair.server, .bytes = STREAM };
	struct capture capture;
	pthread_t threads[2];
	const char *wrong;

	ASSERT_EQ(0, tap_create(self->route, DEVICE));
	ASSERT_EQ(0, capture_start(&capture, port_of(s.from)));
	capture.place = 0;
	ASSERT_EQ(0, stream_start(&s, threads));
	stream_join(threads);
	EXPECT_EQ(NULL, s.failed);
	wrong = check_capture(&capture);
	EXPECT_EQ(NULL, wrong)
		TH_LOG("%s at %lld, fwd_cnt %u", wrong, capture.place, capture.fwd_cnt);
	EXPECT_LE(STREAM, capture.place);
	EXPECT_LT(STREAM / WINDOW / 2, capture.updates);
	close(capture.sock);
}

TEST_F_TIMEOUT(capture, is_complete_while_there_is_a_tap, 300)
{
	struct stream s = { .from = self->pair.client, .to = self->pair.server, .bytes = ~0u };
	int payloads = 0, updates = 0, phase;
	struct capture capture;
	pthread_t threads[2];

	ASSERT_EQ(0, stream_start(&s, threads));
	for (phase = 0; phase < PHASES; phase++) {
		const char *wrong;

		ASSERT_EQ(0, tap_create(self->route, DEVICE));
		ASSERT_EQ(0, capture_start(&capture, port_of(s.from)));
		usleep(PHASE_US);
		wrong = check_capture(&capture);
		EXPECT_EQ(NULL, wrong)
			TH_LOG("%s at %lld, fwd_cnt %u", wrong, capture.place, capture.fwd_cnt);
		payloads += capture.payloads;
		updates += capture.updates;
		ASSERT_EQ(0, tap_delete(self->route, DEVICE));
		close(capture.sock);
		usleep(PHASE_US / 10);
	}
	s.stop = true;
	stream_join(threads);
	EXPECT_EQ(NULL, s.failed);
	EXPECT_LT(PHASES, payloads);
	EXPECT_LT(0, updates);
}

/* ---- packets for credit, counted by a tracepoint ---- */

#define TRACING "/sys/kernel/tracing/"
#define EVENT TRACING "events/vsock/virtio_transport_alloc_pkt/"

static bool can_count(void)
{
	if (access(EVENT "filter", W_OK))
		mount("tracefs", TRACING, "tracefs", 0, NULL);
	return !access(EVENT "filter", W_OK);
}

static int count_start(void)
{
	FILE *file = fopen(TRACING "trace", "we");	/* clears it */
	char filter[20];

	if (!file || fclose(file))
		return -errno;
	snprintf(filter, sizeof(filter), "op == %d", VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	return write_text(EVENT "filter", filter) ? : write_text(EVENT "enable", "1");
}

static int count_end(void)
{
	FILE *file = fopen(TRACING "trace", "re");
	char line[512];
	int count = 0;

	write_text(EVENT "enable", "0");
	write_text(EVENT "filter", "0");
	while (file && fgets(line, sizeof(line), file))
		count += !!strstr(line, "virtio_transport_alloc_pkt: ");
	if (file)
		fclose(file);
	return count;
}

/* Returns the number of credit updates: one is due for each half of the window. */
static int updates_of(const struct pair *pair)
{
	int err = trips(pair, 0, 10), i;
	char data[WINDOW / 2];

	usleep(100000);		/* until the worker has finished, see struct vsock_order */
	if (!err)
		err = count_start();
	for (i = 0; i < TRIPS && !err; i++)
		if (send(pair->client, data, sizeof(data), 0) != sizeof(data) ||
		    recv(pair->server, data, sizeof(data), MSG_WAITALL) != sizeof(data))
			err = -errno;
	return err ? err : count_end();
}

TEST_F(capture, of_others_costs_a_scope_no_packets)
{
	struct pair other;
	int ns = ns_local();

	if (!can_count())
		SKIP(return, "this kernel has no tracepoints");
	ASSERT_LE(0, ns);
	ASSERT_EQ(0, pair_with_buffers(&other, ns, SOCK_STREAM, WINDOW));
	ASSERT_EQ(0, tap_create(self->route, DEVICE));
	EXPECT_LE(TRIPS, updates_of(&self->pair));
	EXPECT_GT(TRIPS / 10, updates_of(&other));
	close(other.client);
	close(other.server);
	close(ns);
}

TEST_HARNESS_MAIN
