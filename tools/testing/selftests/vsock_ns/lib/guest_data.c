// SPDX-License-Identifier: GPL-2.0
/*
 * Data of connections of a guest without a VM: see guest_conn.h.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest_conn.h"

size_t guest_space(const struct guest_conn *conn)
{
	uint32_t on_the_way = conn->sent - conn->peer_fwd_cnt;

	if (conn->state != GUEST_CONNECTED || conn->peer_buf_alloc < on_the_way)
		return 0;
	return conn->peer_buf_alloc - on_the_way;
}

/* True if more data may be sent now, or never again. */
static bool may_write(const struct guest_conn *conn)
{
	return guest_space(conn) || conn->state != GUEST_CONNECTED ||
	       conn->peer_shutdown & VIRTIO_VSOCK_SHUTDOWN_RCV;
}

static int wait_for_space(struct guest_conn *conn, long long until)
{
	int err = 0;

	if (conn->shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND)
		return -EPIPE;
	if (!may_write(conn) && !conn->asked) {
		conn->asked = true;
		err = guest_post_op(conn, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0, until);
	}
	if (!err)
		err = guest_until(conn, may_write, until);
	if (err)
		return err;
	if (conn->state != GUEST_CONNECTED)
		return conn->err ? : -EPIPE;
	return conn->peer_shutdown & VIRTIO_VSOCK_SHUTDOWN_RCV ? -EPIPE : 0;
}

ssize_t guest_write_flags(struct guest_conn *conn, const void *data, size_t len,
			  uint32_t flags, int milliseconds)
{
	bool messages = conn->type == VIRTIO_VSOCK_TYPE_SEQPACKET;
	long long until = guest_now() + milliseconds;
	struct virtio_vsock_hdr hdr;
	size_t done, part, most;
	int err;

	most = conn->stack->guest->options.buffer - sizeof(hdr);
	if (messages && len > conn->peer_buf_alloc)
		return -EMSGSIZE;
	for (done = 0; done < len; done += part) {
		err = wait_for_space(conn, until);
		if (err)
			return err;
		part = len - done;
		part = part < most ? part : most;
		part = part < guest_space(conn) ? part : guest_space(conn);
		guest_header(&hdr, conn, VIRTIO_VSOCK_OP_RW);
		hdr.len = htole32(part);
		if (messages && done + part == len)
			hdr.flags = htole32(flags | VIRTIO_VSOCK_SEQ_EOM);
		conn->told = conn->fwd_cnt;
		conn->sent += part;
		err = guest_post_late(conn->stack, &hdr, (const char *)data + done, until);
		if (err)
			return err;
	}
	return len;
}

ssize_t guest_write(struct guest_conn *conn, const void *data, size_t len, int milliseconds)
{
	return guest_write_flags(conn, data, len, 0, milliseconds);
}

static bool ends_message(const struct guest_chunk *chunk)
{
	return chunk->flags & VIRTIO_VSOCK_SEQ_EOM;
}

static const struct guest_chunk *end_of_message(const struct guest_conn *conn)
{
	const struct guest_chunk *chunk = conn->first;

	while (chunk && !ends_message(chunk))
		chunk = chunk->next;
	return chunk;
}

size_t guest_message(const struct guest_conn *conn)
{
	const struct guest_chunk *end = end_of_message(conn), *chunk;
	size_t len = end ? end->len : 0;

	for (chunk = conn->first; end && chunk != end; chunk = chunk->next)
		len += chunk->len;
	return len;
}

static bool has_data(const struct guest_conn *conn)
{
	return conn->type == VIRTIO_VSOCK_TYPE_STREAM ? conn->first : end_of_message(conn);
}

bool guest_readable(const struct guest_conn *conn)
{
	return has_data(conn) || conn->state == GUEST_RESET ||
	       conn->peer_shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND;
}

/* Copy the oldest chunk, or as much of it as fits if it belongs to a stream. */
static size_t read_chunk(struct guest_conn *conn, char *data, size_t size)
{
	struct guest_chunk *chunk = conn->first;
	size_t len = chunk->len - chunk->done;
	bool all = len <= size || conn->type == VIRTIO_VSOCK_TYPE_SEQPACKET;

	if (len > size)
		len = size;
	if (len)
		memcpy(data, chunk->data + chunk->done, len);
	conn->fwd_cnt += all ? chunk->len - chunk->done : len;
	chunk->done += len;
	if (all) {
		conn->first = chunk->next;
		free(chunk);
	}
	return len;
}

/*
 * A stream needs no update per byte: the host continues while half of the
 * buffer is free. A message may need all of it.
 */
static int tell_credit(struct guest_conn *conn)
{
	uint32_t news = conn->fwd_cnt - conn->told;
	uint32_t enough = conn->type == VIRTIO_VSOCK_TYPE_SEQPACKET ? 1 : conn->buf_alloc / 2;

	if (conn->state != GUEST_CONNECTED || news < enough)
		return 0;
	return guest_post_op(conn, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, guest_now() + 10000);
}

ssize_t guest_read(struct guest_conn *conn, void *data, size_t size,
		   uint32_t *flags, int milliseconds)
{
	bool messages = conn->type == VIRTIO_VSOCK_TYPE_SEQPACKET;
	int err = guest_until(conn, guest_readable, guest_now() + milliseconds);
	uint32_t last = 0;
	size_t len = 0;
	bool more;

	if (flags)
		*flags = 0;
	if (err)
		return err;
	if (!has_data(conn))
		return conn->err;
	do {
		last = conn->first->flags;
		more = messages ? !ends_message(conn->first) : !!conn->first->next;
		len += read_chunk(conn, (char *)data + len, size - len);
	} while (more && (len < size || messages));
	if (flags)
		*flags = last & VIRTIO_VSOCK_SEQ_EOR;
	err = tell_credit(conn);
	return err ? err : (ssize_t)len;
}
