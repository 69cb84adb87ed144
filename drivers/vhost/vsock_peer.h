/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Peers of a VM: the host's sockets that are connected to it, or connecting
 */
#ifndef _VHOST_VSOCK_PEER_H
#define _VHOST_VSOCK_PEER_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/virtio_vsock.h>
#include <net/af_vsock.h>

/**
 * struct vhost_vsock_peers - the peers of one VM
 * @lock: protects the other members, and virtio_vsock_sock.vm and .vm_node of
 *	each peer
 * @cid: CID by which sockets become peers, 0 if none can
 * @head: the peers
 *
 * To be freed after an RCU grace period that follows vhost_vsock_peers_close().
 */
struct vhost_vsock_peers {
	spinlock_t lock; /* of the rest */
	u32 cid;
	struct hlist_head head;
};

void vhost_vsock_peers_init(struct vhost_vsock_peers *peers);
void vhost_vsock_peers_open(struct vhost_vsock_peers *peers, u32 cid);
void vhost_vsock_peers_close(struct vhost_vsock_peers *peers,
			     void (*fn)(struct vsock_sock *vsk));

int vhost_vsock_peer_add(struct vhost_vsock_peers *peers,
			 struct vsock_sock *vsk);
void vhost_vsock_peer_del(struct vsock_sock *vsk);

/**
 * vhost_vsock_vm_of() - the VM that a socket is a peer of
 * @vsk: socket of the vhost transport
 *
 * Context: lock_sock() or its spinlock is held, so that the socket keeps the
 * transport; and an RCU read-side critical section, to whose end the result may
 * be used.
 * Return: the VM's list, or NULL if the VM is gone or there was none.
 */
static inline struct vhost_vsock_peers *
vhost_vsock_vm_of(const struct vsock_sock *vsk)
{
	const struct virtio_vsock_sock *vvs = vsk->trans;

	sock_owned_by_me(sk_vsock(vsk));
	return READ_ONCE(vvs->vm);
}

#endif /* _VHOST_VSOCK_PEER_H */
