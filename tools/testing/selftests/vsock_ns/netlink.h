/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests ask of netlink where a program (ss, ip) would be in the way:
 * each step is a system call of the test itself. Negative errnos, as ever.
 */
#ifndef VSOCK_NETLINK_H
#define VSOCK_NETLINK_H

/* A socket for requests: NETLINK_SOCK_DIAG or NETLINK_ROUTE */
int netlink_open(int protocol);

/* All sockets of this namespace: returns how many */
int diag_dump(int diag);

/* A vsockmon device, up; one request each */
int tap_create(int route, const char *name);
int tap_delete(int route, const char *name);

#endif
