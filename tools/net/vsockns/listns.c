// SPDX-License-Identifier: GPL-2.0
/*
 * Namespaces that listns(2) knows, from Linux 6.19 on, also those that are in no mount
 * and have no process. It gives their IDs, by which a file handle of nsfs opens them.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vsockns.h"

#ifndef SYS_listns
#define SYS_listns 470
#endif
#ifndef FD_NSFS_ROOT
#define FD_NSFS_ROOT -10003
#endif
#define HANDLE_NSFS 0xf1	/* FILEID_NSFS */
#define IDS 256			/* per call */

/* struct ns_id_req of linux/nsfs.h, which older headers lack. */
struct request {
	uint32_t size;
	uint32_t spare;
	uint64_t after;		/* the last ID that is known */
	uint32_t type;
	uint32_t spare2;
	uint64_t user_ns;	/* 0: of every owner */
};

static void take_id(uint64_t id)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + 16];
	} file = { .handle = { .handle_bytes = 16, .handle_type = HANDLE_NSFS } };
	struct stat st;
	char *path;
	int fd;

	memset(file.handle.f_handle, 0, 16);
	memcpy(file.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(FD_NSFS_ROOT, &file.handle, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	path = format_text("/proc/self/fd/%d", fd);
	if (!fstat(fd, &st))
		space_open(AT_FDCWD, path, st.st_ino);
	free(path);
	close(fd);
}

void scan_listns(void)
{
	struct request request = { .size = sizeof(request), .type = CLONE_NEWNET };
	uint64_t ids[IDS];
	long i, count;

	do {
		count = syscall(SYS_listns, &request, ids, IDS, 0);
		for (i = 0; i < count; i++)
			take_id(ids[i]);
		if (count > 0)
			request.after = ids[count - 1];
	} while (count == IDS);
}
