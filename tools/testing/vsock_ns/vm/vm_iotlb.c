// SPDX-License-Identifier: GPL-2.0
/*
 * IOTLB misses of a device with VIRTIO_F_ACCESS_PLATFORM: the number of misses
 * that wait for user space is bounded. Tests vhost.ko.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vhost.h>

#include "fixture.h"
#include "guest.h"

#define STARTS 1000
/* Per virtqueue; a start stops at the first miss. */
#define MISSES 16

FIXTURE(vm_iotlb)
{
	struct guest guest;
};

FIXTURE_SETUP(vm_iotlb)
{
	struct guest_options options = {
		.features = GUEST_FEATURES | GUEST_FEATURE(VIRTIO_F_ACCESS_PLATFORM),
	};

	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	SKIP_IF(module_loaded("vhost") ? "the stock vhost.ko is loaded" : NULL);
	ASSERT_EQ(0, guest_open(&self->guest, &options));
	ASSERT_EQ(0, fcntl(self->guest.vhost, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, guest_set_up(&self->guest));
	ASSERT_EQ(0, guest_set_cid(&self->guest, CID));
}

FIXTURE_TEARDOWN(vm_iotlb)
{
	guest_stop(&self->guest);
}

/*
 * Move the used ring of the first queue, so that the next start misses another
 * address.
 */
static int move_ring(struct guest *guest, int i)
{
	struct vring *ring = &guest->queues[GUEST_RX].vring;
	struct vhost_vring_addr addr = {
		.index = GUEST_RX,
		.desc_user_addr = (uintptr_t)ring->desc + 4096ull * i,
		.avail_user_addr = (uintptr_t)ring->avail + 4096ull * i,
		.used_user_addr = (uintptr_t)ring->used + 4096ull * i,
	};

	return ioctl(guest->vhost, VHOST_SET_VRING_ADDR, &addr) ? -errno : 0;
}

/* Read the next miss; returns false if there is none. */
static bool read_miss(struct guest *guest, struct vhost_iotlb_msg *miss)
{
	struct vhost_msg msg;

	if (read(guest->vhost, &msg, sizeof(msg)) != sizeof(msg))
		return false;
	*miss = msg.iotlb;
	return msg.type == VHOST_IOTLB_MSG && miss->type == VHOST_IOTLB_MISS;
}

static int count_misses(struct guest *guest)
{
	struct vhost_iotlb_msg miss;
	int count = 0;

	while (read_miss(guest, &miss))
		count++;
	return count;
}

TEST_F(vm_iotlb, has_one_message_of_an_address_however_often_it_starts)
{
	int i;

	for (i = 0; i < STARTS; i++)
		ASSERT_NE(0, guest_run(&self->guest, 1));
	EXPECT_EQ(1, count_misses(&self->guest));
}

TEST_F(vm_iotlb, reports_an_address_again_after_it_was_read)
{
	ASSERT_NE(0, guest_run(&self->guest, 1));
	EXPECT_EQ(1, count_misses(&self->guest));
	ASSERT_NE(0, guest_run(&self->guest, 1));
	EXPECT_EQ(1, count_misses(&self->guest));
}

TEST_F(vm_iotlb, has_few_messages_whatever_addresses_it_misses)
{
	struct vhost_iotlb_msg miss, last = { 0 };
	int i, count = 0;

	for (i = 0; i < STARTS; i++) {
		ASSERT_EQ(0, move_ring(&self->guest, i));
		ASSERT_NE(0, guest_run(&self->guest, 1));
	}
	while (read_miss(&self->guest, &miss)) {
		last = miss;
		count++;
	}
	EXPECT_EQ(MISSES, count);
	EXPECT_EQ((uintptr_t)self->guest.queues[GUEST_RX].vring.used + 4096ull * (STARTS - 1),
		  last.iova);
}

/* Map @iova to the same address. */
static int translate(struct guest *guest, uint64_t iova)
{
	struct vhost_msg msg = {
		.type = VHOST_IOTLB_MSG,
		.iotlb = {
			.type = VHOST_IOTLB_UPDATE, .perm = VHOST_ACCESS_RW,
			.iova = iova / 4096 * 4096, .uaddr = iova / 4096 * 4096, .size = 4096,
		},
	};

	return write(guest->vhost, &msg, sizeof(msg)) == sizeof(msg) ? 0 : -errno;
}

/* Answer the misses one after the other. */
TEST_F(vm_iotlb, starts_and_talks_once_all_misses_are_answered)
{
	struct virtio_vsock_hdr hdr = {
		.src_cid = CID, .src_port = 1, .dst_cid = VMADDR_CID_HOST, .dst_port = PORT,
		.type = VIRTIO_VSOCK_TYPE_STREAM, .op = VIRTIO_VSOCK_OP_REQUEST,
	};
	struct pollfd p = { .fd = self->guest.vhost, .events = POLLIN };
	struct vhost_iotlb_msg miss;
	int i, err = -1;

	for (i = 0; i < 100 && err; i++) {
		err = guest_run(&self->guest, 1);
		while (read_miss(&self->guest, &miss))
			ASSERT_EQ(0, translate(&self->guest, miss.iova));
	}
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, guest_post(&self->guest, &hdr, NULL));
	for (i = 0; i < 100; i++) {
		if (guest_receive(&self->guest, &hdr, NULL, 0, 0) >= 0)
			break;
		poll(&p, 1, 200);
		while (read_miss(&self->guest, &miss))
			ASSERT_EQ(0, translate(&self->guest, miss.iova));
	}
	EXPECT_EQ(VIRTIO_VSOCK_OP_RST, hdr.op);
}

TEST_HARNESS_MAIN
