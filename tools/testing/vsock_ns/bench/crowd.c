// SPDX-License-Identifier: GPL-2.0
/*
 * Concurrent tenants: two streams against one, and a round trip beside a stream.
 * On two CPUs by wall-clock time, on one CPU in instructions.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define MESSAGE 4096
#define STREAM_NS 3000000000ull
#define WARM_UP_NS 500000000ull
#define TRIPS 4000
#define ANY_CPU -1

static char buffer[MESSAGE];

struct stream {
	struct pair pair;
	int cpu;
	pid_t sender;
	pid_t receiver;
	uint64_t *bytes;
};

static int send_forever(void *arg)
{
	const struct stream *s = arg;

	if (s->cpu != ANY_CPU)
		run_on(s->cpu);
	while (must_errno(send(s->pair.client, buffer, sizeof(buffer), MSG_NOSIGNAL), "send"))
		;
	return 0;
}

static int receive_forever(void *arg)
{
	const struct stream *s = arg;
	int done;

	if (s->cpu != ANY_CPU)
		run_on(s->cpu);
	while ((done = must_errno(recv(s->pair.server, buffer, sizeof(buffer), 0), "recv")))
		__atomic_add_fetch(s->bytes, done, __ATOMIC_RELAXED);
	return 0;
}

static void connect_in_namespace(const struct family *family, struct pair *pair, int ns)
{
	must(ns_enter(ns), "entering a namespace");
	family->connect(pair);
}

static struct stream stream_start(const struct family *family, int ns, int cpu)
{
	struct stream s = { .cpu = cpu, .bytes = shared_memory(sizeof(*s.bytes)) };

	connect_in_namespace(family, &s.pair, ns);
	s.sender = start(send_forever, &s);
	s.receiver = start(receive_forever, &s);
	return s;
}

static void stream_stop(struct stream *s)
{
	kill(s->sender, SIGKILL);
	kill(s->receiver, SIGKILL);
	finish(s->sender);
	finish(s->receiver);
	close(s->pair.client);
	close(s->pair.server);
}

/* Returns the throughput in MB/s of @n streams, each on its CPU. */
static double streams(const int ns[2], const int cpu[2], int n)
{
	struct stream s[2];
	uint64_t bytes = 0, begin;
	int i;

	for (i = 0; i < n; i++)
		s[i] = stream_start(&families[VSOCK], ns[i], cpu[i]);
	settle(WARM_UP_NS / 1000000);
	begin = now_ns();
	for (i = 0; i < n; i++)
		bytes -= __atomic_load_n(s[i].bytes, __ATOMIC_RELAXED);
	settle(STREAM_NS / 1000000);
	for (i = 0; i < n; i++)
		bytes += __atomic_load_n(s[i].bytes, __ATOMIC_RELAXED);
	begin = now_ns() - begin;
	for (i = 0; i < n; i++)
		stream_stop(&s[i]);
	return bytes * 1e9 / begin / MB;
}

/* opt->runs is meant for benchmarks that count instructions. */
#define RUNS 3

void work_parallel(const struct options *opt)
{
	int ns[2] = { tenant_namespace(opt), tenant_namespace(opt) };
	static const int own[2] = { 0, 1 }, any[2] = { ANY_CPU, ANY_CPU };
	double alone, both;
	int i;

	for (i = 0; i < RUNS; i++) {
		alone = streams(ns, own, 1);
		both = streams(ns, own, 2);
		report("parallel/alone", 1, alone);
		report("parallel/together", 1, both);
		report("parallel/ratio", 1, both / alone);
		report("parallel/alone-on-any-cpu", 1, streams(ns, any, 1));
	}
	progress("parallel: one stream and two");
}

/* ---- round trips while another streams ---- */

/* @name is the work without a percentile, or NULL to report none; @unit is in ns. */
static void trips(const struct pair *pair, void (*trip)(const struct pair *pair),
		  const char *name, double unit)
{
	static uint64_t took[TRIPS];
	char p50[64], p99[64];
	uint64_t begin;
	int i;

	for (i = 0; i < TRIPS; i++) {
		begin = now_ns();
		trip(pair);
		took[i] = now_ns() - begin;
	}
	if (!name)
		return;
	qsort(took, TRIPS, sizeof(*took), by_size);
	snprintf(p50, sizeof(p50), "%s-p50", name);
	snprintf(p99, sizeof(p99), "%s-p99", name);
	report(p50, 1, took[TRIPS / 2] / unit);
	report(p99, 1, took[TRIPS * 99 / 100] / unit);
}

static void trips_beside(const struct pair *pair, void (*trip)(const struct pair *pair),
			 const char *name, double unit, const struct family *family, int ns,
			 int cpu)
{
	struct stream s = stream_start(family, ns, cpu);

	settle(WARM_UP_NS / 1000000);
	trips(pair, trip, name, unit);
	stream_stop(&s);
}

#define US 1000.0

void work_latency(const struct options *opt)
{
	int ns[2] = { tenant_namespace(opt), tenant_namespace(opt) };
	struct pair pair;
	int i;

	run_on(0);
	connect_in_namespace(&families[VSOCK], &pair, ns[0]);
	trips(&pair, round_trip, NULL, US);
	for (i = 0; i < RUNS; i++) {
		trips(&pair, round_trip, "latency/alone", US);
		trips_beside(&pair, round_trip, "latency/flood-on-another-cpu", US,
			     &families[VSOCK], ns[1], 1);
		trips_beside(&pair, round_trip, "latency/flood-on-its-cpu", US,
			     &families[VSOCK], ns[1], 0);
	}
	progress("latency: a round trip beside a flood");
}

static void measure_beside(const struct pair *pair, void (*trip)(const struct pair *pair),
			   const struct options *opt, const char *tasks,
			   const struct family *family, int ns)
{
	char work[64];
	int i;

	snprintf(work, sizeof(work), "beside/%s-%s", tasks, family->name);
	trips(pair, trip, NULL, 1);
	section_begin(opt);
	for (i = 0; i < RUNS; i++)
		trips_beside(pair, trip, work, 1, family, ns, ANY_CPU);
	section_end(work, 1, (long)RUNS * TRIPS);
}

/* The flood is of the same family, in another namespace. */
void work_beside(const struct options *opt)
{
	int ns[2] = { tenant_namespace(opt), tenant_namespace(opt) };
	struct pair pair;
	pid_t pid;
	int k;

	settle(5000);
	for (k = 0; k < STREAMS; k++) {
		connect_in_namespace(&families[k], &pair, ns[0]);
		measure_beside(&pair, round_trip, opt, "one", &families[k], ns[1]);
		pid = start(echo, &pair);
		measure_beside(&pair, echoed_trip, opt, "two", &families[k], ns[1]);
		kill(pid, SIGKILL);
		finish(pid);
		close(pair.client);
		close(pair.server);
		progress("beside: %s beside a flood", families[k].name);
	}
}
