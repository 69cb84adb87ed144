// SPDX-License-Identifier: GPL-2.0
/*
 * Rings and descriptors that no driver should build. Each row of the table is
 * an attack, which stops at most the queue of the guest that made it. The host
 * and other VMs continue.
 */
#include <endian.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vhost.h>

#include "fixture.h"
#include "guest_scene.h"

#define HDR sizeof(struct virtio_vsock_hdr)
/* No event reports that an attack has stopped the queue, so wait this long. */
#define GRACE_US 50000

FIXTURE(attack_rings)
{
	struct scene scene;
	struct guest near;
};

/* Build the transmit queue of @guest without publishing the index. Returns how
 * many entries to make available.
 */
typedef int (*attack_fn)(struct guest *guest);

FIXTURE_VARIANT(attack_rings)
{
	attack_fn prepare;
};

/* ---- attacks ---- */

static struct vring *tx(struct guest *guest)
{
	return &guest->queues[GUEST_TX].vring;
}

static uint64_t buffer(struct guest *guest, int i)
{
	return (uintptr_t)guest->queues[GUEST_TX].buffers + i * guest->options.buffer;
}

static void describe(struct guest *guest, int slot, uint64_t addr, uint32_t len,
		     uint16_t flags, uint16_t next)
{
	tx(guest)->desc[slot] = (struct vring_desc) {
		.addr = addr, .len = len, .flags = flags, .next = next,
	};
}

/* Write the next entry of the available ring without advancing the index. */
static void name_slot(struct guest *guest, int entry, uint16_t slot)
{
	struct vring *ring = tx(guest);

	ring->avail->ring[(uint16_t)(ring->avail->idx + entry) % ring->num] = slot;
}

#define ATTACK(name)							\
	static int name(struct guest *guest);				\
	FIXTURE_VARIANT_ADD(attack_rings, name)				\
	{								\
		.prepare = name,					\
	};								\
	static int name(struct guest *guest)

