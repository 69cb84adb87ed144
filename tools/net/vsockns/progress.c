// SPDX-License-Identifier: GPL-2.0
/*
 * A line on a terminal while a scan takes long.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "vsockns.h"

#define PATIENCE 2.0	/* seconds before the first line */
#define INTERVAL 0.2

static double next_line;
static bool shown;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

void progress_begin(void)
{
	next_line = isatty(STDERR_FILENO) ? now() + PATIENCE : 0;
}

void progress(void)
{
	if (!next_line || now() < next_line)
		return;
	fprintf(stderr, "\rvsockns: %ld processes, %ld namespaces, %ld VMs\033[K",
		found.processes, found.nr_spaces, found.nr_vms);
	fflush(stderr);
	shown = true;
	next_line = now() + INTERVAL;
}

void progress_end(void)
{
	if (shown)
		fputs("\r\033[K", stderr);
	shown = false;
	next_line = 0;
}
