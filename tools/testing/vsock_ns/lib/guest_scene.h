/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A connection between the host and a victim, for tests of forged packets.
 *
 *	liar ----.
 *		 +--- host: client or listener
 *	victim --'
 *
 * Both are guests without a VM (guest.h). The liar knows the CID and the ports
 * of the connection between the host and the victim. Functions that can fail
 * return a negative errno.
 */
#ifndef VSOCK_GUEST_SCENE_H
#define VSOCK_GUEST_SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest.h"
#include "vsock_ns_util.h"

#define GUEST_PORT 0x6c696573
#define WAIT_MS 10000

/**
 * struct scene - namespaces, VMs and the attacked connection
 * @ns: the namespaces
 * @at: index of the namespace of the victim and the host's sockets: INIT
 * @victim: a VM in that namespace, with CID
 * @liar: a VM with OTHER_CID
 * @connection: header of a packet from the host to the victim
 * @sock: the host's end of the connection
 */
struct scene {
	int ns[NS_COUNT];
	int at;
	struct guest victim;
	struct guest liar;
	struct virtio_vsock_hdr connection;
	int sock;
};

/* Create the namespaces and the two VMs. The liar's VM is in ns[liar_ns]. */
int scene_start(struct scene *scene, int liar_ns);
void scene_stop(struct scene *scene);
int guest_in(struct guest *guest, int ns, unsigned int cid);

/* Build or send a packet on @connection with the source CID @cid. */
struct virtio_vsock_hdr header_from(const struct virtio_vsock_hdr *connection, uint64_t cid,
				    int op, uint32_t flags, size_t len);
int send_from(struct guest *guest, const struct virtio_vsock_hdr *connection,
	      uint64_t cid, int op, uint32_t flags, const char *payload);
/* Send a packet of any length; the header need not match it. */
int send_raw(struct guest *guest, const struct virtio_vsock_hdr *hdr, size_t len);
/* Free the buffers that hold answers of the host, resets for example. */
void discard_answers(struct guest *guest);

/* Steps of the victim and the host; victim_answers() advertises the given credit. */
int victim_sends(struct scene *scene, int op, const char *payload);
int victim_answers(struct scene *scene, int op, uint32_t buf_alloc, uint32_t fwd_cnt);
int victim_receives(struct scene *scene, int op, struct virtio_vsock_hdr *hdr,
		    char *payload, size_t size);
int host_begins_to_connect(struct scene *scene);
int connected(struct scene *scene);
int host_connects(struct scene *scene);
bool still_connecting(struct scene *scene);
struct virtio_vsock_hdr with_listener(void);
int victim_connects_to(struct scene *scene, int listener);

/* Returns 0 if the connection is unharmed: empty, and usable in both directions. */
int harm(struct scene *scene);

#endif
