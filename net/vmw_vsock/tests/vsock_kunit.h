/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets that are nothing but what the tables and lists look at
 */
#ifndef _VSOCK_KUNIT_H
#define _VSOCK_KUNIT_H

#include <kunit/test.h>
#include <linux/fault-inject.h>
#include <net/af_vsock.h>
#include <net/net_namespace.h>
#include <net/vsock_ns.h>

struct net *build_scope(struct kunit *test);
struct vsock_sock *build_socket(struct kunit *test, struct net *scope);
struct vsock_sock *build_peer_of(struct kunit *test, struct net *scope,
				 u32 local_port, u32 cid, u32 port);
int bind_to(struct vsock_sock *vsk, u32 cid, u32 port);
struct vsock_sock *find_bound(struct net *scope, u32 cid, u32 port);
struct vsock_sock *find_connected(struct net *scope, u32 cid, u32 port,
				  u32 local_port);

#define EXPECT_REFS(test, vsk, count) \
	KUNIT_EXPECT_EQ(test, refcount_read(&(vsk)->sk.sk_refcnt), count)

/* Makes the next allocation of this task fail, if the kernel can do that. */
static inline void fail_next_alloc(struct kunit *test)
{
#ifdef CONFIG_FAILSLAB
	WRITE_ONCE(current->fail_nth, 1);
#else
	kunit_skip(test, "needs CONFIG_FAILSLAB");
#endif
}

static inline void fail_no_more(void)
{
#ifdef CONFIG_FAILSLAB
	WRITE_ONCE(current->fail_nth, 0);
#endif
}

#endif /* _VSOCK_KUNIT_H */
