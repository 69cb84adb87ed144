// SPDX-License-Identifier: GPL-2.0
/*
 * Connections of a guest without a VM: see guest_conn.h.
 *
 * Processing a packet never waits. A reply is queued until a buffer is free.
 * While too many replies are queued, no more packets are received. Otherwise
 * both sides could wait for each other's buffers.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "guest_conn.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)
#define FIRST_PORT 0x67000000u

long long guest_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

/* ---- the stack ---- */

/*
 * The host keeps a closed socket for 8 s unless the guest answers. Another
 * guest with the same CID must therefore use other ports.
 */
int guest_stack_init(struct guest_stack *stack, struct guest *guest)
{
	memset(stack, 0, sizeof(*stack));
	stack->guest = guest;
	stack->next_port = FIRST_PORT + ((unsigned int)getpid() << 8);
	stack->buf_alloc = GUEST_BUF_ALLOC;
	stack->scratch = malloc(guest->options.buffer);
	return stack->scratch ? 0 : -ENOMEM;
}

static void forget(struct guest_conn *conn)
{
	struct guest_conn **at = &conn->stack->conns;
	struct guest_chunk *chunk;

	while (*at != conn)
		at = &(*at)->next;
	*at = conn->next;
	while ((chunk = conn->first)) {
		conn->first = chunk->next;
		free(chunk);
	}
	free(conn);
}

void guest_stack_free(struct guest_stack *stack)
{
	while (stack->conns)
		forget(stack->conns);
	free(stack->scratch);
	stack->scratch = NULL;
}

static struct guest_conn *remember(struct guest_stack *stack, uint16_t type, uint32_t port,
				   uint64_t peer_cid, uint32_t peer_port)
{
	struct guest_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->stack = stack;
	conn->type = type;
	conn->port = port;
	conn->peer_cid = peer_cid;
	conn->peer_port = peer_port;
	conn->buf_alloc = stack->buf_alloc;
	conn->next = stack->conns;
	stack->conns = conn;
	return conn;
}

static struct guest_conn *find(struct guest_stack *stack, const struct virtio_vsock_hdr *hdr)
{
	struct guest_conn *conn;

	for (conn = stack->conns; conn; conn = conn->next)
		if (conn->state != GUEST_RESET &&
		    conn->port == le32toh(hdr->dst_port) &&
		    conn->peer_port == le32toh(hdr->src_port) &&
		    conn->peer_cid == le64toh(hdr->src_cid) &&
		    conn->type == le16toh(hdr->type))
			return conn;
	return NULL;
}

static uint16_t wire_type(int type)
{
	return type == SOCK_SEQPACKET ? VIRTIO_VSOCK_TYPE_SEQPACKET : VIRTIO_VSOCK_TYPE_STREAM;
}

int guest_listen(struct guest_stack *stack, int type, uint32_t port)
{
	unsigned int i;

	for (i = 0; i < stack->count_listeners; i++)
		if (stack->listeners[i].port == port)
			return -EADDRINUSE;
	if (i == ARRAY_SIZE(stack->listeners))
		return -ENOSPC;
	stack->listeners[i] = (struct guest_listener) { port, wire_type(type) };
	stack->count_listeners++;
	return 0;
}

static bool listens(const struct guest_stack *stack, const struct virtio_vsock_hdr *hdr)
{
	unsigned int i;

	for (i = 0; i < stack->count_listeners; i++)
		if (stack->listeners[i].port == le32toh(hdr->dst_port) &&
		    stack->listeners[i].type == le16toh(hdr->type))
			return true;
	return false;
}

/* ---- transmit ---- */

void guest_header(struct virtio_vsock_hdr *hdr, struct guest_conn *conn, uint16_t op)
{
	*hdr = (struct virtio_vsock_hdr) {
		.src_cid = htole64(conn->stack->guest->cid),
		.dst_cid = htole64(conn->peer_cid),
		.src_port = htole32(conn->port),
		.dst_port = htole32(conn->peer_port),
		.type = htole16(conn->type),
		.op = htole16(op),
		.buf_alloc = htole32(conn->buf_alloc),
		.fwd_cnt = htole32(conn->fwd_cnt),
	};
}

static void put_by(struct guest_stack *stack, const struct virtio_vsock_hdr *hdr)
{
	stack->replies[stack->count_replies++] = *hdr;
}

static void reply(struct guest_conn *conn, uint16_t op)
{
	struct virtio_vsock_hdr hdr;

	guest_header(&hdr, conn, op);
	conn->told = conn->fwd_cnt;
	put_by(conn->stack, &hdr);
}

