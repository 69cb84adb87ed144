// SPDX-License-Identifier: GPL-2.0
/*
 * Dump all sockets by sock_diag, like ss, while other sockets come and go. Each
 * socket that exists during the whole dump must be in it once. Of N sockets, a
 * tenth are connected, the others bound or unbound.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <linux/vm_sockets_diag.h>

#include "netlink.h"
#include "bench.h"

#define CHURN_PORT (PORT + 1)
#define MOVING 64

struct held {
	ino_t inode;
	unsigned int seen;
};

static struct held *held;
static long count;

static int by_inode(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static void hold(int sock)
{
	struct stat st;

	must_errno(fstat(sock, &st), "fstat");
	held[count++].inode = st.st_ino;
}

static void hold_all(long n)
{
	int here = ns_here();
	int listener = must(listen_in(here, SOCK_STREAM, VMADDR_CID_ANY, PORT), "listen");
	struct pair pair;
	int sock;

	held = calloc(n, sizeof(*held));
	if (!held)
		fail("out of memory");
	while (count + 1 < n / 10) {
		connect_accept(&pair, listener, PORT);
		hold(pair.client);
		hold(pair.server);
	}
	while (count < n) {
		sock = plain_socket(0);
		if (count % 2)
			must(bind_to(sock, VMADDR_CID_ANY, VMADDR_PORT_ANY), "bind");
		hold(sock);
	}
	qsort(held, count, sizeof(*held), by_inode);
}

/* Create and close unbound, bound and connected sockets all over the tables. */
static int churn(void *arg)
{
	int here = ns_here();
	int listener = must(listen_in(here, SOCK_STREAM, VMADDR_CID_ANY, CHURN_PORT), "listen");
	int sock[MOVING];
	struct pair pair;
	unsigned int i;

	(void)arg;
	run_on(1);
	memset(sock, -1, sizeof(sock));
	while (getppid() > 1) {
		i = dice(MOVING);
		if (sock[i] >= 0)
			close(sock[i]);
		sock[i] = plain_socket(0);
		if (i % 2)
			must(bind_to(sock[i], VMADDR_CID_ANY, VMADDR_PORT_ANY), "bind");
		connect_accept(&pair, listener, CHURN_PORT);
		close(pair.client);
		close(pair.server);
	}
	return 0;
}

/* ---- the dump ---- */

static void see(const struct vsock_diag_msg *found, void *arg)
{
	struct held key = { .inode = found->vdiag_ino };
	struct held *h = bsearch(&key, held, count, sizeof(*held), by_inode);

	(void)arg;
	if (h)
		h->seen++;
}

static void dump_all(void)
{
	int diag = must(netlink_open(NETLINK_SOCK_DIAG), "a netlink socket");

	must(diag_dump(diag, see, NULL), "a dump");
	close(diag);
}

static void judge(const char *missed_name, const char *twice_name)
{
	long i, missed = 0, twice = 0;

	for (i = 0; i < count; i++) {
		missed += !held[i].seen;
		twice += held[i].seen > 1;
		held[i].seen = 0;
	}
	report(missed_name, count, missed);
	report(twice_name, count, twice);
}

void work_dump(const struct options *opt)
{
	uint64_t begin;
	pid_t pid;
	int i;

	if (opt->argc != 1)
		fail("dump: wrong number of arguments: expected the number of sockets");
	many_files();
	hold_all(positive(opt->argv[0]));
	progress("dump: %ld sockets created", count);
	begin = now_ns();
	dump_all();
	report("dump/milliseconds", count, (now_ns() - begin) / 1e6);
	judge("dump/missed-quiet", "dump/twice-quiet");
	run_on(0);
	pid = start(churn, NULL);
	settle(500);
	for (i = 0; i < opt->runs; i++) {
		dump_all();
		judge("dump/missed", "dump/twice");
	}
	must_errno(kill(pid, SIGKILL), "stopping the churn");
	if (finish(pid) != -EINTR)
		fail("the churn has ended early");
	progress("dump: %d dumps under churn", opt->runs);
}
