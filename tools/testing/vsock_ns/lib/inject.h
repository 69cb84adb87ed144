/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Injection of allocation failures by failslab and fail_page_alloc together.
 */
#ifndef VSOCK_INJECT_H
#define VSOCK_INJECT_H

/* The modules in load order */
#define FAMILY_SIZE 6
extern const char * const family[FAMILY_SIZE];

/**
 * struct call - a call that must survive allocation failures
 * @run: makes the call; returns a negative errno or a result
 * @undo: reverts a successful @run, given its result
 * @under: fail allocations below this function; NULL: below the modules' functions
 * @except: but not below this function; NULL: vmalloc()
 * @may: errnos accepted besides ENOMEM and ENOBUFS
 *
 * vmalloc() and kmem_cache_create() report allocation failures with a stack
 * trace, which the check of the kernel log would take for a bug.
 */
struct call {
	int (*run)(void);
	void (*undo)(int result);
	const char *under;
	const char *except;
	int may[3];
};

/* Returns NULL, or a reason for SKIP(). */
const char *cannot_inject(void);

/*
 * Fail the first allocation, then the second, and so on until the call succeeds
 * without a fault. After each fault, repeat the call without one. Returns the
 * number of faults survived, or a negative errno at the first one that was not.
 * Prints a summary to stderr.
 */
int survives(const char *name, const struct call *call);

/* Fail allocations below the modules' functions in all tasks; 0 stops it. */
int inject_everywhere(unsigned int percent);
/* Returns the number of faults since inject_everywhere(). */
long injected(void);

#endif
