/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The scope that the guest-to-host transport serves (see vsock_ns.h)
 */
#ifndef _NET_VSOCK_G2H_H
#define _NET_VSOCK_G2H_H

#include <linux/types.h>

struct net;
struct sk_buff;
struct vsock_transport;

bool vsock_g2h_serves(const struct net *scope);
bool vsock_g2h_hides_from(const struct net *scope);
bool vsock_g2h_still_serves(const struct net *scope);

struct net *vsock_g2h_get_scope(void);
void vsock_g2h_put_scope(struct net *scope);
const struct net *vsock_g2h_scope_of(const struct sk_buff *skb);

int vsock_g2h_assign(struct net *scope);
void vsock_g2h_set_transport(const struct vsock_transport *transport);
int vsock_g2h_register(void);
void vsock_g2h_unregister(void);

#endif /* _NET_VSOCK_G2H_H */
