/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Clients of g2h_host, in a guest. @ns is the namespace that the client is in. Seqpacket
 * services are found by @type.
 */
#ifndef VSOCK_NS_G2H_CLIENT_H
#define VSOCK_NS_G2H_CLIENT_H

#include "g2h.h"

/* Returns a socket that is connected to the service at @port, or a negative errno. */
int connect_host(int ns, int type, unsigned int port);

/* True if @sock, which is connected to the echo, gets back what it sends. */
bool echoes(int sock, const char *text);

/* True if a new socket in @ns connects to the echo and gets an answer. */
bool reaches_host(int ns, int type);

/* Asks the host to connect to @port: 0, an errno, or -1 if the host cannot be asked. */
int host_calls(int ns, int type, unsigned int port);

/* The number of connections to the echo, as the host sees it, or -1. */
int live_at_host(int ns);

#endif