/* Send as many queued replies as there are free buffers. */
static int catch_up(struct guest_stack *stack)
{
	unsigned int done;
	int err = 0;

	for (done = 0; done < stack->count_replies; done++) {
		err = guest_post(stack->guest, &stack->replies[done], NULL);
		if (err)
			break;
	}
	stack->count_replies -= done;
	memmove(stack->replies, stack->replies + done,
		stack->count_replies * sizeof(stack->replies[0]));
	return err == -EAGAIN ? 0 : err;
}

/* Queue behind earlier replies, or a reset could overtake a response. */
int guest_post_late(struct guest_stack *stack, const struct virtio_vsock_hdr *hdr,
		    const void *payload, long long until)
{
	long long left;
	int err;

	for (;;) {
		err = catch_up(stack);
		if (!err)
			err = stack->count_replies ? -EAGAIN
						   : guest_post(stack->guest, hdr, payload);
		if (err != -EAGAIN)
			return err;
		left = until - guest_now();
		if (left <= 0)
			return -ETIMEDOUT;
		err = guest_turn(stack, left);
		if (err < 0 && err != -ETIMEDOUT)
			return err;
	}
}

int guest_post_op(struct guest_conn *conn, uint16_t op, uint32_t flags, long long until)
{
	struct virtio_vsock_hdr hdr;

	guest_header(&hdr, conn, op);
	hdr.flags = htole32(flags);
	conn->told = conn->fwd_cnt;
	return guest_post_late(conn->stack, &hdr, NULL, until);
}

/* ---- receive ---- */

static void over(struct guest_conn *conn, int err)
{
	conn->state = GUEST_RESET;
	conn->err = err;
}

static void take_data(struct guest_conn *conn, const struct virtio_vsock_hdr *hdr, size_t len)
{
	struct guest_chunk *chunk = malloc(sizeof(*chunk) + len);

	if (conn->received - conn->fwd_cnt + len > conn->buf_alloc)
		conn->stack->overruns++;
	if (!chunk) {
		reply(conn, VIRTIO_VSOCK_OP_RST);
		over(conn, -ENOMEM);
		return;
	}
	*chunk = (struct guest_chunk) { .len = len, .flags = le32toh(hdr->flags) };
	memcpy(chunk->data, conn->stack->scratch, len);
	conn->received += len;
	if (conn->first)
		conn->last->next = chunk;
	else
		conn->first = chunk;
	conn->last = chunk;
}

/* A host that has closed waits for a reset as the last packet, even with unread data. */
static void take_shutdown(struct guest_conn *conn, uint32_t flags)
{
	conn->peer_shutdown |= flags & BOTH;
	if (conn->peer_shutdown != BOTH)
		return;
	reply(conn, VIRTIO_VSOCK_OP_RST);
	over(conn, 0);
}

static void take_request(struct guest_stack *stack, const struct virtio_vsock_hdr *hdr)
{
	struct guest_conn *conn;

	conn = remember(stack, le16toh(hdr->type), le32toh(hdr->dst_port),
			le64toh(hdr->src_cid), le32toh(hdr->src_port));
	if (!conn)
		return;
	conn->state = GUEST_CONNECTED;
	conn->peer_buf_alloc = le32toh(hdr->buf_alloc);
	conn->peer_fwd_cnt = le32toh(hdr->fwd_cnt);
	reply(conn, VIRTIO_VSOCK_OP_RESPONSE);
}

static void take_reset(struct guest_conn *conn)
{
	bool expected = conn->state == GUEST_CLOSING || conn->shutdown == BOTH;

	over(conn, expected ? 0 : -ECONNRESET);
}

static void take_for(struct guest_conn *conn, const struct virtio_vsock_hdr *hdr, size_t len)
{
	conn->peer_buf_alloc = le32toh(hdr->buf_alloc);
	conn->peer_fwd_cnt = le32toh(hdr->fwd_cnt);
	conn->asked = false;
	switch (le16toh(hdr->op)) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		if (conn->state == GUEST_CONNECTING)
			conn->state = GUEST_CONNECTED;
		return;
	case VIRTIO_VSOCK_OP_RW:
		take_data(conn, hdr, len);
		return;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		take_shutdown(conn, le32toh(hdr->flags));
		return;
	case VIRTIO_VSOCK_OP_RST:
		take_reset(conn);
		return;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		return;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		reply(conn, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		return;
	default:
		reply(conn, VIRTIO_VSOCK_OP_RST);
		over(conn, -EPROTO);
	}
}

static void take(struct guest_stack *stack, const struct virtio_vsock_hdr *hdr, size_t len)
{
	struct guest_conn *conn = find(stack, hdr);
	struct virtio_vsock_hdr reset;
	uint16_t op = le16toh(hdr->op);

	stack->received[op < GUEST_OPS ? op : 0]++;
	if (le64toh(hdr->dst_cid) != stack->guest->cid)
		return;
	if (conn) {
		take_for(conn, hdr, len);
	} else if (op == VIRTIO_VSOCK_OP_REQUEST && listens(stack, hdr)) {
		take_request(stack, hdr);
	} else if (op != VIRTIO_VSOCK_OP_RST) {
		guest_answer(&reset, hdr, VIRTIO_VSOCK_OP_RST);
		put_by(stack, &reset);
		stack->resets++;
	}
}

