// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets of the host that are connected to a VM
 */
#include <kunit/test.h>
#include <linux/virtio_vsock.h>
#include <net/af_vsock.h>
#include "../vsock_peer.h"

/* Connected ones have an entry in the table of vsock.ko: see vsock_links. */
static struct vsock_sock *build_peer(struct kunit *test, bool connected)
{
	struct virtio_vsock_sock *vvs;
	struct vsock_sock *vsk;

	vsk = kunit_kzalloc(test, sizeof(*vsk), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vsk);
	vvs = kunit_kzalloc(test, sizeof(*vvs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vvs);
	refcount_set(&vsk->sk.sk_refcnt, 1);
	vsk->trans = vvs;
	vvs->vsk = vsk;
	if (connected)
		vsk->links.flags = ~0UL;

	return vsk;
}

static struct vhost_vsock_peers *build_peers(struct kunit *test)
{
	struct vhost_vsock_peers *peers;

	peers = kunit_kzalloc(test, sizeof(*peers), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, peers);
	vhost_vsock_peers_init(peers);

	return peers;
}

static int resets;
static int least_refs;

static void reset(struct sock *sk)
{
	resets++;
	least_refs = min_t(int, least_refs, refcount_read(&sk->sk_refcnt));
}

static void close_vm(struct vhost_vsock_peers *peers)
{
	resets = 0;
	least_refs = 99;
	vhost_vsock_peers_close(peers, reset);
}

static void closing_a_vm_resets_its_own_peers(struct kunit *test)
{
	struct vhost_vsock_peers *a = build_peers(test), *b = build_peers(test);
	struct vsock_sock *of_a = build_peer(test, true);
	struct vsock_sock *of_b = build_peer(test, true);

	KUNIT_ASSERT_EQ(test, vhost_vsock_peer_add(a, of_a), 0);
	KUNIT_ASSERT_EQ(test, vhost_vsock_peer_add(b, of_b), 0);
	close_vm(a);
	KUNIT_EXPECT_EQ(test, resets, 1);
	KUNIT_EXPECT_EQ(test, least_refs, 2);
	KUNIT_EXPECT_FALSE(test, vhost_vsock_is_peer(of_a));
	KUNIT_EXPECT_TRUE(test, vhost_vsock_is_peer(of_b));
	KUNIT_EXPECT_EQ(test, refcount_read(&of_a->sk.sk_refcnt), 1);
	vhost_vsock_peer_del(of_b);
}

static void peers_that_are_not_connected_are_let_go(struct kunit *test)
{
	struct vhost_vsock_peers *peers = build_peers(test);
	struct vsock_sock *vsk = build_peer(test, false);

	KUNIT_ASSERT_EQ(test, vhost_vsock_peer_add(peers, vsk), 0);
	close_vm(peers);
	KUNIT_EXPECT_EQ(test, resets, 0);
	KUNIT_EXPECT_FALSE(test, vhost_vsock_is_peer(vsk));
}

static void a_closed_vm_takes_no_more_peers(struct kunit *test)
{
	struct vhost_vsock_peers *peers = build_peers(test);
	struct vsock_sock *vsk = build_peer(test, true);

	close_vm(peers);
	KUNIT_EXPECT_EQ(test, vhost_vsock_peer_add(peers, vsk), -ENODEV);
	KUNIT_EXPECT_FALSE(test, vhost_vsock_is_peer(vsk));
	vhost_vsock_peer_del(vsk);
}

static void a_destroyed_peer_is_not_reset(struct kunit *test)
{
	struct vhost_vsock_peers *peers = build_peers(test);
	struct vsock_sock *gone = build_peer(test, true);
	struct vsock_sock *dying = build_peer(test, true);

	KUNIT_ASSERT_EQ(test, vhost_vsock_peer_add(peers, gone), 0);
	KUNIT_ASSERT_EQ(test, vhost_vsock_peer_add(peers, dying), 0);
	vhost_vsock_peer_del(gone);
	vhost_vsock_peer_del(gone);
	refcount_set(&dying->sk.sk_refcnt, 0);
	close_vm(peers);
	KUNIT_EXPECT_EQ(test, resets, 0);
	KUNIT_EXPECT_FALSE(test, vhost_vsock_is_peer(dying));
}

/* More than are taken off under one hold of the lock. */
static void all_of_many_peers_are_reset(struct kunit *test)
{
	struct vhost_vsock_peers *peers = build_peers(test);
	int i;

	for (i = 0; i < 100; i++)
		KUNIT_ASSERT_EQ(test,
				vhost_vsock_peer_add(peers,
						     build_peer(test, i % 4)),
				0);
	close_vm(peers);
	KUNIT_EXPECT_EQ(test, resets, 75);
	KUNIT_EXPECT_EQ(test, least_refs, 2);
	KUNIT_EXPECT_TRUE(test, hlist_empty(&peers->head));
}

static struct kunit_case vsock_peer_cases[] = {
	KUNIT_CASE(closing_a_vm_resets_its_own_peers),
	KUNIT_CASE(peers_that_are_not_connected_are_let_go),
	KUNIT_CASE(a_closed_vm_takes_no_more_peers),
	KUNIT_CASE(a_destroyed_peer_is_not_reset),
	KUNIT_CASE(all_of_many_peers_are_reset),
	{}
};

static struct kunit_suite vsock_peer_suite = {
	.name = "vhost_vsock_peer",
	.test_cases = vsock_peer_cases,
};

kunit_test_suite(vsock_peer_suite);
