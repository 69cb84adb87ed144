// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions per byte of a stream over loopback, as in vsock_perf: one
 * process sends as fast as possible, another receives, both with buffers of one
 * message.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static char buffer[1 << 16];

struct flood {
	int sock;
	size_t size;
	size_t bytes;
};

static int sender(void *arg)
{
	const struct flood *flood = arg;
	size_t sent = 0;
	ssize_t done;

	while (sent < flood->bytes) {
		done = send(flood->sock, buffer, flood->size, 0);
		must_errno(done, "send");
		sent += done;
	}
	return 0;
}

static void receive(int sock, size_t size, size_t bytes)
{
	ssize_t done;

	while (bytes) {
		done = recv(sock, buffer, size < bytes ? size : bytes, 0);
		if (must_errno(done, "recv") == 0)
			fail("the stream ended early");
		bytes -= done;
	}
}

static double per_byte(const struct pair *pair, size_t size, size_t bytes)
{
	struct flood flood = { pair->client, size, bytes };
	uint64_t begin;
	pid_t pid = start(sender, &flood);

	/* The sender has been forked once the first message arrives. */
	receive(pair->server, size, size);
	begin = now_ns();
	receive(pair->server, size, bytes - size);
	begin = now_ns() - begin;
	if (finish(pid))
		fail("the sender failed");
	return begin / (double)(bytes - size);
}

/* N is the message size. */
void work_stream(const struct options *opt)
{
	static const struct { size_t size, bytes; } kinds[] = {
		{ 64, MB }, { 4096, 16 * MB }, { 65536, 64 * MB },
	};
	int here = ns_here();
	struct pair pair;
	size_t k;
	int i;

	settle(5000);
	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		must(pair_in(&pair, here, SOCK_STREAM, VMADDR_CID_LOCAL), "connecting");
		per_byte(&pair, kinds[k].size, kinds[k].bytes);
		section_begin(opt);
		for (i = 0; i < opt->runs; i++)
			report("stream/instructions-a-byte", kinds[k].size,
			       per_byte(&pair, kinds[k].size, kinds[k].bytes));
		section_end("stream", kinds[k].size, opt->runs * kinds[k].bytes / kinds[k].size);
		close(pair.client);
		close(pair.server);
		progress("stream: messages of %zu bytes", kinds[k].size);
	}
}
