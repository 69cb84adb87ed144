/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections of a guest without a VM: the part of virtio-vsock that a guest's
 * kernel implements above its device.
 *
 *	guest_listen(), guest_accept(), guest_connect()
 *	guest_write(), guest_read()	streams and messages, with credit in both directions
 *	guest_shutdown(), guest_close()
 *	guest_turn()			process packets of the host for all connections
 *
 * Single-threaded: every function that waits serves all connections meanwhile.
 * Functions that can fail return a negative errno.
 */
#ifndef VSOCK_GUEST_CONN_H
#define VSOCK_GUEST_CONN_H

#include <sys/types.h>
#include <linux/vm_sockets.h>

#include "guest.h"

#define GUEST_BUF_ALLOC 65536

enum guest_state {
	GUEST_CONNECTING,
	GUEST_CONNECTED,
	GUEST_CLOSING,		/* shutdown sent, no answer yet */
	GUEST_RESET,		/* closed */
};

/**
 * struct guest_chunk - unread payload of one packet
 * @next: the next newer chunk
 * @len: number of bytes
 * @done: number of bytes already read
 * @flags: flags of the packet, in CPU byte order
 * @data: the payload
 */
struct guest_chunk {
	struct guest_chunk *next;
	size_t len;
	size_t done;
	uint32_t flags;
	char data[];
};

/**
 * struct guest_conn - one connection
 * @next: the next connection of the same stack
 * @stack: the stack that the connection belongs to
 * @state: see the enum; data can be read in any state
 * @err: the reason for the end, 0 after an orderly close
 * @accepted: returned by guest_accept(), or created by guest_connect()
 * @type: VIRTIO_VSOCK_TYPE_STREAM or _SEQPACKET
 * @port: port of the guest
 * @peer_cid: CID of the peer
 * @peer_port: port of the peer
 * @shutdown: VIRTIO_VSOCK_SHUTDOWN_ flags sent by the guest
 * @peer_shutdown: VIRTIO_VSOCK_SHUTDOWN_ flags received from the host
 * @first: the oldest unread chunk, or NULL
 * @last: the newest chunk
 * @buf_alloc: buffer space that the guest advertises
 * @received: bytes received, wraps
 * @fwd_cnt: bytes read, wraps
 * @told: @fwd_cnt of the last packet sent to the host
 * @peer_buf_alloc: buffer space that the peer advertises
 * @peer_fwd_cnt: bytes that the peer has read
 * @sent: bytes sent, wraps
 * @asked: a credit request was sent
 */
struct guest_conn {
	struct guest_conn *next;
	struct guest_stack *stack;
	enum guest_state state;
	int err;
	bool accepted;
	uint16_t type;
	uint32_t port;
	uint64_t peer_cid;
	uint32_t peer_port;
	uint32_t shutdown;
	uint32_t peer_shutdown;
	struct guest_chunk *first;
	struct guest_chunk *last;
	uint32_t buf_alloc;
	uint32_t received;
	uint32_t fwd_cnt;
	uint32_t told;
	uint32_t peer_buf_alloc;
	uint32_t peer_fwd_cnt;
	uint32_t sent;
	bool asked;
};

#define GUEST_OPS (VIRTIO_VSOCK_OP_CREDIT_REQUEST + 1)

/**
 * struct guest_stack - all connections of a guest
 * @guest: the device
 * @conns: the connections
 * @listeners: ports that accept connections
 * @count_listeners: number of @listeners
 * @next_port: the next local port of guest_connect()
 * @buf_alloc: buf_alloc of new connections
 * @replies: packets that wait for a free buffer
 * @count_replies: number of @replies
 * @received: packets received, by operation; 0 counts unknown ones
 * @resets: packets that matched no connection and were reset
 * @overruns: packets that exceeded the credit of the host
 * @scratch: payload of the current packet
 */
struct guest_stack {
	struct guest *guest;
	struct guest_conn *conns;
	struct guest_listener {
		uint32_t port;
		uint16_t type;
	} listeners[8];
	unsigned int count_listeners;
	uint32_t next_port;
	uint32_t buf_alloc;
	struct virtio_vsock_hdr replies[64];
	unsigned int count_replies;
	unsigned long long received[GUEST_OPS];
	unsigned long long resets;
	unsigned long long overruns;
	char *scratch;
};

/* @guest must be started. guest_stack_free() neither closes it nor informs the host. */
int guest_stack_init(struct guest_stack *stack, struct guest *guest);
void guest_stack_free(struct guest_stack *stack);

/*
 * Process received packets, or wait for some if there are none. Returns their
 * number or -ETIMEDOUT.
 */
int guest_turn(struct guest_stack *stack, int milliseconds);

/* @type is SOCK_STREAM or SOCK_SEQPACKET; @milliseconds limits the wait. */
int guest_listen(struct guest_stack *stack, int type, uint32_t port);
int guest_accept(struct guest_stack *stack, struct guest_conn **conn, int milliseconds);
int guest_connect(struct guest_stack *stack, struct guest_conn **conn, int type,
		  uint64_t cid, uint32_t port, int milliseconds);

/*
 * guest_write() sends all of @data, as one message on SEQPACKET. After an
 * error, part of a stream may have been sent. guest_read() returns one message,
 * or some bytes of a stream, or 0 at the end. Like recv(2), it truncates a
 * message that is longer than @size. @flags may be NULL; it receives
 * VIRTIO_VSOCK_SEQ_EOR if the sender has set it.
 */
ssize_t guest_write(struct guest_conn *conn, const void *data, size_t len, int milliseconds);
ssize_t guest_write_flags(struct guest_conn *conn, const void *data, size_t len,
			  uint32_t flags, int milliseconds);
ssize_t guest_read(struct guest_conn *conn, void *data, size_t size,
		   uint32_t *flags, int milliseconds);
bool guest_readable(const struct guest_conn *conn);	/* data or EOF */
size_t guest_space(const struct guest_conn *conn);	/* bytes that may be sent */
size_t guest_message(const struct guest_conn *conn);	/* length of the next message if complete */

/* guest_close() sends a shutdown, waits for the answer and frees the connection. */
int guest_shutdown(struct guest_conn *conn, uint32_t flags);
int guest_close(struct guest_conn *conn, int milliseconds);
/* Reset the connection without waiting. */
void guest_abort(struct guest_conn *conn);

/* Fill in a header for @conn with its credit; the caller may modify it. */
void guest_header(struct virtio_vsock_hdr *hdr, struct guest_conn *conn, uint16_t op);

/*
 * For functions that wait until @until, in ms on the clock of guest_now().
 * guest_post_late() posts a packet behind all replies that wait for a buffer.
 * guest_post_op() posts a packet without data. guest_until() calls guest_turn()
 * until @done returns true.
 */
long long guest_now(void);
int guest_post_late(struct guest_stack *stack, const struct virtio_vsock_hdr *hdr,
		    const void *payload, long long until);
int guest_post_op(struct guest_conn *conn, uint16_t op, uint32_t flags, long long until);
int guest_until(struct guest_conn *conn, bool (*done)(const struct guest_conn *conn),
		long long until);

#endif
