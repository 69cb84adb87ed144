/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests ask of netlink where a program (ss, ip) would be in the way:
 * each step is a system call of the test itself. Negative errnos, as ever.
 */
#ifndef VSOCK_NETLINK_H
#define VSOCK_NETLINK_H

/* A socket for requests: NETLINK_SOCK_DIAG or NETLINK_ROUTE */
int netlink_open(int protocol);

/* What the kernel says to a request for one thing: 0 or a negative errno */
int netlink_answer(int sock);

/* Asks sock_diag for AF_VSOCK something; it has not answered yet */
int diag_ask(int diag, int type, int flags);

/* All sockets of this namespace, if @see is not NULL each of them: how many */
struct vsock_diag_msg;
typedef void see_socket(const struct vsock_diag_msg *found, void *arg);
int diag_dump(int diag, see_socket *see, void *arg);

/*
 * Gives a namespace an id, which this namespace can ask for until that one is freed;
 * namespace_lives() returns 0, or -ENOENT if it was
 */
int namespace_set_id(int route, int ns, int id);
int namespace_lives(int route, int id);

/* A vsockmon device, up; one request each */
int tap_create(int route, const char *name);
int tap_delete(int route, const char *name);

#endif
