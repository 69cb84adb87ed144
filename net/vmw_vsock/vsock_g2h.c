// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scope that the guest-to-host transport serves
 *
 * A guest has one device to its host. At first the device serves the scope that
 * all global namespaces share. The administrator can assign it to one local
 * namespace, and back. Two pointers, which differ only during a change:
 *
 *	vsock_g2h_owner	sockets of this scope connect and send; NULL: of none
 *	vsock_g2h_scope	packets of the host are delivered in this scope
 *
 * A change from scope A to scope B, under vsock_g2h_mutex:
 *
 *	this file			a socket of A
 *	------------------------------	----------------------------------------
 *	owner = NULL			connect() and send() fail from now on
 *	synchronize_rcu()		what it sent before is in the transport's
 *					queue
 *	reset its connection: here	may own its lock: is reset when it
 *	and, by a RST behind these	releases the lock
 *	packets, at the host
 *	scope = B, owner = B
 *
 * The host handles packets in order. So B can use the port numbers of A's
 * connections: the host has the RST before the first packet of B. Whatever the
 * host sent to A arrives in B, matches no connection, and is answered by a RST.
 * If the host accepts a connect() of A late, and B connects by the same ports at
 * this moment, the connection is B's: A has not sent anything over it.
 *
 * The pointers hold no reference. A local namespace that ends has no socket any
 * more; vsock_g2h_pre_exit_net() gives the device back before an RCU grace period
 * of cleanup_net(), so that no reader has the pointer when the namespace is freed.
 */
#include <linux/capability.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <net/af_vsock.h>
#include <net/net_namespace.h>
#include <net/vsock_g2h.h>
#include <net/vsock_ns.h>

/* Sockets that are referenced at a time, to be reset without the list's lock. */
#define VSOCK_G2H_BATCH	32

struct vsock_g2h_batch {
	const struct vsock_transport *transport;
	unsigned int count;
	struct sock *sks[VSOCK_G2H_BATCH];
};

static DEFINE_MUTEX(vsock_g2h_mutex); /* serialises all changes below */
static const struct vsock_transport *vsock_g2h_transport;
static struct net *vsock_g2h_owner = &init_net;
static struct net __rcu *vsock_g2h_scope = RCU_INITIALIZER(&init_net);

/**
 * vsock_g2h_serves() - test whether sockets of a scope may use the transport
 * @scope: the scope; only the pointer is compared
 *
 * Context: any. A sender calls this and queues its packet in one RCU read-side
 * critical section.
 * Return: true if so; false also while the transport changes hands.
 */
bool vsock_g2h_serves(const struct net *scope)
{
	return READ_ONCE(vsock_g2h_owner) == scope;
}
EXPORT_SYMBOL_GPL(vsock_g2h_serves);

/**
 * vsock_g2h_hides_from() - test whether a scope has no guest-to-host transport
 * @scope: the scope; only the pointer is compared
 *
 * Unless the transport is assigned, no scope is without: local namespaces know
 * the transport, and are refused.
 *
 * Context: any.
 * Return: true if the transport is assigned to the scope of another namespace.
 */
bool vsock_g2h_hides_from(const struct net *scope)
{
	const struct net *now = rcu_access_pointer(vsock_g2h_scope);

	return now != scope && vsock_scope_is_local(now);
}

/**
 * vsock_g2h_still_serves() - check a socket's scope after it got the transport
 * @scope: scope of the socket, whose ->transport is set
 *
 * Either this sees the change, or vsock_g2h_collect() sees the socket.
 *
 * Context: lock_sock() is held.
 * Return: false if the caller has to take the transport away again.
 */
bool vsock_g2h_still_serves(const struct net *scope)
{
	/* Pairs with synchronize_rcu() in vsock_g2h_change(). */
	smp_mb();

	return vsock_g2h_serves(scope);
}

/**
 * vsock_g2h_get_scope() - the scope for a packet of the host
 *
 * Context: any. The caller must have received the packet before.
 * Return: the scope, for vsock_g2h_put_scope().
 */
struct net *vsock_g2h_get_scope(void)
{
	struct net *scope;

	rcu_read_lock();
	scope = rcu_dereference(vsock_g2h_scope);
	/* A namespace that ends has no sockets. */
	if (vsock_scope_is_local(scope) && !maybe_get_net(scope))
		scope = &init_net;
	rcu_read_unlock();

	return scope;
}
EXPORT_SYMBOL_GPL(vsock_g2h_get_scope);

/**
 * vsock_g2h_put_scope() - put what vsock_g2h_get_scope() returned
 * @scope: the scope
 *
 * Context: any.
 */
void vsock_g2h_put_scope(struct net *scope)
{
	if (vsock_scope_is_local(scope))
		put_net(scope);
}
EXPORT_SYMBOL_GPL(vsock_g2h_put_scope);

/**
 * vsock_g2h_scope_of() - the scope of a packet to the host
 * @skb: the packet, which may have no socket
 *
 * Context: any.
 * Return: the scope, for comparisons only.
 */
const struct net *vsock_g2h_scope_of(const struct sk_buff *skb)
{
	return skb->sk ? vsock_sk(skb->sk)->scope :
			 rcu_access_pointer(vsock_g2h_scope);
}
EXPORT_SYMBOL_GPL(vsock_g2h_scope_of);

