// SPDX-License-Identifier: GPL-2.0
/*
 * The virtqueues of a guest without a VM: see guest.h.
 *
 * The host writes used entries and its event flags, the guest everything else.
 * Values from the host are checked, as a faulty kernel must fail a test rather
 * than crash it.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "guest.h"

#define CREDIT 65536
#define VRING_ALIGN 4
#define ALIGN_UP(n, to) (((n) + (to) - 1) / (to) * (to))

/* A guest waits this long only for a hung kernel. */
#define PATIENCE_MS 10000

#define load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define full_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)

/* ---- descriptors ---- */

size_t guest_queue_size(const struct guest_options *options)
{
	return ALIGN_UP(vring_size(options->ring, VRING_ALIGN), 64) +
	       ALIGN_UP((size_t)options->ring * options->buffer, 64);
}

static uint64_t buffer_address(const struct guest *guest, const struct guest_queue *q,
			       unsigned int slot)
{
	return (uintptr_t)q->buffers + (size_t)slot * guest->options.buffer;
}

static void *buffer(const struct guest *guest, const struct guest_queue *q, unsigned int slot)
{
	return q->buffers + (size_t)slot * guest->options.buffer;
}

static unsigned int take_free(struct guest_queue *q)
{
	unsigned int slot = q->free;

	q->free = q->link[slot];
	q->count_free--;
	return slot;
}

static void give_back(struct guest_queue *q, unsigned int slot)
{
	q->link[slot] = q->free;
	q->free = slot;
	q->count_free++;
}

static void make_available(struct guest_queue *q, unsigned int head)
{
	uint16_t next = q->vring.avail->idx;

	q->vring.avail->ring[next % q->vring.num] = head;
	store_release(&q->vring.avail->idx, next + 1);
}

/* Offer a buffer for the host to write to or to read from. */
static void offer(const struct guest *guest, struct guest_queue *q, size_t len, int flags)
{
	unsigned int slot = take_free(q);

	q->vring.desc[slot] = (struct vring_desc) {
		.addr = buffer_address(guest, q, slot), .len = len, .flags = flags,
	};
	q->link[slot] = slot;
	make_available(q, slot);
}

void guest_queue_init(struct guest *guest, unsigned int index, void *memory)
{
	const struct guest_options *options = &guest->options;
	struct guest_queue *q = &guest->queues[index];
	unsigned int slot;

	vring_init(&q->vring, options->ring, memory, VRING_ALIGN);
	q->buffers = (char *)memory + ALIGN_UP(vring_size(options->ring, VRING_ALIGN), 64);
	for (slot = options->ring; slot-- > 0;)
		give_back(q, slot);
	while (index == GUEST_RX && !options->bare && q->count_free)
		offer(guest, q, options->buffer, VRING_DESC_F_WRITE);
}

/*
 * The barrier orders the ring before the flags: the host rechecks the ring
 * after enabling kicks.
 */
