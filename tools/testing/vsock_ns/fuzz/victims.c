// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets and VMs that the guest must not reach, whatever it sends:
 *
 *	init (the guest's scope)	a VM, VICTIM_CID, connected to the host
 *	a local namespace		a VM with the guest's own CID and its ports,
 *					connected; listeners on the same ports
 *
 * After each input, a message in each direction checks these connections. It
 * must arrive unchanged, with no data before it.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "fuzz.h"

#define WAIT_MS 60000
#define ALLOC 65536u

static struct victim {
	const char *name;
	struct guest guest;
	int sock;
	uint32_t port;		/* the host's */
	uint32_t received;
	uint64_t round;
} victims[2] = {
	{ .name = "of the same scope" }, { .name = "of another scope" },
};

static int quiet_listeners[2];

/* ---- the guest's side ---- */

static void victim_sends(struct victim *v, uint16_t op, const void *payload, size_t len)
{
	struct virtio_vsock_hdr hdr = {
		.src_cid = htole64(v->guest.cid), .dst_cid = htole64(VMADDR_CID_HOST),
		.src_port = htole32(GUEST_PORT), .dst_port = htole32(v->port),
		.len = htole32(len), .type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(op), .buf_alloc = htole32(ALLOC), .fwd_cnt = htole32(v->received),
	};
	int err = guest_send(&v->guest, &hdr, payload);

	if (err == -ETIMEDOUT)	/* the machine may be slow */
		err = guest_flush(&v->guest, WAIT_MS);
	if (err)
		broken("the host ignores the victim %s: %s", v->name, strerror(-err));
}

/* Skip credit updates; any other packet than @op is an error. */
static int victim_receives(struct victim *v, uint16_t op, struct virtio_vsock_hdr *hdr,
			   void *payload, size_t size)
{
	int len;

	for (;;) {
		len = guest_receive(&v->guest, hdr, payload, size, WAIT_MS);
		if (len < 0)
			broken("the victim %s receives no data: %s", v->name, strerror(-len));
		if (le16toh(hdr->op) == op)
			return len;
		if (le16toh(hdr->op) == VIRTIO_VSOCK_OP_CREDIT_REQUEST)
			victim_sends(v, VIRTIO_VSOCK_OP_CREDIT_UPDATE, NULL, 0);
		else if (le16toh(hdr->op) != VIRTIO_VSOCK_OP_CREDIT_UPDATE)
			broken("the victim %s got a packet with op %u", v->name, le16toh(hdr->op));
	}
}

/* ---- setup ---- */

/* The host connects, so its socket is found by its port alone. A forged packet
 * can aim at that.
 */
static int begin_to_connect(struct victim *v, int ns, uint64_t cid)
{
	int sock = sock_in(ns, SOCK_STREAM), err;

	if (sock < 0)
		return sock;
	fcntl(sock, F_SETFL, O_NONBLOCK);
	err = bind_to(sock, VMADDR_CID_ANY, v->port);
	if (!err)
		err = connect_to(sock, cid, GUEST_PORT);
	return err == -EINPROGRESS ? sock : err ? : -EISCONN;
}

static void victim_make(struct victim *v, int ns, uint64_t cid)
{
	struct pollfd p = { .events = POLLOUT };
	struct virtio_vsock_hdr hdr;
	char none[GUEST_BUFFER];
	int here = ns_here();
	int err = ns_enter(ns);

	if (!err)
		err = guest_start(&v->guest, cid);
	if (ns_enter(here) || err)
		cannot("no victim %s: %s", v->name, strerror(-err));
	close(here);
	v->port = PORT + 7;
	v->sock = begin_to_connect(v, ns, cid);
	if (v->sock < 0)
		cannot("no connection to the victim %s: %s", v->name, strerror(-v->sock));
	victim_receives(v, VIRTIO_VSOCK_OP_REQUEST, &hdr, none, sizeof(none));
	victim_sends(v, VIRTIO_VSOCK_OP_RESPONSE, NULL, 0);
	p.fd = v->sock;
	if (poll(&p, 1, WAIT_MS) != 1)
		cannot("the victim %s cannot connect", v->name);
	fcntl(v->sock, F_SETFL, 0);
}

void victims_make(void)
{
	int local = ns_local();
	unsigned int i;

	if (local < 0)
		cannot("no local namespace: %s", strerror(-local));
	victim_make(&victims[0], ns_here(), VICTIM_CID);
	victim_make(&victims[1], local, FUZZ_CID);
	for (i = 0; i < ARRAY_SIZE(quiet_listeners); i++) {
		quiet_listeners[i] = listen_in(local, i ? SOCK_SEQPACKET : SOCK_STREAM,
					       VMADDR_CID_ANY, PORT + i);
		if (quiet_listeners[i] < 0)
			cannot("no listener in a local namespace");
	}
}

uint32_t victim_port(void)
{
	return victims[0].port;
}

/* ---- checks ---- */

static void check(struct victim *v)
{
	struct virtio_vsock_hdr hdr;
	char payload[GUEST_BUFFER];
	uint64_t sent = ++v->round * 0x9e3779b97f4a7c15ull, got = 0;
	int len;

	victim_sends(v, VIRTIO_VSOCK_OP_RW, &sent, sizeof(sent));
	if (recv(v->sock, &got, sizeof(got), MSG_WAITALL) != sizeof(got) || got != sent)
		broken("the host got %#llx from the victim %s, not %#llx: %s",
		       (unsigned long long)got, v->name, (unsigned long long)sent, strerror(errno));
	if (send(v->sock, &sent, sizeof(sent), MSG_NOSIGNAL) != sizeof(sent))
		broken("the host cannot send to the victim %s: %s", v->name, strerror(errno));
	len = victim_receives(v, VIRTIO_VSOCK_OP_RW, &hdr, payload, sizeof(payload));
	if (len != sizeof(sent) || memcmp(payload, &sent, sizeof(sent)))
		broken("the victim %s got %d bytes that were not sent", v->name, len);
	v->received += len;
}

void victims_check(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(victims); i++)
		check(&victims[i]);
	for (i = 0; i < ARRAY_SIZE(quiet_listeners); i++)
		if (!quiet(quiet_listeners[i]))
			broken("a listener of another scope was reached");
}
