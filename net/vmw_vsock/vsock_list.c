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
#include <net/vsock_list.h>
#include <net/vsock_ns.h>

/* Entries visited per hold of the list lock. */
#define VSOCK_LIST_BATCH	512

struct vsock_list {
	spinlock_t lock; /* of the list */
	struct list_head sockets;
};

/* The list of a namespace, or NULL if no socket was ever made in it. */
static struct vsock_list *vsock_list_of(const struct net *net)
{
	/* Pairs with cmpxchg_release() in vsock_list_create(). */
	return smp_load_acquire(vsock_ns_list(net));
}

static struct vsock_list *vsock_list_create(const struct net *net, gfp_t gfp)
{
	struct vsock_list **place = vsock_ns_list(net);
	struct vsock_list *list;

	list = kmalloc(sizeof(*list), gfp | __GFP_ACCOUNT);
	if (!list)
		return NULL;

	spin_lock_init(&list->lock);
	INIT_LIST_HEAD(&list->sockets);
	/* Pairs with smp_load_acquire() in vsock_list_of(). */
	if (cmpxchg_release(place, NULL, list)) {
		kfree(list);
		list = vsock_list_of(net); /* created by another task */
	}

	return list;
}

/**
 * vsock_list_prepare() - see that there is a list for a new socket
 * @vsk: the socket, in its namespace
 * @gfp: how to allocate
 *
 * Context: as @gfp says.
 * Return: 0 or -ENOMEM.
 */
int vsock_list_prepare(struct vsock_sock *vsk, gfp_t gfp)
{
	struct net *net = sock_net(sk_vsock(vsk));
	struct vsock_list *list = vsock_list_of(net);

	if (!list)
		list = vsock_list_create(net, gfp);
	vsk->node.owner = list;

	return list ? 0 : -ENOMEM;
}

/**
 * vsock_list_add() - put a new socket on the list
 * @vsk: the socket, after vsock_list_prepare()
 *
 * Context: process context or softirq.
 */
void vsock_list_add(struct vsock_sock *vsk)
{
	struct vsock_list *list = vsk->node.owner;

	spin_lock_bh(&list->lock);
	list_add_tail(&vsk->node.list, &list->sockets);
	spin_unlock_bh(&list->lock);
}

/**
 * vsock_list_del() - take a socket off the list
 * @vsk: the socket, on the list or not
 *
 * Context: the socket's destructor; or, for a socket that does not hold its
 * namespace, its release.
 */
void vsock_list_del(struct vsock_sock *vsk)
{
	struct vsock_list *list = vsk->node.owner;

	if (list_empty(&vsk->node.list))
		return;

	spin_lock_bh(&list->lock);
	list_del_init(&vsk->node.list);
	spin_unlock_bh(&list->lock);
}

/**
 * vsock_list_start() - begin to go through all sockets of a namespace
 * @cursor: the caller's until vsock_list_stop()
 * @net: namespace that the caller holds as long
 *
 * In a namespace where no socket was ever made, the cursor is on no list.
 *
 * Context: process context or softirq.
 */
void vsock_list_start(struct vsock_node *cursor, const struct net *net)
{
	struct vsock_list *list = vsock_list_of(net);

	cursor->owner = NULL;
	INIT_LIST_HEAD(&cursor->list);
	if (!list)
		return;

	spin_lock_bh(&list->lock);
	list_add(&cursor->list, &list->sockets);
	spin_unlock_bh(&list->lock);
}
EXPORT_SYMBOL_GPL(vsock_list_start);

/**
 * vsock_list_shows() - test whether a dump for user space has a socket
 * @vsk: the socket
 *
 * A socket has neither a file nor a place in the connected table after it was
 * closed, and while it is created for an incoming connection.
 *
 * Context: any.
 * Return: false for such a socket.
 */
bool vsock_list_shows(const struct vsock_sock *vsk)
{
	/* It may get or lose its file right now; either answer is good. */
	return data_race(vsk->sk.sk_socket) || vsock_is_connected(vsk);
}
EXPORT_SYMBOL_GPL(vsock_list_shows);

/**
 * vsock_list_next() - go on with a dump
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
int vsock_list_next(struct vsock_node *cursor, const struct net *net,
		    int (*fn)(struct sock *sk, void *arg), void *arg)
{
	struct vsock_list *list = vsock_list_of(net);
	int batch = VSOCK_LIST_BATCH;
	struct vsock_node *node;
	int err = 0;

	if (list_empty(&cursor->list))
		return 0;

	spin_lock_bh(&list->lock);
	while (!list_is_last(&cursor->list, &list->sockets)) {
		node = list_next_entry(cursor, list);
		if (node->owner) {
			struct vsock_sock *vsk =
				container_of(node, struct vsock_sock, node);

			err = fn(sk_vsock(vsk), arg);
			if (err)
				break;
		}
		list_move(&cursor->list, &node->list);

		if (!--batch) {
			batch = VSOCK_LIST_BATCH;
			spin_unlock_bh(&list->lock);
			spin_lock_bh(&list->lock);
		}
	}
	spin_unlock_bh(&list->lock);

	return err;
}
EXPORT_SYMBOL_GPL(vsock_list_next);

/**
 * vsock_list_stop() - end a dump
 * @cursor: where it was, free to be used for anything else afterwards
 * @net: the namespace
 *
 * Context: process context or softirq.
 */
void vsock_list_stop(struct vsock_node *cursor, const struct net *net)
{
	struct vsock_list *list = vsock_list_of(net);

	if (list_empty(&cursor->list))
		return;

	spin_lock_bh(&list->lock);
	list_del(&cursor->list);
	spin_unlock_bh(&list->lock);
}
EXPORT_SYMBOL_GPL(vsock_list_stop);

/**
 * vsock_for_each_socket() - visit all sockets of a scope
 * @scope: the scope; the lists of other namespaces are not locked
 * @fn: as for vsock_list_next(), and returns 0
 * @arg: for @fn
 *
 * No socket that is there all the time is left out.
 *
 * Context: process context or softirq.
 */
void vsock_for_each_socket(const struct net *scope,
			   int (*fn)(struct sock *sk, void *arg), void *arg)
{
	struct vsock_node cursor;
	struct net *net;

	rcu_read_lock();
	for_each_net_rcu(net) {
		if (!net_eq(vsock_ns_scope(net), scope))
			continue;
		vsock_list_start(&cursor, net);
		vsock_list_next(&cursor, net, fn, arg);
		vsock_list_stop(&cursor, net);
	}
	rcu_read_unlock();
}

static void __net_exit vsock_list_exit_net(struct net *net)
{
	struct vsock_list *list = vsock_list_of(net);

	WARN_ON_ONCE(list && !list_empty(&list->sockets));
	kfree(list);
}

static struct pernet_operations vsock_list_ops = {
	.exit	= vsock_list_exit_net,
};

/**
 * vsock_list_register() - from now on, free lists with their namespaces
 *
 * Context: process context, may sleep; module initialization only.
 * Return: 0 or a negative errno.
 */
int __init vsock_list_register(void)
{
	return register_pernet_subsys(&vsock_list_ops);
}

/**
 * vsock_list_unregister() - free the lists, on which no socket is left
 *
 * Context: process context, may sleep.
 */
void vsock_list_unregister(void)
{
	unregister_pernet_subsys(&vsock_list_ops);
}
