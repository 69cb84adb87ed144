// SPDX-License-Identifier: GPL-2.0
/*
 * Clocks, results, limits: see bench.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull

/* Tolerated idle time without waiting: two units of /proc/stat. */
#define IDLE_GRACE_NS 20000000ull

int must(int result, const char *what)
{
	if (result < 0)
		fail("%s: %s", what, strerror(-result));
	return result;
}

int must_errno(int result, const char *what)
{
	return must(result < 0 ? -errno : result, what);
}

void report(const char *work, long n, double value)
{
	printf("sample %s %ld %.3f\n", work, n, value);
	fflush(stdout);
}

/* ---- clocks ---- */

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec t = { ns / NS_PER_S, ns % NS_PER_S };

	nanosleep(&t, NULL);
}

/* Returns the scheduler's sum for this CPU: the time of all tasks except idle. */
static uint64_t cpu_time(void)
{
	unsigned long long sum;
	FILE *f = fopen("/proc/schedstat", "r");

	if (!f || fscanf(f, "version %*d timestamp %*u cpu0 %*u %*u %*u %*u %*u %*u %llu",
			 &sum) != 1)
		fail("/proc/schedstat shows no CPU time: the kernel needs CONFIG_SCHEDSTATS");
	fclose(f);
	return sum;
}

/*
 * The scheduler adds the share of a task when the task leaves the CPU, so sleep
 * first. The next share starts when the task returns.
 */
uint64_t busy_ns(void)
{
	sleep_ns(1);
	return cpu_time();
}

/* Subtracts the cost of reading the clock twice. */
uint64_t busy_since(uint64_t before)
{
	static uint64_t cost = UINT64_MAX;
	uint64_t passed = busy_ns() - before;
	int i;

	for (i = 0; cost == UINT64_MAX || (i && i < 20); i++) {
		uint64_t begin = busy_ns();
		uint64_t took = busy_ns() - begin;

		if (took < cost)
			cost = took;
	}
	return passed > cost ? passed - cost : 0;
}

/* Costs nothing if the clock counts instructions, as it skips idle time. */
void settle(unsigned int milliseconds)
{
	sleep_ns(milliseconds * NS_PER_MS);
}

static uint64_t idle_time(void)
{
	unsigned long long ticks;
	FILE *f = fopen("/proc/stat", "r");

	if (!f || fscanf(f, "cpu %*u %*u %*u %llu", &ticks) != 1)
		fail("/proc/stat does not show the idle time");
	fclose(f);
	return ticks * (NS_PER_S / sysconf(_SC_CLK_TCK));
}

static uint64_t idle_before;
static bool profiled;

void section_begin(const struct options *opt)
{
	profiled = opt->profile;
	if (profiled)
		profile_begin();
	idle_before = idle_time();
}

void section_end(const char *work, long n, long operations)
{
	unsigned long long idle = idle_time() - idle_before;

	if (idle > IDLE_GRACE_NS)
		fail("%s waited for %llu ns: its time does not count instructions",
		     work, idle);
	if (profiled)
		profile_end(work, n, operations);
}

/* ---- the machine ---- */

void many_files(void)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };

	must_errno(setrlimit(RLIMIT_NOFILE, &limit), "raising the limit of open files");
}

void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must_errno(sched_setaffinity(0, sizeof(set), &set), "choosing a CPU");
}

void modules(bool load)
{
	const char *command = load ?
		"modprobe -a vsock vsock_loopback vhost_vsock vsock_diag" :
		"modprobe -r vsock_diag vhost_vsock vsock_loopback vsock";

	if (system(command))
		fail("%s", command);
	/* modprobe does not report a module that stays in use. */
	if (load != !access("/sys/module/vsock", F_OK))
		fail("%s: vsock is %s", command, load ? "not there" : "in use");
}

/* ---- numbers ---- */

/* for qsort() */
int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

uint32_t dice(uint32_t sides)
{
	static uint32_t state = 2463534242u;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % sides;
}

long positive(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || end == text || n < 1)
		fail("%s: not a number above 0", text);
	return n;
}

/* ---- sockets ---- */

int plain_socket(int flags)
{
	return must_errno(socket(AF_VSOCK, SOCK_STREAM | flags, 0), "socket");
}

void connect_accept(struct pair *pair, int listener, unsigned int port)
{
	pair->client = plain_socket(0);
	must(connect_to(pair->client, VMADDR_CID_LOCAL, port), "connect");
	pair->server = must_errno(accept(listener, NULL, NULL), "accept");
}

static void pass(int from, int to)
{
	char byte = 0;

	if (send(from, &byte, 1, 0) != 1 || recv(to, &byte, 1, 0) != 1)
		fail("a byte did not arrive");
}

void round_trip(const struct pair *pair)
{
	pass(pair->client, pair->server);
	pass(pair->server, pair->client);
}

/* Instructions per round trip, on average. */
double round_trips(const struct pair *pair)
{
	uint64_t begin = now_ns();
	int i;

	for (i = 0; i < REPS; i++)
		round_trip(pair);
	return (now_ns() - begin) / (double)REPS;
}

/* A task that returns each byte to the client. */
int echo(void *arg)
{
	const struct pair *pair = arg;
	char byte;

	close(pair->client);
	while (recv(pair->server, &byte, 1, 0) == 1)
		must_errno(send(pair->server, &byte, 1, 0), "send");
	return 0;
}

void echoed_trip(const struct pair *pair)
{
	char byte = 0;

	if (send(pair->client, &byte, 1, 0) != 1 || recv(pair->client, &byte, 1, 0) != 1)
		fail("a byte did not come back");
}

/* Returns a namespace whose children are local. */
int local_parent(void)
{
	int parent = must(ns_global(), "making a namespace");

	must(choose_for_children(parent, LOCAL),
	     "choosing local (does the kernel have vsock namespaces?)");
	return parent;
}

/* Returns the namespace of a tenant: a new local one, or init. */
int tenant_namespace(const struct options *opt)
{
	static int parent = -1;

	if (!opt->local)
		return ns_here();
	if (parent < 0)
		parent = local_parent();
	return must(ns_child_of(parent), "creating a local namespace");
}

/* Memory shared between a process and its children. */
void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("shared memory: %s", strerror(errno));
	return memory;
}
