/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tables of AF_VSOCK sockets, keyed by scope (see vsock_ns.h)
 *
 *	bound		(scope, port), and CID or any
 *	connected	(scope, remote CID, remote port, local port)
 */
#ifndef _NET_VSOCK_TABLE_H
#define _NET_VSOCK_TABLE_H

#include <linux/types.h>

struct net;
struct sock;
struct sockaddr_vm;
struct vsock_entry;
struct vsock_sock;
struct vsock_transport;

/**
 * struct vsock_key - an address in the tables; all but @local_cid is hashed
 * @scope: scope of the socket
 * @local_cid: its CID, or VMADDR_CID_ANY
 * @local_port: its port
 * @remote_cid: CID of its peer
 * @remote_port: port of its peer
 */
struct vsock_key {
	const struct net *scope;
	u32 local_cid;
	u32 local_port;
	u32 remote_cid;
	u32 remote_port;
};

/**
 * struct vsock_links - the tables' state in a socket
 * @entry: the socket's entry in the tables
 * @flags: which of them it is in
 */
struct vsock_links {
	struct vsock_entry *entry;
	unsigned long flags;
};

int vsock_table_init(void);
void vsock_table_exit(void);

int vsock_table_add(struct vsock_sock *vsk, gfp_t gfp);
void vsock_table_del(struct vsock_sock *vsk);

int vsock_insert_bound(struct vsock_sock *vsk, const struct sockaddr_vm *addr);
void vsock_remove_bound(struct vsock_sock *vsk);
void vsock_set_local_cid(struct vsock_sock *vsk, u32 cid);
struct sock *vsock_find_bound_socket(const struct net *scope,
				     const struct sockaddr_vm *addr);

int vsock_insert_connected(struct vsock_sock *vsk);
void vsock_remove_connected(struct vsock_sock *vsk);
bool vsock_is_connected(const struct vsock_sock *vsk);
void vsock_call_connected(struct vsock_sock *vsk,
			  const struct vsock_transport *transport,
			  void (*fn)(struct sock *sk));
struct sock *vsock_find_connected_socket(const struct net *scope,
					 const struct sockaddr_vm *src,
					 const struct sockaddr_vm *dst);

#if IS_ENABLED(CONFIG_KUNIT)
u32 vsock_bound_hash(const void *data, u32 len, u32 seed);
u32 vsock_connected_hash(const void *data, u32 len, u32 seed);
#endif

#endif /* _NET_VSOCK_TABLE_H */
