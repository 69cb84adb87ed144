// SPDX-License-Identifier: GPL-2.0
/*
 * Memory per socket: the size of the object itself, and the growth of kernel
 * memory with N sockets, divided by N. The latter counts slab objects, or all
 * allocated pages including tables. Both include the file and the inode of a
 * socket.
 */
#include <string.h>
#include <unistd.h>

#include "kernel_memory.h"
#include "bench.h"

struct kind {
	const char *slab;
	const char *all;
	void (*make)(struct pair *pair, int listener);
};

static void unbound(struct pair *pair, int listener)
{
	(void)listener;
	pair->client = plain_socket(0);
	pair->server = plain_socket(0);
}

static void bound(struct pair *pair, int listener)
{
	unbound(pair, listener);
	must(bind_to(pair->client, VMADDR_CID_ANY, VMADDR_PORT_ANY), "bind");
	must(bind_to(pair->server, VMADDR_CID_ANY, VMADDR_PORT_ANY), "bind");
}

static void connected(struct pair *pair, int listener)
{
	connect_accept(pair, listener, PORT);
}

static long slab_bytes(const struct slabs *before, const struct slabs *now)
{
	long bytes = 0;
	int i;

	for (i = 0; i < now->count; i++)
		bytes += slab_growth(before, now, now->slab[i].name) * now->slab[i].size;
	return bytes;
}

static long long bytes_in_use(void)
{
	long long bytes = kernel_bytes();

	if (bytes < 0)
		fail("the kernel's memory: %s", strerror(-bytes));
	return bytes;
}

static void measure(const struct kind *kind, long n, int listener)
{
	struct pair *pairs = calloc(n / 2, sizeof(*pairs));
	static struct slabs before, now;
	long long bytes;
	long i;

	if (!pairs)
		fail("out of memory");
	settle(10000);
	slab_look(&before);
	bytes = bytes_in_use();
	for (i = 0; i < n / 2; i++)
		kind->make(&pairs[i], listener);
	settle(10000);
	slab_look(&now);
	report(kind->slab, n, slab_bytes(&before, &now) / (double)n);
	report(kind->all, n, ((double)bytes_in_use() - bytes) / n);
	for (i = 0; i < n / 2; i++) {
		close(pairs[i].client);
		close(pairs[i].server);
	}
	free(pairs);
}

void work_memory(const struct options *opt)
{
	static const struct kind kinds[] = {
		{ "memory/unbound-slab", "memory/unbound-all", unbound },
		{ "memory/bound-slab", "memory/bound-all", bound },
		{ "memory/connected-slab", "memory/connected-all", connected },
	};
	int here = ns_here();
	int listener = must(listen_in(here, SOCK_STREAM, VMADDR_CID_ANY, PORT), "listen");
	static struct slabs slabs;
	const struct slab *object;
	size_t k;
	int i;

	many_files();
	slab_look(&slabs);
	object = slab_named(&slabs, "AF_VSOCK");
	if (object)
		report("memory/object", 1, object->size);
	for (i = 0; i < opt->argc; i++)
		for (k = 0; k < ARRAY_SIZE(kinds); k++)
			measure(&kinds[k], positive(opt->argv[i]), listener);
	progress("memory: bytes per socket");
}
