// SPDX-License-Identifier: GPL-2.0-only
/*
 * CIDs of VMs, keyed by scope
 */
#include <kunit/test.h>
#include <linux/random.h>
#include <net/net_namespace.h>
#include "../vsock_cid.h"

static struct net *build_scope(struct kunit *test)
{
	struct net *scope = kunit_kzalloc(test, sizeof(*scope), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, scope);
	scope->hash_mix = get_random_u32();

	return scope;
}

static void drop_vm(void *vm)
{
	vhost_vsock_vm_clear_cid(vm);
}

static struct vhost_vsock_vm *build_vm(struct kunit *test, struct net *scope)
{
	struct vhost_vsock_vm *vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, vm);
	vhost_vsock_vm_init(vm, scope);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, drop_vm, vm), 0);

	return vm;
}

static int set_cid(struct vhost_vsock_vm *vm, u32 cid)
{
	return vhost_vsock_vm_set_cid(vm, cid, NULL);
}

static struct vhost_vsock_vm *find(struct net *scope, u32 cid)
{
	struct vhost_vsock_vm *vm;

	rcu_read_lock();
	vm = vhost_vsock_vm_find(scope, cid);
	rcu_read_unlock();

	return vm;
}

static void a_vm_is_found_by_its_cid(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vhost_vsock_vm *vm = build_vm(test, scope);

	KUNIT_EXPECT_EQ(test, vhost_vsock_vm_cid(vm), 0);
	KUNIT_EXPECT_NULL(test, find(scope, 3));
	KUNIT_EXPECT_NULL(test, find(scope, 0));
	KUNIT_ASSERT_EQ(test, set_cid(vm, 3), 0);
	KUNIT_EXPECT_EQ(test, vhost_vsock_vm_cid(vm), 3);
	KUNIT_EXPECT_PTR_EQ(test, find(scope, 3), vm);
	KUNIT_EXPECT_NULL(test, find(scope, 4));
}

static void each_scope_has_cids_of_its_own(struct kunit *test)
{
	struct net *a = build_scope(test), *b = build_scope(test);
	struct vhost_vsock_vm *in_a = build_vm(test, a);
	struct vhost_vsock_vm *in_b = build_vm(test, b);

	KUNIT_ASSERT_EQ(test, set_cid(in_a, 3), 0);
	KUNIT_EXPECT_NULL(test, find(b, 3));
	KUNIT_ASSERT_EQ(test, set_cid(in_b, 3), 0);
	KUNIT_EXPECT_PTR_EQ(test, find(a, 3), in_a);
	KUNIT_EXPECT_PTR_EQ(test, find(b, 3), in_b);
	vhost_vsock_vm_clear_cid(in_a);
	KUNIT_EXPECT_NULL(test, find(a, 3));
	KUNIT_EXPECT_PTR_EQ(test, find(b, 3), in_b);
}

static void a_taken_cid_is_refused(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vhost_vsock_vm *first = build_vm(test, scope);
	struct vhost_vsock_vm *second = build_vm(test, scope);

	KUNIT_ASSERT_EQ(test, set_cid(first, 3), 0);
	KUNIT_ASSERT_EQ(test, set_cid(second, 4), 0);
	KUNIT_EXPECT_EQ(test, set_cid(second, 3), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, vhost_vsock_vm_cid(second), 4);
	KUNIT_EXPECT_PTR_EQ(test, find(scope, 3), first);
	KUNIT_EXPECT_PTR_EQ(test, find(scope, 4), second);
}

static void a_changed_cid_leaves_the_old_one_free(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vhost_vsock_vm *first = build_vm(test, scope);
	struct vhost_vsock_vm *second = build_vm(test, scope);

	KUNIT_ASSERT_EQ(test, set_cid(first, 3), 0);
	KUNIT_ASSERT_EQ(test, set_cid(first, 3), 0);
	KUNIT_ASSERT_EQ(test, set_cid(first, 4), 0);
	KUNIT_EXPECT_NULL(test, find(scope, 3));
	KUNIT_EXPECT_EQ(test, set_cid(second, 3), 0);
	KUNIT_EXPECT_PTR_EQ(test, find(scope, 3), second);
	KUNIT_EXPECT_PTR_EQ(test, find(scope, 4), first);
}

/* As the device does when it is closed: still named, but not found. */
static void a_cleared_vm_is_found_no_more(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vhost_vsock_vm *vm = build_vm(test, scope);

	KUNIT_ASSERT_EQ(test, set_cid(vm, 3), 0);
	vhost_vsock_vm_clear_cid(vm);
	KUNIT_EXPECT_NULL(test, find(scope, 3));
	KUNIT_EXPECT_EQ(test, vhost_vsock_vm_cid(vm), 0);
	vhost_vsock_vm_clear_cid(vm);
}

static void many_vms_are_all_found(struct kunit *test)
{
	struct vhost_vsock_vm *vms[100];
	int i;

	for (i = 0; i < ARRAY_SIZE(vms); i++) {
		vms[i] = build_vm(test, build_scope(test));
		KUNIT_ASSERT_EQ(test, set_cid(vms[i], 3), 0);
	}
	for (i = 0; i < ARRAY_SIZE(vms); i++)
		KUNIT_EXPECT_PTR_EQ(test, find(vms[i]->scope, 3), vms[i]);
}

static int leaves;
static int found;

static void count_leave(struct vhost_vsock_vm *vm)
{
	leaves++;
	found = find(vm->scope, vhost_vsock_vm_cid(vm)) == vm;
}

static void a_change_is_told_while_the_old_cid_is_taken(struct kunit *test)
{
	struct net *scope = build_scope(test);
	struct vhost_vsock_vm *vm = build_vm(test, scope);
	struct vhost_vsock_vm *other = build_vm(test, scope);

	leaves = 0;
	KUNIT_ASSERT_EQ(test, set_cid(other, 5), 0);
	KUNIT_ASSERT_EQ(test, set_cid(vm, 3), 0);
	KUNIT_EXPECT_EQ(test, vhost_vsock_vm_set_cid(vm, 5, count_leave),
			-EADDRINUSE);
	KUNIT_EXPECT_EQ(test, vhost_vsock_vm_set_cid(vm, 3, count_leave), 0);
	KUNIT_EXPECT_EQ(test, leaves, 0);
	KUNIT_EXPECT_EQ(test, vhost_vsock_vm_set_cid(vm, 4, count_leave), 0);
	KUNIT_EXPECT_EQ(test, leaves, 1);
	KUNIT_EXPECT_TRUE(test, found);
}

static struct kunit_case vsock_cid_cases[] = {
	KUNIT_CASE(a_vm_is_found_by_its_cid),
	KUNIT_CASE(each_scope_has_cids_of_its_own),
	KUNIT_CASE(a_taken_cid_is_refused),
	KUNIT_CASE(a_changed_cid_leaves_the_old_one_free),
	KUNIT_CASE(a_cleared_vm_is_found_no_more),
	KUNIT_CASE(many_vms_are_all_found),
	KUNIT_CASE(a_change_is_told_while_the_old_cid_is_taken),
	{}
};

static struct kunit_suite vsock_cid_suite = {
	.name = "vhost_vsock_cid",
	.test_cases = vsock_cid_cases,
};

kunit_test_suite(vsock_cid_suite);
