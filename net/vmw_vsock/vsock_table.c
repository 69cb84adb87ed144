// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables of AF_VSOCK sockets
 *
 * Packets look sockets up under RCU, without a lock. What a lookup costs does
 * not depend on how many sockets there are, in this scope or in others: the
 * scope and all of the address that is fixed for a socket is in the key. The
 * local CID is not, as a socket may be bound to any, and as it may change when
 * a guest is migrated; at most a few sockets differ in it alone.
 *
 * Lifetime
 *
 * A table holds a reference on each socket in it, so a reader that finds one
 * there may take its own. What a reader finds may have been removed a moment
 * ago: SOCK_RCU_FREE keeps the memory until all readers of that moment are
 * gone, and refcount_inc_not_zero() refuses a socket on its way out. Once in
 * its life at most a socket enters each of the two hash tables, so a reader
 * that stands on a link is never led over to sockets with another key.
 *
 * As the last reference may go at any place, the rest of a socket's life is an
 * RCU callback: a transport's destruct() must not sleep.
 *
 * Locking
 *
 * vsock_bind_lock makes check and insertion of a bind one step; lookups do not
 * take it. Insertion and removal of one socket are kept apart by lock_sock().
 * Removal alone may be called from anywhere and more than once.
 */
#include <linux/jhash.h>
#include <linux/module.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>
#include <net/af_vsock.h>
#include <net/netns/hash.h>
#include <net/vsock_ns.h>
#include <net/vsock_table.h>

#define MAX_PORT_RETRIES	24

/* vsock_links.flags */
enum {
	VSOCK_LINKS_BOUND,
	VSOCK_LINKS_CONNECTED,
};

struct vsock_bound_key {
	const struct net *scope;
	u32 port;
};

struct vsock_connected_key {
	const struct net *scope;
	u32 remote_cid;
	u32 remote_port;
	u32 local_port;
};

static struct rhltable vsock_bound_table;
static struct rhltable vsock_connected_table;
static DEFINE_SPINLOCK(vsock_bind_lock);

/* ---- keys ---- */

static u32 vsock_bound_hash(const struct net *scope, u32 port, u32 seed)
{
	return jhash_2words(net_hash_mix(scope), port, seed);
}

static u32 vsock_bound_key_hash(const void *data, u32 len, u32 seed)
{
	const struct vsock_bound_key *key = data;

	return vsock_bound_hash(key->scope, key->port, seed);
}

static u32 vsock_bound_obj_hash(const void *data, u32 len, u32 seed)
{
	const struct vsock_sock *vsk = data;

	return vsock_bound_hash(vsk->scope, vsk->links.local_port, seed);
}

static int vsock_bound_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct vsock_bound_key *key = arg->key;
	const struct vsock_sock *vsk = obj;

	return vsk->links.local_port != key->port || vsk->scope != key->scope;
}

static const struct rhashtable_params vsock_bound_params = {
	.key_len		= sizeof(struct vsock_bound_key),
	.head_offset		= offsetof(struct vsock_sock, links.bound),
	.hashfn			= vsock_bound_key_hash,
	.obj_hashfn		= vsock_bound_obj_hash,
	.obj_cmpfn		= vsock_bound_cmp,
	.automatic_shrinking	= true,
};

static u32 vsock_connected_hash(const struct net *scope, u32 remote_cid,
				u32 remote_port, u32 local_port, u32 seed)
{
	return jhash_3words(remote_cid, remote_port, local_port,
			    seed ^ net_hash_mix(scope));
}

static u32 vsock_connected_key_hash(const void *data, u32 len, u32 seed)
{
	const struct vsock_connected_key *key = data;

	return vsock_connected_hash(key->scope, key->remote_cid,
				    key->remote_port, key->local_port, seed);
}

static u32 vsock_connected_obj_hash(const void *data, u32 len, u32 seed)
{
	const struct vsock_sock *vsk = data;
	const struct vsock_links *links = &vsk->links;

	return vsock_connected_hash(vsk->scope, links->remote_cid,
				    links->remote_port, links->local_port,
				    seed);
}

