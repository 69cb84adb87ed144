// SPDX-License-Identifier: GPL-2.0
/*
 * Credit and queues. A guest, or a loopback socket of a tenant, grants no
 * credit, grants too much, overruns its credit, or fills every queue. It stops
 * its own connections only, and costs the host no more than their buffers.
 */
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "guest_scene.h"

#define ANY VMADDR_CID_ANY
#define LO VMADDR_CID_LOCAL

/* Default of SO_VM_SOCKETS_BUFFER_SIZE */
#define BUFFER_SIZE 262144
#define BACKLOG 64

FIXTURE(attack_credit)
{
	struct scene scene;
	struct scene own;	/* a connection between the liar and its host */
	struct virtio_vsock_hdr last;
};

FIXTURE_VARIANT(attack_credit)
{
	int liar_ns;
};

FIXTURE_VARIANT_ADD(attack_credit, in_the_scope_of_the_victim) { .liar_ns = INIT };
FIXTURE_VARIANT_ADD(attack_credit, in_another_scope) { .liar_ns = L0 };

FIXTURE_SETUP(attack_credit)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	ASSERT_EQ(0, scene_start(&self->scene, variant->liar_ns));
	ASSERT_EQ(0, host_connects(&self->scene));
	memcpy(self->own.ns, self->scene.ns, sizeof(self->own.ns));
	self->own.at = variant->liar_ns;
	self->own.victim = self->scene.liar;
	self->own.sock = -1;
	self->scene.liar.vhost = -1;
	ASSERT_EQ(0, host_begins_to_connect(&self->own));
}

FIXTURE_TEARDOWN(attack_credit)
{
	close(self->own.sock);
	guest_stop(&self->own.victim);
	scene_stop(&self->scene);
}

/* Returns how many bytes can be sent without waiting, @enough at most. */
static size_t fill(int sock, size_t enough)
{
	static const char data[4096];
	size_t sent = 0;
	ssize_t len;

	while (sent < enough) {
		len = send(sock, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (len <= 0)
			break;
		sent += len;
	}
	return sent;
}

TEST_F(attack_credit, of_nothing_stops_only_who_sends_to_the_liar)
{
	ASSERT_EQ(0, victim_sends(&self->own, VIRTIO_VSOCK_OP_RESPONSE, ""));
	ASSERT_EQ(0, connected(&self->own));
	ASSERT_EQ(0, victim_answers(&self->own, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, 0));
	EXPECT_EQ(0, fill(self->own.sock, BUFFER_SIZE));
	EXPECT_EQ(0, harm(&self->scene));
}

TEST_F(attack_credit, of_4_gigabytes_costs_the_host_a_buffer)
{
	ASSERT_EQ(0, victim_answers(&self->own, VIRTIO_VSOCK_OP_RESPONSE, ~0u, 0));
	ASSERT_EQ(0, connected(&self->own));
	EXPECT_GE(BUFFER_SIZE, fill(self->own.sock, 16 * BUFFER_SIZE));
	EXPECT_EQ(0, harm(&self->scene));
}

TEST_F(attack_credit, for_more_than_was_sent_gives_no_more)
{
	ASSERT_EQ(0, victim_sends(&self->own, VIRTIO_VSOCK_OP_RESPONSE, ""));
	ASSERT_EQ(0, connected(&self->own));
	ASSERT_EQ(0, victim_answers(&self->own, VIRTIO_VSOCK_OP_CREDIT_UPDATE, BUFFER_SIZE,
				    1u << 30));
	EXPECT_GE(BUFFER_SIZE, fill(self->own.sock, 16 * BUFFER_SIZE));
	EXPECT_EQ(0, harm(&self->scene));
}

TEST_F(attack_credit, taken_back_after_it_was_used_stops_only_who_sends_to_the_liar)
{
	ASSERT_EQ(0, victim_answers(&self->own, VIRTIO_VSOCK_OP_RESPONSE, BUFFER_SIZE, 0));
	ASSERT_EQ(0, connected(&self->own));
	ASSERT_EQ(8192, fill(self->own.sock, 8192));
	ASSERT_EQ(0, victim_answers(&self->own, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 4096, 0));
	EXPECT_EQ(0, fill(self->own.sock, BUFFER_SIZE));
	EXPECT_EQ(0, harm(&self->scene));
}

/* Returns the bytes that the host sends to a liar that acknowledges but never reads. */
static size_t sent_for_nothing(struct scene *own)
{
	size_t sent = fill(own->sock, BUFFER_SIZE);
	int i;

	for (i = 0; i < 16; i++) {
		if (victim_answers(own, VIRTIO_VSOCK_OP_CREDIT_UPDATE, BUFFER_SIZE, sent))
			return 0;
		sent += fill(own->sock, BUFFER_SIZE);
	}
	return sent;
}

TEST_F(attack_credit, for_what_was_never_taken_costs_the_host_a_buffer)
{
	size_t sent;

	ASSERT_EQ(0, victim_sends(&self->own, VIRTIO_VSOCK_OP_RESPONSE, ""));
	ASSERT_EQ(0, connected(&self->own));
	sent = sent_for_nothing(&self->own);
	EXPECT_LE(BUFFER_SIZE, sent);
	EXPECT_GE(BUFFER_SIZE + GUEST_RING * GUEST_BUFFER, sent);
	EXPECT_EQ(0, harm(&self->scene));
}

static int write_patiently(void *arg)
{
	const struct timeval patience = { .tv_sec = 6 * WAIT_MS / 1000 };
	const int *sock = arg;

	if (setsockopt(*sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)))
		return 1;
	return send(*sock, "late", 4, MSG_NOSIGNAL) == 4 ? 0 : 2;
}

