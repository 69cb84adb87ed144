// SPDX-License-Identifier: GPL-2.0
/*
 * Slab memory of the vsock modules per network namespace: the difference with
 * and without them, alternating on one kernel. Loads and unloads the modules.
 */
#include <math.h>
#include <unistd.h>

#include "bench.h"

#define HELD 250

/* Time for deferred frees, mostly kfree_rcu(); idle time costs no instructions. */
#define QUIET_MS 20000

/* Growth of each cache by HELD namespaces, from @before to @held. */
struct growth {
	struct slabs before;
	struct slabs held;
};

static void measure(struct growth *growth, bool local)
{
	int parent = local ? local_parent() : ns_here();
	int ns[HELD], i;

	settle(QUIET_MS);
	slab_look(&growth->before);
	for (i = 0; i < HELD; i++)
		ns[i] = must(ns_child_of(parent), "making a namespace");
	settle(QUIET_MS);
	slab_look(&growth->held);
	for (i = 0; i < HELD; i++)
		close(ns[i]);
	close(parent);
	settle(QUIET_MS);
}

/*
 * A namespace has a whole number of objects in each cache. The remainder
 * belongs to other activity on the machine.
 */
static long share(const struct growth *without, const struct growth *with)
{
	long objects, bytes = 0;
	int i;

	for (i = 0; i < with->held.count; i++) {
		const struct slab *s = &with->held.slab[i];

		objects = slab_growth(&with->before, &with->held, s->name) -
			  slab_growth(&without->before, &without->held, s->name);
		bytes += lround((double)objects / HELD) * s->size;
	}
	return bytes;
}

void work_netns_slab(const struct options *opt)
{
	static struct growth without, with;
	const char *name = opt->local ? "netns/slab-local" : "netns/slab-global";
	int i;

	modules(true);
	measure(&with, opt->local);
	for (i = 0; i < opt->runs; i++) {
		modules(false);
		measure(&without, false);
		modules(true);
		measure(&with, opt->local);
		report(name, 1, share(&without, &with));
	}
	progress("%s", name);
}
