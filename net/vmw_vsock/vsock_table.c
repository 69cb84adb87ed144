// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables of AF_VSOCK sockets
 *
 * All of the address but the local CID is hashed. It may be VMADDR_CID_ANY or
 * change with a migration. A lookup costs the same with any number of sockets.
 *
 * The tables hold an entry for each socket, from a SLAB_TYPESAFE_BY_RCU cache:
 * sockets are large, and their destructors may sleep. A reader may hold an entry
 * that was reused for another socket, and must recheck it under its lock:
 *
 *	side	holds			may
 *	------	----------------------	------------------------------------
 *	reader	RCU			follow the chain and compare keys
 *		entry->lock		use entry->vsk if the key matches
 *	writer	entry->lock		change the key and entry->vsk, insert
 *
 * A table has a reference on each socket in it. A reader on a reused entry
 * continues in another chain. rhashtable inserts at the head of a chain, and each
 * chain ends with a mark of its own: the reader either passes the whole chain, or
 * sees from the mark that it is in another one and looks up again.
 *
 * Locking: a bucket's lock makes check and insertion of a bind atomic. It nests in
 * an entry's lock, and that in the locks of the lists that call
 * vsock_call_connected(). lock_sock() serialises insertions of one socket. A
 * removal may come at any time and more than once: the one that clears the
 * socket's flag under the entry's lock removes it.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/jhash.h>
#include <linux/module.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <net/af_vsock.h>
#include <net/netns/hash.h>
#include <net/vsock_ns.h>
#include <net/vsock_table.h>

#define MAX_PORT_RETRIES	24
#define VSOCK_TABLE_MIN		512
#define VSOCK_LINKS_BOUND	0
#define VSOCK_LINKS_CONNECTED	1

/* While the entry is in a table, what the table hashes is constant. Lookups
 * compare the key at any time; what counts is what they see under lock.
 */
struct vsock_entry {
	struct rhash_head bound;
	struct rhash_head connected;
	spinlock_t lock; /* keeps the socket in memory, and connected */
	struct vsock_sock *vsk;
	struct vsock_key key;
};

/* The functions that use a table are __flatten. Without it, gcc 12 shares the
 * functions of rhashtable.h between the two tables, and they call the hash and
 * compare functions through pointers. Measured in instructions:
 *
 *				__flatten	without
 *	bind() to a free port	1,110		1,189
 *	round trip, 1 = base	1.015		1.020
 */
static struct kmem_cache *vsock_entry_cache __read_mostly;
static struct rhashtable vsock_bound_table, vsock_connected_table;

VISIBLE_IF_KUNIT u32 vsock_bound_hash(const void *data, u32 len, u32 seed)
{
	const struct vsock_key *key = data;

	KUNIT_STATIC_STUB_REDIRECT(vsock_bound_hash, data, len, seed);
	return jhash_2words(net_hash_mix(key->scope), key->local_port, seed);
}

static bool vsock_port_equal(const struct vsock_entry *entry,
			     const struct vsock_key *key)
{
	return READ_ONCE(entry->key.local_port) == key->local_port &&
	       READ_ONCE(entry->key.scope) == key->scope;
}

/* True if a packet sent to @key could be delivered to @entry. */
static bool vsock_bound_equal(const struct vsock_entry *entry,
			      const struct vsock_key *key)
{
	u32 cid = READ_ONCE(entry->key.local_cid);

	return vsock_port_equal(entry, key) &&
	       (cid == key->local_cid || cid == VMADDR_CID_ANY ||
		key->local_cid == VMADDR_CID_ANY);
}

static int vsock_bound_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	return !vsock_bound_equal(obj, arg->key);
}

static const struct rhashtable_params vsock_bound_params = {
	.key_len		= sizeof(struct vsock_key),
	.key_offset		= offsetof(struct vsock_entry, key),
	.head_offset		= offsetof(struct vsock_entry, bound),
	.hashfn			= vsock_bound_hash,
	.obj_cmpfn		= vsock_bound_cmp,
	.min_size		= VSOCK_TABLE_MIN,
	.automatic_shrinking	= true,
};

VISIBLE_IF_KUNIT u32 vsock_connected_hash(const void *data, u32 len, u32 seed)
{
	const struct vsock_key *key = data;

	KUNIT_STATIC_STUB_REDIRECT(vsock_connected_hash, data, len, seed);
	return jhash_3words(key->remote_cid, key->remote_port, key->local_port,
			    seed ^ net_hash_mix(key->scope));
}