static int vsock_connected_cmp(struct rhashtable_compare_arg *arg,
			       const void *obj)
{
	const struct vsock_connected_key *key = arg->key;
	const struct vsock_sock *vsk = obj;
	const struct vsock_links *links = &vsk->links;

	return links->remote_port != key->remote_port ||
	       links->remote_cid != key->remote_cid ||
	       links->local_port != key->local_port ||
	       vsk->scope != key->scope;
}

static const struct rhashtable_params vsock_connected_params = {
	.key_len		= sizeof(struct vsock_connected_key),
	.head_offset		= offsetof(struct vsock_sock, links.connected),
	.hashfn			= vsock_connected_key_hash,
	.obj_hashfn		= vsock_connected_obj_hash,
	.obj_cmpfn		= vsock_connected_cmp,
	.automatic_shrinking	= true,
};

/* ---- bound sockets ---- */

static bool vsock_cid_matches(const struct vsock_sock *vsk, u32 cid)
{
	/* A packet may just be changing it, see virtio_transport_recv_pkt() */
	u32 bound = READ_ONCE(vsk->local_addr.svm_cid);

	return bound == cid || bound == VMADDR_CID_ANY ||
	       cid == VMADDR_CID_ANY;
}

static struct rhlist_head *vsock_bound_list(const struct net *scope, u32 port)
{
	struct vsock_bound_key key = { .scope = scope, .port = port };

	return rhltable_lookup(&vsock_bound_table, &key, vsock_bound_params);
}

/* The caller holds vsock_bind_lock, and by it the answer. */
static bool vsock_is_taken(const struct net *scope, u32 cid, u32 port)
{
	struct rhlist_head *pos, *list;
	struct vsock_sock *vsk;
	bool taken = false;

	rcu_read_lock();
	list = vsock_bound_list(scope, port);
	rhl_for_each_entry_rcu(vsk, pos, list, links.bound) {
		taken = vsock_cid_matches(vsk, cid);
		if (taken)
			break;
	}
	rcu_read_unlock();

	return taken;
}

static int vsock_choose_port(const struct vsock_sock *vsk, u32 cid, u32 *port)
{
	int i;

	if (*port != VMADDR_PORT_ANY)
		return vsock_is_taken(vsk->scope, cid, *port) ? -EADDRINUSE : 0;

	for (i = 0; i < MAX_PORT_RETRIES; i++) {
		*port = vsock_ns_next_port(sock_net(sk_vsock(vsk)));
		if (!vsock_is_taken(vsk->scope, cid, *port))
			return 0;
	}

	return -EADDRNOTAVAIL;
}

/* What rhashtable says beyond -ENOMEM is not meant for users. */
static int vsock_table_insert(struct rhltable *table, const void *key,
			      struct rhlist_head *link,
			      const struct rhashtable_params params)
{
	int err = rhltable_insert_key(table, key, link, params);

	return !err || err == -ENOMEM ? err : -ENOBUFS;
}

/**
 * vsock_insert_bound() - bind a socket, if no other has the address
 * @vsk: socket that is not bound, and never was
 * @addr: CID, or VMADDR_CID_ANY; port, or VMADDR_PORT_ANY for a free one
 *
 * On success, local_addr is set and the table holds a reference.
 *
 * Context: lock_sock() is held.
 * Return: 0, -EADDRINUSE, -EADDRNOTAVAIL if no free port was found, -ENOMEM or
 * -ENOBUFS if the table cannot take it; then nothing has changed.
 */
int vsock_insert_bound(struct vsock_sock *vsk, const struct sockaddr_vm *addr)
{
	struct vsock_bound_key key = {
		.scope = vsk->scope,
		.port = addr->svm_port,
	};
	int err;

	spin_lock_bh(&vsock_bind_lock);

	err = vsock_choose_port(vsk, addr->svm_cid, &key.port);
	if (err)
		goto out;

	vsk->links.local_port = key.port;
	vsock_addr_init(&vsk->local_addr, addr->svm_cid, key.port);
	sock_hold(sk_vsock(vsk));
	set_bit(VSOCK_LINKS_BOUND, &vsk->links.flags);

	err = vsock_table_insert(&vsock_bound_table, &key, &vsk->links.bound,
				 vsock_bound_params);
	if (err) {
		clear_bit(VSOCK_LINKS_BOUND, &vsk->links.flags);
		vsock_addr_init(&vsk->local_addr, VMADDR_CID_ANY,
				VMADDR_PORT_ANY);
		__sock_put(sk_vsock(vsk));
	}
out:
	spin_unlock_bh(&vsock_bind_lock);
	return err;
}

