// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions per byte of a stream over loopback, as in vsock_perf: one
 * process sends as fast as possible, another receives, both with buffers of one
 * message. For comparison over TCP on lo and AF_UNIX, too.
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

static const struct {
	size_t size;
	size_t bytes;
} messages[] = {
	{ 64, MB }, { 4096, 16 * MB }, { 65536, 64 * MB },
};

/* N is the message size. */
static void measure(const struct options *opt, const struct family *family, size_t size,
		    size_t bytes)
{
	bool other = family != &families[VSOCK];
	struct pair pair;
	char work[64];
	int i;

	/* Without a name in the rows of AF_VSOCK, as in old results */
	snprintf(work, sizeof(work), "stream/%s%sinstructions-a-byte", other ? family->name : "",
		 other ? "-" : "");
	family->connect(&pair);
	per_byte(&pair, size, bytes);
	section_begin(opt);
	for (i = 0; i < opt->runs; i++)
		report(work, size, per_byte(&pair, size, bytes));
	section_end(work, size, opt->runs * bytes / size);
	close(pair.client);
	close(pair.server);
	progress("stream: %s, messages of %zu bytes", family->name, size);
}

void work_stream(const struct options *opt)
{
	size_t m;
	int k;

	settle(5000);
	for (m = 0; m < ARRAY_SIZE(messages); m++)
		for (k = 0; k < STREAMS; k++)
			measure(opt, &families[k], messages[m].size, messages[m].bytes);
}
