// SPDX-License-Identifier: GPL-2.0
/*
 * VMs and connections to them: see stress.h and guest.h. Implements the guest's
 * side of the protocol: requests, credit, shutdown.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "stress.h"

#define GUEST_TELLS (GUEST_ALLOC / 4)	/* the guest sends a credit update per this many bytes */
#define PAYLOAD (GUEST_BUFFER - sizeof(struct virtio_vsock_hdr))
#define FIRST_CID 1000
#define PATIENCE_MS 60000

/* ---- packets ---- */

static void guest_sends(struct worker *w, struct vm *vm, struct virtio_vsock_hdr *hdr,
			const void *payload)
{
	int err = guest_send(&vm->guest, hdr, payload);

	if (err == -ETIMEDOUT)	/* the machine may be slow */
		err = guest_flush(&vm->guest, PATIENCE_MS);
	if (err)
		wrong(w, "the host did not take a packet of the guest: %s", strerror(-err));
}

static uint16_t virtio_type(const struct link *l)
{
	return l->type == SOCK_STREAM ? VIRTIO_VSOCK_TYPE_STREAM : VIRTIO_VSOCK_TYPE_SEQPACKET;
}

static void link_sends(struct worker *w, struct link *l, uint16_t op, uint32_t flags,
		       const void *payload, size_t len)
{
	struct virtio_vsock_hdr hdr = {
		.src_cid = htole64(l->vm->guest.cid),
		.dst_cid = htole64(VMADDR_CID_HOST),
		.src_port = htole32(l->guest_port),
		.dst_port = htole32(l->host_port),
		.len = htole32(len),
		.type = htole16(virtio_type(l)),
		.op = htole16(op),
		.flags = htole32(flags),
		.buf_alloc = htole32(GUEST_ALLOC),
		.fwd_cnt = htole32(l->end[1].received),
	};

	l->acked = l->end[1].received;
	guest_sends(w, l->vm, &hdr, payload);
}

/* Answer a packet without a connection by a reset, like a guest. */
static void refuse(struct worker *w, struct vm *vm, const struct virtio_vsock_hdr *hdr)
{
	struct virtio_vsock_hdr answer;

	if (le16toh(hdr->op) == VIRTIO_VSOCK_OP_RST)
		return;
	guest_answer(&answer, hdr, VIRTIO_VSOCK_OP_RST);
	guest_sends(w, vm, &answer, NULL);
}

static struct link *link_of(struct worker *w, struct vm *vm, const struct virtio_vsock_hdr *hdr)
{
	unsigned int i;

	for (i = 0; i < LINKS; i++) {
		struct link *l = &w->links[i];

		if (!l->used || l->vm != vm || l->guest_port != le32toh(hdr->dst_port))
			continue;
		if (l->host_port == le32toh(hdr->src_port))
			return l;
		if (!l->host_port && le16toh(hdr->op) == VIRTIO_VSOCK_OP_REQUEST)
			return l;
	}
	return NULL;
}

