/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How much memory the kernel itself uses. Negative errnos, as ever.
 */
#ifndef VSOCK_KERNEL_MEMORY_H
#define VSOCK_KERNEL_MEMORY_H

/* Makes slab caches give back what they keep at hand: then what is left repeats. */
int shrink_slabs(void);

/* After that, in pages: slab caches, big pieces of kmalloc(), vmalloc(), stacks. */
long long kernel_bytes(void);

#endif