/**
 * vsock_remove_bound() - give up the address of a socket
 * @vsk: socket, bound or not
 *
 * Context: any but hard interrupt. The caller has a reference of its own.
 */
void vsock_remove_bound(struct vsock_sock *vsk)
{
	if (!test_and_clear_bit(VSOCK_LINKS_BOUND, &vsk->links.flags))
		return;

	WARN_ON_ONCE(rhltable_remove(&vsock_bound_table, &vsk->links.bound,
				     vsock_bound_params));
	sock_put(sk_vsock(vsk));
}
EXPORT_SYMBOL_GPL(vsock_remove_bound);

/**
 * vsock_find_bound_socket() - find the socket that is bound to an address
 * @scope: scope in which @addr was used, see vsock_ns.h
 * @addr: CID and port; VMADDR_CID_ANY on either side matches every CID
 *
 * Context: any but hard interrupt.
 * Return: the socket with a reference taken, or NULL.
 */
struct sock *vsock_find_bound_socket(const struct net *scope,
				     const struct sockaddr_vm *addr)
{
	struct rhlist_head *pos, *list;
	struct sock *found = NULL;
	struct vsock_sock *vsk;

	rcu_read_lock();
	list = vsock_bound_list(scope, addr->svm_port);
	rhl_for_each_entry_rcu(vsk, pos, list, links.bound) {
		if (vsock_cid_matches(vsk, addr->svm_cid) &&
		    refcount_inc_not_zero(&sk_vsock(vsk)->sk_refcnt)) {
			found = sk_vsock(vsk);
			break;
		}
	}
	rcu_read_unlock();

	return found;
}
EXPORT_SYMBOL_GPL(vsock_find_bound_socket);

/* ---- connected sockets ---- */

/**
 * vsock_insert_connected() - let packets of its peer find a socket
 * @vsk: socket that was never connected; its two addresses are complete
 *
 * The table holds a reference. Should there be a socket with the same peer
 * and the same local port already, packets go to the newer one.
 *
 * Context: lock_sock() is held.
 * Return: 0, -ENOMEM, or -ENOBUFS if the table cannot take more; then nothing
 * has changed, and there is no connection.
 */
int vsock_insert_connected(struct vsock_sock *vsk)
{
	struct vsock_links *links = &vsk->links;
	struct vsock_connected_key key = {
		.scope		= vsk->scope,
		.remote_cid	= vsk->remote_addr.svm_cid,
		.remote_port	= vsk->remote_addr.svm_port,
		.local_port	= vsk->local_addr.svm_port,
	};
	int err;

	links->remote_cid = key.remote_cid;
	links->remote_port = key.remote_port;
	links->local_port = key.local_port;
	sock_hold(sk_vsock(vsk));
	set_bit(VSOCK_LINKS_CONNECTED, &links->flags);

	err = vsock_table_insert(&vsock_connected_table, &key,
				 &links->connected, vsock_connected_params);
	if (err) {
		clear_bit(VSOCK_LINKS_CONNECTED, &links->flags);
		__sock_put(sk_vsock(vsk));
	}

	return err;
}
EXPORT_SYMBOL_GPL(vsock_insert_connected);

/**
 * vsock_remove_connected() - let packets of its peer find a socket no longer
 * @vsk: socket, connected or not
 *
 * Context: any but hard interrupt. The caller has a reference of its own.
 */
