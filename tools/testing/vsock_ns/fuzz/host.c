// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets of the host that the guest talks to: see fuzz.h. No call waits.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

#include "fuzz.h"

#define CHUNK 4096

static int listeners[2];

static int nonblocking(int sock)
{
	fcntl(sock, F_SETFL, O_NONBLOCK);
	return sock;
}

void host_listen(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	unsigned int i;
	int here = ns_here();

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		listeners[i] = listen_in(here, types[i], VMADDR_CID_ANY, PORT + i);
		if (listeners[i] < 0)
			cannot("no listener: %s", strerror(-listeners[i]));
		nonblocking(listeners[i]);
	}
	close(here);
}

/* May replace another socket, whose connection is closed then. */
static void keep(struct rig *r, int sock)
{
	static unsigned int next;
	unsigned int i;

	for (i = 0; i < SOCKS && r->sock[i] >= 0; i++)
		;
	if (i == SOCKS) {
		i = next++ % SOCKS;
		close(r->sock[i]);
	}
	r->sock[i] = sock;
}

/* The peer must be this guest, with a CID that it has or had. */
static void peer_must_be_ours(const struct rig *r, int sock)
{
	struct sockaddr_vm peer = { 0 };
	socklen_t len = sizeof(peer);
	unsigned int i;

	if (getpeername(sock, (struct sockaddr *)&peer, &len))
		return;		/* reset meanwhile */
	for (i = 0; i < r->cids; i++)
		if (peer.svm_cid == r->cid[i])
			return;
	broken("a connection from CID %u, which this guest never had", peer.svm_cid);
}

void host_accept(struct rig *r)
{
	unsigned int i;
	int sock;

	for (i = 0; i < ARRAY_SIZE(listeners); i++) {
		for (;;) {
			sock = accept4(listeners[i], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (sock < 0)
				break;
			peer_must_be_ours(r, sock);
			keep(r, sock);
		}
	}
}

/* The guest answers correctly if @in says so, else the next actions may answer. */
void host_connect(struct rig *r, struct input *in)
{
	uint8_t how = take8(in);
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK, .svm_cid = r->cid[r->cids - 1],
		.svm_port = GUEST_PORT + (how >> 4),
	};
	int sock = socket(AF_VSOCK, (how & 1 ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_NONBLOCK |
				    SOCK_CLOEXEC, 0);
	struct virtio_vsock_hdr *hdr;

	if (sock < 0)
		return;
	connect(sock, (struct sockaddr *)&addr, sizeof(addr));
	keep(r, sock);
	rig_flush(r);
	rig_drain(r);
	if (how & 2 || le16toh(r->last.op) != VIRTIO_VSOCK_OP_REQUEST)
		return;
	if (r->tx_at + sizeof(*hdr) > TX_END)
		r->tx_at = TX_AT;
	hdr = (void *)(arena + r->tx_at);
	*hdr = (struct virtio_vsock_hdr) {
		.src_cid = r->last.dst_cid, .dst_cid = r->last.src_cid,
		.src_port = r->last.dst_port, .dst_port = r->last.src_port,
		.type = r->last.type, .op = htole16(VIRTIO_VSOCK_OP_RESPONSE),
		.buf_alloc = htole32(65536),
	};
	*rig_desc(TX, r->avail[TX] % RING) = (struct vring_desc) {
		.addr = GPA + r->tx_at, .len = sizeof(*hdr),
	};
	r->tx_at += sizeof(*hdr);
	rig_offer(r, TX, r->avail[TX] % RING);
	rig_kick(r, TX);
	rig_flush(r);
}

/* ---- operations on the sockets ---- */

static void receive(const struct rig *r, int sock, int flags)
{
	uint8_t data[CHUNK];
	ssize_t i, n = recv(sock, data, sizeof(data), MSG_DONTWAIT | flags);

	for (i = 0; r->plain && i < n; i++)
		if (data[i] != GUEST_BYTE)
			broken("byte %zd of %zd is %#x, not sent by the guest", i, n, data[i]);
}

static void send_some(int sock, size_t len, int flags)
{
	static uint8_t data[CHUNK];

	memset(data, HOST_BYTE, sizeof(data));
	send(sock, data, len % CHUNK, MSG_DONTWAIT | MSG_NOSIGNAL | flags);
}

static void option(struct input *in, int sock)
{
	static const unsigned long long sizes[] = { 0, 128, 4096, 65536, 262144, 1ull << 40 };
	unsigned long long size = sizes[take8(in) % ARRAY_SIZE(sizes)];

	setsockopt(sock, AF_VSOCK, take8(in) % 3, &size, sizeof(size));
}

void host_acts(struct rig *r, struct input *in)
{
	int *sock = &r->sock[take8(in) % SOCKS];
	uint8_t what = take8(in);

	if (*sock < 0) {
		host_accept(r);
		return;
	}
	switch (what % 8) {
	case 0:
	case 1:
		receive(r, *sock, 0);
		break;
	case 2:
		receive(r, *sock, MSG_PEEK);
		break;
	case 3:
		send_some(*sock, take16(in), 0);
		break;
	case 4:
		send_some(*sock, take16(in), MSG_EOR);
		break;
	case 5:
		shutdown(*sock, take8(in) % 3);
		break;
	case 6:
		option(in, *sock);
		break;
	case 7:
		close(*sock);
		*sock = -1;
	}
}

void host_end(struct rig *r)
{
	unsigned int i;

	host_accept(r);
	for (i = 0; i < SOCKS; i++) {
		if (r->sock[i] < 0)
			continue;
		receive(r, r->sock[i], 0);
		close(r->sock[i]);
	}
}
