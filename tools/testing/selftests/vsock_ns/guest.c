// SPDX-License-Identifier: GPL-2.0
/*
 * A guest without a VM: see guest.h.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>

#include "guest.h"

enum { RX, TX };

#define CREDIT 65536
#define QUEUE_SIZE 4096		/* of memory */
#define VRING_ALIGN 4

#define load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

/* ---- setting up ---- */

static int call(struct guest *guest, unsigned long request, void *arg)
{
	return ioctl(guest->vhost, request, arg) ? -errno : 0;
}

static uint64_t address(const void *p)
{
	return (uintptr_t)p;
}

static int share_memory(struct guest *guest)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} table = {
		.head.nregions = 1,
		.region.guest_phys_addr = address(guest->memory),
		.region.memory_size = 2 * QUEUE_SIZE,
		.region.userspace_addr = address(guest->memory),
	};

	return call(guest, VHOST_SET_MEM_TABLE, &table);
}

static void offer(struct guest_queue *q, unsigned int slot, size_t len, int flags)
{
	uint16_t next = q->vring.avail->idx;

	q->vring.desc[slot] = (struct vring_desc) {
		.addr = address(q->buffers[slot]), .len = len, .flags = flags,
	};
	q->vring.avail->ring[next % GUEST_RING] = slot;
	store_release(&q->vring.avail->idx, next + 1);
}

static int kick(struct guest_queue *q)
{
	return eventfd_write(q->kick, 1) ? -errno : 0;
}

static int queue_start(struct guest *guest, unsigned int index)
{
	struct guest_queue *q = &guest->queues[index];
	void *memory = (char *)guest->memory + index * QUEUE_SIZE;
	struct vhost_vring_state size = { index, GUEST_RING }, base = { index, 0 };
	struct vhost_vring_file kick_file = { index, q->kick }, call_file = { index, q->call };
	struct vhost_vring_addr addr = { .index = index };
	unsigned int slot;
	int err;

	vring_init(&q->vring, GUEST_RING, memory, VRING_ALIGN);
	q->buffers = (void *)((char *)memory + QUEUE_SIZE - GUEST_RING * GUEST_BUFFER);
	addr.desc_user_addr = address(q->vring.desc);
	addr.avail_user_addr = address(q->vring.avail);
	addr.used_user_addr = address(q->vring.used);
	for (slot = 0; index == RX && slot < GUEST_RING; slot++)
		offer(q, slot, GUEST_BUFFER, VRING_DESC_F_WRITE);

	err = call(guest, VHOST_SET_VRING_NUM, &size);
	if (!err)
		err = call(guest, VHOST_SET_VRING_BASE, &base);
	if (!err)
		err = call(guest, VHOST_SET_VRING_ADDR, &addr);
	if (!err)
		err = call(guest, VHOST_SET_VRING_KICK, &kick_file);
	if (!err)
		err = call(guest, VHOST_SET_VRING_CALL, &call_file);
	return err;
}

static int device_start(struct guest *guest)
{
	uint64_t features = 1ull << VIRTIO_F_VERSION_1;
	int running = 1;
	int err = call(guest, VHOST_SET_OWNER, NULL);

	if (!err)
		err = call(guest, VHOST_SET_FEATURES, &features);
	if (!err)
		err = share_memory(guest);
	if (!err)
		err = queue_start(guest, RX);
	if (!err)
		err = queue_start(guest, TX);
	if (!err)
		err = call(guest, VHOST_VSOCK_SET_GUEST_CID, &guest->cid);
	if (!err)
		err = call(guest, VHOST_VSOCK_SET_RUNNING, &running);
	return err;
}

static int get_resources(struct guest *guest)
{
	int i;

	guest->memory = mmap(NULL, 2 * QUEUE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guest->memory == MAP_FAILED) {
		guest->memory = NULL;
		return -errno;
	}
	for (i = 0; i < 2; i++) {
		guest->queues[i].kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		guest->queues[i].call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (guest->queues[i].kick < 0 || guest->queues[i].call < 0)
			return -errno;
	}
	guest->vhost = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
	return guest->vhost < 0 ? -errno : 0;
}

int guest_start(struct guest *guest, uint64_t cid)
{
	int err, i;

	memset(guest, 0, sizeof(*guest));
	guest->cid = cid;
	guest->vhost = -1;
	for (i = 0; i < 2; i++) {
		guest->queues[i].kick = -1;
		guest->queues[i].call = -1;
	}
	err = get_resources(guest);
	if (!err)
		err = device_start(guest);
	if (err)
		guest_stop(guest);
	return err;
}

int guest_close_device(struct guest *guest)
{
	int fd = guest->vhost;

	guest->vhost = -1;
	return close(fd) ? -errno : 0;
}

void guest_stop(struct guest *guest)
{
	int i;

	if (guest->vhost >= 0)
		guest_close_device(guest);
	for (i = 0; i < 2; i++) {
		if (guest->queues[i].kick >= 0)
			close(guest->queues[i].kick);
		if (guest->queues[i].call >= 0)
			close(guest->queues[i].call);
	}
	if (guest->memory)
		munmap(guest->memory, 2 * QUEUE_SIZE);
}

/* ---- packets ---- */

/* The used ring's next entry; NULL when the host has used none in this time. */
static const struct vring_used_elem *next_used(struct guest_queue *q, int milliseconds)
{
	struct pollfd p = { .fd = q->call, .events = POLLIN };
	eventfd_t events;

	while (load_acquire(&q->vring.used->idx) == q->seen) {
		if (poll(&p, 1, milliseconds) <= 0)
			return NULL;
		eventfd_read(q->call, &events);
	}
	return &q->vring.used->ring[q->seen++ % GUEST_RING];
}

int guest_receive(struct guest *guest, struct virtio_vsock_hdr *hdr,
		  void *payload, size_t size, int milliseconds)
{
	struct guest_queue *q = &guest->queues[RX];
	const struct vring_used_elem *used = next_used(q, milliseconds);
	unsigned int slot;
	size_t len;

	if (!used)
		return -ETIMEDOUT;
	slot = used->id;
	if (slot >= GUEST_RING || used->len < sizeof(*hdr) || used->len > GUEST_BUFFER)
		return -EPROTO;
	len = used->len - sizeof(*hdr);
	memcpy(hdr, q->buffers[slot], sizeof(*hdr));
	memcpy(payload, q->buffers[slot] + sizeof(*hdr), len < size ? len : size);
	offer(q, slot, GUEST_BUFFER, VRING_DESC_F_WRITE);
	return kick(q) ? : (int)len;
}

/* Waits until the host has taken the packet: one buffer is enough. */
int guest_send(struct guest *guest, const struct virtio_vsock_hdr *hdr, const void *payload)
{
	struct guest_queue *q = &guest->queues[TX];
	size_t len = le32toh(hdr->len);
	int err;

	if (len > GUEST_BUFFER - sizeof(*hdr))
		return -EMSGSIZE;
	memcpy(q->buffers[0], hdr, sizeof(*hdr));
	if (len)
		memcpy(q->buffers[0] + sizeof(*hdr), payload, len);
	offer(q, 0, sizeof(*hdr) + len, 0);
	err = kick(q);
	if (err)
		return err;
	return next_used(q, 10000) ? 0 : -ETIMEDOUT;
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
