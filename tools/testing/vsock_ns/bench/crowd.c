// SPDX-License-Identifier: GPL-2.0
/*
 * Concurrent tenants on two CPUs, by wall-clock time: two streams against one,
 * and a round trip beside a stream.
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

static struct stream stream_start(int ns, int cpu)
{
	struct stream s = { .cpu = cpu, .bytes = shared_memory(sizeof(*s.bytes)) };

	must(pair_in(&s.pair, ns, SOCK_STREAM, VMADDR_CID_LOCAL), "connecting");
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
		s[i] = stream_start(ns[i], cpu[i]);
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

static void trips(const struct pair *pair, const char *name)
{
	static uint64_t took[TRIPS];
	char p50[64], p99[64];
	uint64_t begin;
	int i;

	for (i = 0; i < TRIPS; i++) {
		begin = now_ns();
		round_trip(pair);
		took[i] = now_ns() - begin;
	}
	if (!name)
		return;
	qsort(took, TRIPS, sizeof(*took), by_size);
	snprintf(p50, sizeof(p50), "latency/%s-p50", name);
	snprintf(p99, sizeof(p99), "latency/%s-p99", name);
	report(p50, 1, took[TRIPS / 2] / 1000.0);
	report(p99, 1, took[TRIPS * 99 / 100] / 1000.0);
}

static void trips_beside(const struct pair *pair, const char *name, int ns, int cpu)
{
	struct stream s = stream_start(ns, cpu);

	settle(WARM_UP_NS / 1000000);
	trips(pair, name);
	stream_stop(&s);
}

void work_latency(const struct options *opt)
{
	int ns[2] = { tenant_namespace(opt), tenant_namespace(opt) };
	struct pair pair;
	int i;

	run_on(0);
	must(pair_in(&pair, ns[0], SOCK_STREAM, VMADDR_CID_LOCAL), "connecting");
	trips(&pair, NULL);
	for (i = 0; i < RUNS; i++) {
		trips(&pair, "alone");
		trips_beside(&pair, "flood-on-another-cpu", ns[1], 1);
		trips_beside(&pair, "flood-on-its-cpu", ns[1], 0);
	}
	progress("latency: a round trip beside a flood");
}