static bool vsock_connected_equal(const struct vsock_entry *entry,
				  const struct vsock_key *key)
{
	return READ_ONCE(entry->key.remote_port) == key->remote_port &&
	       READ_ONCE(entry->key.remote_cid) == key->remote_cid &&
	       vsock_port_equal(entry, key);
}

static int vsock_connected_cmp(struct rhashtable_compare_arg *arg,
			       const void *obj)
{
	return !vsock_connected_equal(obj, arg->key);
}

static const struct rhashtable_params vsock_connected_params = {
	.key_len		= sizeof(struct vsock_key),
	.key_offset		= offsetof(struct vsock_entry, key),
	.head_offset		= offsetof(struct vsock_entry, connected),
	.hashfn			= vsock_connected_hash,
	.obj_cmpfn		= vsock_connected_cmp,
	.min_size		= VSOCK_TABLE_MIN,
	.automatic_shrinking	= true,
};

static void vsock_entry_ctor(void *data)
{
	struct vsock_entry *entry = data;

	/* Only once: readers of an earlier life may hold the lock. */
	memset(entry, 0, sizeof(*entry));
	entry->key.local_port = VMADDR_PORT_ANY; /* 0 is a port */
	entry->key.remote_port = VMADDR_PORT_ANY;
	spin_lock_init(&entry->lock);
}

/**
 * vsock_table_add() - prepare a new socket for the tables
 * @vsk: the socket, with its scope
 * @gfp: how to allocate
 *
 * Context: as @gfp says.
 * Return: 0 or -ENOMEM.
 */
int vsock_table_add(struct vsock_sock *vsk, gfp_t gfp)
{
	struct vsock_entry *entry = kmem_cache_alloc(vsock_entry_cache, gfp);

	if (!entry)
		return -ENOMEM;

	vsk->links.entry = entry;
	WRITE_ONCE(entry->key.scope, vsk->scope);
	/* Pairs with smp_load_acquire() of readers of an earlier life. */
	smp_store_release(&entry->vsk, vsk);
	return 0;
}

/**
 * vsock_table_del() - part a socket without references from its entry
 * @vsk: socket that vsock_table_add() was called for, successfully or not
 *
 * Context: the socket's destructor, when no transport knows it any more.
 */
void vsock_table_del(struct vsock_sock *vsk)
{
	struct vsock_entry *entry = vsk->links.entry;

	if (!entry)
		return;

	spin_lock_bh(&entry->lock);
	WRITE_ONCE(entry->vsk, NULL);
	WRITE_ONCE(entry->key.scope, NULL);
	WRITE_ONCE(entry->key.local_cid, 0);
	WRITE_ONCE(entry->key.local_port, VMADDR_PORT_ANY);
	WRITE_ONCE(entry->key.remote_cid, 0);
	WRITE_ONCE(entry->key.remote_port, VMADDR_PORT_ANY);
	spin_unlock_bh(&entry->lock);
	kmem_cache_free(vsock_entry_cache, entry);
}

/* The key comes before the insertion. Under the lock, as a reader of an earlier
 * life must not find that of a bind which is refused; and one that finds the
 * entry in the table waits until the table's reference has been taken.
 */
static __flatten int vsock_try_bind(struct vsock_sock *vsk, u32 cid, u32 port)
{
	struct vsock_entry *entry = vsk->links.entry;
	int err;

	spin_lock_bh(&entry->lock);
	WRITE_ONCE(entry->key.local_cid, cid);
	WRITE_ONCE(entry->key.local_port, port);
	err = rhashtable_lookup_insert_fast(&vsock_bound_table, &entry->bound,
					    vsock_bound_params);
	if (err) {
		WRITE_ONCE(entry->key.local_port, VMADDR_PORT_ANY);
		spin_unlock_bh(&entry->lock);
		return err == -EEXIST ? -EADDRINUSE : -ENOMEM;
	}
	sock_hold(sk_vsock(vsk));
	set_bit(VSOCK_LINKS_BOUND, &vsk->links.flags);
	spin_unlock_bh(&entry->lock);

	vsk->local_addr.svm_cid = cid;
	vsk->local_addr.svm_port = port;

	return 0;
}

/**
 * vsock_insert_bound() - bind a socket, if no other has the address
 * @vsk: socket that is not bound
 * @addr: CID, or VMADDR_CID_ANY; port, or VMADDR_PORT_ANY for a free one
 *
 * On success, local_addr is set and the table holds a reference.
 *
 * Context: lock_sock() is held.
 * Return: 0, -EADDRINUSE, -EADDRNOTAVAIL if no free port was found, or -ENOMEM;
 * then nothing has changed.
 */
