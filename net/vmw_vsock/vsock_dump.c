// SPDX-License-Identifier: GPL-2.0-only
/*
 * All AF_VSOCK sockets of a network namespace, in order
 *
 * A dump that is read in pieces cannot walk a hash table: the table may be
 * resized in between, and nothing tells which sockets were shown. Each namespace
 * has a list of its sockets, the new ones at its end, bound, connected or
 * neither. A dump keeps its place by an entry of its own, the cursor. So it shows
 * each socket that exists for the whole dump exactly once.
 *
 * A socket is on the list from its creation to its destructor. A socket that a
 * dump finds under the lock may have no reference left, but its destructor waits
 * for the lock. A kernel socket may not hold its namespace; it is removed from
 * the list when it is released.
 */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <net/af_vsock.h>
#include <net/vsock_dump.h>
#include <net/vsock_ns.h>

/* Entries visited per hold of the list lock. */
#define VSOCK_DUMP_BATCH	512

struct vsock_dump_net {
	spinlock_t lock; /* of the list */
	struct list_head sockets;
};

/* The list of a namespace, or NULL if no socket was ever made in it. */
static struct vsock_dump_net *vsock_dump_net(const struct net *net)
{
	void **part = vsock_ns_part(net, VSOCK_NS_SOCKETS);

	return smp_load_acquire(part); /* vsock_dump_make() */
}

static struct vsock_dump_net *vsock_dump_make(const struct net *net, gfp_t gfp)
{
	void **part = vsock_ns_part(net, VSOCK_NS_SOCKETS);
	struct vsock_dump_net *dn;

	dn = kmalloc(sizeof(*dn), gfp | __GFP_ACCOUNT);
	if (!dn)
		return NULL;

	spin_lock_init(&dn->lock);
	INIT_LIST_HEAD(&dn->sockets);
	/* Whoever finds it must find it whole: vsock_dump_net() */
	if (cmpxchg_release(part, NULL, dn)) {
		kfree(dn);
		dn = smp_load_acquire(part); /* another made it */
	}

	return dn;
}

/**
 * vsock_dump_prepare() - see that there is a list for a new socket
 * @vsk: the socket, in its namespace
 * @gfp: how to allocate
 *
 * Context: as @gfp says.
 * Return: 0 or -ENOMEM.
 */
int vsock_dump_prepare(struct vsock_sock *vsk, gfp_t gfp)
{
	struct net *net = sock_net(sk_vsock(vsk));
	struct vsock_dump_net *dn = vsock_dump_net(net);

	if (!dn)
		dn = vsock_dump_make(net, gfp);
	vsk->node.owner = dn;

	return dn ? 0 : -ENOMEM;
}

/**
 * vsock_dump_add() - put a new socket on the list
 * @vsk: the socket, after vsock_dump_prepare()
 *
 * Context: process context or softirq.
 */
void vsock_dump_add(struct vsock_sock *vsk)
{
	struct vsock_dump_net *dn = vsk->node.owner;

	spin_lock_bh(&dn->lock);
	list_add_tail(&vsk->node.list, &dn->sockets);
	spin_unlock_bh(&dn->lock);
}

/**
 * vsock_dump_del() - take a socket off the list
 * @vsk: the socket, on the list or not
 *
 * Context: the socket's destructor; or, for a socket that does not hold its
 * namespace, its release.
 */
void vsock_dump_del(struct vsock_sock *vsk)
{
	struct vsock_dump_net *dn = vsk->node.owner;

	if (list_empty(&vsk->node.list))
		return;

	spin_lock_bh(&dn->lock);
	list_del_init(&vsk->node.list);
	spin_unlock_bh(&dn->lock);
}

/**
 * vsock_dump_start() - begin to go through all sockets of a namespace
 * @cursor: the caller's until vsock_dump_stop()
 * @net: namespace that the caller holds as long
 *
 * In a namespace where no socket was ever made, the cursor is on no list.
 *
 * Context: process context or softirq.
 */
void vsock_dump_start(struct vsock_node *cursor, const struct net *net)
{
	struct vsock_dump_net *dn = vsock_dump_net(net);

	cursor->owner = NULL;
	INIT_LIST_HEAD(&cursor->list);
	if (!dn)
		return;

	spin_lock_bh(&dn->lock);
	list_add(&cursor->list, &dn->sockets);
	spin_unlock_bh(&dn->lock);
}
EXPORT_SYMBOL_GPL(vsock_dump_start);

/* False for a socket that no file belongs to and that no packet finds: one that
 * was closed, or one that is being made for an incoming connection.
 */
