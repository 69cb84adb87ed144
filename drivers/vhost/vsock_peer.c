// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers of a VM: the host's sockets that are connected to it, or connecting
 *
 * A connection belongs to its VM, not to a CID. A socket becomes a peer when it
 * begins to connect, or when it is made for a request of the VM. It stays one
 * until it is destroyed, connects anew, or the VM is closed or changes its CID.
 * While it is a peer, it sends to this VM and takes packets from this VM only.
 * A socket without a VM sends to nobody. Closing a VM costs what its own
 * connections cost.
 *
 * virtio_vsock_sock.vm changes under the lock of the VM's list:
 *
 *	side	holds			may
 *	------	----------------------	------------------------------------
 *	socket	lock_sock(), or the	add itself to a list; read vm under
 *		last reference is gone	RCU, which keeps the list, and remove
 *					itself after a second look under the
 *					list's lock
 *	VM	the list's lock		use any peer: its destructor, and a
 *					connect() that makes it the peer of
 *					another VM, wait for the lock
 *
 * The VM's worker may be processing a packet while the VM removes its peers.
 * It looks at vm under lock_sock(), and finds no VM if the removal came first.
 * If the removal comes later, the worker owns the socket, so vsock_reset() takes
 * effect when the worker releases it. A RESPONSE may have inserted the socket
 * into the connected table by then. The connection is over all the same, and a
 * new one with its addresses replaces it there.
 */
#include <linux/errno.h>
#include <linux/rcupdate.h>
#include <linux/rculist.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/virtio_vsock.h>
#include <net/af_vsock.h>
#include "vsock_peer.h"

/* Peers that are removed from the list in one hold of its lock. */
#define VHOST_VSOCK_CLOSE_BATCH	16

/**
 * vhost_vsock_peers_init() - initialise the list of a VM without a CID
 * @peers: the list
 *
 * Context: any.
 */
void vhost_vsock_peers_init(struct vhost_vsock_peers *peers)
{
	spin_lock_init(&peers->lock);
	peers->cid = 0;
	INIT_HLIST_HEAD(&peers->head);
}

/**
 * vhost_vsock_peers_open() - let sockets become peers
 * @peers: the list, without peers unless it has this CID already
 * @cid: the VM's CID
 *
 * Context: any but hard interrupt.
 */
void vhost_vsock_peers_open(struct vhost_vsock_peers *peers, u32 cid)
{
	spin_lock_bh(&peers->lock);
	peers->cid = cid;
	spin_unlock_bh(&peers->lock);
}

/**
 * vhost_vsock_peer_add() - make a socket a peer of the VM that it addresses
 * @peers: the VM's list
 * @vsk: socket of the vhost transport that is on no list
 *
 * Context: lock_sock() is held, and something that keeps @peers, RCU for
 * example.
 * Return: 0, or -ENODEV if the VM does not have the remote CID any more.
 */
int vhost_vsock_peer_add(struct vhost_vsock_peers *peers,
			 struct vsock_sock *vsk)
{
	struct virtio_vsock_sock *vvs = vsk->trans;
	int err = -ENODEV;

	sock_owned_by_me(sk_vsock(vsk));
	spin_lock_bh(&peers->lock);
	if (peers->cid && peers->cid == vsk->remote_addr.svm_cid) {
		hlist_add_head(&vvs->vm_node, &peers->head);
		WRITE_ONCE(vvs->vm, peers);
		err = 0;
	}
	spin_unlock_bh(&peers->lock);

	return err;
}

/* After the last line, the socket may be freed. */
static void vhost_vsock_peer_unlink(struct virtio_vsock_sock *vvs)
{
	lockdep_assert_held(&vvs->vm->lock);
	hlist_del_init(&vvs->vm_node);
	/* Pairs with smp_load_acquire() in vhost_vsock_peer_del(). */
	smp_store_release(&vvs->vm, NULL);
}

/**
 * vhost_vsock_peer_del() - remove a socket from the list that it is on, if any
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

/* Removes up to a batch of peers from the list, and returns how many. @held
 * gets the references that are to be dropped without the lock: the last one
 * frees the socket, and its destructor takes the lock.
 */
static int vhost_vsock_peers_part(struct vhost_vsock_peers *peers,
				  void (*fn)(struct vsock_sock *vsk),
				  struct sock **held)
{
	int n = 0;

	spin_lock_bh(&peers->lock);
	peers->cid = 0;
	while (n < VHOST_VSOCK_CLOSE_BATCH && !hlist_empty(&peers->head)) {
		struct virtio_vsock_sock *vvs =
			hlist_entry(peers->head.first,
				    struct virtio_vsock_sock, vm_node);
		struct sock *sk = sk_vsock(vvs->vsk);

		/* @fn comes first: after the removal, the socket can connect to
		 * another VM. A socket without a reference is closed already;
		 * its destructor waits for the lock.
		 */
		held[n] = NULL;
		if (refcount_inc_not_zero(&sk->sk_refcnt)) {
			fn(vvs->vsk);
			held[n] = sk;
		}
		n++;
		vhost_vsock_peer_unlink(vvs);
	}
	spin_unlock_bh(&peers->lock);

	return n;
}

/**
 * vhost_vsock_peers_close() - remove all peers of a VM
 * @peers: the VM's list; no socket points to it afterwards, and none becomes a
 *	peer until vhost_vsock_peers_open()
 * @fn: called for each peer under a spinlock and with a reference, before the
 *	peer is removed
 *
 * Context: process context, may sleep.
 */
void vhost_vsock_peers_close(struct vhost_vsock_peers *peers,
			     void (*fn)(struct vsock_sock *vsk))
{
	struct sock *held[VHOST_VSOCK_CLOSE_BATCH];
	int i, n;

	do {
		n = vhost_vsock_peers_part(peers, fn, held);
		for (i = 0; i < n; i++)
			if (held[i])
				sock_put(held[i]);
		cond_resched();
	} while (n);
}
