// SPDX-License-Identifier: GPL-2.0
/*
 * A connection between the host and a victim under attack: see guest_scene.h.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vhost.h>

#include "guest_scene.h"

int guest_in(struct guest *guest, int ns, unsigned int cid)
{
	int here = ns_here(), err = ns_enter(ns);

	if (!err)
		err = guest_start(guest, cid);
	if (ns_enter(here) && !err)
		err = -EINVAL;
	close(here);
	return err;
}

/* A killed process of the previous test may hold the CID for a moment. */
static int guest_after_others(struct guest *guest, int ns, unsigned int cid)
{
	int err, tries = 100;

	while ((err = guest_in(guest, ns, cid)) == -EADDRINUSE && --tries)
		usleep(100000);
	return err;
}

int scene_start(struct scene *self, int liar_ns)
{
	int err;

	memset(self, 0, sizeof(*self));
	self->at = INIT;
	self->sock = -1;
	self->victim.vhost = -1;
	self->liar.vhost = -1;
	err = ns_make(self->ns);
	if (!err)
		err = guest_after_others(&self->victim, self->ns[self->at], CID);
	if (!err)
		err = guest_after_others(&self->liar, self->ns[liar_ns], OTHER_CID);
	return err;
}

void scene_stop(struct scene *self)
{
	if (self->sock >= 0)
		close(self->sock);
	if (self->victim.vhost >= 0)
		guest_stop(&self->victim);
	if (self->liar.vhost >= 0)
		guest_stop(&self->liar);
	ns_close(self->ns);
}

/* ---- packets ---- */

struct virtio_vsock_hdr header_from(const struct virtio_vsock_hdr *connection, uint64_t cid,
				    int op, uint32_t flags, size_t len)
{
	struct virtio_vsock_hdr hdr;

	guest_answer(&hdr, connection, op);
	hdr.src_cid = htole64(cid);
	hdr.flags = htole32(flags);
	hdr.len = htole32(len);
	return hdr;
}

int send_from(struct guest *guest, const struct virtio_vsock_hdr *connection,
	      uint64_t cid, int op, uint32_t flags, const char *payload)
{
	struct virtio_vsock_hdr hdr = header_from(connection, cid, op, flags, strlen(payload));

	return guest_send(guest, &hdr, payload);
}

/* Returns how many packets the host has processed, valid or not. */
static int taken(struct guest *guest)
{
	struct vhost_vring_state base = { .index = GUEST_TX };

	return ioctl(guest->vhost, VHOST_GET_VRING_BASE, &base) ? -errno : (int)base.num;
}

/* Wait until the host has processed the packet. The host returns valid packets
 * only, and stops reading while too many replies are queued.
 */
int send_raw(struct guest *guest, const struct virtio_vsock_hdr *hdr, size_t len)
{
	struct guest_queue *q = &guest->queues[GUEST_TX];
	struct vring_desc desc = { .addr = (uintptr_t)q->buffers, .len = len };
	int slot, tries;

	memset(q->buffers, 'x', guest->options.buffer);
	memcpy(q->buffers, hdr, sizeof(*hdr));
	slot = guest_push(guest, GUEST_TX, &desc, 1);
	if (slot < 0)
		return slot;
	for (tries = 0; tries < WAIT_MS && taken(guest) != q->vring.avail->idx; tries++)
		discard_answers(guest);
	if (taken(guest) != q->vring.avail->idx)
		return -ETIMEDOUT;
	/* The host never returns an invalid packet, so free its descriptor here. */
	if (guest_reap(guest) || q->count_free == q->vring.num)
		return 0;
	q->link[slot] = q->free;
	q->free = slot;
	q->count_free++;
	return 0;
}

void discard_answers(struct guest *guest)
{
	struct virtio_vsock_hdr hdr;
	char payload[GUEST_BUFFER];

	while (guest_receive(guest, &hdr, payload, sizeof(payload), 1) >= 0)
		;
}

/* The host keeps a closed socket for 8 s if the guest does not answer, so each
 * test uses a port of its own.
 */
struct virtio_vsock_hdr with_listener(void)
{
	return (struct virtio_vsock_hdr) {
		.src_cid = htole64(VMADDR_CID_HOST),
		.src_port = htole32(PORT),
		.dst_cid = htole64(CID),
		.dst_port = htole32(GUEST_PORT + getpid()),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
	};
}

int victim_sends(struct scene *self, int op, const char *payload)
{
	return send_from(&self->victim, &self->connection, self->victim.cid, op, 0, payload);
}

int victim_answers(struct scene *self, int op, uint32_t buf_alloc, uint32_t fwd_cnt)
{
	struct virtio_vsock_hdr hdr;

	guest_answer(&hdr, &self->connection, op);
	hdr.buf_alloc = htole32(buf_alloc);
	hdr.fwd_cnt = htole32(fwd_cnt);
	return guest_send(&self->victim, &hdr, NULL);
}

/* Skip other packets of the host, mostly credit updates. */
int victim_receives(struct scene *self, int op, struct virtio_vsock_hdr *hdr,
		    char *payload, size_t size)
{
	int len;

	do
		len = guest_receive(&self->victim, hdr, payload, size, WAIT_MS);
	while (len >= 0 && le16toh(hdr->op) != op);
	return len;
}

int harm(struct scene *self)
{
	struct virtio_vsock_hdr hdr;
	char payload[GUEST_BUFFER] = "";
	int len;

	if (!quiet(self->sock))
		return -EPROTO;
	len = victim_sends(self, VIRTIO_VSOCK_OP_RW, "truth");
	if (len)
		return len;
	if (read(self->sock, payload, sizeof(payload)) != 5 || memcmp(payload, "truth", 5))
		return -EBADMSG;
	if (write(self->sock, "right", 5) != 5)
		return -errno;
	len = victim_receives(self, VIRTIO_VSOCK_OP_RW, &hdr, payload, sizeof(payload));
	return len == 5 && !memcmp(payload, "right", 5) ? 0 : -EILSEQ;
}

/* The client on the host has sent its request; the victim has not answered yet. */
int host_begins_to_connect(struct scene *self)
{
	char payload[GUEST_BUFFER];
	int err;

	self->sock = sock_in(self->ns[self->at], SOCK_STREAM);
	if (self->sock < 0)
		return self->sock;
	fcntl(self->sock, F_SETFL, O_NONBLOCK);
	err = connect_to(self->sock, self->victim.cid, GUEST_PORT);
	if (err != -EINPROGRESS)
		return err ? : -EISCONN;
	err = victim_receives(self, VIRTIO_VSOCK_OP_REQUEST, &self->connection,
			      payload, sizeof(payload));
	return err < 0 ? err : 0;
}

int connected(struct scene *self)
{
	int err = sock_outcome(self->sock, POLLOUT, WAIT_MS);

	fcntl(self->sock, F_SETFL, 0);
	return err;
}

bool still_connecting(struct scene *self)
{
	struct pollfd p = { .fd = self->sock, .events = POLLOUT };

	return poll(&p, 1, 0) == 0;
}

/* Establish a connection from the host. */
int host_connects(struct scene *self)
{
	int err = host_begins_to_connect(self);

	if (!err)
		err = victim_sends(self, VIRTIO_VSOCK_OP_RESPONSE, "");
	return err ? err : connected(self);
}

int victim_connects_to(struct scene *self, int listener)
{
	int err;

	self->connection = with_listener();
	err = victim_sends(self, VIRTIO_VSOCK_OP_REQUEST, "");
	if (err)
		return err;
	self->sock = accept_one(listener);
	return self->sock < 0 ? self->sock : 0;
}