static bool vsock_is_shown(const struct vsock_sock *vsk)
{
	/* It may get or lose its file right now; either answer is good. */
	return data_race(vsk->sk.sk_socket) || vsock_is_connected(vsk);
}

/**
 * vsock_dump_next() - go on with a dump
 * @cursor: where it goes on
 * @net: the namespace
 * @fn: called for a socket, under a spinlock; the socket may be on its way out
 *	and must not be kept. If it returns an error, the dump pauses and the
 *	same socket will be the next.
 * @arg: for @fn
 *
 * Each socket that is there from the first call to the last is passed to @fn
 * exactly once, whatever comes and goes in between.
 *
 * Context: process context or softirq.
 * Return: 0 when there are no more sockets, or what @fn returned.
 */
int vsock_dump_next(struct vsock_node *cursor, const struct net *net,
		    int (*fn)(struct sock *sk, void *arg), void *arg)
{
	struct vsock_dump_net *dn = vsock_dump_net(net);
	int batch = VSOCK_DUMP_BATCH;
	struct vsock_node *node;
	int err = 0;

	if (list_empty(&cursor->list))
		return 0;

	spin_lock_bh(&dn->lock);
	while (!list_is_last(&cursor->list, &dn->sockets)) {
		node = list_next_entry(cursor, list);
		if (node->owner) {
			struct vsock_sock *vsk =
				container_of(node, struct vsock_sock, node);

			err = vsock_is_shown(vsk) ? fn(sk_vsock(vsk), arg) : 0;
			if (err)
				break;
		}
		list_move(&cursor->list, &node->list);

		if (!--batch) {
			batch = VSOCK_DUMP_BATCH;
			spin_unlock_bh(&dn->lock);
			spin_lock_bh(&dn->lock);
		}
	}
	spin_unlock_bh(&dn->lock);

	return err;
}
EXPORT_SYMBOL_GPL(vsock_dump_next);

/**
 * vsock_dump_stop() - end a dump
 * @cursor: where it was, free to be used for anything else afterwards
 * @net: the namespace
 *
 * Context: process context or softirq.
 */
void vsock_dump_stop(struct vsock_node *cursor, const struct net *net)
{
	struct vsock_dump_net *dn = vsock_dump_net(net);

	if (list_empty(&cursor->list))
		return;

	spin_lock_bh(&dn->lock);
	list_del(&cursor->list);
	spin_unlock_bh(&dn->lock);
}
EXPORT_SYMBOL_GPL(vsock_dump_stop);

static bool vsock_transport_serves(const struct vsock_transport *transport,
				   const struct net *scope)
{
	return transport->scoped || !vsock_scope_is_local(scope);
}

/**
 * vsock_for_each_socket() - visit the sockets that may have a transport
 * @transport: the transport; namespaces that it does not serve are skipped, so
 *	a reset of the guest-to-host transport does not wait for their locks
 * @fn: as for vsock_dump_next(), and returns 0
 * @arg: for @fn
 *
 * No socket that is there all the time is left out.
 *
 * Context: process context or softirq.
 */
void vsock_for_each_socket(const struct vsock_transport *transport,
			   int (*fn)(struct sock *sk, void *arg), void *arg)
{
	struct vsock_node cursor;
	struct net *net;

	rcu_read_lock();
	for_each_net_rcu(net) {
		if (!vsock_transport_serves(transport, vsock_ns_scope(net)))
			continue;
		vsock_dump_start(&cursor, net);
		vsock_dump_next(&cursor, net, fn, arg);
		vsock_dump_stop(&cursor, net);
	}
	rcu_read_unlock();
}

static void __net_exit vsock_dump_exit_net(struct net *net)
{
	struct vsock_dump_net *dn = vsock_dump_net(net);

	WARN_ON_ONCE(dn && !list_empty(&dn->sockets));
	kfree(dn);
}

static struct pernet_operations vsock_dump_ops = {
	.exit	= vsock_dump_exit_net,
};

/**
 * vsock_dump_register() - from now on, free lists with their namespaces
 *
 * Context: process context, may sleep; module initialization only.
 * Return: 0 or a negative errno.
 */
int __init vsock_dump_register(void)
{
	return register_pernet_subsys(&vsock_dump_ops);
}

/**
 * vsock_dump_unregister() - free the lists, on which no socket is left
 *
 * Context: process context, may sleep.
 */
void vsock_dump_unregister(void)
{
	unregister_pernet_subsys(&vsock_dump_ops);
}
