// SPDX-License-Identifier: GPL-2.0
/*
 * N tenants, each in a local namespace with a listener on the same port and a
 * VM with CID 3. Measures connect() in one namespace, over loopback to the
 * listener and to the VM.
 *
 * Without local namespaces, all tenants are in init, with one listener and a
 * CID per VM.
 *
 * No guest runs, as only the lookup of the VM matters. Linux 6.12 queues the
 * request, 7.3 refuses it with EHOSTUNREACH. The result includes close().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "bench.h"

#define FIRST_CID 3

struct tenant {
	int ns;
	int listener;
	unsigned int cid;
};

static struct tenant *tenants;
static long count;

static struct tenant tenant_new(const struct options *opt)
{
	struct tenant t;

	t.ns = tenant_namespace(opt);
	t.cid = opt->local ? FIRST_CID : FIRST_CID + count;
	if (opt->local || !count)
		t.listener = must(listen_in(t.ns, SOCK_STREAM, VMADDR_CID_ANY, PORT), "listen");
	else
		t.listener = tenants[0].listener;
	must(vm_with_cid(t.ns, t.cid), "assigning a CID to a VM");
	return t;
}

static void grow_to(const struct options *opt, long n)
{
	tenants = realloc(tenants, n * sizeof(*tenants));
	if (!tenants)
		fail("out of memory");
	for (; count < n; count++) {
		tenants[count] = tenant_new(opt);
		if (count && !(count % 500))
			progress("%ld of %ld tenants", count, n);
	}
}

static double connects_here(const struct tenant *t)
{
	struct pair pair;
	uint64_t begin;
	int i;

	must(ns_enter(t->ns), "entering a namespace");
	begin = now_ns();
	for (i = 0; i < REPS; i++) {
		connect_accept(&pair, t->listener, PORT);
		close(pair.client);
		close(pair.server);
	}
	return (now_ns() - begin) / (double)REPS;
}

static double connects_to_vm(const struct tenant *t)
{
	uint64_t begin;
	int i, err, sock;

	must(ns_enter(t->ns), "entering a namespace");
	begin = now_ns();
	for (i = 0; i < REPS; i++) {
		sock = plain_socket(SOCK_NONBLOCK);
		err = connect_to(sock, t->cid, PORT);
		if (err != -EINPROGRESS && err != -EHOSTUNREACH)
			must(err ? err : -EISCONN, "connecting to a VM that does not run");
		close(sock);
	}
	return (now_ns() - begin) / (double)REPS;
}

static void measure(const struct options *opt, const char *oldest, const char *random,
		    double (*connects)(const struct tenant *t))
{
	int i;

	connects(&tenants[0]);
	connects(&tenants[count - 1]);
	section_begin(opt);
	for (i = 0; i < opt->runs; i++) {
		report(oldest, count, connects(&tenants[0]));
		report(random, count, connects(&tenants[dice(count)]));
	}
	section_end(oldest, count, 2L * opt->runs * REPS);
	/* Abandoned connections are freed when they time out. */
	settle(5000);
}

void work_tenants(const struct options *opt)
{
	int i;

	many_files();
	settle(5000);
	for (i = 0; i < opt->argc; i++) {
		grow_to(opt, positive(opt->argv[i]));
		settle(5000);
		/* init has one listener, regardless of the number of VMs. */
		if (opt->local || count == 1)
			measure(opt, "namespace/oldest", "namespace/random", connects_here);
		measure(opt, "vm/oldest", "vm/random", connects_to_vm);
		progress("tenants: N = %ld", count);
	}
}