static bool writable(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents == POLLOUT;
}

/* No more credit arrives: a packet that the guest receives must wake the writer. */
TEST_F_TIMEOUT(attack_credit, for_what_is_taken_later_stops_the_writer_until_then, 120)
{
	char payload[GUEST_BUFFER] = "";
	struct virtio_vsock_hdr hdr;
	pid_t writer;

	ASSERT_EQ(0, victim_sends(&self->own, VIRTIO_VSOCK_OP_RESPONSE, ""));
	ASSERT_EQ(0, connected(&self->own));
	ASSERT_LE(BUFFER_SIZE, sent_for_nothing(&self->own));
	ASSERT_EQ(0, fill(self->own.sock, 1));
	ASSERT_FALSE(writable(self->own.sock));
	writer = start(write_patiently, &self->own.sock);
	usleep(100000);		/* usually enough for it to wait */
	while (strncmp(payload, "late", 4) &&
	       guest_receive(&self->own.victim, &hdr, payload, sizeof(payload), WAIT_MS) >= 0)
		;
	EXPECT_EQ(0, strncmp(payload, "late", 4));
	EXPECT_EQ(0, finish(writer));
	EXPECT_TRUE(writable(self->own.sock));
	EXPECT_EQ(0, harm(&self->scene));
}

#define MANY 4096
#define READS 256
/* The guest's buffers, one queued packet, and one that the worker had dequeued. */
#define UPDATES (GUEST_RING + 2)

/* Returns how many credit updates the guest receives before the next data. */
static int updates_queued(struct scene *own, struct virtio_vsock_hdr *last)
{
	struct virtio_vsock_hdr hdr;
	int updates = 0;

	if (send(own->sock, "end", 3, MSG_NOSIGNAL) != 3)
		return INT_MAX;
	while (guest_receive(&own->victim, &hdr, NULL, 0, WAIT_MS) >= 0) {
		if (le16toh(hdr.op) != VIRTIO_VSOCK_OP_CREDIT_UPDATE)
			return le16toh(hdr.op) == VIRTIO_VSOCK_OP_RW ? updates : INT_MAX;
		*last = hdr;
		updates++;
	}
	return INT_MAX;
}

