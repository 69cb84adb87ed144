/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest without a VM: this process is what runs behind /dev/vhost-vsock.
 *
 *	host kernel                      this process
 *	vhost worker --- rx queue ---->  guest_receive()
 *	             <--- tx queue ----  guest_send()
 *
 * Here are the device (guest.c), and single packets and descriptors (guest_ring.c),
 * as wrong as the caller wants them. guest_conn.h has what a well-behaved guest
 * does with packets: connections.
 *
 * One piece of memory holds both queues and all buffers. Guest-physical addresses
 * are the process's own. What can fail returns a negative errno.
 */
#ifndef VSOCK_GUEST_H
#define VSOCK_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>

/* What a guest has unless it asks for more: small, as there may be thousands. */
#define GUEST_RING 4
#define GUEST_BUFFER 512
#define GUEST_FEATURE(bit) ((uint64_t)1 << (bit))
#define GUEST_FEATURES (GUEST_FEATURE(VIRTIO_F_VERSION_1) | GUEST_FEATURE(VIRTIO_VSOCK_F_SEQPACKET))

enum { GUEST_RX, GUEST_TX, GUEST_QUEUES };

/**
 * struct guest_options - what a guest wants; a 0 stands for the usual
 * @ring: descriptors in each queue, a power of two (GUEST_RING)
 * @buffer: bytes of each buffer, the header included (GUEST_BUFFER)
 * @features: accepted if the device offers them (GUEST_FEATURES)
 * @scratch: bytes of shared memory for descriptors of the caller's (none)
 * @vhost: the open device, taken over (opens one in the namespace of this task)
 * @bare: offers no buffers for what the host sends: the caller does
 */
struct guest_options {
	unsigned int ring;
	unsigned int buffer;
	uint64_t features;
	size_t scratch;
	int vhost;
	bool bare;
};

/**
 * struct guest_queue - one virtqueue, and what backs it
 * @vring: descriptors, available and used ring
 * @buffers: one for each descriptor
 * @link: for each descriptor in use, the next of its chain; for others, of the free
 * @free: first free descriptor
 * @count_free: how many are
 * @kick: eventfd, guest to host
 * @call: eventfd, host to guest
 * @seen: how many used entries have been looked at
 */
struct guest_queue {
	struct vring vring;
	char *buffers;
	uint16_t *link;
	unsigned int free;
	unsigned int count_free;
	int kick;
	int call;
	uint16_t seen;
};

/**
 * struct guest - a VM as the host sees it
 * @vhost: the open device
 * @cid: its CID
 * @features: what was agreed on
 * @options: as they were given, the usual filled in
 * @queues: receive (host to guest) and transmit, as virtio-vsock numbers them
 * @memory: what is shared with the host
 * @size: of @memory
 * @scratch: the caller's part of it
 */
struct guest {
	int vhost;
	uint64_t cid;
	uint64_t features;
	struct guest_options options;
	struct guest_queue queues[GUEST_QUEUES];
	void *memory;
	size_t size;
	void *scratch;
};

/* ---- the device ---- */

/* Opens the device in the namespace of this task, and starts. */
int guest_start(struct guest *guest, uint64_t cid);
int guest_start_with(struct guest *guest, uint64_t cid, const struct guest_options *options);

/* The same, step by step; guest_stop() undoes all of it, whichever step failed. */
int guest_open(struct guest *guest, const struct guest_options *options);
int guest_set_up(struct guest *guest);		/* owner, features, memory, queues */
int guest_set_cid(struct guest *guest, uint64_t cid);
int guest_run(struct guest *guest, int running);

/* What the device offers. */
int guest_offered(struct guest *guest, uint64_t *features);

/* As when the VMM exits; guest_close_device() is its part that the host sees. */
int guest_close_device(struct guest *guest);
void guest_stop(struct guest *guest);

/* ---- packets ---- */

/* Returns the length of the payload, or -ETIMEDOUT. A NULL @hdr or @payload is passed over. */
int guest_receive(struct guest *guest, struct virtio_vsock_hdr *hdr,
		  void *payload, size_t size, int milliseconds);
/* Returns when the host has taken the packet and what it did with it is done. */
int guest_send(struct guest *guest, const struct virtio_vsock_hdr *hdr, const void *payload);
/* Does not wait for the host: -EAGAIN when no buffer is free. */
int guest_post(struct guest *guest, const struct virtio_vsock_hdr *hdr, const void *payload);
/* Until the host has taken all that was posted. */
int guest_flush(struct guest *guest, int milliseconds);
/* Frees the buffers that the host has taken; the others do so when they need one. */
int guest_reap(struct guest *guest);
/* Waits for anything from the host: packets, or buffers that it has taken. */
int guest_wait(struct guest *guest, int milliseconds);
/* Turns the addresses of @hdr around, for an answer of kind @op. */
void guest_answer(struct virtio_vsock_hdr *answer, const struct virtio_vsock_hdr *hdr, uint16_t op);

/* ---- descriptors ---- */

/*
 * Puts descriptors into a queue as they are, as one entry that begins with the
 * first, and kicks. A @next below @count means that one of @chain, another stays
 * as it is. Returns the entry's number, -EAGAIN if so many are not free.
 */
int guest_push(struct guest *guest, unsigned int queue,
	       const struct vring_desc *chain, unsigned int count);
/* The number of the next entry that the host is done with, or -ETIMEDOUT. */
int guest_used(struct guest *guest, unsigned int queue, uint32_t *len, int milliseconds);
int guest_kick(struct guest *guest, unsigned int queue);

/* ---- of guest_ring.c, for guest.c ---- */

size_t guest_queue_size(const struct guest_options *options);
void guest_queue_init(struct guest *guest, unsigned int queue, void *memory);

#endif
