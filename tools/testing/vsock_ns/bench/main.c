// SPDX-License-Identifier: GPL-2.0
/*
 * vsock_bench: one program, a work each. See bench.h for what it prints and
 * Documentation/project/benchmarks.md for what it means.
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
	{ "vm-close", "N...", "closing a VM beside N others, a connection each", work_vm_close },
	{ "binds", "N...", "bind to a free port beside N bound sockets", work_binds },
	{ "stream", "", "what a byte costs, messages of 64 to 65536 bytes", work_stream },
	{ "netns", "", "what the modules add to creating and deleting a namespace", work_netns },
	{ "netns-slab", "", "what they add to the slab memory of a namespace", work_netns_slab },
	{ "memory", "N...", "bytes a socket, with N of them", work_memory },
	{ "parallel", "", "two tenants that stream, against one (two CPUs)", work_parallel },
	{ "latency", "", "a round trip while another streams (two CPUs)", work_latency },
	{ "dump", "N", "sock_diag of N sockets while others come and go (two CPUs)", work_dump },
};

static void print_help(FILE *f)
{
	size_t i;

	fputs("usage: vsock_bench [-lp] [-r RUNS] WORK [N...]\n"
	      "  -l       tenants are local namespaces, not all in init\n"
	      "  -p       a profile too: lines of profile WORK N INSTRUCTIONS FUNCTION\n"
	      "  -r RUNS  samples of each kind (7)\n", f);
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
