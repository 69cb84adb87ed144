/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the benchmarks of vsock_bench: clocks, results, limits.
 *
 * A result is one line, "sample WORK N VALUE". The program prints every sample;
 * its readers compute medians.
 *
 * There are two clocks. Both count instructions on a machine with one CPU whose
 * clock does so (QEMU's -icount shift=0):
 *
 *	now_ns()	All time that passes, also idle time. For benchmarks that
 *			never wait, which section_end() checks.
 *	busy_ns()	CPU time of all tasks of the machine, including kernel
 *			threads and excluding the idle task. For benchmarks that
 *			wait, usually for a grace period of RCU. Excludes softirqs
 *			that interrupt the idle task: boot with
 *			rcutree.use_softirq=0 to count RCU callbacks.
 */
#ifndef VSOCK_BENCH_H
#define VSOCK_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "vsock_ns_util.h"

/* A sample is the mean of this many operations. */
#define REPS 100

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/**
 * struct options - options of all benchmarks
 * @runs: number of samples of each kind
 * @local: a local namespace per tenant, else all tenants are in init
 * @profile: print a profile of the instructions, too
 * @argc: number of remaining arguments, usually the values of N
 * @argv: the remaining arguments
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
 * @count: number of entries in @slab
 * @slab: name, objects in use and object size of each
 */
struct slabs {
	int count;
	struct slab {
		char name[64];
		long objects;
		long size;
	} slab[MAX_SLABS];
};

/* One function per benchmark; see the table in main.c. */
void work_connections(const struct options *opt);
void work_tenants(const struct options *opt);
void work_vm_close(const struct options *opt);
void work_binds(const struct options *opt);
void work_stream(const struct options *opt);
void work_trips(const struct options *opt);
void work_beside(const struct options *opt);
void work_netns(const struct options *opt);
void work_netns_slab(const struct options *opt);
void work_memory(const struct options *opt);
void work_parallel(const struct options *opt);
void work_latency(const struct options *opt);
void work_dump(const struct options *opt);

/* Errors end the program. */
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

/* Enclose the measured section, which must not wait. Profiled if enabled. */
void section_begin(const struct options *opt);
void section_end(const char *work, long n, long operations);
void profile_begin(void);
void profile_end(const char *work, long n, long operations);

/* The machine */
void many_files(void);
void run_on(int cpu);
void modules(bool load);

/* Memory: counts of objects are exact, as free objects are released first */
void slab_look(struct slabs *slabs);
const struct slab *slab_named(const struct slabs *slabs, const char *name);
long slab_growth(const struct slabs *before, const struct slabs *now, const char *name);

/* Numbers; dice() returns the same sequence in each run of the program */
int by_size(const void *a, const void *b);
uint32_t dice(uint32_t sides);
long positive(const char *text);

/**
 * struct family - a family and type of sockets
 * @name: part of the name of a work
 * @connect: connects a pair in the namespace of the caller
 */
struct family {
	const char *name;
	void (*connect)(struct pair *pair);
};

/* The streams come first. */
enum { VSOCK, TCP, UNIX, STREAMS, VSOCK_SEQPACKET = STREAMS, UNIX_SEQPACKET, FAMILIES };
extern const struct family families[FAMILIES];

/* Sockets, namespaces and memory */
int plain_socket(int flags);
void connect_accept(struct pair *pair, int listener, unsigned int port);
void round_trip(const struct pair *pair);
double round_trips(const struct pair *pair);
int echo(void *pair);
void echoed_trip(const struct pair *pair);
int local_parent(void);
int tenant_namespace(const struct options *opt);
void *shared_memory(size_t size);

#endif
