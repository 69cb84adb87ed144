/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the works of vsock_bench share: clocks, results, limits.
 *
 * A result is one line, "sample WORK N VALUE". Medians are for those who read
 * them: here nothing is left out and nothing is smoothed.
 *
 * Two clocks. In a machine whose clock counts instructions (QEMU's -icount
 * shift=0, one CPU) both count instructions:
 *
 *	now_ns()	all that passes, idle time too. For works that never wait;
 *			section_end() watches over them.
 *	busy_ns()	the CPU time of all tasks of the machine, kernel threads
 *			too, the idle task not. For works that wait, for a grace
 *			period of RCU as a rule. Soft interrupts that hit the idle
 *			task are not in it: boot with rcutree.use_softirq=0, and
 *			RCU's callbacks are.
 */
#ifndef VSOCK_BENCH_H
#define VSOCK_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "vsock_ns_util.h"

/* A run is this many operations; the sample is their mean. */
#define REPS 100

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/**
 * struct options - what every work is told
 * @runs: how many samples of each kind
 * @local: tenants are local namespaces of their own; else all are in init
 * @profile: say also where the instructions went
 * @argc: how many arguments are left, as a rule the Ns
 * @argv: these arguments
 */
struct options {
	int runs;
	bool local;
	bool profile;
	int argc;
	char **argv;
};

#define MAX_SLABS 1024

/**
 * struct slabs - all slab caches of the kernel
 * @count: how many there are
 * @slab: name, objects in use, bytes of each
 */
struct slabs {
	int count;
	struct slab {
		char name[64];
		long objects;
		long size;
	} slab[MAX_SLABS];
};

/* One function a work; main.c has their table. */
void work_connections(const struct options *opt);
void work_tenants(const struct options *opt);
void work_vm_close(const struct options *opt);
void work_binds(const struct options *opt);
void work_stream(const struct options *opt);
void work_netns(const struct options *opt);
void work_netns_slab(const struct options *opt);
void work_memory(const struct options *opt);
void work_parallel(const struct options *opt);
void work_latency(const struct options *opt);
void work_dump(const struct options *opt);

/* A bench has no plan for failure: these end the program. */
#define fail(fmt, ...) \
	(fprintf(stderr, "vsock_bench: error: " fmt "\n", ##__VA_ARGS__), exit(1))
int must(int result, const char *what);		/* result < 0: -errno */
int must_errno(int result, const char *what);	/* result < 0: errno */

#define MB 1048576

/* Progress and results */
#define progress(fmt, ...) fprintf(stderr, "    " fmt "\n", ##__VA_ARGS__)
void report(const char *work, long n, double value);

/* Clocks */
uint64_t now_ns(void);
uint64_t busy_ns(void);
uint64_t busy_since(uint64_t before);
void settle(unsigned int milliseconds);

/* Around what is measured: it must not wait, and may be profiled. */
void section_begin(const struct options *opt);
void section_end(const char *work, long n, long operations);
void profile_begin(void);
void profile_end(const char *work, long n, long operations);

/* The machine */
void many_files(void);
void run_on(int cpu);
void modules(bool load);

/* Memory: objects in use are exact, as caches are emptied of free ones first */
void slab_look(struct slabs *slabs);
const struct slab *slab_named(const struct slabs *slabs, const char *name);
long slab_growth(const struct slabs *before, const struct slabs *now, const char *name);

/* Numbers; those of dice() are the same in every run of the program */
int by_size(const void *a, const void *b);
uint32_t dice(uint32_t sides);
long positive(const char *text);

/* A stream socket, as plain as it can be */
int plain_socket(int flags);
void connect_accept(struct pair *pair, int listener, unsigned int port);
void round_trip(const struct pair *pair);
int local_parent(void);
int tenant_namespace(const struct options *opt);
void *shared_memory(size_t size);

#endif
