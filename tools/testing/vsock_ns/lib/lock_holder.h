/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads that hold the locks of sockets until a test releases them.
 *
 *	thread: setsockopt() -> lock_sock() -> page fault	one per socket
 *	test:	userfaultfd, which leaves the fault unresolved
 *
 * An unprivileged user can do the same with FUSE in place of userfaultfd.
 * Functions that can fail return a negative errno.
 */
#ifndef VSOCK_LOCK_HOLDER_H
#define VSOCK_LOCK_HOLDER_H

#include <stddef.h>

/* Maximum number of locks per struct lock_holder */
#define MAX_HELD 1024

/**
 * struct lock_holder - some sockets whose locks are held
 * @uffd: the userfaultfd
 * @page: a page that is not present, read by all threads
 * @size: size of @page
 * @count: number of threads
 * @threads: the threads, one per socket
 */
struct lock_holder {
	int uffd;
	void *page;
	size_t size;
	unsigned int count;
	struct held_lock *threads;
};

/* Returns NULL, or a reason for SKIP(). */
const char *cannot_hold_locks(void);

/*
 * locks_hold() returns once the locks of all given stream or seqpacket sockets
 * are held. locks_release() returns once all of them are released. A socket may
 * be closed meanwhile: its release starts when its lock is released.
 */
int locks_hold(struct lock_holder *holder, const int *socks, unsigned int count);
void locks_release(struct lock_holder *holder);

#endif