int vsock_insert_bound(struct vsock_sock *vsk, const struct sockaddr_vm *addr)
{
	bool any = addr->svm_port == VMADDR_PORT_ANY;
	int tries = any ? MAX_PORT_RETRIES : 1;
	u32 port = addr->svm_port;
	int err;

	sock_owned_by_me(sk_vsock(vsk));
	do {
		if (any)
			port = vsock_ns_next_port(sock_net(sk_vsock(vsk)));
		err = vsock_try_bind(vsk, addr->svm_cid, port);
	} while (err == -EADDRINUSE && --tries);

	return any && err == -EADDRINUSE ? -EADDRNOTAVAIL : err;
}

/**
 * vsock_remove_bound() - give up the address of a socket
 * @vsk: socket, bound or not
 *
 * Context: any but hard interrupt. The caller has a reference of its own.
 */
void __flatten vsock_remove_bound(struct vsock_sock *vsk)
{
	if (!test_and_clear_bit(VSOCK_LINKS_BOUND, &vsk->links.flags))
		return;

	WARN_ON_ONCE(rhashtable_remove_fast(&vsock_bound_table,
					    &vsk->links.entry->bound,
					    vsock_bound_params));
	sock_put(sk_vsock(vsk));
}

/**
 * vsock_set_local_cid() - follow a migration
 * @vsk: the socket
 * @cid: the CID that this machine has now
 *
 * Context: lock_sock() is held, or its spinlock.
 */
void vsock_set_local_cid(struct vsock_sock *vsk, u32 cid)
{
	sock_owned_by_me(sk_vsock(vsk));
	vsk->local_addr.svm_cid = cid;
	WRITE_ONCE(vsk->links.entry->key.local_cid, cid);
}
EXPORT_SYMBOL_GPL(vsock_set_local_cid);

/* With a reference, or NULL. Looks up again if the entry was removed since. */
static __always_inline struct sock *
vsock_find(struct rhashtable *table, const struct rhashtable_params params,
	   const struct vsock_key *key,
	   bool (*equal)(const struct vsock_entry *, const struct vsock_key *))
{
	struct vsock_entry *entry;
	struct sock *sk = NULL;

	rcu_read_lock();
	while (!sk && (entry = rhashtable_lookup(table, key, params))) {
		struct vsock_sock *vsk;

		spin_lock_bh(&entry->lock);
		vsk = smp_load_acquire(&entry->vsk); /* vsock_table_add() */
		if (vsk && equal(entry, key) &&
		    refcount_inc_not_zero(&vsk->sk.sk_refcnt))
			sk = sk_vsock(vsk);
		spin_unlock_bh(&entry->lock);
	}
	rcu_read_unlock();

	return sk;
}

/**
 * vsock_find_bound_socket() - find the socket that is bound to an address
 * @scope: scope in which @addr was used, see vsock_ns.h
 * @addr: CID and port; VMADDR_CID_ANY on either side matches every CID
 *
 * Context: any but hard interrupt.
 * Return: the socket with a reference taken, or NULL.
 */
__flatten struct sock *vsock_find_bound_socket(const struct net *scope,
					       const struct sockaddr_vm *addr)
{
	const struct vsock_key key = {
		.scope		= scope,
		.local_cid	= addr->svm_cid,
		.local_port	= addr->svm_port,
	};

	return vsock_find(&vsock_bound_table, vsock_bound_params, &key,
			  vsock_bound_equal);
}
EXPORT_SYMBOL_GPL(vsock_find_bound_socket);

/**
 * vsock_insert_connected() - add a socket to the connected table
 * @vsk: socket that is not connected; its two addresses are complete
 *
 * The table holds a reference. Of two sockets with the same peer and the same
 * local port, packets go to the newer one.
 *
 * Context: lock_sock() is held, or nobody else has the socket.
 * Return: 0, or -ENOMEM; then nothing has changed, and there is no connection.
 */
int __flatten vsock_insert_connected(struct vsock_sock *vsk)
{
	struct vsock_entry *entry = vsk->links.entry;
	int err;

	if (WARN_ON_ONCE(vsock_is_connected(vsk)))
		return -EISCONN;

	spin_lock_bh(&entry->lock);
	WRITE_ONCE(entry->key.local_port, vsk->local_addr.svm_port);
	WRITE_ONCE(entry->key.remote_cid, vsk->remote_addr.svm_cid);
	WRITE_ONCE(entry->key.remote_port, vsk->remote_addr.svm_port);
	err = rhashtable_insert_fast(&vsock_connected_table, &entry->connected,
				     vsock_connected_params);
	if (!err) {
		sock_hold(sk_vsock(vsk));
		set_bit(VSOCK_LINKS_CONNECTED, &vsk->links.flags);
	}
	spin_unlock_bh(&entry->lock);

	return err ? -ENOMEM : 0;
}
EXPORT_SYMBOL_GPL(vsock_insert_connected);

