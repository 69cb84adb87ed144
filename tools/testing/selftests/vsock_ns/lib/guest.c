// SPDX-License-Identifier: GPL-2.0
/*
 * The device of a guest without a VM: see guest.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vhost.h>

#include "guest.h"

#define PAGE 4096

static int call(struct guest *guest, unsigned long request, void *arg)
{
	return ioctl(guest->vhost, request, arg) ? -errno : 0;
}

static uint64_t address(const void *p)
{
	return (uintptr_t)p;
}

/* ---- configuring the device ---- */

int guest_offered(struct guest *guest, uint64_t *features)
{
	return call(guest, VHOST_GET_FEATURES, features);
}

/* Without VIRTIO_F_VERSION_1 the rings would use the host's byte order. */
static int agree_on_features(struct guest *guest)
{
	uint64_t offered;
	int err = guest_offered(guest, &offered);

	if (err)
		return err;
	guest->features = guest->options.features & offered;
	if (!(guest->features & 1ull << VIRTIO_F_VERSION_1))
		return -EPROTONOSUPPORT;
	return call(guest, VHOST_SET_FEATURES, &guest->features);
}

static int share_memory(struct guest *guest)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} table = {
		.head.nregions = 1,
		.region.guest_phys_addr = address(guest->memory),
		.region.memory_size = guest->size,
		.region.userspace_addr = address(guest->memory),
	};

	return call(guest, VHOST_SET_MEM_TABLE, &table);
}

static int show_queue(struct guest *guest, unsigned int index)
{
	struct guest_queue *q = &guest->queues[index];
	struct vhost_vring_state size = { index, q->vring.num }, base = { index, 0 };
	struct vhost_vring_file kick_file = { index, q->kick }, call_file = { index, q->call };
	struct vhost_vring_addr addr = {
		.index = index,
		.desc_user_addr = address(q->vring.desc),
		.avail_user_addr = address(q->vring.avail),
		.used_user_addr = address(q->vring.used),
	};
	int err = call(guest, VHOST_SET_VRING_NUM, &size);

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

int guest_set_up(struct guest *guest)
{
	int err = call(guest, VHOST_SET_OWNER, NULL);

	if (!err)
		err = agree_on_features(guest);
	if (!err)
		err = share_memory(guest);
	if (!err)
		err = show_queue(guest, GUEST_RX);
	if (!err)
		err = show_queue(guest, GUEST_TX);
	return err;
}

int guest_set_cid(struct guest *guest, uint64_t cid)
{
	int err = call(guest, VHOST_VSOCK_SET_GUEST_CID, &cid);

	if (!err)
		guest->cid = cid;
	return err;
}

int guest_run(struct guest *guest, int running)
{
	return call(guest, VHOST_VSOCK_SET_RUNNING, &running);
}

/* ---- setting up a guest ---- */

static void fill_in(struct guest_options *options)
{
	if (!options->ring)
		options->ring = GUEST_RING;
	if (!options->buffer)
		options->buffer = GUEST_BUFFER;
	if (!options->features)
		options->features = GUEST_FEATURES;
}

static int map_memory(struct guest *guest)
{
	size_t queue = guest_queue_size(&guest->options);
	char *memory;
	int i;

	guest->size = (GUEST_QUEUES * queue + guest->options.scratch + PAGE - 1) / PAGE * PAGE;
	memory = mmap(NULL, guest->size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	guest->memory = memory;
	guest->scratch = memory + GUEST_QUEUES * queue;
	for (i = 0; i < GUEST_QUEUES; i++) {
		guest->queues[i].link = calloc(guest->options.ring, sizeof(uint16_t));
		if (!guest->queues[i].link)
			return -ENOMEM;
		guest_queue_init(guest, i, memory + i * queue);
	}
	return 0;
}

static int make_eventfds(struct guest *guest)
{
	int i;

	for (i = 0; i < GUEST_QUEUES; i++) {
		guest->queues[i].kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		guest->queues[i].call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (guest->queues[i].kick < 0 || guest->queues[i].call < 0)
			return -errno;
	}
	return 0;
}

int guest_open(struct guest *guest, const struct guest_options *options)
{
	int err, i;

	memset(guest, 0, sizeof(*guest));
	guest->vhost = -1;
	for (i = 0; i < GUEST_QUEUES; i++) {
		guest->queues[i].kick = -1;
		guest->queues[i].call = -1;
	}
	if (options)
		guest->options = *options;
	fill_in(&guest->options);
	guest->vhost = guest->options.vhost;
	if (!guest->vhost)
		guest->vhost = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
	if (guest->vhost < 0)
		return -errno;
	err = map_memory(guest);
	return err ? err : make_eventfds(guest);
}

int guest_start_with(struct guest *guest, uint64_t cid, const struct guest_options *options)
{
	int err = guest_open(guest, options);

	if (!err)
		err = guest_set_up(guest);
	if (!err)
		err = guest_set_cid(guest, cid);
	if (!err)
		err = guest_run(guest, 1);
	if (err)
		guest_stop(guest);
	return err;
}

int guest_start(struct guest *guest, uint64_t cid)
{
	return guest_start_with(guest, cid, NULL);
}

/* ---- cleaning up ---- */

int guest_close_device(struct guest *guest)
{
	int fd = guest->vhost;

	guest->vhost = -1;
	return close(fd) ? -errno : 0;
}

void guest_stop(struct guest *guest)
{
	struct guest_queue *q;

	if (guest->vhost >= 0)
		guest_close_device(guest);
	for (q = guest->queues; q < guest->queues + GUEST_QUEUES; q++) {
		if (q->kick >= 0)
			close(q->kick);
		if (q->call >= 0)
			close(q->call);
		q->kick = -1;
		q->call = -1;
		free(q->link);
		q->link = NULL;
	}
	if (guest->memory)
		munmap(guest->memory, guest->size);
	guest->memory = NULL;
}
