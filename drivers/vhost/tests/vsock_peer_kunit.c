// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers of a VM: added, removed, and reset when it is closed
 */
#include <kunit/test.h>
#include <linux/virtio_vsock.h>
#include <net/af_vsock.h>
#include "../vsock_peer.h"

#define CID	3

static struct vsock_sock *build_peer(struct kunit *test)
{
	struct virtio_vsock_sock *vvs;
	struct vsock_sock *vsk;

	vsk = kunit_kzalloc(test, sizeof(*vsk), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vsk);
	vvs = kunit_kzalloc(test, sizeof(*vvs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vvs);
	refcount_set(&vsk->sk.sk_refcnt, 1);
	spin_lock_init(&vsk->sk.sk_lock.slock);
	vsk->remote_addr.svm_cid = CID;
	vsk->trans = vvs;
	vvs->vsk = vsk;

	return vsk;
}

static struct vhost_vsock_peers *build_peers(struct kunit *test)
{
	struct vhost_vsock_peers *peers;

	peers = kunit_kzalloc(test, sizeof(*peers), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, peers);
	vhost_vsock_peers_init(peers);
	vhost_vsock_peers_open(peers, CID);

	return peers;
}

static int add_peer(struct vhost_vsock_peers *peers, struct vsock_sock *vsk)
{
	int err;

	spin_lock_bh(&vsk->sk.sk_lock.slock);
	err = vhost_vsock_peer_add(peers, vsk);
	spin_unlock_bh(&vsk->sk.sk_lock.slock);

	return err;
}

static bool is_peer(const struct vhost_vsock_peers *peers,
		    struct vsock_sock *vsk)
{
	bool ret;

	spin_lock_bh(&vsk->sk.sk_lock.slock);
	ret = vhost_vsock_vm_of(vsk) == peers;
	spin_unlock_bh(&vsk->sk.sk_lock.slock);

	return ret;
}

static int resets;
static int no_peers;

/* The list is locked. */
static void reset(struct vsock_sock *vsk)
{
	const struct virtio_vsock_sock *vvs = vsk->trans;

	resets++;
	no_peers += !vvs->vm;
}

static void close_vm(struct vhost_vsock_peers *peers)
{
	resets = 0;
	no_peers = 0;
	vhost_vsock_peers_close(peers, reset);
}

static void closing_a_vm_resets_its_own_peers(struct kunit *test)
{
	struct vhost_vsock_peers *a = build_peers(test), *b = build_peers(test);
	struct vsock_sock *of_a = build_peer(test);
	struct vsock_sock *of_b = build_peer(test);

	KUNIT_ASSERT_EQ(test, add_peer(a, of_a), 0);
	KUNIT_ASSERT_EQ(test, add_peer(b, of_b), 0);
	close_vm(a);
	KUNIT_EXPECT_EQ(test, resets, 1);
	KUNIT_EXPECT_EQ(test, no_peers, 0);
	KUNIT_EXPECT_FALSE(test, is_peer(a, of_a));
	KUNIT_EXPECT_FALSE(test, is_peer(a, of_b));
	KUNIT_EXPECT_TRUE(test, is_peer(b, of_b));
	vhost_vsock_peer_del(of_b);
}

static void a_closed_vm_takes_no_more_peers(struct kunit *test)
{
	struct vhost_vsock_peers *peers = build_peers(test);
	struct vsock_sock *vsk = build_peer(test);

	close_vm(peers);
	KUNIT_EXPECT_EQ(test, add_peer(peers, vsk), -ENODEV);
	KUNIT_EXPECT_FALSE(test, is_peer(peers, vsk));
	vhost_vsock_peer_del(vsk);
}

static void a_destroyed_peer_is_not_reset(struct kunit *test)
{
	struct vhost_vsock_peers *peers = build_peers(test);
	struct vsock_sock *gone = build_peer(test);

	KUNIT_ASSERT_EQ(test, add_peer(peers, gone), 0);
	vhost_vsock_peer_del(gone);
	vhost_vsock_peer_del(gone);
	close_vm(peers);
	KUNIT_EXPECT_EQ(test, resets, 0);
}

static void a_vm_that_changes_its_cid_takes_peers_by_the_new_one(struct kunit *test)
{
	struct vhost_vsock_peers *peers = build_peers(test);
	struct vsock_sock *old = build_peer(test), *late = build_peer(test);
	struct vsock_sock *new = build_peer(test);

	new->remote_addr.svm_cid = CID + 1;
	KUNIT_ASSERT_EQ(test, add_peer(peers, old), 0);
	close_vm(peers);
	vhost_vsock_peers_open(peers, CID + 1);
	KUNIT_EXPECT_FALSE(test, is_peer(peers, old));
	KUNIT_EXPECT_EQ(test, add_peer(peers, late), -ENODEV);
	KUNIT_EXPECT_EQ(test, add_peer(peers, new), 0);
	vhost_vsock_peer_del(new);
}

/* The last reference is gone, and the destructor has not run yet. */
static void a_peer_without_references_is_removed_without_a_reset(struct kunit *test)
{
	struct vhost_vsock_peers *peers = build_peers(test);
	struct vsock_sock *dying = build_peer(test);

	KUNIT_ASSERT_EQ(test, add_peer(peers, dying), 0);
	refcount_set(&dying->sk.sk_refcnt, 0);
	close_vm(peers);
	KUNIT_EXPECT_EQ(test, resets, 0);
	KUNIT_EXPECT_FALSE(test, is_peer(peers, dying));
}

/* More than are removed in one hold of the lock. */
static void all_of_many_peers_are_reset(struct kunit *test)
{
	struct vhost_vsock_peers *peers = build_peers(test);
	int i;

	for (i = 0; i < 100; i++)
		KUNIT_ASSERT_EQ(test, add_peer(peers, build_peer(test)), 0);
	close_vm(peers);
	KUNIT_EXPECT_EQ(test, resets, 100);
	KUNIT_EXPECT_EQ(test, no_peers, 0);
	KUNIT_EXPECT_TRUE(test, hlist_empty(&peers->head));
}

static struct kunit_case vsock_peer_cases[] = {
	KUNIT_CASE(closing_a_vm_resets_its_own_peers),
	KUNIT_CASE(a_closed_vm_takes_no_more_peers),
	KUNIT_CASE(a_destroyed_peer_is_not_reset),
	KUNIT_CASE(a_vm_that_changes_its_cid_takes_peers_by_the_new_one),
	KUNIT_CASE(a_peer_without_references_is_removed_without_a_reset),
	KUNIT_CASE(all_of_many_peers_are_reset),
	{}
};

static struct kunit_suite vsock_peer_suite = {
	.name = "vhost_vsock_peer",
	.test_cases = vsock_peer_cases,
};

kunit_test_suite(vsock_peer_suite);
