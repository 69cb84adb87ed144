/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network namespaces for AF_VSOCK: modes and scopes
 *
 * A namespace is global or local from its creation to its end. All global
 * namespaces share one set of CIDs and ports, a local one has a set of its
 * own. The namespace whose set is used is called the scope:
 *
 *	namespace   init_net  g0 (global)  g1 (global)   l0 (local)  l1 (local)
 *	                \          |          /              |           |
 *	scope            `---- init_net -----'               l0          l1
 *
 * Two ends may talk, and two binds or two VMs collide, exactly when their
 * scopes are the same pointer. (scope, CID, port) is therefore all that a
 * lookup needs, and no rule is evaluated for each candidate.
 */
#ifndef _NET_VSOCK_NS_H
#define _NET_VSOCK_NS_H

#include <linux/types.h>
#include <linux/user_namespace.h>
#include <net/net_namespace.h>

struct vsock_list;
struct vsock_loopback;

struct net *vsock_ns_scope(const struct net *net);
struct vsock_loopback **vsock_ns_loopback(const struct net *net);
struct vsock_list **vsock_ns_list(const struct net *net);
u32 vsock_ns_port_from(u32 port);
u32 vsock_ns_next_port(const struct net *net);

/**
 * vsock_scope_is_local() - tell a local namespace's scope from the shared one
 * @scope: a scope, as vsock_ns_scope() returns it
 *
 * Context: any.
 * Return: true if @scope belongs to one local namespace, false if it is the
 * one that all global namespaces share.
 */
static inline bool vsock_scope_is_local(const struct net *scope)
{
	return !net_eq(scope, &init_net);
}

/**
 * vsock_ns_may_tap() - tell whether a namespace may see packets of a scope
 * @net: namespace of the one who listens, kept alive by the caller
 * @scope: scope of the packet
 *
 * All global namespaces share a scope, but anybody can make one, in a user
 * namespace: only those of the machine's own root see what is shared.
 *
 * Context: any.
 * Return: true if so.
 */
static inline bool vsock_ns_may_tap(const struct net *net,
				    const struct net *scope)
{
	return net_eq(vsock_ns_scope(net), scope) &&
	       (vsock_scope_is_local(scope) || net->user_ns == &init_user_ns);
}

#endif /* _NET_VSOCK_NS_H */
