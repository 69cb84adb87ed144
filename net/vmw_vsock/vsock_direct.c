// SPDX-License-Identifier: GPL-2.0-only
/*
 * Payload and credit of loopback connections, in the context of the sender
 *
 * Both sockets of a loopback connection are on this machine. The sender passes
 * payload to the receive queue of its peer, and credit to the peer's state,
 * under the spinlock of the peer's lock:
 *
 *	sk_lock of the peer	payload			credit
 *	-------------------	----------------------	----------------------
 *	not owned		receive queue		peer's state
 *	owned			backlog			backlog, as a packet
 *	anything unusual	queue of the worker	queue of the worker
 *
 * All other packets take the queue of the worker: they may sleep, send or reset.
 *
 * Order: packets and credit of a socket take effect in the order in which it
 * has sent them.
 *
 *	queue before direct	A socket passes nothing directly before the
 *				worker has finished with its last packet, see
 *				struct vsock_order.
 *	backlog before queue	While the peer is owned, the worker uses its
 *				backlog, too: vsock_lock_or_defer().
 *	backlog before direct	A backlog exists only while the peer is owned,
 *				and nothing passes it then.
 *
 * A packet gets its credit when it leaves the queue or is delivered directly, so
 * the order holds for credit as well. An old fwd_cnt must not replace a newer
 * one: the sender would lose this space for good.
 *
 * Locking: sk_lock of the sender (owned), sk_lock.slock of the peer, tx_lock or
 * rx_lock. Nothing is sent, and no other sk_lock taken, under the slock of the
 * peer. Two sockets that send to each other do not wait for each other. A socket
 * that is its own peer is owned, and gets its packets from its backlog.
 */
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/virtio_vsock.h>
#include <net/af_vsock.h>
#include <net/sock.h>
#include <net/vsock_backlog.h>
#include <net/vsock_direct.h>
#include <net/vsock_table.h>

#include <trace/events/vsock_virtio_transport_common.h>

/**
 * vsock_order_queue() - number a packet that is queued
 * @order: order of the queue
 * @skb: the packet, which may belong to a socket
 *
 * Context: the lock of the queue is held.
 */
void vsock_order_queue(struct vsock_order *order, struct sk_buff *skb)
{
	VIRTIO_VSOCK_SKB_CB(skb)->number = ++order->last;
	if (skb->sk)
		WRITE_ONCE(vsock_sk(skb->sk)->queued_last, order->last);
}
EXPORT_SYMBOL_GPL(vsock_order_queue);

/**
 * vsock_order_number() - get the number of a packet
 * @skb: the packet
 *
 * Return: the number that vsock_order_queue() has assigned.
 */
unsigned long vsock_order_number(const struct sk_buff *skb)
{
	return VIRTIO_VSOCK_SKB_CB(skb)->number;
}
EXPORT_SYMBOL_GPL(vsock_order_number);

/**
 * vsock_order_finish() - publish that a packet was received or deferred
 * @order: order of the queue
 * @number: number of the packet; each call has a larger one
 *
 * Context: the worker of the queue.
 */
void vsock_order_finish(struct vsock_order *order, unsigned long number)
{
	/* Pairs with the acquire in vsock_order_is_free(). */
	smp_store_release(&order->done, number);
}
EXPORT_SYMBOL_GPL(vsock_order_finish);

/**
 * vsock_order_is_free() - test that no packet of a socket is in the queue
 * @order: order of the queue
 * @vsk: the socket
 *
 * A packet that was removed from the queue counts as queued until the worker has
 * finished with a later one. The socket then uses the queue once more.
 *
 * Context: @vsk is owned by the caller, so no packet of it is queued meanwhile.
 * Return: true if so.
 */
bool vsock_order_is_free(const struct vsock_order *order,
			 const struct vsock_sock *vsk)
{
	/* Pairs with the release in vsock_order_finish(). */
	return (long)(smp_load_acquire(&order->done) -
		      READ_ONCE(vsk->queued_last)) >= 0;
}
EXPORT_SYMBOL_GPL(vsock_order_is_free);

/* Find the peer that the worker would find. A client that has connected to an
 * alias of the local CID is found by its own address: packets come from CID 1.
 */
static struct sock *vsock_direct_find_peer(const struct net *scope,
					   const struct sockaddr_vm *src,
					   const struct sockaddr_vm *dst)
{
	struct sock *sk = vsock_find_connected_socket(scope, src, dst);

	return sk ? sk : vsock_find_bound_socket(scope, dst);
}

