// SPDX-License-Identifier: GPL-2.0
/*
 * Memory use of the kernel: see kernel_memory.h.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "kernel_memory.h"

int shrink_slabs(void)
{
	DIR *dir = opendir("/sys/kernel/slab");
	const struct dirent *entry;
	char path[512];
	int fd, err = 0;

	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", entry->d_name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;	/* "." and "..", or a cache that was destroyed */
		if (write(fd, "1", 1) != 1)
			err = -errno;
		close(fd);
	}
	closedir(dir);
	return err;
}

long long kernel_bytes(void)
{
	long long kb, sum = 0;
	char line[128];
	FILE *f;
	int err = shrink_slabs();

	if (err)
		return err;
	f = fopen("/proc/meminfo", "r");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %lld", &kb) == 1 ||
		    sscanf(line, "VmallocUsed: %lld", &kb) == 1)
			sum += kb * 1024;
	fclose(f);
	return sum;
}
