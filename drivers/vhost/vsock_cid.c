// SPDX-License-Identifier: GPL-2.0-only
/*
 * CIDs of VMs, keyed by scope (see net/vsock_ns.h)
 *
 * Sockets find VMs by (scope, CID) under RCU. Each CID that a VM is given has
 * an entry of its own in the table, so a change is an insertion, which can
 * fail, followed by a removal, which cannot. There is no lock for all VMs: the
 * table's own locks keep two VMs from one CID, and the caller serialises the
 * changes of one VM.
 */
#include <linux/jhash.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <net/netns/hash.h>
#include "vsock_cid.h"

struct vhost_vsock_cid_key {
	const struct net *scope;
	u32 cid;
};

struct vhost_vsock_cid {
	struct rhash_head node;
	struct vhost_vsock_cid_key key;
	struct vhost_vsock_vm *vm;
	struct rcu_head rcu;
};

static struct rhashtable vhost_vsock_cids;

static u32 vhost_vsock_cid_hash(const void *data, u32 len, u32 seed)
{
	const struct vhost_vsock_cid_key *key = data;

	return jhash_2words(net_hash_mix(key->scope), key->cid, seed);
}

static u32 vhost_vsock_cid_obj_hash(const void *data, u32 len, u32 seed)
{
	const struct vhost_vsock_cid *entry = data;

	return vhost_vsock_cid_hash(&entry->key, len, seed);
}

static int vhost_vsock_cid_cmp(struct rhashtable_compare_arg *arg,
			       const void *obj)
{
	const struct vhost_vsock_cid_key *key = arg->key;
	const struct vhost_vsock_cid *entry = obj;

	return entry->key.cid != key->cid || entry->key.scope != key->scope;
}

static const struct rhashtable_params vhost_vsock_cid_params = {
	.key_len		= sizeof(struct vhost_vsock_cid_key),
	.head_offset		= offsetof(struct vhost_vsock_cid, node),
	.hashfn			= vhost_vsock_cid_hash,
	.obj_hashfn		= vhost_vsock_cid_obj_hash,
	.obj_cmpfn		= vhost_vsock_cid_cmp,
	.automatic_shrinking	= true,
};

/**
 * vhost_vsock_cid_init() - make the table of CIDs
 *
 * Context: process context, may sleep.
 * Return: 0 or a negative errno.
 */
int vhost_vsock_cid_init(void)
{
	return rhashtable_init(&vhost_vsock_cids, &vhost_vsock_cid_params);
}

/**
 * vhost_vsock_cid_exit() - free the table of CIDs, in which none is left
 *
 * Context: process context, may sleep.
 */
void vhost_vsock_cid_exit(void)
{
	rhashtable_destroy(&vhost_vsock_cids);
}

/**
 * vhost_vsock_vm_init() - begin with a VM that has no CID
 * @vm: the VM
 * @scope: its scope, which the caller keeps as long as the VM
 *
 * Context: any.
 */
void vhost_vsock_vm_init(struct vhost_vsock_vm *vm, struct net *scope)
{
	vm->scope = scope;
	vm->guest_cid = 0;
	vm->entry = NULL;
}

static void vhost_vsock_cid_replace(struct vhost_vsock_vm *vm, u32 cid,
				    struct vhost_vsock_cid *entry)
{
	struct vhost_vsock_cid *old = vm->entry;

	WRITE_ONCE(vm->guest_cid, cid);
	vm->entry = entry;
	if (!old)
		return;

	rhashtable_remove_fast(&vhost_vsock_cids, &old->node,
			       vhost_vsock_cid_params);
	kfree_rcu(old, rcu);
}

static int vhost_vsock_cid_add(struct vhost_vsock_vm *vm, u32 cid,
			       struct vhost_vsock_cid **new)
{
	struct vhost_vsock_cid *entry = kmalloc(sizeof(*entry), GFP_KERNEL);
	int err;

	if (!entry)
		return -ENOMEM;

	entry->key.scope = vm->scope;
	entry->key.cid = cid;
	entry->vm = vm;
	err = rhashtable_lookup_insert_key(&vhost_vsock_cids, &entry->key,
					   &entry->node,
					   vhost_vsock_cid_params);
	if (err) {
		kfree(entry);
		return err == -EEXIST ? -EADDRINUSE : -ENOMEM;
	}

	*new = entry;

	return 0;
}

/**
 * vhost_vsock_vm_set_cid() - give a VM a CID in its scope
 * @vm: the VM; the CID that it had before, if any, is free afterwards
 * @cid: the CID
 * @leave: called if the CID changes, before the old one is free; or NULL
 *
 * While @leave runs, @vm is found by both CIDs, and vhost_vsock_vm_cid() is
 * still the old one.
 *
 * Context: process context, may sleep. The caller serialises this and
 * vhost_vsock_vm_clear_cid() for one VM.
 * Return: 0, also if it has that CID already; -EADDRINUSE if another VM of the
 * scope has it; -ENOMEM. On error, nothing has changed.
 */
int vhost_vsock_vm_set_cid(struct vhost_vsock_vm *vm, u32 cid,
			   void (*leave)(struct vhost_vsock_vm *vm))
{
	struct vhost_vsock_cid *entry;
	int err;

	if (vm->guest_cid == cid)
		return 0;

	err = vhost_vsock_cid_add(vm, cid, &entry);
	if (err)
		return err;

	if (leave)
		leave(vm);
	vhost_vsock_cid_replace(vm, cid, entry);

	return 0;
}

/**
 * vhost_vsock_vm_clear_cid() - remove a VM from the table
 * @vm: the VM; a reader that has found it may use it until RCU readers are gone
 *
 * Context: process context. The caller serialises this and
 * vhost_vsock_vm_set_cid() for one VM.
 */
void vhost_vsock_vm_clear_cid(struct vhost_vsock_vm *vm)
{
	vhost_vsock_cid_replace(vm, 0, NULL);
}

/**
 * vhost_vsock_vm_find() - find a VM by its CID
 * @scope: scope in which the CID was used
 * @cid: the CID
 *
 * Context: RCU read-side critical section, to whose end the result may be used.
 * Return: the VM, or NULL.
 */
struct vhost_vsock_vm *vhost_vsock_vm_find(const struct net *scope, u32 cid)
{
	struct vhost_vsock_cid_key key = { .scope = scope, .cid = cid };
	struct vhost_vsock_cid *entry;

	entry = rhashtable_lookup(&vhost_vsock_cids, &key,
				  vhost_vsock_cid_params);

	return entry ? entry->vm : NULL;
}
