/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest without a VM: this process takes the place of the VM behind /dev/vhost-vsock.
 *
 *	host kernel                      this process
 *	vhost worker --- rx queue ---->  guest_receive()
 *	             <--- tx queue ----  guest_send()
 *
 * This file declares the device (guest.c) and single packets and descriptors
 * (guest_ring.c), which may be malformed. guest_conn.h adds connections, with
 * the behaviour of a correct guest.
 *
 * One block of memory holds both queues and all buffers. Guest-physical
 * addresses equal the addresses of this process. Functions that can fail return
 * a negative errno.
 */
#ifndef VSOCK_GUEST_H
#define VSOCK_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>

/* Default sizes; small, as a test may run thousands of guests. */
#define GUEST_RING 4
#define GUEST_BUFFER 512
#define GUEST_FEATURE(bit) ((uint64_t)1 << (bit))
#define GUEST_FEATURES (GUEST_FEATURE(VIRTIO_F_VERSION_1) | GUEST_FEATURE(VIRTIO_VSOCK_F_SEQPACKET))

enum { GUEST_RX, GUEST_TX, GUEST_QUEUES };

/**
 * struct guest_options - options of a guest; 0 selects the default
 * @ring: descriptors per queue, a power of two (GUEST_RING)
 * @buffer: bytes per buffer, including the header (GUEST_BUFFER)
 * @features: feature bits to accept if offered (GUEST_FEATURES)
 * @scratch: bytes of shared memory for the caller's own descriptors (none)
 * @vhost: an open device, owned by the guest from then on (default: open one)
 * @bare: post no receive buffers; the caller posts them
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
 * struct guest_queue - one virtqueue and its buffers
 * @vring: descriptor table, available ring and used ring
 * @buffers: one buffer per descriptor
 * @link: per descriptor, the next one of its chain or of the free list
 * @free: first free descriptor
 * @count_free: number of free descriptors
 * @kick: eventfd from guest to host
 * @call: eventfd from host to guest
 * @seen: number of used entries processed
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
 * @cid: CID of the VM
 * @features: negotiated feature bits
 * @options: the options, with the defaults filled in
 * @queues: receive (host to guest) and transmit, numbered as in virtio-vsock
 * @memory: memory shared with the host
 * @size: size of @memory
 * @scratch: the part of @memory that is left to the caller
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

/* Open the device in the namespace of this task, configure it and start it. */
int guest_start(struct guest *guest, uint64_t cid);
int guest_start_with(struct guest *guest, uint64_t cid, const struct guest_options *options);

/* The same in single steps. guest_stop() cleans up after a failure of any step. */
int guest_open(struct guest *guest, const struct guest_options *options);
int guest_set_up(struct guest *guest);		/* owner, features, memory, queues */
int guest_set_cid(struct guest *guest, uint64_t cid);
int guest_run(struct guest *guest, int running);

/* Read the feature bits that the device offers. */
int guest_offered(struct guest *guest, uint64_t *features);

/* guest_stop() is the exit of a VMM; guest_close_device() only closes the device. */
int guest_close_device(struct guest *guest);
void guest_stop(struct guest *guest);

/* ---- packets ---- */

/* Returns the length of the payload or -ETIMEDOUT. @hdr and @payload may be NULL. */
int guest_receive(struct guest *guest, struct virtio_vsock_hdr *hdr,
		  void *payload, size_t size, int milliseconds);
/* Returns once the host has processed the packet. */
int guest_send(struct guest *guest, const struct virtio_vsock_hdr *hdr, const void *payload);
/* Does not wait for the host; returns -EAGAIN if no buffer is free. */
int guest_post(struct guest *guest, const struct virtio_vsock_hdr *hdr, const void *payload);
/* Wait until the host has used all posted packets. */
int guest_flush(struct guest *guest, int milliseconds);
/* Free the buffers that the host has used. The other functions do so on demand. */
int guest_reap(struct guest *guest);
/* Wait for any used entry in either queue. */
int guest_wait(struct guest *guest, int milliseconds);
/* Swap the addresses of @hdr for an answer of kind @op. */
void guest_answer(struct virtio_vsock_hdr *answer, const struct virtio_vsock_hdr *hdr, uint16_t op);

/* ---- descriptors ---- */

/*
 * Add @chain to a queue unchecked, as one entry starting at the first
 * descriptor, and kick. A @next below @count refers to a descriptor of @chain;
 * larger values stay unchanged. Returns the head of the entry, or -EAGAIN if
 * fewer than @count descriptors are free.
 */
int guest_push(struct guest *guest, unsigned int queue,
	       const struct vring_desc *chain, unsigned int count);
/* Returns the head of the next used entry, or -ETIMEDOUT. */
int guest_used(struct guest *guest, unsigned int queue, uint32_t *len, int milliseconds);
int guest_kick(struct guest *guest, unsigned int queue);

/* ---- internal: guest_ring.c, used by guest.c ---- */

size_t guest_queue_size(const struct guest_options *options);
void guest_queue_init(struct guest *guest, unsigned int queue, void *memory);

#endif
