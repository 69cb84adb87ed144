// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets that are nothing but what the tables and lists look at
 *
 * The test has the first reference, so that none of them is ever freed by
 * sock_put(). Its scope need not be a real namespace, only one with a hash. Its
 * namespace is init_net, on whose list it is while a test runs: at boot, before
 * there is anybody who could ask for a dump.
 */
#include <linux/random.h>
#include "vsock_kunit.h"

struct net *build_scope(struct kunit *test)
{
	struct net *scope = kunit_kzalloc(test, sizeof(*scope), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, scope);
	scope->hash_mix = get_random_u32();

	return scope;
}

static void drop_socket(void *data)
{
	struct vsock_sock *vsk = data;

	vsock_remove_bound(vsk);
	vsock_remove_connected(vsk);
	vsock_list_del(vsk);
	vsock_table_del(vsk);
}

struct vsock_sock *build_socket(struct kunit *test, struct net *scope)
{
	struct vsock_sock *vsk = kunit_kzalloc(test, sizeof(*vsk), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vsk);
	refcount_set(&vsk->sk.sk_refcnt, 1);
	spin_lock_init(&vsk->sk.sk_lock.slock);
	sock_net_set(sk_vsock(vsk), &init_net);
	vsk->sk.sk_socket = ERR_PTR(-EBADF); /* it is only looked whether there is one */
	INIT_LIST_HEAD(&vsk->node.list);
	vsock_addr_init(&vsk->local_addr, VMADDR_CID_ANY, VMADDR_PORT_ANY);
	vsock_addr_init(&vsk->remote_addr, VMADDR_CID_ANY, VMADDR_PORT_ANY);
	vsk->scope = scope;
	KUNIT_ASSERT_EQ(test, vsock_table_add(vsk, GFP_KERNEL), 0);
	KUNIT_ASSERT_EQ(test, vsock_list_prepare(vsk, GFP_KERNEL), 0);
	KUNIT_ASSERT_EQ(test,
			kunit_add_action_or_reset(test, drop_socket, vsk), 0);

	return vsk;
}

/* One that is in the table of connected sockets, as an accepted child is. */
struct vsock_sock *build_peer_of(struct kunit *test, struct net *scope,
				 u32 local_port, u32 cid, u32 port)
{
	struct vsock_sock *vsk = build_socket(test, scope);

	vsock_addr_init(&vsk->local_addr, VMADDR_CID_HOST, local_port);
	vsock_addr_init(&vsk->remote_addr, cid, port);
	KUNIT_ASSERT_EQ(test, vsock_insert_connected(vsk), 0);

	return vsk;
}

int bind_to(struct vsock_sock *vsk, u32 cid, u32 port)
{
	struct sockaddr_vm addr;
	int err;

	vsock_addr_init(&addr, cid, port);
	spin_lock_bh(&vsk->sk.sk_lock.slock);
	err = vsock_insert_bound(vsk, &addr);
	spin_unlock_bh(&vsk->sk.sk_lock.slock);

	return err;
}

static struct vsock_sock *without_reference(struct sock *sk)
{
	if (!sk)
		return NULL;

	sock_put(sk);

	return vsock_sk(sk);
}

struct vsock_sock *find_bound(struct net *scope, u32 cid, u32 port)
{
	struct sockaddr_vm addr;

	vsock_addr_init(&addr, cid, port);

	return without_reference(vsock_find_bound_socket(scope, &addr));
}

struct vsock_sock *find_connected(struct net *scope, u32 cid, u32 port,
				  u32 local_port)
{
	struct sockaddr_vm src, dst;

	vsock_addr_init(&src, cid, port);
	vsock_addr_init(&dst, VMADDR_CID_HOST, local_port);

	return without_reference(vsock_find_connected_socket(scope, &src,
							     &dst));
}