/* For vsock_list_next(): pauses when the batch is full. */
static int vsock_g2h_collect(struct sock *sk, void *arg)
{
	struct vsock_g2h_batch *batch = arg;

	/* vsock_g2h_still_serves() is for a socket that just gets it. */
	if (data_race(vsock_sk(sk)->transport) != batch->transport)
		return 0;
	if (batch->count == VSOCK_G2H_BATCH)
		return -EAGAIN;
	if (refcount_inc_not_zero(&sk->sk_refcnt))
		batch->sks[batch->count++] = sk;

	return 0;
}

/* Does not wait for lock_sock(), which user space can hold for any time. */
static void vsock_g2h_reset(const struct vsock_transport *transport,
			    struct sock *sk)
{
	struct vsock_sock *vsk = vsock_sk(sk);
	struct sockaddr_vm local, remote;
	int state;

	spin_lock_bh(&sk->sk_lock.slock);
	/* A task that owns the socket may change them, but sends nothing: then
	 * the RST is for a connection that the host does not have, and ignored.
	 */
	state = data_race(sk->sk_state); /* see above */
	local = data_race(vsk->local_addr); /* see above */
	remote = data_race(vsk->remote_addr); /* see above */
	/* A closed socket keeps its port until the host answers or a timeout
	 * expires. The host no longer answers to this scope. A work that runs
	 * already is not queued again: it puts the socket.
	 */
	if (!sock_owned_by_user(sk) && vsk->close_work_scheduled &&
	    cancel_delayed_work(&vsk->close_work))
		schedule_delayed_work(&vsk->close_work, 0);
	spin_unlock_bh(&sk->sk_lock.slock);

	local_bh_disable();
	vsock_reset(sk);
	local_bh_enable();
	if (state != TCP_CLOSE && state != TCP_LISTEN && transport->reset_peer)
		transport->reset_peer(transport, sk->sk_type, &local, &remote);
}

static void vsock_g2h_reset_net(const struct vsock_transport *transport,
				const struct net *net)
{
	struct vsock_g2h_batch batch = { .transport = transport };
	struct vsock_node cursor;
	int err;

	vsock_list_start(&cursor, net);
	do {
		err = vsock_list_next(&cursor, net, vsock_g2h_collect, &batch);
		while (batch.count) {
			struct sock *sk = batch.sks[--batch.count];

			vsock_g2h_reset(transport, sk);
			sock_put(sk);
			cond_resched();
		}
	} while (err);
	vsock_list_stop(&cursor, net);
}

static void vsock_g2h_change(struct net *to)
{
	const struct net *from = rcu_access_pointer(vsock_g2h_scope);
	struct net *net;

	lockdep_assert_held(&vsock_g2h_mutex);

	WRITE_ONCE(vsock_g2h_owner, NULL);
	synchronize_rcu();
	down_read(&net_rwsem);
	for_each_net(net) {
		if (net_eq(vsock_ns_scope(net), from))
			vsock_g2h_reset_net(vsock_g2h_transport, net);
	}
	up_read(&net_rwsem);
	rcu_assign_pointer(vsock_g2h_scope, to);
	/* Pairs with the data dependency through the device: an answer to a
	 * packet of the new owner is delivered in its scope.
	 */
	smp_store_release(&vsock_g2h_owner, to);
}

/**
 * vsock_g2h_assign() - assign the guest-to-host transport to a scope
 * @scope: scope of a namespace that the caller holds
 *
 * Connections of the scope that had it are reset at both ends.
 *
 * Context: process context, may sleep.
 * Return: 0, also if @scope has it already; -EPERM without CAP_NET_ADMIN in the
 * initial user namespace; -ENODEV if there is no such transport.
 */
int vsock_g2h_assign(struct net *scope)
{
	int err = 0;

	if (!capable(CAP_NET_ADMIN))
		return -EPERM;

	mutex_lock(&vsock_g2h_mutex);
	if (!vsock_g2h_transport)
		err = -ENODEV;
	else if (rcu_access_pointer(vsock_g2h_scope) != scope)
		vsock_g2h_change(scope);
	mutex_unlock(&vsock_g2h_mutex);

	return err;
}

static void vsock_g2h_share(void)
{
	rcu_assign_pointer(vsock_g2h_scope, &init_net);
	WRITE_ONCE(vsock_g2h_owner, &init_net);
}

/**
 * vsock_g2h_set_transport() - note the transport that was registered
 * @transport: the transport, or NULL if it was unregistered
 *
 * It serves the shared scope at first. No socket has a transport that is
 * unregistered.
 *
 * Context: process context, may sleep.
 */
void vsock_g2h_set_transport(const struct vsock_transport *transport)
{
	mutex_lock(&vsock_g2h_mutex);
	vsock_g2h_transport = transport;
	vsock_g2h_share();
	mutex_unlock(&vsock_g2h_mutex);
}

static void __net_exit vsock_g2h_pre_exit_net(struct net *net)
{
	mutex_lock(&vsock_g2h_mutex);
	if (rcu_access_pointer(vsock_g2h_scope) == net)
		vsock_g2h_share();
	mutex_unlock(&vsock_g2h_mutex);
}

static struct pernet_operations vsock_g2h_ops = {
	.pre_exit	= vsock_g2h_pre_exit_net,
};

/**
 * vsock_g2h_register() - from now on, notice the end of the owner
 *
 * Context: process context, may sleep; module initialization only.
 * Return: 0 or a negative errno.
 */
int __init vsock_g2h_register(void)
{
	return register_pernet_subsys(&vsock_g2h_ops);
}

/**
 * vsock_g2h_unregister() - undo vsock_g2h_register()
 *
 * Context: process context, may sleep.
 */
void vsock_g2h_unregister(void)
{
	unregister_pernet_subsys(&vsock_g2h_ops);
}
