// SPDX-License-Identifier: GPL-2.0
/*
 * vsock_bench: one program with all benchmarks. See bench.h for the output and
 * Documentation/project/benchmarks.md for its meaning.
 */
#include <string.h>
#include <unistd.h>

#include "bench.h"

static const struct {
	const char *name;
	const char *args;
	const char *about;
	void (*run)(const struct options *opt);
} works[] = {
	{ "connections", "N...", "round trip, connect and close beside N connections",
	  work_connections },
	{ "tenants", "N...", "connect over loopback and to a VM in one of N namespaces",
	  work_tenants },
	{ "vm-close", "N...", "close a VM beside N others, all connected", work_vm_close },
	{ "binds", "N...", "bind to a free port beside N bound sockets", work_binds },
	{ "stream", "", "instructions per byte, 64 to 65536 at a time, also over TCP and AF_UNIX",
	  work_stream },
	{ "trips", "", "round trip of one or two tasks, also over TCP and AF_UNIX", work_trips },
	{ "beside", "", "a round trip beside a stream on the same CPU, also over TCP and AF_UNIX",
	  work_beside },
	{ "netns", "", "cost of the modules in creating and deleting a namespace", work_netns },
	{ "netns-slab", "", "slab memory of the modules per namespace", work_netns_slab },
	{ "memory", "N...", "bytes per socket, with N sockets", work_memory },
	{ "parallel", "", "two streaming tenants against one (two CPUs)", work_parallel },
	{ "latency", "", "a round trip beside a stream (two CPUs)", work_latency },
	{ "dump", "N", "sock_diag dumps of N sockets beside churn (two CPUs)", work_dump },
};

static void print_help(FILE *f)
{
	size_t i;

	fputs("usage: vsock_bench [-lp] [-r RUNS] WORK [N...]\n"
	      "  -l       use a local namespace per tenant, not init for all\n"
	      "  -p       print a profile, too: profile WORK N INSTRUCTIONS FUNCTION\n"
	      "  -r RUNS  number of samples of each kind (7)\n", f);
	for (i = 0; i < ARRAY_SIZE(works); i++)
		fprintf(f, "  %-12s %-5s %s\n", works[i].name, works[i].args, works[i].about);
}

int main(int argc, char **argv)
{
	struct options opt = { .runs = 7 };
	size_t i;
	int c;

	while ((c = getopt(argc, argv, "hlpr:")) != -1) {
		switch (c) {
		case 'l':
			opt.local = true;
			break;
		case 'p':
			opt.profile = true;
			break;
		case 'r':
			opt.runs = positive(optarg);
			break;
		case 'h':
			print_help(stdout);
			return 0;
		default:
			print_help(stderr);
			return 2;
		}
	}
	for (i = 0; optind < argc && i < ARRAY_SIZE(works); i++) {
		if (strcmp(works[i].name, argv[optind]))
			continue;
		opt.argc = argc - optind - 1;
		opt.argv = argv + optind + 1;
		works[i].run(&opt);
		return 0;
	}
	print_help(stderr);
	return 2;
}
