// SPDX-License-Identifier: GPL-2.0
/*
 * Round trips of one byte over AF_VSOCK and, for comparison, over TCP on lo and
 * over AF_UNIX. One task has both ends, or two tasks have one each.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
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

static const struct {
	const char *name;
	void (*connect)(struct pair *pair);
} kinds[] = {
	{ "vsock", vsock_stream },
	{ "vsock-seqpacket", vsock_seqpacket },
	{ "tcp", tcp },
	{ "unix", unix_stream },
	{ "unix-seqpacket", unix_seqpacket },
};

static int echo(void *arg)
{
	const struct pair *pair = arg;
	char byte;

	close(pair->client);
	while (recv(pair->server, &byte, 1, 0) == 1)
		must_errno(send(pair->server, &byte, 1, 0), "send");
	return 0;
}

static double two_tasks(const struct pair *pair)
{
	uint64_t begin = now_ns();
	char byte = 0;
	int i;

	for (i = 0; i < REPS; i++)
		if (send(pair->client, &byte, 1, 0) != 1 || recv(pair->client, &byte, 1, 0) != 1)
			fail("a byte did not come back");
	return (now_ns() - begin) / (double)REPS;
}

static void measure(const struct options *opt, const char *tasks, const char *kind,
		    const struct pair *pair, double (*trips)(const struct pair *))
{
	char work[64];
	int i;

	snprintf(work, sizeof(work), "trips/%s-%s", tasks, kind);
	for (i = 0; i < 3; i++)
		trips(pair);
	section_begin(opt);
	for (i = 0; i < opt->runs; i++)
		report(work, 1, trips(pair));
	section_end(work, 1, (long)opt->runs * REPS);
}

void work_trips(const struct options *opt)
{
	struct pair pair;
	size_t k;
	pid_t pid;

	settle(5000);
	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		kinds[k].connect(&pair);
		measure(opt, "one", kinds[k].name, &pair, round_trips);
		pid = start(echo, &pair);
		measure(opt, "two", kinds[k].name, &pair, two_tasks);
		kill(pid, SIGKILL);
		finish(pid);
		close(pair.client);
		close(pair.server);
		progress("trips: %s", kinds[k].name);
	}
}
