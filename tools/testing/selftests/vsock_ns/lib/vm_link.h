/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMs whose guest is this process, and connections between them and the host, of
 * which one test has both ends.
 *
 *	host's end: a socket	---	guest's end: struct guest_conn
 *
 * What can fail returns a negative errno.
 */
#ifndef VSOCK_VM_LINK_H
#define VSOCK_VM_LINK_H

#include "guest_conn.h"
#include "vsock_ns_util.h"

/* The port that guests listen on. */
#define VM_PORT 0x766d0001

/* Long, as the machine may be emulated: only a failing test waits for it. */
#define VM_PATIENCE_MS 20000

/**
 * struct vm - a guest, and its connections
 * @guest: the device; all zero: not started, or stopped
 * @stack: the connections
 */
struct vm {
	struct guest guest;
	struct guest_stack stack;
};

/**
 * struct vm_link - a connection
 * @sock: the host's end
 * @conn: the guest's end
 */
struct vm_link {
	int sock;
	struct guest_conn *conn;
};

/* Opens the device as a task of @ns does, listens on VM_PORT (streams), +1 (messages). */
const char *cannot_link_vms(void);	/* NULL, or why not: for SKIP() */
int vm_start(struct vm *vm, int ns, uint64_t cid);
int vm_start_with(struct vm *vm, int ns, uint64_t cid, const struct guest_options *options);
void vm_stop(struct vm *vm);
unsigned int vm_port(int type);

/* The host connects, from a socket of @ns or from this socket; or the guest does. */
int link_from_host(struct vm_link *link, struct vm *vm, int ns, int type);
int link_from_sock(struct vm_link *link, struct vm *vm, int sock, int type);
int link_from_guest(struct vm_link *link, struct vm *vm, int ns, int type, unsigned int port);
int link_to_listener(struct vm_link *link, struct vm *vm, int listener, int type,
		     unsigned int port);
void link_close(struct vm_link *link);

/* So many bytes each way at once: are they all there, and in order? */
int link_carries(struct vm_link *link, size_t bytes);
int link_talks(struct vm_link *link);
/* What the host's end learns of a VM that is gone: its errno, 0 for nothing at all. */
int link_reset(const struct vm_link *link, int milliseconds);

/* Connecting to a guest that is not this process, or to none, cannot wait here. */
int connect_briefly(int ns, int type, unsigned int cid, unsigned int port);

#endif
