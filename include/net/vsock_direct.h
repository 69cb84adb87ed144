/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Payload and credit of loopback connections, in the context of the sender
 */
#ifndef _NET_VSOCK_DIRECT_H
#define _NET_VSOCK_DIRECT_H

#include <linux/types.h>

struct net;
struct sk_buff;
struct virtio_transport;
struct vsock_sock;

/**
 * struct vsock_order - numbers of the packets in a queue
 * @last: number of the packet that was queued last; protected by the queue's lock
 * @done: number of the packet that the worker has finished with last
 */
struct vsock_order {
	unsigned long last;
	unsigned long done;
};

void vsock_order_queue(struct vsock_order *order, struct sk_buff *skb);
unsigned long vsock_order_number(const struct sk_buff *skb);
void vsock_order_finish(struct vsock_order *order, unsigned long number);
bool vsock_order_is_free(const struct vsock_order *order,
			 const struct vsock_sock *vsk);

bool vsock_direct_deliver(struct virtio_transport *t, struct sk_buff *skb,
			  struct net *scope);
bool vsock_direct_credit(struct virtio_transport *t, struct vsock_sock *vsk);

#endif /* _NET_VSOCK_DIRECT_H */
