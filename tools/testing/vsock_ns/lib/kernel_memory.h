/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory use of the kernel. Functions return a negative errno on failure.
 */
#ifndef VSOCK_KERNEL_MEMORY_H
#define VSOCK_KERNEL_MEMORY_H

/* Shrink all slab caches, so that measurements are repeatable. */
int shrink_slabs(void);

/*
 * Returns the bytes in use, in whole pages: slab caches, large kmalloc(),
 * vmalloc(), stacks.
 */
long long kernel_bytes(void);

#endif
