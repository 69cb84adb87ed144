/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Netlink requests without ss and ip: the calls run in the test itself.
 * Functions return a negative errno on failure.
 */
#ifndef VSOCK_NETLINK_H
#define VSOCK_NETLINK_H

/* Open a socket for requests: NETLINK_SOCK_DIAG or NETLINK_ROUTE */
int netlink_open(int protocol);

/* Receive the answer to one request: 0 or a negative errno */
int netlink_answer(int sock);

/* Send a request to sock_diag for AF_VSOCK without reading the answer */
int diag_ask(int diag, int type, int flags);

/* Returns the number of sockets in this namespace. Calls @see for each if not NULL. */
struct vsock_diag_msg;
typedef void see_socket(const struct vsock_diag_msg *found, void *arg);
int diag_dump(int diag, see_socket *see, void *arg);

/*
 * Assign an id to a namespace, which this namespace can query until the other
 * is freed. namespace_lives() returns 0, or -ENOENT afterwards.
 */
int namespace_set_id(int route, int ns, int id);
int namespace_lives(int route, int id);

/* Create a vsockmon device that is up, or delete it; one request each */
int tap_create(int route, const char *name);
int tap_delete(int route, const char *name);

/* Open a packet socket on a device of this namespace; it does not wait */
int tap_open(const char *name);

#endif