int guest_kick(struct guest *guest, unsigned int queue)
{
	struct guest_queue *q = &guest->queues[queue];

	full_barrier();
	if (__atomic_load_n(&q->vring.used->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY)
		return 0;
	return eventfd_write(q->kick, 1) ? -errno : 0;
}

int guest_push(struct guest *guest, unsigned int queue,
	       const struct vring_desc *chain, unsigned int count)
{
	struct guest_queue *q = &guest->queues[queue];
	uint16_t slots[count ? count : 1];
	unsigned int i;
	int err;

	if (!count || count > q->count_free)
		return -EAGAIN;
	for (i = 0; i < count; i++)
		slots[i] = take_free(q);
	for (i = 0; i < count; i++) {
		q->vring.desc[slots[i]] = chain[i];
		if (chain[i].next < count)
			q->vring.desc[slots[i]].next = slots[chain[i].next];
		q->link[slots[i]] = slots[i + 1 < count ? i + 1 : i];
	}
	make_available(q, slots[0]);
	err = guest_kick(guest, queue);
	return err ? err : slots[0];
}

/* ---- used entries ---- */

static bool has_used(const struct guest_queue *q)
{
	return load_acquire(&q->vring.used->idx) != q->seen;
}

static int wait_for(struct guest_queue *q, int milliseconds)
{
	struct pollfd p = { .fd = q->call, .events = POLLIN };
	eventfd_t events;

	while (!has_used(q)) {
		if (poll(&p, 1, milliseconds) <= 0)
			return -ETIMEDOUT;
		eventfd_read(q->call, &events);
	}
	return 0;
}

/* Free the whole chain; a link to itself ends it. */
int guest_used(struct guest *guest, unsigned int queue, uint32_t *len, int milliseconds)
{
	struct guest_queue *q = &guest->queues[queue];
	const struct vring_used_elem *used;
	unsigned int head, slot, next;
	int err = wait_for(q, milliseconds);

	if (err)
		return err;
	used = &q->vring.used->ring[q->seen++ % q->vring.num];
	head = used->id;
	if (head >= q->vring.num)
		return -EPROTO;
	if (len)
		*len = used->len;
	for (slot = head; ; slot = next) {
		next = q->link[slot];
		give_back(q, slot);
		if (next == slot)
			break;
	}
	return head;
}

int guest_wait(struct guest *guest, int milliseconds)
{
	struct guest_queue *q = guest->queues;
	struct pollfd p[GUEST_QUEUES] = {
		{ .fd = q[GUEST_RX].call, .events = POLLIN },
		{ .fd = q[GUEST_TX].call, .events = POLLIN },
	};
	eventfd_t events;
	int i;

	while (!has_used(&q[GUEST_RX]) && !has_used(&q[GUEST_TX])) {
		if (poll(p, GUEST_QUEUES, milliseconds) <= 0)
			return -ETIMEDOUT;
		for (i = 0; i < GUEST_QUEUES; i++)
			if (p[i].revents)
				eventfd_read(p[i].fd, &events);
	}
	return 0;
}

/* ---- packets ---- */

int guest_receive(struct guest *guest, struct virtio_vsock_hdr *hdr,
		  void *payload, size_t size, int milliseconds)
{
	struct guest_queue *q = &guest->queues[GUEST_RX];
	uint32_t used;
	int slot = guest_used(guest, GUEST_RX, &used, milliseconds);
	size_t len;
	char *packet;
	int err;

	if (slot < 0)
		return slot;
	if (used < sizeof(*hdr) || used > guest->options.buffer)
		return -EPROTO;
	packet = buffer(guest, q, slot);
	len = used - sizeof(*hdr);
	if (hdr)
		memcpy(hdr, packet, sizeof(*hdr));
	if (payload)
		memcpy(payload, packet + sizeof(*hdr), len < size ? len : size);
	/* The free list is LIFO, so this is the buffer freed last. */
	offer(guest, q, guest->options.buffer, VRING_DESC_F_WRITE);
	err = guest_kick(guest, GUEST_RX);
	return err ? err : (int)len;
}

int guest_reap(struct guest *guest)
{
	int slot = 0;

	while (slot >= 0 && has_used(&guest->queues[GUEST_TX]))
		slot = guest_used(guest, GUEST_TX, NULL, 0);
	return slot < 0 ? slot : 0;
}

/* Returns the head of the entry. */
static int post(struct guest *guest, const struct virtio_vsock_hdr *hdr, const void *payload)
{
	struct guest_queue *q = &guest->queues[GUEST_TX];
	size_t len = le32toh(hdr->len);
	unsigned int slot;
	char *packet;
	int err;

	if (len > guest->options.buffer - sizeof(*hdr))
		return -EMSGSIZE;
	err = guest_reap(guest);
	if (err)
		return err;
	if (!q->count_free)
		return -EAGAIN;
	slot = q->free;
	packet = buffer(guest, q, slot);
	memcpy(packet, hdr, sizeof(*hdr));
	if (len)
		memcpy(packet + sizeof(*hdr), payload, len);
	offer(guest, q, sizeof(*hdr) + len, 0);
	err = guest_kick(guest, GUEST_TX);
	return err ? err : (int)slot;
}

int guest_post(struct guest *guest, const struct virtio_vsock_hdr *hdr, const void *payload)
{
	int slot = post(guest, hdr, payload);

	return slot < 0 ? slot : 0;
}

int guest_flush(struct guest *guest, int milliseconds)
{
	struct guest_queue *q = &guest->queues[GUEST_TX];
	int slot;

	while (q->count_free < q->vring.num) {
		slot = guest_used(guest, GUEST_TX, NULL, milliseconds);
		if (slot < 0)
			return slot;
	}
	return 0;
}

/* Wait for this packet only: the host never returns a packet that it could not read. */
int guest_send(struct guest *guest, const struct virtio_vsock_hdr *hdr, const void *payload)
{
	int slot = post(guest, hdr, payload);
	int used;

	if (slot < 0)
		return slot;
	do
		used = guest_used(guest, GUEST_TX, NULL, PATIENCE_MS);
	while (used >= 0 && used != slot);
	return used < 0 ? used : 0;
}

void guest_answer(struct virtio_vsock_hdr *answer, const struct virtio_vsock_hdr *hdr, uint16_t op)
{
	*answer = (struct virtio_vsock_hdr) {
		.src_cid = hdr->dst_cid,
		.dst_cid = hdr->src_cid,
		.src_port = hdr->dst_port,
		.dst_port = hdr->src_port,
		.type = hdr->type,
		.op = htole16(op),
		.buf_alloc = htole32(CREDIT),
	};
}