ATTACK(of_length_0)
{
	describe(guest, 0, buffer(guest, 0), 0, 0, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(a_byte_shorter_than_a_header)
{
	describe(guest, 0, buffer(guest, 0), HDR - 1, 0, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(of_4_gigabytes)
{
	describe(guest, 0, buffer(guest, 0), ~0u, 0, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(that_wrap_around_the_address_space)
{
	describe(guest, 0, -16ull, 64, 0, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(at_address_0)
{
	describe(guest, 0, 0, HDR, 0, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(at_an_address_of_the_kernel)
{
	describe(guest, 0, 0xffff888000000000, HDR, 0, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(that_reach_beyond_the_guests_memory)
{
	describe(guest, 0, buffer(guest, tx(guest)->num - 1) + GUEST_BUFFER - HDR, HDR + 64, 0, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(that_the_host_should_write)
{
	describe(guest, 0, buffer(guest, 0), HDR, VRING_DESC_F_WRITE, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(to_be_read_after_one_to_be_written)
{
	describe(guest, 0, buffer(guest, 0), HDR, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	describe(guest, 1, buffer(guest, 1), HDR, 0, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(that_lead_to_themselves)
{
	describe(guest, 0, buffer(guest, 0), HDR, VRING_DESC_F_NEXT, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(that_lead_in_a_ring)
{
	describe(guest, 0, buffer(guest, 0), HDR, VRING_DESC_F_NEXT, 1);
	describe(guest, 1, buffer(guest, 1), HDR, VRING_DESC_F_NEXT, 2);
	describe(guest, 2, buffer(guest, 2), HDR, VRING_DESC_F_NEXT, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(that_lead_out_of_the_table)
{
	describe(guest, 0, buffer(guest, 0), HDR, VRING_DESC_F_NEXT, 0xffff);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(with_a_header_in_pieces_of_a_byte)
{
	int last = tx(guest)->num - 1, i;

	for (i = 0; i < last; i++)
		describe(guest, i, buffer(guest, 0) + i, 1, VRING_DESC_F_NEXT, i + 1);
	describe(guest, last, buffer(guest, 0), 1, 0, 0);
	name_slot(guest, 0, 0);
	return 1;
}

/* Indirect tables were not negotiated. */
ATTACK(with_a_table_of_their_own)
{
	struct vring_desc *table = (void *)(uintptr_t)buffer(guest, 1);

	*table = (struct vring_desc) { .addr = buffer(guest, 0), .len = HDR };
	describe(guest, 0, buffer(guest, 1), sizeof(*table), VRING_DESC_F_INDIRECT, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(with_a_table_that_contains_itself)
{
	struct vring_desc *table = (void *)(uintptr_t)buffer(guest, 1);

	*table = (struct vring_desc) {
		.addr = buffer(guest, 1), .len = sizeof(*table), .flags = VRING_DESC_F_INDIRECT,
	};
	describe(guest, 0, buffer(guest, 1), sizeof(*table), VRING_DESC_F_INDIRECT, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(with_unknown_flags)
{
	describe(guest, 0, buffer(guest, 0), HDR, 0xfff8, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(that_are_not_in_the_table)
{
	name_slot(guest, 0, tx(guest)->num);
	return 1;
}

ATTACK(whose_number_is_as_high_as_can_be)
{
	name_slot(guest, 0, 0xffff);
	return 1;
}

ATTACK(more_than_the_ring_has)
{
	describe(guest, 0, buffer(guest, 0), HDR, 0, 0);
	name_slot(guest, 0, 0);
	return tx(guest)->num + 1;
}

ATTACK(half_as_many_as_can_be_counted)
{
	describe(guest, 0, buffer(guest, 0), HDR, 0, 0);
	return 0x8000;
}

ATTACK(made_available_backwards)
{
	describe(guest, 0, buffer(guest, 0), HDR, 0, 0);
	return -1;
}

ATTACK(on_top_of_their_own_ring)
{
	describe(guest, 0, (uintptr_t)tx(guest)->used, HDR, 0, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(in_memory_that_is_gone)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t room[8] = { 0 };
	struct vhost_memory *table = (void *)room;

	table->nregions = 1;
	table->regions[0] = (struct vhost_memory_region) {
		.guest_phys_addr = (uintptr_t)page,
		.memory_size = 4096,
		.userspace_addr = (uintptr_t)page,
	};
	if (page == MAP_FAILED || ioctl(guest->vhost, VHOST_SET_MEM_TABLE, table))
		return 0;
	munmap(page, 4096);
	describe(guest, 0, (uintptr_t)page, HDR, 0, 0);
	name_slot(guest, 0, 0);
	return 1;
}

ATTACK(in_memory_that_cannot_be_read)
{
	if (mprotect((void *)(uintptr_t)(buffer(guest, 0) & ~4095ull), 4096, PROT_NONE))
		return 0;
	return 1;
}

/* ---- the tests ---- */

FIXTURE_SETUP(attack_rings)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	ASSERT_EQ(0, scene_start(&self->scene, L0));
	ASSERT_EQ(0, guest_in(&self->near, self->scene.ns[INIT], OTHER_CID));
}

FIXTURE_TEARDOWN(attack_rings)
{
	guest_stop(&self->near);
	scene_stop(&self->scene);
}

/* Returns false if the attack cannot be set up. */
static bool attack(struct guest *guest, attack_fn prepare)
{
	uint16_t *idx = &tx(guest)->avail->idx, next = *idx;
	int count;

	memset((void *)(uintptr_t)buffer(guest, 0), 0xff, GUEST_BUFFER);
	count = prepare(guest);
	/* The ring itself may be inaccessible now. */
	if (count && prepare != in_memory_that_cannot_be_read)
		__atomic_store_n(idx, next + count, __ATOMIC_RELEASE);
	if (!count || eventfd_write(guest->queues[GUEST_TX].kick, 1))
		return false;
	usleep(GRACE_US);
	return true;
}

TEST_F(attack_rings, harm_nobody)
{
	struct scene *scene = &self->scene;
	int listener = listen_in(scene->ns[INIT], SOCK_STREAM, VMADDR_CID_ANY, PORT);

	ASSERT_LE(0, listener);
	ASSERT_EQ(0, host_connects(scene));
	ASSERT_TRUE(attack(&scene->liar, variant->prepare));
	EXPECT_EQ(0, harm(scene));
	ASSERT_TRUE(attack(&self->near, variant->prepare));
	EXPECT_EQ(0, harm(scene));
	EXPECT_TRUE(quiet(listener));

	/* A new VM can take the CID and works. */
	guest_stop(&scene->liar);
	guest_stop(&self->near);
	ASSERT_EQ(0, guest_in(&scene->liar, scene->ns[L0], OTHER_CID));
	ASSERT_EQ(0, guest_in(&self->near, scene->ns[INIT], OTHER_CID));
	ASSERT_EQ(0, send_from(&self->near, &scene->connection, OTHER_CID,
			       VIRTIO_VSOCK_OP_RST, 0, ""));
	EXPECT_EQ(0, harm(scene));
}

TEST_HARNESS_MAIN
