// SPDX-License-Identifier: GPL-2.0
/*
 * Slab caches of the kernel: see bench.h.
 */
#include <errno.h>
#include <string.h>

#include "kernel_memory.h"
#include "bench.h"

void slab_look(struct slabs *slabs)
{
	FILE *f;
	char line[512];
	struct slab *s;

	must(shrink_slabs(), "shrinking slab caches");
	f = fopen("/proc/slabinfo", "r");
	if (!f)
		fail("/proc/slabinfo: %s", strerror(errno));
	slabs->count = 0;
	while (fgets(line, sizeof(line), f)) {
		s = &slabs->slab[slabs->count];
		if (sscanf(line, "%63s %ld %*d %ld", s->name, &s->objects, &s->size) == 3)
			slabs->count++;
		if (slabs->count == MAX_SLABS)
			fail("more slab caches than expected");
	}
	fclose(f);
}

/* Returns NULL if there is no cache @name. */
const struct slab *slab_named(const struct slabs *slabs, const char *name)
{
	int i;

	for (i = 0; i < slabs->count; i++)
		if (!strcmp(slabs->slab[i].name, name))
			return &slabs->slab[i];
	return NULL;
}

/* Returns the growth in objects from @before to @now. */
long slab_growth(const struct slabs *before, const struct slabs *now, const char *name)
{
	const struct slab *a = slab_named(before, name);
	const struct slab *b = slab_named(now, name);

	return (b ? b->objects : 0) - (a ? a->objects : 0);
}