/* Each packet is answered by at most one packet. */
static int take_all(struct guest_stack *stack)
{
	struct virtio_vsock_hdr hdr;
	int count = 0, len;

	while (stack->count_replies < ARRAY_SIZE(stack->replies) / 2) {
		len = guest_receive(stack->guest, &hdr, stack->scratch,
				    stack->guest->options.buffer, 0);
		if (len == -ETIMEDOUT)
			break;
		if (len < 0)
			return len;
		if ((size_t)len != le32toh(hdr.len))
			return -EPROTO;
		take(stack, &hdr, len);
		count++;
	}
	return count;
}

int guest_turn(struct guest_stack *stack, int milliseconds)
{
	int count, err = catch_up(stack);

	if (err)
		return err;
	count = take_all(stack);
	if (!count && milliseconds) {
		err = guest_wait(stack->guest, milliseconds);
		count = err ? err : take_all(stack);
	}
	err = guest_reap(stack->guest);
	if (!err)
		err = catch_up(stack);
	return err ? err : count;
}

/* Wait for @done; returns 0, -ETIMEDOUT or an error of guest_turn(). */
int guest_until(struct guest_conn *conn, bool (*done)(const struct guest_conn *conn),
		long long until)
{
	long long left;
	int err;

	while (!done(conn)) {
		left = until - guest_now();
		if (left < 0)
			return -ETIMEDOUT;
		err = guest_turn(conn->stack, left);
		if (err < 0 && err != -ETIMEDOUT)
			return err;
	}
	return 0;
}

/* ---- connections ---- */

static struct guest_conn *not_accepted(struct guest_stack *stack)
{
	struct guest_conn *conn, *oldest = NULL;

	for (conn = stack->conns; conn; conn = conn->next)
		if (!conn->accepted)
			oldest = conn;
	return oldest;
}

int guest_accept(struct guest_stack *stack, struct guest_conn **conn, int milliseconds)
{
	long long until = guest_now() + milliseconds, left;
	int err;

	while (!(*conn = not_accepted(stack))) {
		left = until - guest_now();
		if (left < 0)
			return -ETIMEDOUT;
		err = guest_turn(stack, left);
		if (err < 0 && err != -ETIMEDOUT)
			return err;
	}
	(*conn)->accepted = true;
	return 0;
}

static bool answered(const struct guest_conn *conn)
{
	return conn->state != GUEST_CONNECTING;
}

int guest_connect(struct guest_stack *stack, struct guest_conn **conn, int type,
		  uint64_t cid, uint32_t port, int milliseconds)
{
	long long until = guest_now() + milliseconds;
	int err;

	*conn = remember(stack, wire_type(type), stack->next_port++, cid, port);
	if (!*conn)
		return -ENOMEM;
	(*conn)->accepted = true;
	err = guest_post_op(*conn, VIRTIO_VSOCK_OP_REQUEST, 0, until);
	if (!err)
		err = guest_until(*conn, answered, until);
	if (!err && (*conn)->state == GUEST_RESET)
		err = (*conn)->err ? : -ECONNRESET;
	if (err) {
		forget(*conn);
		*conn = NULL;
	}
	return err;
}

int guest_shutdown(struct guest_conn *conn, uint32_t flags)
{
	conn->shutdown |= flags & BOTH;
	if (conn->state != GUEST_CONNECTED)
		return -ENOTCONN;
	return guest_post_op(conn, VIRTIO_VSOCK_OP_SHUTDOWN, conn->shutdown, guest_now() + 10000);
}

static bool is_over(const struct guest_conn *conn)
{
	return conn->state == GUEST_RESET;
}

int guest_close(struct guest_conn *conn, int milliseconds)
{
	long long until = guest_now() + milliseconds;
	int err = 0;

	if (conn->state == GUEST_CONNECTED) {
		conn->state = GUEST_CLOSING;
		err = guest_post_op(conn, VIRTIO_VSOCK_OP_SHUTDOWN, BOTH, until);
		if (!err)
			err = guest_until(conn, is_over, until);
		if (err)
			guest_post_op(conn, VIRTIO_VSOCK_OP_RST, 0, guest_now());
	}
	if (!err)
		err = conn->err;
	forget(conn);
	return err;
}

void guest_abort(struct guest_conn *conn)
{
	if (conn->state != GUEST_RESET)
		guest_post_op(conn, VIRTIO_VSOCK_OP_RST, 0, guest_now() + 1000);
	forget(conn);
}
