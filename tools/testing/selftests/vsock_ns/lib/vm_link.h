/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMs with a guest in this process, and connections between a guest and the
 * host. A test owns both ends of a connection.
 *
 *	host's end: a socket	---	guest's end: struct guest_conn
 *
 * Functions that can fail return a negative errno.
 */
#ifndef VSOCK_VM_LINK_H
#define VSOCK_VM_LINK_H

#include "guest_conn.h"
#include "vsock_ns_util.h"

/* The port that guests listen on. */
#define VM_PORT 0x766d0001

/* Long, as the machine may be emulated; only a failing test waits for it. */
#define VM_PATIENCE_MS 20000

/**
 * struct vm - a guest and its connections
 * @guest: the device, all zero while not started
 * @stack: the connections
 */
struct vm {
	struct guest guest;
	struct guest_stack stack;
};

/**
 * struct vm_link - a connection
 * @sock: end of the host
 * @conn: end of the guest
 */
struct vm_link {
	int sock;
	struct guest_conn *conn;
};

/*
 * Open the device as a task of @ns; listen on VM_PORT (stream) and VM_PORT + 1
 * (seqpacket).
 */
const char *cannot_link_vms(void);	/* NULL, or a reason for SKIP() */
int vm_start(struct vm *vm, int ns, uint64_t cid);
int vm_start_with(struct vm *vm, int ns, uint64_t cid, const struct guest_options *options);
void vm_stop(struct vm *vm);
unsigned int vm_port(int type);

/* Connect from the host, with a new socket of @ns or with @sock, or from the guest. */
int link_from_host(struct vm_link *link, struct vm *vm, int ns, int type);
int link_from_sock(struct vm_link *link, struct vm *vm, int sock, int type);
int link_from_guest(struct vm_link *link, struct vm *vm, int ns, int type, unsigned int port);
int link_to_listener(struct vm_link *link, struct vm *vm, int listener, int type,
		     unsigned int port);
void link_close(struct vm_link *link);

/* Send @bytes in each direction at the same time; 0 if all arrive in order. */
int link_carries(struct vm_link *link, size_t bytes);
int link_talks(struct vm_link *link);
/* The error on the host socket after its VM is gone, or 0 for none. */
int link_reset(const struct vm_link *link, int milliseconds);

/* Connect without waiting, as no guest of this process may answer. */
int connect_briefly(int ns, int type, unsigned int cid, unsigned int port);

#endif
