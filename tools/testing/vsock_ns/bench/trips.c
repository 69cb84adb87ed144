// SPDX-License-Identifier: GPL-2.0
/*
 * Round trips of one byte over AF_VSOCK and, for comparison, over TCP on lo and
 * over AF_UNIX. One task has both ends, or two tasks have one each. The same
 * between the host and a guest in this task, and the packets to this guest.
 */
#include <signal.h>
#include <unistd.h>

#include "bench.h"
#include "vm_link.h"

static double two_tasks(const struct pair *pair)
{
	uint64_t begin = now_ns();
	int i;

	for (i = 0; i < REPS; i++)
		echoed_trip(pair);
	return (now_ns() - begin) / (double)REPS;
}

static void measure(const struct options *opt, const char *tasks, const char *family,
		    const struct pair *pair, double (*trips)(const struct pair *))
{
	char work[64];
	int i;

	snprintf(work, sizeof(work), "trips/%s-%s", tasks, family);
	for (i = 0; i < 3; i++)
		trips(pair);
	section_begin(opt);
	for (i = 0; i < opt->runs; i++)
		report(work, 1, trips(pair));
	section_end(work, 1, (long)opt->runs * REPS);
}

static double vm_trips(struct vm_link *link)
{
	uint64_t begin = now_ns();
	char byte = 0;
	int i;

	for (i = 0; i < REPS; i++)
		if (send(link->sock, &byte, 1, 0) != 1 ||
		    guest_read(link->conn, &byte, 1, NULL, VM_PATIENCE_MS) != 1 ||
		    guest_write(link->conn, &byte, 1, VM_PATIENCE_MS) != 1 ||
		    recv(link->sock, &byte, 1, 0) != 1)
			fail("a byte did not come back from the guest");
	return (now_ns() - begin) / (double)REPS;
}

static unsigned long long packets(const struct vm *vm)
{
	unsigned long long sum = 0;
	int op;

	for (op = 0; op < GUEST_OPS; op++)
		sum += vm->stack.received[op];
	return sum;
}

static void measure_vm(const struct options *opt)
{
	unsigned long long before;
	struct vm_link link;
	struct vm vm;
	int i;

	must(vm_start(&vm, ns_here(), CID), "starting a guest");
	must(link_from_host(&link, &vm, ns_here(), SOCK_STREAM), "connecting to the guest");
	for (i = 0; i < 3; i++)
		vm_trips(&link);
	for (i = 0; i < opt->runs; i++) {
		before = packets(&vm);
		report("trips/one-vm", 1, vm_trips(&link));
		report("trips/one-vm-packets", 1, (packets(&vm) - before) / (double)REPS);
	}
	link_close(&link);
	vm_stop(&vm);
	progress("trips: a guest");
}

void work_trips(const struct options *opt)
{
	struct pair pair;
	size_t k;
	pid_t pid;

	settle(5000);
	for (k = 0; k < FAMILIES; k++) {
		families[k].connect(&pair);
		measure(opt, "one", families[k].name, &pair, round_trips);
		pid = start(echo, &pair);
		measure(opt, "two", families[k].name, &pair, two_tasks);
		kill(pid, SIGKILL);
		finish(pid);
		close(pair.client);
		close(pair.server);
		progress("trips: %s", families[k].name);
	}
	measure_vm(opt);
}
