// SPDX-License-Identifier: GPL-2.0
/*
 * What the vsock modules add to the slab memory of a network namespace: with
 * them minus without, turn by turn on one kernel. It loads and unloads them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

#define HELD 250

/* What is freed late, by kfree_rcu() as a rule, is gone then; idle time is free. */
#define QUIET_MS 20000

static int parent_of_all(bool local)
{
	int parent;

	if (!local)
		return ns_here();
	parent = must(ns_global(), "making a namespace");
	must(choose_for_children(parent, LOCAL), "choosing local");
	return parent;
}

static double measure(bool local)
{
	int parent = parent_of_all(local);
	int ns[HELD], i;
	uint64_t before;
	double bytes;

	settle(QUIET_MS);
	before = slab_bytes();
	for (i = 0; i < HELD; i++)
		ns[i] = must(ns_child_of(parent), "making a namespace");
	settle(QUIET_MS);
	bytes = ((double)slab_bytes() - before) / HELD;
	for (i = 0; i < HELD; i++)
		close(ns[i]);
	close(parent);
	settle(QUIET_MS);
	return bytes;
}

void work_netns_slab(const struct options *opt)
{
	const char *name = opt->local ? "netns/slab-local" : "netns/slab-global";
	double without;
	int i;

	modules(true);
	measure(opt->local);
	for (i = 0; i < opt->runs; i++) {
		modules(false);
		without = measure(false);
		modules(true);
		sample(name, 1, measure(opt->local) - without);
	}
	progress("%s", name);
}