/* Make the receiver the owner of the packet, which is no longer unsent. */
static void vsock_direct_hand_over(struct sk_buff *skb, struct sock *sk)
{
	struct virtio_vsock_hdr *hdr = virtio_vsock_hdr(skb);

	trace_virtio_transport_recv_pkt(le64_to_cpu(hdr->src_cid),
					le32_to_cpu(hdr->src_port),
					le64_to_cpu(hdr->dst_cid),
					le32_to_cpu(hdr->dst_port),
					le32_to_cpu(hdr->len),
					le16_to_cpu(hdr->type),
					le16_to_cpu(hdr->op),
					le32_to_cpu(hdr->flags),
					le32_to_cpu(hdr->buf_alloc),
					le32_to_cpu(hdr->fwd_cnt));

	virtio_transport_consume_skb_sent(skb, false);
	/* The caller has a reference, so this does not fail. sock_wfree() runs
	 * here: a writer that waits for unsent bytes needs its wake-up.
	 */
	WARN_ON_ONCE(!skb_set_owner_sk_safe(skb, sk));
}

/* The limit bounds the work of the task that releases the lock, which goes on
 * until the backlog is empty. The credit of the sender bounds the rest.
 */
static bool vsock_direct_defer(struct virtio_transport *t, struct sock *sk,
			       struct sk_buff *skb)
{
	unsigned int limit = READ_ONCE(sk->sk_rcvbuf) + READ_ONCE(sk->sk_sndbuf);

	if (sk_rcvqueues_full(sk, limit) ||
	    !vsock_backlog_add(sk, skb, &t->transport))
		return false;

	/* The owner takes the backlog under sk_lock.slock, which is held. */
	vsock_direct_hand_over(skb, sk);

	return true;
}

static bool vsock_direct_receive(struct virtio_transport *t, struct sock *sk,
				 struct sk_buff *skb)
{
	if (!virtio_transport_can_recv_direct(t, sk, skb))
		return false;

	vsock_direct_hand_over(skb, sk);
	virtio_transport_recv_direct(sk, skb);

	return true;
}

/**
 * vsock_direct_deliver() - deliver payload or credit in the sender's context
 * @t: the transport of both sockets
 * @skb: packet of a connected socket
 * @scope: scope of the socket
 *
 * A packet that cannot be delivered like this remains the caller's, unchanged
 * but for its credit. Taps have got it, and get it no second time.
 *
 * Context: process context. The socket of @skb is owned by the caller, and
 * vsock_order_is_free().
 * Return: true if @skb was delivered.
 */
bool vsock_direct_deliver(struct virtio_transport *t, struct sk_buff *skb,
			  struct net *scope)
{
	struct virtio_vsock_hdr *hdr = virtio_vsock_hdr(skb);
	struct sockaddr_vm src, dst;
	struct sock *sk;
	bool delivered;

	sock_owned_by_me(skb->sk);

	vsock_addr_init(&src, le64_to_cpu(hdr->src_cid),
			le32_to_cpu(hdr->src_port));
	vsock_addr_init(&dst, le64_to_cpu(hdr->dst_cid),
			le32_to_cpu(hdr->dst_port));
	sk = vsock_direct_find_peer(scope, &src, &dst);
	if (!sk)
		return false;

	/* A tap gets the packet before anything that it causes. */
	virtio_transport_fill_credit(skb);
	virtio_transport_deliver_tap_pkt(skb, scope);

	spin_lock_bh(&sk->sk_lock.slock);
	if (sock_owned_by_user_nocheck(sk))
		delivered = vsock_direct_defer(t, sk, skb);
	else
		delivered = vsock_direct_receive(t, sk, skb);
	spin_unlock_bh(&sk->sk_lock.slock);

	sock_put(sk);

	return delivered;
}
EXPORT_SYMBOL_GPL(vsock_direct_deliver);

/**
 * vsock_direct_credit() - tell the peer of a socket of its credit
 * @t: the transport of both sockets
 * @vsk: a connected socket
 *
 * Context: process context. @vsk is owned by the caller, and
 * vsock_order_is_free().
 * Return: true, or false if it needs a packet.
 */
bool vsock_direct_credit(struct virtio_transport *t, struct vsock_sock *vsk)
{
	struct sockaddr_vm src;
	bool taken = false;
	struct sock *sk;

	sock_owned_by_me(sk_vsock(vsk));

	vsock_addr_init(&src, t->transport.get_local_cid(),
			vsk->local_addr.svm_port);
	sk = vsock_direct_find_peer(vsk->scope, &src, &vsk->remote_addr);
	if (!sk)
		return false;

	spin_lock_bh(&sk->sk_lock.slock);
	if (!sock_owned_by_user_nocheck(sk))
		taken = virtio_transport_take_credit(t, sk, vsk, &src);
	spin_unlock_bh(&sk->sk_lock.slock);

	sock_put(sk);

	return taken;
}
EXPORT_SYMBOL_GPL(vsock_direct_credit);
