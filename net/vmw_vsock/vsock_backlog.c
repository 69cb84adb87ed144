// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets for AF_VSOCK sockets whose lock is held
 *
 * A task can hold the lock of a socket for as long as it likes: setsockopt(),
 * for example, reads its option under the lock, from memory that the task
 * backs by userfaultfd or FUSE. A worker that moves the packets of many sockets
 * must not wait for such a lock. It queues the packet to the backlog of the
 * socket instead, and release_sock() passes the packet to the transport.
 *
 *	worker					task, owns the socket
 *	vsock_lock_or_defer()			release_sock()
 *	  sk_lock.slock held:			  sk_lock.slock held:
 *	    owned: append to sk_backlog		    take all of sk_backlog
 *	    not owned: become the owner		  not held, but still owned:
 *						    vsock_backlog_rcv()
 *						  sk_lock.slock held:
 *						    sk_backlog empty: not owned
 *
 * A socket is owned until its backlog is empty, so packets keep their order.
 *
 * Each kind of packet has a bound, as the owner may never release the lock:
 *
 *	payload				the credit of its sender
 *	credit updates			a newer one replaces the last packet
 *	requests to connect		vsock_backlog_is_full()
 *	answers, the end		one for each of the above
 */
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <net/af_vsock.h>
#include <net/sock.h>
#include <net/vsock_backlog.h>

static struct vsock_backlog_cb *vsock_backlog_cb(struct sk_buff *skb)
{
	return (void *)(skb->cb + sizeof(skb->cb) -
			sizeof(struct vsock_backlog_cb));
}

/**
 * vsock_backlog_add() - defer a packet until the lock of its socket is released
 * @sk: the socket, which is owned
 * @skb: a packet for @sk
 * @transport: the transport of the packet, which has recv_deferred()
 *
 * The packet holds a reference on the module of its transport. The module can
 * only be on its way out if no socket has the transport.
 *
 * Context: any but hard interrupt; sk_lock.slock of @sk is held.
 * Return: true, or false if the module of the transport is being unloaded.
 */
bool vsock_backlog_add(struct sock *sk, struct sk_buff *skb,
		       const struct vsock_transport *transport)
{
	lockdep_assert_held(&sk->sk_lock.slock);

	if (!try_module_get(transport->module))
		return false;

	/* __sk_backlog_rcv() has a BUG_ON() for packets from the memory
	 * reserves, if the socket is not for swapping.
	 */
	skb->pfmemalloc = 0;
	vsock_backlog_cb(skb)->transport = transport;
	__sk_add_backlog(sk, skb);
	sk->sk_backlog.len += skb->truesize;

	return true;
}
EXPORT_SYMBOL_GPL(vsock_backlog_add);

/**
 * vsock_backlog_is_full() - test whether a socket defers no more requests
 * @sk: the socket
 * @skb: the request to connect to it
 *
 * A program that connects and closes in a loop sends any number of them. A
 * listener defers as many as it can accept, and any socket some hundreds.
 *
 * Context: any.
 * Return: true if the caller is to refuse @skb.
 */
bool vsock_backlog_is_full(const struct sock *sk, const struct sk_buff *skb)
{
	unsigned int len = READ_ONCE(sk->sk_backlog.len);

	return len > READ_ONCE(sk->sk_rcvbuf) &&
	       len / skb->truesize > READ_ONCE(sk->sk_max_ack_backlog);
}
EXPORT_SYMBOL_GPL(vsock_backlog_is_full);

static bool vsock_backlog_merge(struct sock *sk, struct sk_buff *skb,
				const struct vsock_transport *transport)
{
	struct sk_buff *last = sk->sk_backlog.tail;

	lockdep_assert_held(&sk->sk_lock.slock);

	return last && vsock_backlog_cb(last)->transport == transport &&
	       transport->merge_deferred &&
	       transport->merge_deferred(last, skb);
}

/**
 * vsock_lock_or_defer() - lock a socket, or defer a packet until it is released
 * @sk: the socket, referenced by the caller
 * @skb: a packet for @sk
 * @transport: the transport of the packet
 *
 * Does not sleep if @transport has recv_deferred(), else waits for the lock.
 *
 * Context: process context.
 * Return: true if the caller owns @sk now and must call release_sock(); false
 * if @skb was deferred, merged or dropped and must not be used any more.
 */
bool vsock_lock_or_defer(struct sock *sk, struct sk_buff *skb,
			 const struct vsock_transport *transport)
{
	bool deferred = false;
	bool owned;

	if (!transport->recv_deferred) {
		lock_sock(sk);
		return true;
	}

	spin_lock_bh(&sk->sk_lock.slock);
	owned = sock_owned_by_user_nocheck(sk);
	if (!owned)
		sk->sk_lock.owned = 1;
	else if (!vsock_backlog_merge(sk, skb, transport))
		deferred = vsock_backlog_add(sk, skb, transport);
	spin_unlock_bh(&sk->sk_lock.slock);

	if (!owned)	/* for lockdep, as lock_sock() has it */
		mutex_acquire(&sk->sk_lock.dep_map, 0, 1, _RET_IP_);
	else if (!deferred)
		kfree_skb(skb);

	return !owned;
}
EXPORT_SYMBOL_GPL(vsock_lock_or_defer);

/**
 * vsock_backlog_rcv() - pass a deferred packet to its transport
 * @sk: the socket, owned by the caller
 * @skb: the packet
 *
 * For sk_backlog_rcv of stream and seqpacket sockets. It is part of this module
 * rather than of the transport's, which may be unloaded as soon as the reference
 * of the packet is put.
 *
 * Context: process context, release_sock().
 * Return: 0.
 */
int vsock_backlog_rcv(struct sock *sk, struct sk_buff *skb)
{
	const struct vsock_transport *transport;

	sock_owned_by_me(sk);

	/* The transport may sleep, and some callers of release_sock() have
	 * prepared to wait. They check again what they wait for.
	 */
	__set_current_state(TASK_RUNNING);

	transport = vsock_backlog_cb(skb)->transport;
	transport->recv_deferred(transport, sk, skb);
	module_put(transport->module);

	return 0;
}
