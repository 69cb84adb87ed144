/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocations that fail on request: failslab and fail_page_alloc, as one.
 */
#ifndef VSOCK_INJECT_H
#define VSOCK_INJECT_H

/* The modules, in the order to load them. */
#define FAMILY_SIZE 6
extern const char * const family[FAMILY_SIZE];

/**
 * struct call - something that a program does, and that shall survive a lack of memory
 * @run: does it, for a negative errno or a result
 * @undo: takes @run's result back, if it was one
 * @under: allocations count below this kernel function; NULL: below the family's
 * @except: but not below this one; NULL: vmalloc's
 * @may: what the kernel gives in the place of ENOMEM or ENOBUFS there
 *
 * vmalloc() and kmem_cache_create() report a lack of memory with a stack trace,
 * which would look like a complaint in the kernel's log.
 */
struct call {
	int (*run)(void);
	void (*undo)(int result);
	const char *under;
	const char *except;
	int may[3];
};

/* NULL, or why nothing can be made to fail here. */
const char *cannot_inject(void);

/*
 * Lets the first allocation fail, then the second, until there are no more, and
 * makes the call again without a fault after each. The number of faults that were
 * taken well, or a negative errno at the first that was not; says so on stderr.
 */
int survives(const char *name, const struct call *call);

/* In all tasks and interrupts, below the family's functions; 0 ends it. */
int inject_everywhere(unsigned int percent);
/* How many since it began. */
long injected(void);

#endif