/**
 * vsock_remove_connected() - remove a socket from the connected table
 * @vsk: socket, connected or not
 *
 * Context: any but hard interrupt. The caller has a reference of its own.
 */
void __flatten vsock_remove_connected(struct vsock_sock *vsk)
{
	struct vsock_entry *entry = vsk->links.entry;
	bool mine;

	if (!vsock_is_connected(vsk))
		return;

	spin_lock_bh(&entry->lock); /* vsock_call_connected() */
	mine = test_and_clear_bit(VSOCK_LINKS_CONNECTED, &vsk->links.flags);
	spin_unlock_bh(&entry->lock);
	if (!mine)
		return;

	WARN_ON_ONCE(rhashtable_remove_fast(&vsock_connected_table,
					    &entry->connected,
					    vsock_connected_params));
	sock_put(sk_vsock(vsk));
}
EXPORT_SYMBOL_GPL(vsock_remove_connected);

/**
 * vsock_is_connected() - test whether a socket is in the connected table
 * @vsk: the socket
 *
 * Context: any. Unless lock_sock() is held, the answer may be old already.
 * Return: true if so.
 */
bool vsock_is_connected(const struct vsock_sock *vsk)
{
	return test_bit(VSOCK_LINKS_CONNECTED, &vsk->links.flags);
}

/**
 * vsock_call_connected() - call a function for a socket while it is connected
 * @vsk: the socket, which the caller keeps in memory
 * @transport: nothing is done if it has another one by now
 * @fn: called under a spinlock, so that the socket stays connected, keeps its
 *	transport and has a reference
 *
 * Context: any but hard interrupt.
 */
void vsock_call_connected(struct vsock_sock *vsk,
			  const struct vsock_transport *transport,
			  void (*fn)(struct sock *sk))
{
	spin_lock_bh(&vsk->links.entry->lock);
	if (vsock_is_connected(vsk) && vsk->transport == transport)
		fn(sk_vsock(vsk));
	spin_unlock_bh(&vsk->links.entry->lock);
}

/**
 * vsock_find_connected_socket() - find the socket that a packet belongs to
 * @scope: scope that the packet came from, see vsock_ns.h
 * @src: address of the sender
 * @dst: address that it was sent to, of which only the port is compared
 *
 * Context: any but hard interrupt.
 * Return: the socket with a reference taken, or NULL.
 */
__flatten struct sock *
vsock_find_connected_socket(const struct net *scope,
			    const struct sockaddr_vm *src,
			    const struct sockaddr_vm *dst)
{
	const struct vsock_key key = {
		.scope		= scope,
		.local_port	= dst->svm_port,
		.remote_cid	= src->svm_cid,
		.remote_port	= src->svm_port,
	};

	return vsock_find(&vsock_connected_table, vsock_connected_params, &key,
			  vsock_connected_equal);
}
EXPORT_SYMBOL_GPL(vsock_find_connected_socket);

/**
 * vsock_table_init() - make the tables
 *
 * Context: process context, may sleep; module initialization only.
 * Return: 0 or a negative errno, and then nothing is left.
 */
int __init vsock_table_init(void)
{
	int err;

	vsock_entry_cache = kmem_cache_create("vsock_entry",
					      sizeof(struct vsock_entry), 0,
					      SLAB_TYPESAFE_BY_RCU |
					      SLAB_ACCOUNT, vsock_entry_ctor);
	if (!vsock_entry_cache)
		return -ENOMEM;

	err = rhashtable_init(&vsock_bound_table, &vsock_bound_params);
	if (err)
		goto err_cache;
	err = rhashtable_init(&vsock_connected_table, &vsock_connected_params);
	if (err)
		goto err_bound;

	return 0;

err_bound:
	rhashtable_destroy(&vsock_bound_table);
err_cache:
	kmem_cache_destroy(vsock_entry_cache);
	return err;
}

/**
 * vsock_table_exit() - free the tables, in which no socket is left
 *
 * Context: process context, may sleep.
 */
void vsock_table_exit(void)
{
	rhashtable_destroy(&vsock_connected_table);
	rhashtable_destroy(&vsock_bound_table);
	kmem_cache_destroy(vsock_entry_cache);
}
