// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets of the host that are connected to a VM, or about to be
 *
 * A VM has a list of the sockets that are to be reset when it goes. Closing it
 * costs what its own connections cost, and a later VM with the same CID is not
 * mistaken for it. A socket is on the list from the moment at which it begins
 * to connect, or is made for a request of the VM, until it is destroyed or the
 * VM is closed.
 *
 * A socket may outlive the VM and the other way round. virtio_vsock_sock.vm is
 * changed under the lock of the list only, and cleared before the list goes
 * away. Who comes from the socket's side reads it under RCU, which keeps the
 * list, and looks again under the lock. Who comes from the VM's side has the
 * socket until it clears the pointer: its destructor, and a connect() that
 * gives it another transport or VM, wait for the lock, or find the pointer
 * cleared. Two who come from the same socket's side are kept apart by
 * lock_sock().
 */
#include <linux/errno.h>
#include <linux/rcupdate.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/virtio_vsock.h>
#include <net/af_vsock.h>
#include "vsock_peer.h"

/* Peers that are taken off the list under one hold of its lock. */
#define VHOST_VSOCK_CLOSE_BATCH	16

/**
 * vhost_vsock_peers_init() - begin with no peer
 * @peers: the list
 */
void vhost_vsock_peers_init(struct vhost_vsock_peers *peers)
{
	spin_lock_init(&peers->lock);
	peers->closed = false;
	INIT_HLIST_HEAD(&peers->head);
}

/**
 * vhost_vsock_peer_add() - make a socket a peer
 * @peers: list of the VM that it addresses
 * @vsk: socket of the vhost transport that is on no list
 *
 * Context: lock_sock() and something that keeps @peers, RCU for example.
 * Return: 0, or -ENODEV if the VM is about to go.
 */
int vhost_vsock_peer_add(struct vhost_vsock_peers *peers,
			 struct vsock_sock *vsk)
{
	struct virtio_vsock_sock *vvs = vsk->trans;
	int err = -ENODEV;

	spin_lock_bh(&peers->lock);
	if (!peers->closed) {
		hlist_add_head(&vvs->vm_node, &peers->head);
		WRITE_ONCE(vvs->vm, peers);
		err = 0;
	}
	spin_unlock_bh(&peers->lock);

	return err;
}

/* The list's lock is held. From the last line on, the socket may be freed. */
static void vhost_vsock_peer_unlink(struct virtio_vsock_sock *vvs)
{
	hlist_del_init(&vvs->vm_node);
	/* Pairs with smp_load_acquire() in vhost_vsock_peer_del(). */
	smp_store_release(&vvs->vm, NULL);
}

/**
 * vhost_vsock_peer_del() - take a socket off the list that it is on, if any
 * @vsk: socket of the vhost transport
 *
 * Context: lock_sock() is held or no reference is left; softirq as well.
 */
void vhost_vsock_peer_del(struct vsock_sock *vsk)
{
	struct virtio_vsock_sock *vvs = vsk->trans;
	struct vhost_vsock_peers *peers;

	rcu_read_lock();
	peers = smp_load_acquire(&vvs->vm); /* vhost_vsock_peer_unlink() */
	if (peers) {
		spin_lock_bh(&peers->lock);
		if (vvs->vm)
			vhost_vsock_peer_unlink(vvs);
		spin_unlock_bh(&peers->lock);
	}
	rcu_read_unlock();
}

/**
 * vhost_vsock_is_peer() - tell whether a socket is on the list of a VM
 * @peers: list of the VM
 * @vsk: socket of the vhost transport
 *
 * Context: lock_sock() is held. The VM is only closed, and the socket off its
 * list, when it is silent: while a packet of its own is looked at, the answer
 * holds.
 * Return: true if so.
 */
bool vhost_vsock_is_peer(const struct vhost_vsock_peers *peers,
			 const struct vsock_sock *vsk)
{
	const struct virtio_vsock_sock *vvs = vsk->trans;

	return READ_ONCE(vvs->vm) == peers;
}

/* Parts some from the list. Whether there are more is returned. */
static bool vhost_vsock_peers_part(struct vhost_vsock_peers *peers,
				   void (*fn)(struct vsock_sock *vsk))
{
	bool more;
	int i;

	spin_lock_bh(&peers->lock);
	peers->closed = true;
	for (i = 0; i < VHOST_VSOCK_CLOSE_BATCH; i++) {
		struct virtio_vsock_sock *vvs =
			hlist_entry_safe(peers->head.first,
					 struct virtio_vsock_sock, vm_node);

		if (!vvs)
			break;

		/* Before it leaves: it could connect to another VM then. */
		fn(vvs->vsk);
		vhost_vsock_peer_unlink(vvs);
	}
	more = !hlist_empty(&peers->head);
	spin_unlock_bh(&peers->lock);

	return more;
}

/**
 * vhost_vsock_peers_close() - part a VM from its peers
 * @peers: list of the VM; afterwards no socket points to it, and none will
 * @fn: called for each under a spinlock, so that it stays a peer of this VM and
 *	in memory; it may have no reference left
 *
 * Context: process context, may sleep. The VM sends nothing any more.
 */
void vhost_vsock_peers_close(struct vhost_vsock_peers *peers,
			     void (*fn)(struct vsock_sock *vsk))
{
	while (vhost_vsock_peers_part(peers, fn))
		cond_resched();
}
