/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vsock_fuzz: a guest that is controlled by input bytes, which libFuzzer generates.
 *
 *	fuzz.c		interpretation of the bytes; the entry point of libFuzzer
 *	rig.c		the device, the guest's memory and the rings
 *	ioctls.c	ioctls and IOTLB messages in any order
 *	host.c		sockets of the host that the guest talks to
 *	victims.c	sockets and VMs that the guest must not reach
 *	kcov.c		coverage of the kernel, for libFuzzer
 *	box.c		the current input, which survives a kernel crash
 *
 * Each input gets a device of its own, so that it can be replayed alone.
 * Missing bytes select the behaviour of a correct guest: an empty input is a VM
 * that starts and stops.
 */
#ifndef VSOCK_FUZZ_H
#define VSOCK_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>

#include "vsock_ns_util.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { RX, TX, QUEUES };

/* The guest's memory. No memory is mapped around it, as the host may be told to
 * write to any address.
 */
#define ARENA 0x10000u
#define GUARD 0x2000000u
#define GPA 0x100000ull		/* guest-physical address of the arena */
#define QUEUE_AT(q) ((q) * 0x1000u)
#define AVAIL_AT 0x800u		/* in the queue's page, as is the next */
#define USED_AT 0xc00u
#define INDIRECT_AT 0x2000u
#define TX_AT 0x3000u
#define TX_END 0x9000u
#define RX_AT 0x9000u
#define LOG_AT 0xf000u
#define RING 16u
#define RX_BUFFER 1024u

#define FUZZ_CID 5000u
#define VICTIM_CID 5001u
#define GUEST_PORT 0x66757a7au
#define SOCKS 4

/* Payload bytes of the guest and of the host; other values are leaks. */
#define GUEST_BYTE 'F'
#define HOST_BYTE 'H'

/*
 * struct input - the remaining bytes; reads past the end return zeros
 */
struct input {
	const uint8_t *data;
	size_t left;
};

/*
 * struct rig - the device of one input
 * @vhost: open device
 * @kick: eventfds, as is @call
 * @avail: last index published to the host, per queue
 * @seen: index in the used ring of RX
 * @tx_at: offset of the next packet to build
 * @last: header of the last received packet
 * @sock: host sockets connected to the guest, -1: unused
 * @cid: all CIDs that the device has had, as peers may know it by any of them
 * @cids: number of entries in @cid
 * @plain: no raw descriptor was used, so all payload is GUEST_BYTE
 */
struct rig {
	int vhost;
	int kick[QUEUES], call[QUEUES];
	uint16_t avail[QUEUES], seen;
	uint32_t tx_at;
	struct virtio_vsock_hdr last;
	int sock[SOCKS];
	uint64_t cid[16];
	unsigned int cids;
	bool plain;
};

/* fuzz.c */
uint8_t take8(struct input *in);
uint16_t take16(struct input *in);
uint32_t take32(struct input *in);
uint64_t take64(struct input *in);
#define broken(fmt, ...) \
	(fprintf(stderr, "vsock_fuzz: BROKEN: " fmt "\n", ##__VA_ARGS__), abort())
#define cannot(fmt, ...) \
	(fprintf(stderr, "vsock_fuzz: error: " fmt "\n", ##__VA_ARGS__), exit(2))

/* rig.c */
extern uint8_t *arena;
void arena_make(void);
void rig_open(struct rig *r);
void rig_start(struct rig *r, uint64_t features);
void rig_close(struct rig *r);
void rig_flush(struct rig *r);
void rig_kick(struct rig *r, unsigned int queue);
void rig_set_cid(struct rig *r, uint64_t cid);
struct vring_desc *rig_desc(unsigned int queue, unsigned int slot);
void rig_offer(struct rig *r, unsigned int queue, uint16_t head);
void rig_tell(struct rig *r, unsigned int queue, uint16_t index);
void rig_post(struct rig *r, unsigned int count, uint32_t size);
void rig_drain(struct rig *r);

/* ioctls.c */
void odd_ioctl(struct rig *r, struct input *in);
void iotlb_message(struct rig *r, struct input *in);

/* host.c */
void host_listen(void);
void host_accept(struct rig *r);
void host_connect(struct rig *r, struct input *in);
void host_acts(struct rig *r, struct input *in);
void host_end(struct rig *r);

/* victims.c */
void victims_make(void);
void victims_check(void);
uint32_t victim_port(void);

/* kcov.c */
void cover_open(void);
void cover_begin(void);
void cover_end(void);
bool cover_there(void);
unsigned long cover_points(void);
int set_owner(int vhost);

/* box.c */
void box_open(void);
void box_begin(const uint8_t *data, size_t size);
void box_end(void);

#endif
