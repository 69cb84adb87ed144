/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads that hold the locks of sockets for as long as a test likes.
 *
 *	thread: setsockopt() -> lock_sock() -> page fault	one for each socket
 *	test:	userfaultfd, which leaves the fault unresolved
 *
 * Any user can do this with FUSE in the place of userfaultfd. Functions that can
 * fail return a negative errno.
 */
#ifndef VSOCK_LOCK_HOLDER_H
#define VSOCK_LOCK_HOLDER_H

#include <stddef.h>

/* Locks that one struct lock_holder can hold. */
#define MAX_HELD 1024

/**
 * struct lock_holder - some sockets whose locks are held
 * @uffd: the userfaultfd
 * @page: not present, read by all threads
 * @size: bytes of @page
 * @count: threads
 * @threads: the threads, one for each socket
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
 * locks_hold() returns when all of these stream or seqpacket sockets have their locks
 * held. locks_release() returns when no lock is held any more. A socket may be closed
 * meanwhile: its release starts when the lock is released.
 */
int locks_hold(struct lock_holder *holder, const int *socks, unsigned int count);
void locks_release(struct lock_holder *holder);

#endif
