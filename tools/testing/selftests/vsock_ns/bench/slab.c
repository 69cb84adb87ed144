// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel's memory is used for: see bench.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* Gives back what each cache keeps at hand: then the count of objects is exact. */
static void shrink_slabs(void)
{
	DIR *dir = opendir("/sys/kernel/slab");
	const struct dirent *entry;
	char path[512];
	int fd;

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", entry->d_name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (write(fd, "1", 1) != 1)
			fail("%s: %s", path, strerror(errno));
		close(fd);
	}
	if (!dir)
		fail("/sys/kernel/slab: %s", strerror(errno));
	closedir(dir);
}

void slab_look(struct slabs *slabs)
{
	FILE *f;
	char line[512];
	struct slab *s;

	shrink_slabs();
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

/* NULL: there is none of this name. */
const struct slab *slab_named(const struct slabs *slabs, const char *name)
{
	int i;

	for (i = 0; i < slabs->count; i++)
		if (!strcmp(slabs->slab[i].name, name))
			return &slabs->slab[i];
	return NULL;
}

/* How many more objects there are, in @now than @before. */
long slab_growth(const struct slabs *before, const struct slabs *now, const char *name)
{
	const struct slab *a = slab_named(before, name);
	const struct slab *b = slab_named(now, name);

	return (b ? b->objects : 0) - (a ? a->objects : 0);
}

/* In pages: slab caches, big pieces of kmalloc() and vmalloc(). */
uint64_t kernel_bytes(void)
{
	FILE *f;
	unsigned long long kb, sum = 0;
	char line[128];

	shrink_slabs();
	f = fopen("/proc/meminfo", "r");
	if (!f)
		fail("/proc/meminfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %llu", &kb) == 1 ||
		    sscanf(line, "VmallocUsed: %llu", &kb) == 1)
			sum += kb * 1024;
	fclose(f);
	return sum;
}
