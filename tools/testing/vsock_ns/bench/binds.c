// SPDX-License-Identifier: GPL-2.0
/*
 * bind() to a free port chosen by the kernel, beside N bound sockets.
 */
#include <unistd.h>

#include "bench.h"

static int bound(void)
{
	int sock = plain_socket(0);

	must(bind_to(sock, VMADDR_CID_ANY, VMADDR_PORT_ANY), "bind");
	return sock;
}

/* Cost of reading the clock twice. */
static uint64_t clock_cost(void)
{
	uint64_t least = UINT64_MAX, begin, passed;
	int i;

	for (i = 0; i < REPS; i++) {
		begin = now_ns();
		passed = now_ns() - begin;
		if (passed < least)
			least = passed;
	}
	return least;
}

/* Measure bind() alone, with one socket at a time, so that N stays constant. */
static double binds(void)
{
	uint64_t passed = 0, begin;
	int i, sock;

	for (i = 0; i < REPS; i++) {
		sock = plain_socket(0);
		begin = now_ns();
		must(bind_to(sock, VMADDR_CID_ANY, VMADDR_PORT_ANY), "bind");
		passed += now_ns() - begin;
		close(sock);
	}
	return passed / (double)REPS - clock_cost();
}

static double bind_and_close(void)
{
	uint64_t begin = now_ns();
	int i;

	for (i = 0; i < REPS; i++)
		close(bound());
	return (now_ns() - begin) / (double)REPS;
}

static void measure(const struct options *opt, long count)
{
	int i;

	settle(2000);
	binds();
	bind_and_close();
	section_begin(opt);
	for (i = 0; i < opt->runs; i++) {
		report("bind/bind", count, binds());
		report("bind/socket-bind-close", count, bind_and_close());
	}
	section_end("bind", count, 2L * opt->runs * REPS);
}

void work_binds(const struct options *opt)
{
	long count = 0;
	int i;

	many_files();
	settle(5000);
	for (i = 0; i < opt->argc; i++) {
		for (; count < positive(opt->argv[i]); count++)
			bound();
		measure(opt, count);
		progress("bind: N = %ld", count);
	}
}
