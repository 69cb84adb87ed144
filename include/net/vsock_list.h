/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All AF_VSOCK sockets of a network namespace, in order
 */
#ifndef _NET_VSOCK_LIST_H
#define _NET_VSOCK_LIST_H

#include <linux/list.h>
#include <linux/types.h>

struct net;
struct sock;
struct vsock_list;
struct vsock_sock;

/**
 * struct vsock_node - an entry in the list of all sockets of a namespace
 * @list: link
 * @owner: the list, or NULL if this is not a socket, but a cursor: a place where
 *	a dump goes on
 */
struct vsock_node {
	struct list_head list;
	struct vsock_list *owner;
};

int vsock_list_register(void);
void vsock_list_unregister(void);

int vsock_list_prepare(struct vsock_sock *vsk, gfp_t gfp);
void vsock_list_add(struct vsock_sock *vsk);
void vsock_list_del(struct vsock_sock *vsk);

void vsock_list_start(struct vsock_node *cursor, const struct net *net);
int vsock_list_next(struct vsock_node *cursor, const struct net *net,
		    int (*fn)(struct sock *sk, void *arg), void *arg);
void vsock_list_stop(struct vsock_node *cursor, const struct net *net);
bool vsock_list_shows(const struct vsock_sock *vsk);

void vsock_for_each_socket(const struct net *scope,
			   int (*fn)(struct sock *sk, void *arg), void *arg);

#endif /* _NET_VSOCK_LIST_H */
