// SPDX-License-Identifier: GPL-2.0
/*
 * The device of one input, the guest's memory and its rings: see fuzz.h.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>

#include "fuzz.h"

#define store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)

uint8_t *arena;

void arena_make(void)
{
	uint8_t *all = mmap(NULL, 2ul * GUARD + ARENA, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (all == MAP_FAILED || mprotect(all + GUARD, ARENA, PROT_READ | PROT_WRITE))
		cannot("no memory for the guest");
	arena = all + GUARD;
}

/* ---- the device ---- */

void rig_open(struct rig *r)
{
	unsigned int i;

	*r = (struct rig) { .tx_at = TX_AT, .plain = true, .cid = { FUZZ_CID }, .cids = 1 };
	memset(arena, 0, ARENA);
	r->last.type = htole16(VIRTIO_VSOCK_TYPE_STREAM);
	r->last.src_port = htole32(PORT);
	r->last.dst_port = htole32(GUEST_PORT);
	for (i = 0; i < SOCKS; i++)
		r->sock[i] = -1;
	for (i = 0; i < QUEUES; i++) {
		r->kick[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		r->call[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (r->kick[i] < 0 || r->call[i] < 0)
			cannot("eventfd: %s", strerror(errno));
	}
	r->vhost = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (r->vhost < 0)
		cannot("/dev/vhost-vsock: %s", strerror(errno));
}

static void share_memory(struct rig *r)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} table = {
		.head.nregions = 1,
		.region.guest_phys_addr = GPA,
		.region.memory_size = ARENA,
		.region.userspace_addr = (uintptr_t)arena,
	};

	ioctl(r->vhost, VHOST_SET_MEM_TABLE, &table);
}

static void start_queue(struct rig *r, unsigned int q)
{
	struct vhost_vring_state size = { q, RING }, base = { q, 0 };
	struct vhost_vring_file kick = { q, r->kick[q] }, call = { q, r->call[q] };
	uintptr_t at = (uintptr_t)arena + QUEUE_AT(q);
	struct vhost_vring_addr addr = {
		.index = q, .desc_user_addr = at,
		.avail_user_addr = at + AVAIL_AT, .used_user_addr = at + USED_AT,
	};

	ioctl(r->vhost, VHOST_SET_VRING_NUM, &size);
	ioctl(r->vhost, VHOST_SET_VRING_BASE, &base);
	ioctl(r->vhost, VHOST_SET_VRING_ADDR, &addr);
	ioctl(r->vhost, VHOST_SET_VRING_KICK, &kick);
	ioctl(r->vhost, VHOST_SET_VRING_CALL, &call);
}

/* Start the device like a VMM. */
void rig_start(struct rig *r, uint64_t choice)
{
	uint64_t features = 1ull << VIRTIO_F_VERSION_1;
	int running = 1;
	unsigned int q;

	if (choice & 1)
		features |= 1ull << VIRTIO_VSOCK_F_SEQPACKET;
	if (choice & 2)
		features |= 1ull << VIRTIO_RING_F_EVENT_IDX;
	if (choice & 4)
		features |= 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	if ((choice & 0xf8) == 0xf8)
		features |= 1ull << VIRTIO_F_ACCESS_PLATFORM;
	set_owner(r->vhost);
	ioctl(r->vhost, VHOST_SET_FEATURES, &features);
	share_memory(r);
	for (q = 0; q < QUEUES; q++)
		start_queue(r, q);
	rig_set_cid(r, FUZZ_CID);
	rig_post(r, RING / 2, RX_BUFFER);
	ioctl(r->vhost, VHOST_VSOCK_SET_RUNNING, &running);
}

void rig_close(struct rig *r)
{
	unsigned int i;

	close(r->vhost);
	for (i = 0; i < QUEUES; i++) {
		close(r->kick[i]);
		close(r->call[i]);
	}
}

/* Wait for the worker by an ioctl that flushes it and then fails. */
void rig_flush(struct rig *r)
{
	set_owner(r->vhost);
}

void rig_kick(struct rig *r, unsigned int queue)
{
	eventfd_write(r->kick[queue], 1);
}

/* Record all CIDs, as peers may know the device by any of them. */
void rig_set_cid(struct rig *r, uint64_t cid)
{
	if (ioctl(r->vhost, VHOST_VSOCK_SET_GUEST_CID, &cid))
		return;
	if (cid == VICTIM_CID)
		broken("the device got the CID of another VM of its scope");
	if (r->cids < ARRAY_SIZE(r->cid))
		r->cid[r->cids++] = cid;
	else
		r->cid[r->cids - 1] = cid;
}

/* ---- rings ---- */

struct vring_desc *rig_desc(unsigned int queue, unsigned int slot)
{
	return (struct vring_desc *)(arena + QUEUE_AT(queue)) + slot;
}

static struct vring_avail *avail_of(unsigned int queue)
{
	return (struct vring_avail *)(arena + QUEUE_AT(queue) + AVAIL_AT);
}

void rig_tell(struct rig *r, unsigned int queue, uint16_t index)
{
	r->avail[queue] = index;
	store_release(&avail_of(queue)->idx, index);
}

void rig_offer(struct rig *r, unsigned int queue, uint16_t head)
{
	avail_of(queue)->ring[r->avail[queue] % RING] = head;
	rig_tell(r, queue, r->avail[queue] + 1);
}

void rig_post(struct rig *r, unsigned int count, uint32_t size)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		unsigned int slot = r->avail[RX] % RING;

		*rig_desc(RX, slot) = (struct vring_desc) {
			.addr = GPA + RX_AT + slot * RX_BUFFER, .len = size,
			.flags = VRING_DESC_F_WRITE,
		};
		rig_offer(r, RX, slot);
	}
	rig_kick(r, RX);
}

/* Check the packet: its CIDs and payload must belong to this guest. */
static void look_at(struct rig *r, const uint8_t *buffer, uint32_t len)
{
	const struct virtio_vsock_hdr *hdr = (const void *)buffer;
	uint32_t i;

	r->last = *hdr;
	if (!r->plain || le16toh(hdr->op) != VIRTIO_VSOCK_OP_RW)
		return;
	if (le64toh(hdr->src_cid) != VMADDR_CID_HOST)
		broken("a packet from CID %llu", (unsigned long long)le64toh(hdr->src_cid));
	for (i = sizeof(*hdr); i < len && i - sizeof(*hdr) < le32toh(hdr->len); i++)
		if (buffer[i] != HOST_BYTE)
			broken("byte %u of a packet is %#x, which no socket sent", i, buffer[i]);
}

/* Process received packets and return their buffers. */
void rig_drain(struct rig *r)
{
	struct vring_used *used = (void *)(arena + QUEUE_AT(RX) + USED_AT);
	unsigned int most = RING;
	bool some = false;

	while (most-- && load_acquire(&used->idx) != r->seen) {
		const struct vring_used_elem *e = &used->ring[r->seen++ % RING];

		if (e->id >= RING || e->len < sizeof(struct virtio_vsock_hdr) || e->len > RX_BUFFER)
			continue;
		look_at(r, arena + RX_AT + e->id * RX_BUFFER, e->len);
		rig_offer(r, RX, e->id);
		some = true;
	}
	if (some)
		rig_kick(r, RX);
}