static void took_data(struct worker *w, struct link *l, const struct virtio_vsock_hdr *hdr,
		      const void *payload, size_t len)
{
	struct end *e = &l->end[1];

	link_check(w, l, 0, e->received, payload, len);
	e->received += len;
	e->part += len;
	if (l->type == SOCK_SEQPACKET && le32toh(hdr->flags) & VIRTIO_VSOCK_SEQ_EOM) {
		if (e->part != message_len(l, 0, e->messages_in))
			wrong(w, "message %u to a guest has %u bytes, expected %zu", e->messages_in,
			      e->part, message_len(l, 0, e->messages_in));
		e->messages_in++;
		e->part = 0;
	}
	if ((uint32_t)l->end[1].received - l->acked >= GUEST_TELLS)
		link_sends(w, l, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
}

static void took(struct worker *w, struct link *l, const struct virtio_vsock_hdr *hdr,
		 const void *payload, size_t len)
{
	l->peer_alloc = le32toh(hdr->buf_alloc);
	l->peer_fwd = le32toh(hdr->fwd_cnt);
	switch (le16toh(hdr->op)) {
	case VIRTIO_VSOCK_OP_REQUEST:
		l->host_port = le32toh(hdr->src_port);
		link_sends(w, l, VIRTIO_VSOCK_OP_RESPONSE, 0, NULL, 0);
		l->up = true;
		break;
	case VIRTIO_VSOCK_OP_RESPONSE:
		l->up = true;
		break;
	case VIRTIO_VSOCK_OP_RW:
		took_data(w, l, hdr, payload, len);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		link_sends(w, l, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		if (le32toh(hdr->flags) & VIRTIO_VSOCK_SHUTDOWN_SEND)
			l->end[1].eof = true;
		break;
	case VIRTIO_VSOCK_OP_RST:
		if (!l->broken)
			wrong(w, "the host reset an intact link of scope %u", l->scope);
		l->end[1].eof = true;
		break;
	}
}

/* Process all packets for the guest. */
void vm_pump(struct worker *w, struct vm *vm)
{
	struct virtio_vsock_hdr hdr;
	char payload[GUEST_BUFFER];
	struct link *l;
	int len;

	for (;;) {
		len = guest_receive(&vm->guest, &hdr, payload, sizeof(payload), 0);
		if (len == -ETIMEDOUT)
			return;
		if (len < 0)
			wrong(w, "an invalid used entry");
		if (le64toh(hdr.dst_cid) != vm->guest.cid && le64toh(hdr.dst_cid) < FIRST_CID)
			wrong(w, "a packet for CID %llu", (unsigned long long)le64toh(hdr.dst_cid));
		if (le32toh(hdr.len) != (uint32_t)len)
			wrong(w, "a packet of %d bytes with len %u", len, le32toh(hdr.len));
		l = link_of(w, vm, &hdr);
		if (l)
			took(w, l, &hdr, payload, len);
		else
			refuse(w, vm, &hdr);
	}
}

/* Respect the credit of the host, which may drop more. A message is sent whole
 * or not at all.
 */
void vm_send_some(struct worker *w, struct link *l, size_t most)
{
	struct end *e = &l->end[1];
	uint32_t room = l->peer_alloc - ((uint32_t)e->sent - l->peer_fwd);
	bool message = l->type == SOCK_SEQPACKET;
	char payload[PAYLOAD];

	if (message)
		most = message_len(l, 1, e->messages_out);
	if (most > room && message)
		return;
	if (most > room)
		most = room;
	while (most && !l->broken) {
		size_t len = most < PAYLOAD ? most : PAYLOAD;
		bool last = message && len == most;

		link_fill(l, 1, e->sent, payload, len);
		link_sends(w, l, VIRTIO_VSOCK_OP_RW, last ? VIRTIO_VSOCK_SEQ_EOM : 0, payload, len);
		e->sent += len;
		e->messages_out += last;
		most -= len;
		vm_pump(w, l->vm);
	}
}

/* Send SHUTDOWN for the guest's sending side, or RST. */
void vm_shut(struct worker *w, struct link *l, uint16_t op)
{
	bool reset = op == VIRTIO_VSOCK_OP_RST;

	vm_pump(w, l->vm);
	link_sends(w, l, op, reset ? 0 : VIRTIO_VSOCK_SHUTDOWN_SEND, NULL, 0);
}

/* ---- VMs ---- */

static bool cid_taken(struct worker *w, const struct vm *vm, uint32_t scope, uint64_t cid)
{
	unsigned int i;

	for (i = 0; i < VMS; i++)
		if (&w->vms[i] != vm && w->vms[i].used &&
		    scope_of(&w->vms[i].space) == scope && w->vms[i].guest.cid == cid)
			return true;
	return false;
}

/* The CIDs are equal in all scopes; they differ between workers in the global scope. */
static uint64_t some_cid(struct worker *w)
{
	return FIRST_CID + w->index * 8 + roll(w, VMS + 1);
}

enum result vm_new(struct worker *w)
{
	struct vm *vm = &w->vms[roll(w, VMS)];
	struct space *space = any_space(w);
	uint64_t cid = some_cid(w);
	bool taken = cid_taken(w, vm, scope_of(space), cid), hit;
	int err;

	if (vm->used || (leaving(w, LEAVE_VHOST) && roll(w, 4)))
		return SKIPPED;
	if (ns_enter(space->fd))
		wrong(w, "cannot enter namespace %u", space->id);
	fault_begin(w);
	err = guest_start(&vm->guest, cid);
	hit = fault_end(w);
	if (ns_enter(w->home))
		wrong(w, "cannot return to init");
	if (err && (hit || gone(w, err)))
		return REFUSED;
	if (taken ? err != -EADDRINUSE : err)
		wrong(w, "a VM with CID %llu in scope %u: %s, expected %s",
		      (unsigned long long)cid, scope_of(space), strerror(-err),
		      strerror(taken ? EADDRINUSE : 0));
	if (err)
		return REFUSED;
	keep_space(w, &vm->space, space);
	vm->used = true;
	return DONE;
}

/* The peers must be notified, even if the caller has not finished their connections. */
void vm_end(struct worker *w, struct vm *vm)
{
	unsigned int i;

	guest_stop(&vm->guest);
	for (i = 0; i < LINKS; i++)
		if (w->links[i].used && w->links[i].vm == vm)
			link_break(w, &w->links[i]);
	close(vm->space.fd);
	vm->used = false;
}

static void send_on_all(struct worker *w, struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < LINKS; i++)
		if (w->links[i].used && w->links[i].vm == vm)
			link_turn_socket(w, &w->links[i], 0, 4096);
}

enum result vm_close(struct worker *w)
{
	struct vm *vm = &w->vms[roll(w, VMS)];

	if (!vm->used)
		return SKIPPED;
	send_on_all(w, vm);
	vm_end(w, vm);
	return DONE;
}

/* Change the CID under traffic. Connections to the old CID are reset. */
enum result vm_cid(struct worker *w)
{
	struct vm *vm = &w->vms[roll(w, VMS)];
	uint64_t cid = some_cid(w);
	unsigned int i;
	bool taken;
	int err;

	if (!vm->used)
		return SKIPPED;
	taken = cid_taken(w, vm, scope_of(&vm->space), cid);
	send_on_all(w, vm);
	err = vm_set_cid(vm->guest.vhost, cid);
	if (err != (taken ? -EADDRINUSE : 0))
		wrong(w, "CID %llu in scope %u: %s", (unsigned long long)cid,
		      scope_of(&vm->space), strerror(-err));
	if (err)
		return REFUSED;
	for (i = 0; cid != vm->guest.cid && i < LINKS; i++)
		if (w->links[i].used && w->links[i].vm == vm)
			link_forget(&w->links[i]);
	vm->guest.cid = cid;
	return DONE;
}

/* ---- connections ---- */

static void until_up(struct worker *w, struct link *l)
{
	uint64_t end = now_ms() + PATIENCE_MS;

	while (!l->up) {
		vm_pump(w, l->vm);
		if (!l->up)
			poll(NULL, 0, 1);
		if (now_ms() > end)
			wrong(w, "no answer of the host to a VM of scope %u", l->scope);
	}
}

static enum result host_connects(struct worker *w, struct link *l)
{
	int sock = worker_socket(w, &l->vm->space, l->type);
	struct pollfd p = { .fd = sock, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err;

	if (sock < 0)
		return REFUSED;
	no_waiting(sock);
	err = connect_to(sock, l->vm->guest.cid, l->guest_port);
	if (err != -EINPROGRESS)
		wrong(w, "connect to a VM of scope %u: %s", l->scope, strerror(-err));
	l->end[0].fd = sock;
	l->used = true;
	until_up(w, l);
	if (poll(&p, 1, PATIENCE_MS) != 1 ||
	    getsockopt(sock, SOL_SOCKET, SO_ERROR, &err, &len) || err)
		wrong(w, "the VM has answered, and connect returns %s", strerror(err));
	fcntl(sock, F_SETFL, 0);
	return DONE;
}

static enum result guest_connects(struct worker *w, struct link *l)
{
	int listener = worker_listener(w, &l->vm->space, l->type);

	if (listener < 0)
		return REFUSED;
	l->host_port = listen_port(w);
	l->used = true;
	vm_pump(w, l->vm);
	link_sends(w, l, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	until_up(w, l);
	l->end[0].fd = accept_one(listener);
	if (l->end[0].fd < 0)
		wrong(w, "accept from a VM of scope %u: %s", l->scope, strerror(-l->end[0].fd));
	close(listener);
	return DONE;
}

enum result vm_link(struct worker *w)
{
	struct vm *vm = &w->vms[roll(w, VMS)];
	struct link *l = free_link(w);
	enum result result;

	if (!l || !vm->used || leaving(w, LEAVE_VHOST))
		return SKIPPED;
	*l = (struct link) {
		.type = roll(w, 3) ? SOCK_STREAM : SOCK_SEQPACKET, .vm = vm,
		.scope = scope_of(&vm->space), .space = vm->space.id,
		.key = mix(w->seed ^ w->counters->step ^ (uint64_t)w->index << 56),
		.end = { { .fd = -1 }, { .fd = -1 } },
		.guest_port = next_port(w, scope_of(&vm->space)),
	};
	result = roll(w, 2) ? host_connects(w, l) : guest_connects(w, l);
	if (result != DONE)
		memset(l, 0, sizeof(*l));
	return result;
}

/* Send packets of one VM with the ports of another VM's connection. They must
 * be refused, and the connection continues, with the usual checks.
 */
enum result vm_forge(struct worker *w)
{
	static const uint16_t ops[] = {
		VIRTIO_VSOCK_OP_RST, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_OP_RW,
		VIRTIO_VSOCK_OP_CREDIT_UPDATE, VIRTIO_VSOCK_OP_RESPONSE,
	};
	struct vm *liar = &w->vms[roll(w, VMS)];
	struct link *l = any_link(w, true);
	uint16_t op = ops[roll(w, ARRAY_SIZE(ops))];
	struct virtio_vsock_hdr hdr;

	if (!l || !liar->used || l->vm == liar || l->vm->guest.cid == liar->guest.cid)
		return SKIPPED;
	hdr = (struct virtio_vsock_hdr) {
		.src_cid = htole64(roll(w, 4) ? liar->guest.cid : l->vm->guest.cid),
		.dst_cid = htole64(VMADDR_CID_HOST),
		.src_port = htole32(l->guest_port), .dst_port = htole32(l->host_port),
		.type = htole16(virtio_type(l)), .op = htole16(op),
		.len = htole32(op == VIRTIO_VSOCK_OP_RW ? 4 : 0),
		.flags = htole32(op == VIRTIO_VSOCK_OP_SHUTDOWN ? 3 : 0),
	};
	if (scope_of(&liar->space) != l->scope)
		w->shared->mark[w->index][l->guest_port % SERIALS] = MARK_FORGED;
	vm_pump(w, liar);
	guest_sends(w, liar, &hdr, "lies");
	vm_pump(w, liar);
	return DONE;
}