/* Returns how many credit requests the host processes while their answers stay queued. */
static int requests_taken(struct scene *own, int most)
{
	struct virtio_vsock_hdr hdr;
	int err, sent = 0;

	guest_answer(&hdr, &own->connection, VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	while (sent < most) {
		err = guest_post(&own->victim, &hdr, NULL);
		if (err == -EAGAIN)
			err = guest_used(&own->victim, GUEST_TX, NULL, 500) < 0;
		else if (!err)
			sent++;
		if (err)
			break;
	}
	return sent;
}

TEST_F_TIMEOUT(attack_credit, requests_are_all_taken_and_leave_one_answer, 120)
{
	ASSERT_EQ(0, victim_sends(&self->own, VIRTIO_VSOCK_OP_RESPONSE, ""));
	ASSERT_EQ(0, connected(&self->own));
	EXPECT_EQ(MANY, requests_taken(&self->own, MANY));
	EXPECT_GE(UPDATES, updates_queued(&self->own, &self->last));
	EXPECT_EQ(0, guest_flush(&self->own.victim, WAIT_MS));
	EXPECT_EQ(0, harm(&self->scene));
}

TEST_F_TIMEOUT(attack_credit, updates_by_another_buffer_size_leave_the_last_one, 120)
{
	uint64_t size;

	ASSERT_EQ(0, victim_sends(&self->own, VIRTIO_VSOCK_OP_RESPONSE, ""));
	ASSERT_EQ(0, connected(&self->own));
	for (size = BUFFER_SIZE - MANY; size < BUFFER_SIZE; size++)
		ASSERT_EQ(0, setsockopt(self->own.sock, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE,
					&size, sizeof(size)));
	EXPECT_GE(UPDATES, updates_queued(&self->own, &self->last));
	EXPECT_EQ(BUFFER_SIZE - 1, le32toh(self->last.buf_alloc));
	EXPECT_EQ(0, harm(&self->scene));
}

TEST_F_TIMEOUT(attack_credit, updates_by_a_reader_leave_the_last_one, 120)
{
	char byte;
	int i;

	ASSERT_EQ(0, victim_sends(&self->own, VIRTIO_VSOCK_OP_RESPONSE, ""));
	ASSERT_EQ(0, connected(&self->own));
	/* In a small window, each read is worth an update. */
	ASSERT_EQ(0, set_buffer_size(self->own.sock, BUFFER_SIZE / 8));
	for (i = 0; i < READS; i++) {
		ASSERT_EQ(0, victim_sends(&self->own, VIRTIO_VSOCK_OP_RW, "x"));
		ASSERT_EQ(1, recv(self->own.sock, &byte, 1, 0));
	}
	EXPECT_GE(UPDATES, updates_queued(&self->own, &self->last));
	EXPECT_EQ(READS, le32toh(self->last.fwd_cnt));
	EXPECT_EQ(0, harm(&self->scene));
}

/* Returns how many bytes the host accepts before it resets the connection. */
static size_t overrun(struct scene *own)
{
	char payload[GUEST_BUFFER - sizeof(struct virtio_vsock_hdr) + 1], answer[GUEST_BUFFER];
	struct virtio_vsock_hdr hdr;
	size_t sent = 0;

	memset(payload, 'x', sizeof(payload) - 1);
	payload[sizeof(payload) - 1] = 0;
	while (sent < 16 * BUFFER_SIZE && !victim_sends(own, VIRTIO_VSOCK_OP_RW, payload)) {
		sent += sizeof(payload) - 1;
		while (guest_receive(&own->victim, &hdr, answer, sizeof(answer), 0) >= 0)
			if (le16toh(hdr.op) == VIRTIO_VSOCK_OP_RST)
				return sent;
	}
	return sent;
}

TEST_F_TIMEOUT(attack_credit, that_was_not_given_ends_the_liars_connection_alone, 120)
{
	ASSERT_EQ(0, victim_sends(&self->own, VIRTIO_VSOCK_OP_RESPONSE, ""));
	ASSERT_EQ(0, connected(&self->own));
	EXPECT_GE(BUFFER_SIZE + 16 * GUEST_BUFFER, overrun(&self->own));
	EXPECT_EQ(0, harm(&self->scene));
}

static int request_connections(struct scene *own, int count)
{
	struct virtio_vsock_hdr connection = with_listener();
	int err = 0, i;

	connection.dst_cid = htole64(own->victim.cid);
	for (i = 0; !err && i < count; i++) {
		connection.dst_port = htole32(GUEST_PORT + 1000 + i);
		err = send_from(&own->victim, &connection, own->victim.cid,
				VIRTIO_VSOCK_OP_REQUEST, 0, "");
		discard_answers(&own->victim);
	}
	return err;
}

TEST_F_TIMEOUT(attack_credit, of_a_listener_that_is_used_up_is_that_of_its_scope, 120)
{
	int listener[NS_COUNT], i;

	for (i = INIT; i < NS_COUNT; i += L0) {
		listener[i] = listen_in(self->scene.ns[i], SOCK_STREAM, ANY, PORT);
		ASSERT_LE(0, listener[i]);
	}
	ASSERT_EQ(0, request_connections(&self->own, BACKLOG + 20));
	close(self->scene.sock);
	self->scene.sock = -1;
	if (variant->liar_ns == INIT)	/* its own listener: free its backlog */
		for (i = 0; i <= BACKLOG; i++)
			close(accept_one(listener[INIT]));
	ASSERT_EQ(0, victim_connects_to(&self->scene, listener[INIT]));
	EXPECT_EQ(0, harm(&self->scene));
}

/* ---- loopback ---- */

#define PAIRS 16

FIXTURE(loopback_credit)
{
	int ns[NS_COUNT];
};

NAMESPACES_SETUP(loopback_credit, cannot_run())

TEST_F(loopback_credit, that_a_tenant_has_used_up_is_its_own)
{
	struct pair full, init, l1;
	int i;

	for (i = 0; i < PAIRS; i++) {
		ASSERT_EQ(0, pair_in(&full, self->ns[L0], SOCK_STREAM, LO));
		EXPECT_LT(0, fill(full.client, 16 * BUFFER_SIZE));
		EXPECT_GE(BUFFER_SIZE, fill(full.server, 16 * BUFFER_SIZE));
	}
	ASSERT_EQ(0, pair_in(&init, self->ns[INIT], SOCK_STREAM, LO));
	EXPECT_EQ(0, exchange(init.client, init.server, BUFFER_SIZE));
	ASSERT_EQ(0, pair_in(&l1, self->ns[L1], SOCK_STREAM, LO));
	EXPECT_EQ(0, exchange(l1.client, l1.server, BUFFER_SIZE));
}

TEST_F(loopback_credit, of_a_backlog_that_is_used_up_is_that_of_its_scope)
{
	int full = listen_in(self->ns[L0], SOCK_STREAM, ANY, PORT);
	int init = listen_in(self->ns[INIT], SOCK_STREAM, ANY, PORT), client, i;

	ASSERT_LE(0, full);
	for (i = 0; i < BACKLOG + 20; i++)
		connect_in(self->ns[L0], SOCK_STREAM, LO, PORT);
	EXPECT_EQ(-ECONNRESET, connect_in(self->ns[L0], SOCK_STREAM, LO, PORT));
	client = connect_in(self->ns[G0], SOCK_STREAM, LO, PORT);
	ASSERT_LE(0, client);
	EXPECT_EQ(0, talk(client, accept_one(init)));
}

TEST_HARNESS_MAIN