void vsock_remove_connected(struct vsock_sock *vsk)
{
	if (!test_and_clear_bit(VSOCK_LINKS_CONNECTED, &vsk->links.flags))
		return;

	WARN_ON_ONCE(rhltable_remove(&vsock_connected_table,
				     &vsk->links.connected,
				     vsock_connected_params));
	sock_put(sk_vsock(vsk));
}
EXPORT_SYMBOL_GPL(vsock_remove_connected);

/**
 * vsock_is_connected() - tell whether packets of its peer find a socket
 * @vsk: the socket
 *
 * Context: any. Unless lock_sock() is held, the answer may be old already.
 * Return: true between vsock_insert_connected() and vsock_remove_connected().
 */
bool vsock_is_connected(const struct vsock_sock *vsk)
{
	return test_bit(VSOCK_LINKS_CONNECTED, &vsk->links.flags);
}
EXPORT_SYMBOL_GPL(vsock_is_connected);

/**
 * vsock_find_connected_socket() - find the socket that a packet belongs to
 * @scope: scope that the packet came from, see vsock_ns.h
 * @src: address of the sender
 * @dst: address that it was sent to, of which only the port is compared
 *
 * Context: any but hard interrupt.
 * Return: the socket with a reference taken, or NULL.
 */
struct sock *vsock_find_connected_socket(const struct net *scope,
					 const struct sockaddr_vm *src,
					 const struct sockaddr_vm *dst)
{
	struct vsock_connected_key key = {
		.scope		= scope,
		.remote_cid	= src->svm_cid,
		.remote_port	= src->svm_port,
		.local_port	= dst->svm_port,
	};
	struct rhlist_head *pos, *list;
	struct sock *found = NULL;
	struct vsock_sock *vsk;

	rcu_read_lock();
	list = rhltable_lookup(&vsock_connected_table, &key,
			       vsock_connected_params);
	rhl_for_each_entry_rcu(vsk, pos, list, links.connected) {
		if (refcount_inc_not_zero(&sk_vsock(vsk)->sk_refcnt)) {
			found = sk_vsock(vsk);
			break;
		}
	}
	rcu_read_unlock();

	return found;
}
EXPORT_SYMBOL_GPL(vsock_find_connected_socket);

/**
 * vsock_for_each_connected_socket() - visit the connections of a transport
 * @transport: the transport
 * @fn: called for each of its connected sockets, under RCU, with a reference
 *	held and no lock; a socket may be visited again when the table has been
 *	resized meanwhile
 *
 * The walk is one RCU section: with a break in it, entries that follow a
 * removed one could be missed.
 *
 * Context: process context, may sleep.
 */
void vsock_for_each_connected_socket(struct vsock_transport *transport,
				     void (*fn)(struct sock *sk))
{
	struct rhashtable_iter iter;
	struct vsock_sock *vsk;

	rhltable_walk_enter(&vsock_connected_table, &iter);
	rhashtable_walk_start(&iter);
	while ((vsk = rhashtable_walk_next(&iter))) {
		/* -EAGAIN: resized, it goes on in the new table. */
		if (IS_ERR(vsk) || READ_ONCE(vsk->transport) != transport)
			continue;
		if (!refcount_inc_not_zero(&sk_vsock(vsk)->sk_refcnt))
			continue;
		fn(sk_vsock(vsk));
		sock_put(sk_vsock(vsk));
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
}
EXPORT_SYMBOL_GPL(vsock_for_each_connected_socket);

/* ---- setting up ---- */

/**
 * vsock_table_init() - make the tables
 *
 * Context: process context, may sleep; module initialization only.
 * Return: 0 or a negative errno, and then nothing is left.
 */
int __init vsock_table_init(void)
{
	int err;

	err = rhltable_init(&vsock_bound_table, &vsock_bound_params);
	if (err)
		return err;

	err = rhltable_init(&vsock_connected_table, &vsock_connected_params);
	if (err)
		rhltable_destroy(&vsock_bound_table);

	return err;
}

/**
 * vsock_table_exit() - free the tables, in which no socket is left
 *
 * Context: process context, may sleep.
 */
void vsock_table_exit(void)
{
	rhltable_destroy(&vsock_connected_table);
	rhltable_destroy(&vsock_bound_table);
}
