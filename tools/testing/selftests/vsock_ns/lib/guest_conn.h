/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections of a guest without a VM: the part of virtio-vsock that a guest's
 * kernel has above its device.
 *
 *	guest_listen(), guest_accept(), guest_connect()
 *	guest_write(), guest_read()	streams and messages, with credit both ways
 *	guest_shutdown(), guest_close()
 *	guest_turn()			what the host has sent, for all connections
 *
 * One thread; whatever waits takes care of all connections meanwhile. What can fail
 * returns a negative errno.
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
	GUEST_CLOSING,		/* said so to the host, which has not answered */
	GUEST_RESET,		/* over */
};

/**
 * struct guest_chunk - what one packet brought, and was not read yet
 * @next: the one that came after it
 * @len: bytes of data
 * @done: how many of them were read
 * @flags: of the packet, in this machine's byte order
 * @data: the bytes
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
 * @next: of the same stack
 * @stack: whose it is
 * @state: see there; what the host sent can be read in any
 * @err: why it is over, 0: in the usual way
 * @accepted: handed out by guest_accept(), or made by guest_connect()
 * @type: VIRTIO_VSOCK_TYPE_STREAM or _SEQPACKET
 * @port: the guest's
 * @peer_cid: of the other side
 * @peer_port: of the other side
 * @shutdown: VIRTIO_VSOCK_SHUTDOWN_ flags that the guest sent
 * @peer_shutdown: those that the host sent
 * @first: data to read, the oldest; NULL: none
 * @last: the newest
 * @buf_alloc: how much the host may send that was not read yet
 * @received: bytes, all in all; wraps
 * @fwd_cnt: bytes of them that were read
 * @told: @fwd_cnt in the last packet to the host
 * @peer_buf_alloc: how much the guest may send
 * @peer_fwd_cnt: how much of it the other side has read
 * @sent: bytes, all in all; wraps
 * @asked: the host was asked for credit
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
 * @guest: whose
 * @conns: the connections
 * @listeners: ports that take connections
 * @count_listeners: how many
 * @next_port: for guest_connect()
 * @buf_alloc: for new connections
 * @replies: packets that wait for a free buffer
 * @count_replies: how many
 * @received: packets by operation, 0 for those unknown
 * @resets: how many packets fitted no connection, and were reset
 * @overruns: how many brought more than the host had credit for
 * @scratch: a packet's payload
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

/* @guest has been started. The end leaves it, and what the host knows, as it is. */
int guest_stack_init(struct guest_stack *stack, struct guest *guest);
void guest_stack_free(struct guest_stack *stack);

/*
 * Handles what has come, and waits for some if nothing has. Returns how many
 * packets, or -ETIMEDOUT.
 */
int guest_turn(struct guest_stack *stack, int milliseconds);

/* @type is SOCK_STREAM or SOCK_SEQPACKET, @milliseconds how long it may wait. */
int guest_listen(struct guest_stack *stack, int type, uint32_t port);
int guest_accept(struct guest_stack *stack, struct guest_conn **conn, int milliseconds);
int guest_connect(struct guest_stack *stack, struct guest_conn **conn, int type,
		  uint64_t cid, uint32_t port, int milliseconds);

/*
 * guest_write(): all of it, a message if the type has messages; otherwise an errno,
 * and a stream has had part of it. guest_read(): a message or some bytes, 0 at the
 * end; a message that is longer than @size is cut, as recv(2) does it, and @flags
 * (may be NULL) has VIRTIO_VSOCK_SEQ_EOR if its sender set it.
 */
ssize_t guest_write(struct guest_conn *conn, const void *data, size_t len, int milliseconds);
ssize_t guest_write_flags(struct guest_conn *conn, const void *data, size_t len,
			  uint32_t flags, int milliseconds);
ssize_t guest_read(struct guest_conn *conn, void *data, size_t size,
		   uint32_t *flags, int milliseconds);
bool guest_readable(const struct guest_conn *conn);	/* data, or an end */
size_t guest_space(const struct guest_conn *conn);	/* what it may send */
size_t guest_message(const struct guest_conn *conn);	/* length of the next, if all is there */

/* guest_close() tells the host, and waits for its answer; the connection is gone. */
int guest_shutdown(struct guest_conn *conn, uint32_t flags);
int guest_close(struct guest_conn *conn, int milliseconds);
/* At once, with a reset. */
void guest_abort(struct guest_conn *conn);

/* A packet of this connection, with its credit; more may be changed before sending. */
void guest_header(struct virtio_vsock_hdr *hdr, struct guest_conn *conn, uint16_t op);

/*
 * For functions that wait: until guest_now(), in ms, is @until. guest_post_late() is
 * guest_post() behind all that waits for a buffer, guest_post_op() a packet without
 * data; guest_until() turns until @done says so.
 */
long long guest_now(void);
int guest_post_late(struct guest_stack *stack, const struct virtio_vsock_hdr *hdr,
		    const void *payload, long long until);
int guest_post_op(struct guest_conn *conn, uint16_t op, uint32_t flags, long long until);
int guest_until(struct guest_conn *conn, bool (*done)(const struct guest_conn *conn),
		long long until);

#endif
