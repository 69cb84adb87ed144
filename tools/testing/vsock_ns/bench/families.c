// SPDX-License-Identifier: GPL-2.0
/*
 * Connected pairs of sockets of AF_VSOCK and, for comparison, of TCP on lo and of
 * AF_UNIX.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

static void vsock_stream(struct pair *pair)
{
	must(pair_in(pair, ns_here(), SOCK_STREAM, VMADDR_CID_LOCAL), "connecting a stream");
}

static void vsock_seqpacket(struct pair *pair)
{
	must(pair_in(pair, ns_here(), SOCK_SEQPACKET, VMADDR_CID_LOCAL), "connecting seqpacket");
}

static void unix_stream(struct pair *pair)
{
	must_errno(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)pair), "socketpair");
}

static void unix_seqpacket(struct pair *pair)
{
	must_errno(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, (int *)pair), "socketpair");
}

static void no_delay(int sock)
{
	int one = 1;

	must_errno(setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "TCP_NODELAY");
}

static void tcp(struct pair *pair)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int listener = must_errno(socket(AF_INET, SOCK_STREAM, 0), "a TCP socket");

	if (system("ip link set lo up"))
		fail("ip link set lo up");
	must_errno(bind(listener, (struct sockaddr *)&addr, len), "bind");
	must_errno(listen(listener, 1), "listen");
	must_errno(getsockname(listener, (struct sockaddr *)&addr, &len), "getsockname");
	pair->client = must_errno(socket(AF_INET, SOCK_STREAM, 0), "a TCP socket");
	must_errno(connect(pair->client, (struct sockaddr *)&addr, len), "connect over TCP");
	pair->server = must_errno(accept(listener, NULL, NULL), "accept");
	no_delay(pair->client);
	no_delay(pair->server);
	close(listener);
}

const struct family families[FAMILIES] = {
	[VSOCK] = { "vsock", vsock_stream },
	[TCP] = { "tcp", tcp },
	[UNIX] = { "unix", unix_stream },
	[VSOCK_SEQPACKET] = { "vsock-seqpacket", vsock_seqpacket },
	[UNIX_SEQPACKET] = { "unix-seqpacket", unix_seqpacket },
};
