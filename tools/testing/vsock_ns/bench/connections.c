// SPDX-License-Identifier: GPL-2.0
/*
 * Beside N connections to one port: a round trip on one of them; opening and
 * closing another one.
 */
#include <unistd.h>

#include "bench.h"

static struct pair *pairs;
static long count;

static void grow_to(int listener, long n)
{
	long step = n - count > 20000 ? 10000 : n;

	pairs = realloc(pairs, n * sizeof(*pairs));
	if (!pairs)
		fail("out of memory");
	for (; count < n; count++) {
		connect_accept(&pairs[count], listener, PORT);
		if (count && !(count % step))
			progress("%ld of %ld connections", count, n);
	}
}

/* accept() waits for the client; close() may finish in the background. */
static double connects(int listener)
{
	uint64_t begin = now_ns();
	struct pair pair;
	int i;

	for (i = 0; i < REPS; i++) {
		connect_accept(&pair, listener, PORT);
		close(pair.client);
		close(pair.server);
	}
	return (now_ns() - begin) / (double)REPS;
}

static void measure(const struct options *opt, int listener)
{
	int i;

	settle(2000);
	round_trips(&pairs[0]);
	round_trips(&pairs[count - 1]);
	section_begin(opt);
	for (i = 0; i < opt->runs; i++) {
		report("roundtrip/oldest", count, round_trips(&pairs[0]));
		report("roundtrip/newest", count, round_trips(&pairs[count - 1]));
		report("roundtrip/random", count, round_trips(&pairs[dice(count)]));
	}
	section_end("roundtrip", count, 3L * opt->runs * REPS);

	connects(listener);
	section_begin(opt);
	for (i = 0; i < opt->runs; i++)
		report("connect/beside", count, connects(listener));
	section_end("connect", count, (long)opt->runs * REPS);
}

void work_connections(const struct options *opt)
{
	int here = ns_here();
	int listener = must(listen_in(here, SOCK_STREAM, VMADDR_CID_ANY, PORT), "listen");
	int i;

	many_files();
	settle(5000);
	for (i = 0; i < opt->argc; i++) {
		grow_to(listener, positive(opt->argv[i]));
		measure(opt, listener);
		progress("connections: N = %ld", count);
	}
}
