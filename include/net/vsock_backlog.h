/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets for AF_VSOCK sockets whose lock is held
 */
#ifndef _NET_VSOCK_BACKLOG_H
#define _NET_VSOCK_BACKLOG_H

#include <linux/types.h>

struct sk_buff;
struct sock;
struct vsock_transport;

/* At the end of skb->cb, as the transports use its beginning. */
struct vsock_backlog_cb {
	const struct vsock_transport *transport;
};

bool vsock_backlog_add(struct sock *sk, struct sk_buff *skb,
		       const struct vsock_transport *transport);

bool vsock_backlog_is_full(const struct sock *sk, const struct sk_buff *skb);

bool vsock_lock_or_defer(struct sock *sk, struct sk_buff *skb,
			 const struct vsock_transport *transport);

int vsock_backlog_rcv(struct sock *sk, struct sk_buff *skb);

#endif /* _NET_VSOCK_BACKLOG_H */
