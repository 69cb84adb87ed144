// SPDX-License-Identifier: GPL-2.0
/*
 * Memory backed by a file outside of the VM (QEMU's ivshmem-plain). If the
 * kernel crashes, the file still has the input that crashed it. See fuzz.h;
 * tools/long/fuzz reads this layout.
 */
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#define SIZE 0x100000

/* All fields are little-endian, like the machine. */
struct box {
	char magic[8];
	uint64_t runs;		/* number of finished inputs */
	uint64_t points;	/* points of the kernel's coverage */
	uint64_t busy;		/* nonzero while an input runs */
	uint64_t size;
	uint8_t input[SIZE - 64];
};

static struct box *box;

/* vendor and device of ivshmem */
static bool is_ivshmem(const char *dir)
{
	char path[256], text[16] = "";
	int fd, n;

	snprintf(path, sizeof(path), "%s/device", dir);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n > 0 && !strncmp(text, "0x1110", 6);
}

static void map(const char *dir)
{
	char path[256];
	void *memory;
	int fd;

	snprintf(path, sizeof(path), "%s/enable", dir);
	fd = open(path, O_WRONLY);
	if (fd >= 0) {
		if (write(fd, "1", 1) != 1)
			fprintf(stderr, "vsock_fuzz: %s: not enabled\n", dir);
		close(fd);
	}
	snprintf(path, sizeof(path), "%s/resource2", dir);
	fd = open(path, O_RDWR);
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		cannot("%s cannot be mapped", path);
	close(fd);
	box = memory;
	memcpy(box->magic, "vsockfuz", 8);
}

void box_open(void)
{
	glob_t found;
	size_t i;

	if (glob("/sys/bus/pci/devices/*", 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++)
		if (is_ivshmem(found.gl_pathv[i]))
			map(found.gl_pathv[i]);
	globfree(&found);
}

void box_begin(const uint8_t *data, size_t size)
{
	if (!box || size > sizeof(box->input))
		return;
	memcpy(box->input, data, size);
	box->size = size;
	__atomic_store_n(&box->busy, 1, __ATOMIC_RELEASE);
}

void box_end(void)
{
	if (!box)
		return;
	box->runs++;
	box->points = cover_points();
	__atomic_store_n(&box->busy, 0, __ATOMIC_RELEASE);
}
