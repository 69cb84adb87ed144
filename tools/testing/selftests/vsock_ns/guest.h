/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest without a VM: this process is what runs behind /dev/vhost-vsock.
 *
 *	host kernel                      this process
 *	vhost worker --- rx queue ---->  guest_receive()
 *	             <--- tx queue ----  guest_send()
 *
 * One page holds both queues and all buffers. Guest-physical addresses are the
 * process's own. What can fail returns a negative errno.
 */
#ifndef VSOCK_GUEST_H
#define VSOCK_GUEST_H

#include <stddef.h>
#include <stdint.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>

#define GUEST_RING 4
#define GUEST_BUFFER 512

/**
 * struct guest_queue - one virtqueue, and what backs it
 * @vring: descriptors, available and used ring
 * @buffers: one for each descriptor
 * @kick: eventfd, guest to host
 * @call: eventfd, host to guest
 * @seen: how many used entries have been looked at
 */
struct guest_queue {
	struct vring vring;
	char (*buffers)[GUEST_BUFFER];
	int kick;
	int call;
	uint16_t seen;
};

/**
 * struct guest - a VM as the host sees it
 * @vhost: the open device
 * @cid: its CID
 * @queues: receive (host to guest) and transmit, as virtio-vsock numbers them
 * @memory: what is shared with the host
 */
struct guest {
	int vhost;
	uint64_t cid;
	struct guest_queue queues[2];
	void *memory;
};

/* Opens the device in the namespace of this task, and starts. */
int guest_start(struct guest *guest, uint64_t cid);
/* As when the VMM exits; guest_close_device() is its part that the host sees. */
int guest_close_device(struct guest *guest);
void guest_stop(struct guest *guest);

/* Returns the length of the payload, or -ETIMEDOUT. */
int guest_receive(struct guest *guest, struct virtio_vsock_hdr *hdr,
		  void *payload, size_t size, int milliseconds);
int guest_send(struct guest *guest, const struct virtio_vsock_hdr *hdr, const void *payload);
/* Turns the addresses of @hdr around, for an answer of kind @op. */
void guest_answer(struct virtio_vsock_hdr *answer, const struct virtio_vsock_hdr *hdr, uint16_t op);

#endif
