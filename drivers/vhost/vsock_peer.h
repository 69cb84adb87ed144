/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets of the host that are connected to a VM, or about to be
 */
#ifndef _VHOST_VSOCK_PEER_H
#define _VHOST_VSOCK_PEER_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct vsock_sock;

/**
 * struct vhost_vsock_peers - the peers of one VM
 * @lock: protects the rest, and virtio_vsock_sock.vm_node and .vm of each
 * @closed: takes no more peers
 * @head: the peers
 *
 * To be freed after an RCU grace period that follows vhost_vsock_peers_close().
 */
struct vhost_vsock_peers {
	spinlock_t lock; /* of the rest */
	bool closed;
	struct hlist_head head;
};

void vhost_vsock_peers_init(struct vhost_vsock_peers *peers);
int vhost_vsock_peer_add(struct vhost_vsock_peers *peers,
			 struct vsock_sock *vsk);
void vhost_vsock_peer_del(struct vsock_sock *vsk);
bool vhost_vsock_is_peer(const struct vhost_vsock_peers *peers,
			 const struct vsock_sock *vsk);
void vhost_vsock_peers_close(struct vhost_vsock_peers *peers,
			     void (*fn)(struct vsock_sock *vsk));

#endif /* _VHOST_VSOCK_PEER_H */
