// SPDX-License-Identifier: GPL-2.0
/*
 * Ioctls and IOTLB messages in any order, with valid and invalid arguments: see
 * fuzz.h. Pointers refer to the arena or to the guard around it, as the host
 * writes to them.
 */
#include <endian.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vhost.h>
#include <linux/vhost_types.h>

#include "fuzz.h"

#define MOST_REGIONS 5

/* Returns an address in the arena, at its edges, in the guard, or unmapped. */
static uint64_t some_memory(struct input *in)
{
	switch (take8(in) % 6) {
	case 0:
		return (uintptr_t)arena;
	case 1:
		return (uintptr_t)arena + take16(in);
	case 2:
		return (uintptr_t)arena - take8(in);
	case 3:
		return (uintptr_t)arena + ARENA - take8(in);
	case 4:
		return 0;
	default:
		return ~0ull << 47 | take32(in);	/* kernel address */
	}
}

static void memory_table(struct rig *r, struct input *in)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[MOST_REGIONS];
	} table = { .head.nregions = take8(in) % (MOST_REGIONS + 1) };
	unsigned int i;

	for (i = 0; i < table.head.nregions; i++) {
		uint8_t how = take8(in);

		table.region[i] = (struct vhost_memory_region) {
			.guest_phys_addr = how & 1 ? take64(in) : GPA + i * 0x4000,
			.memory_size = how & 2 ? take32(in) % GUARD : 0x4000,
			.userspace_addr = how & 4 ? some_memory(in) :
						    (uintptr_t)arena + i * 0x4000,
		};
	}
	if (take8(in) == 0xff)
		table.head.padding = 1;
	r->plain = false;
	ioctl(r->vhost, VHOST_SET_MEM_TABLE, &table);
}

static void vring_address(struct rig *r, struct input *in)
{
	unsigned int q = take8(in) % (QUEUES + 1);
	uintptr_t at = (uintptr_t)arena + QUEUE_AT(q % QUEUES);
	uint8_t how = take8(in);
	struct vhost_vring_addr addr = {
		.index = q, .flags = how & 0x80 ? take8(in) : 0,
		.desc_user_addr = how & 1 ? some_memory(in) : at,
		.avail_user_addr = how & 2 ? some_memory(in) : at + AVAIL_AT,
		.used_user_addr = how & 4 ? some_memory(in) : at + USED_AT,
		.log_guest_addr = how & 8 ? take64(in) : GPA + LOG_AT,
	};

	r->plain = false;
	ioctl(r->vhost, VHOST_SET_VRING_ADDR, &addr);
}

static void vring_state(struct rig *r, struct input *in, unsigned long request)
{
	static const uint32_t values[] = { RING, 0, 1, 3, 8, 32768, 65536, 0xffffffff };
	struct vhost_vring_state state = { .index = take8(in) % (QUEUES + 1) };
	uint8_t which = take8(in) % (ARRAY_SIZE(values) + 1);

	state.num = which < ARRAY_SIZE(values) ? values[which] : take32(in);
	r->plain = false;
	ioctl(r->vhost, request, &state);
}

static void vring_file(struct rig *r, struct input *in, unsigned long request)
{
	unsigned int q = take8(in) % (QUEUES + 1);
	struct vhost_vring_file file = { .index = q, .fd = -1 };

	switch (take8(in) % 5) {
	case 0:
		file.fd = r->kick[q % QUEUES];
		break;
	case 1:
		file.fd = r->call[q % QUEUES];
		break;
	case 2:
		file.fd = r->vhost;
		break;
	case 3:
		file.fd = take16(in) | 0x10000;
		break;
	}
	ioctl(r->vhost, request, &file);
}

static void features(struct rig *r, struct input *in)
{
	uint8_t how = take8(in);
	uint64_t known = 0, chosen = take64(in);

	ioctl(r->vhost, VHOST_GET_FEATURES, &known);
	chosen = how & 1 ? chosen : known & ~chosen;
	ioctl(r->vhost, how & 2 ? VHOST_SET_BACKEND_FEATURES : VHOST_SET_FEATURES, &chosen);
}

static void cid(struct rig *r, struct input *in)
{
	static const uint64_t cids[] = {
		FUZZ_CID, FUZZ_CID + 1, FUZZ_CID + 2, 0, 1, 2, 3, 0xffffffff, 1ull << 32 | FUZZ_CID,
	};
	uint8_t which = take8(in) % (ARRAY_SIZE(cids) + 1);

	rig_set_cid(r, which < ARRAY_SIZE(cids) ? cids[which] : take32(in));
}

static void logging(struct rig *r, struct input *in)
{
	uint64_t base = some_memory(in);
	int fd = take8(in) & 1 ? r->call[0] : -1;

	ioctl(r->vhost, VHOST_SET_LOG_BASE, &base);
	ioctl(r->vhost, VHOST_SET_LOG_FD, &fd);
}

void odd_ioctl(struct rig *r, struct input *in)
{
	unsigned long request;
	uint64_t back;
	int running;

	switch (take8(in) % 16) {
	case 0:
	case 1:
		running = take8(in);
		ioctl(r->vhost, VHOST_VSOCK_SET_RUNNING, &running);
		break;
	case 2:
	case 3:
		cid(r, in);
		break;
	case 4:
		set_owner(r->vhost);
		break;
	case 5:
		features(r, in);
		break;
	case 6:
		memory_table(r, in);
		break;
	case 7:
		vring_address(r, in);
		break;
	case 8:
		vring_state(r, in, VHOST_SET_VRING_NUM);
		break;
	case 9:
		vring_state(r, in, VHOST_SET_VRING_BASE);
		break;
	case 10:
		vring_state(r, in, VHOST_GET_VRING_BASE);
		break;
	case 11:
		vring_file(r, in, VHOST_SET_VRING_KICK);
		break;
	case 12:
		vring_file(r, in, VHOST_SET_VRING_CALL);
		break;
	case 13:
		vring_file(r, in, VHOST_SET_VRING_ERR);
		break;
	case 14:
		logging(r, in);
		break;
	default:
		/* Any ioctl number of vhost, with a NULL argument. */
		request = take8(in);
		ioctl(r->vhost, _IOC(take8(in) % 4, VHOST_VIRTIO, request, take16(in) % 64), NULL);
		ioctl(r->vhost, VHOST_GET_BACKEND_FEATURES, &back);
	}
}

/* Read and write messages like a VMM with an IOMMU. */
void iotlb_message(struct rig *r, struct input *in)
{
	uint8_t how = take8(in);
	struct vhost_msg_v2 message = {
		.type = how & 1 ? VHOST_IOTLB_MSG_V2 : take8(in),
		.iotlb = {
			.iova = how & 2 ? take64(in) : GPA,
			.size = how & 4 ? take32(in) % GUARD : ARENA,
			.uaddr = how & 8 ? some_memory(in) : (uintptr_t)arena,
			.perm = how & 16 ? take8(in) : VHOST_ACCESS_RW,
			.type = how & 32 ? take8(in) : VHOST_IOTLB_UPDATE,
		},
	};
	struct vhost_msg_v2 miss;
	size_t len = how & 64 ? take8(in) % sizeof(message) : sizeof(message);

	r->plain = false;
	if (write(r->vhost, &message, len) < 0 && how & 128)
		return;
	while (read(r->vhost, &miss, sizeof(miss)) > 0)
		;
}
