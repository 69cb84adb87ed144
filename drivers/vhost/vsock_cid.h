/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CIDs of VMs, keyed by scope (see net/vsock_ns.h)
 */
#ifndef _VHOST_VSOCK_CID_H
#define _VHOST_VSOCK_CID_H

#include <linux/compiler.h>
#include <linux/types.h>

struct net;
struct vhost_vsock_cid;

/**
 * struct vhost_vsock_vm - a VM, as sockets of the host find it
 * @scope: where its CID counts, constant
 * @guest_cid: its CID, 0 while it has none
 * @entry: its place in the table, if it has a CID
 *
 * To be freed after an RCU grace period without a CID.
 */
struct vhost_vsock_vm {
	struct net *scope;
	u32 guest_cid;
	struct vhost_vsock_cid *entry;
};

int vhost_vsock_cid_init(void);
void vhost_vsock_cid_exit(void);

void vhost_vsock_vm_init(struct vhost_vsock_vm *vm, struct net *scope);
int vhost_vsock_vm_set_cid(struct vhost_vsock_vm *vm, u32 cid,
			   void (*leave)(struct vhost_vsock_vm *vm));
void vhost_vsock_vm_clear_cid(struct vhost_vsock_vm *vm);
struct vhost_vsock_vm *vhost_vsock_vm_find(const struct net *scope, u32 cid);

/**
 * vhost_vsock_vm_cid() - the CID of a VM
 * @vm: the VM
 *
 * Context: any; it may be changed meanwhile.
 * Return: the CID, or 0 if it has none.
 */
static inline u32 vhost_vsock_vm_cid(const struct vhost_vsock_vm *vm)
{
	return READ_ONCE(vm->guest_cid);
}

#endif /* _VHOST_VSOCK_CID_H */
