// SPDX-License-Identifier: GPL-2.0
/*
 * Reuse of addresses. A scope is a pointer, so a new namespace may be at the
 * address of a freed one. Neither stale table entries nor objects that live on
 * elsewhere may be found in the new namespace.
 *
 * A namespace with a socket or a VM lives on without a name. Namespaces without
 * either are created and freed until addresses are reused. A kprobe confirms
 * the reuse, if the kernel supports kprobes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "fixture.h"

#define ANY VMADDR_CID_ANY
#define LO VMADDR_CID_LOCAL

#define BATCH 24
#define BATCHES 4
#define MAX_BATCHES 20	/* limit if no address is reused */

/* ---- a kprobe on the creation of local namespaces ---- */

#define TRACING "/sys/kernel/tracing/"
#define PROBE "vsock_ns_born"

static int write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

static bool watch(void)
{
	if (access(TRACING "kprobe_events", W_OK))
		mount("tracefs", TRACING, "tracefs", 0, NULL);
	if (write_to(TRACING "kprobe_events", "p:" PROBE " vsock_loopback_init_net net=$arg1:x64"))
		return false;
	return !write_to(TRACING "events/kprobes/" PROBE "/enable", "1");
}

static void watch_no_more(void)
{
	write_to(TRACING "events/kprobes/" PROBE "/enable", "0");
	write_to(TRACING "kprobe_events", "-:" PROBE);
}

static int by_address(const void *a, const void *b)
{
	const unsigned long long *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Returns how many namespaces were created at the address of an earlier one. */
static int born_at_an_old_address(void)
{
	static unsigned long long seen[100 * BATCH];
	FILE *file = fopen(TRACING "trace", "re");
	int count = 0, again = 0, i;
	char line[512], *at;

	while (file && count < 100 * BATCH && fgets(line, sizeof(line), file)) {
		at = strstr(line, PROBE) ? strstr(line, "net=") : NULL;
		if (at)
			seen[count++] = strtoull(at + 4, NULL, 16);
	}
	if (file)
		fclose(file);
	qsort(seen, count, sizeof(*seen), by_address);
	for (i = 1; i < count; i++)
		again += seen[i] == seen[i - 1];
	return again;
}

/* KASAN's quarantine delays the reuse of freed memory. */
static bool has_quarantine(void)
{
	return !system("grep -qw kasan_quarantine_put /proc/kallsyms");
}

/* ---- the namespaces ---- */

/* The object of the i-th namespace of a batch that stays open, if any. */
enum keep { NOTHING, A_VM, A_LISTENER, A_CONNECTION, KEEPS };

static const int keep[KEEPS * 2] = {
	NOTHING, A_VM, NOTHING, A_LISTENER, NOTHING, A_CONNECTION, NOTHING, NOTHING,
};

FIXTURE(attack_reuse)
{
	int parent;
	bool watched;
	int kept[MAX_BATCHES * BATCH];
	struct pair kept_pair[MAX_BATCHES * BATCH];
};

FIXTURE_SETUP(attack_reuse)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	self->parent = ns_global();
	ASSERT_EQ(0, choose_for_children(self->parent, LOCAL));
	self->watched = watch();
}

FIXTURE_TEARDOWN(attack_reuse)
{
	if (self->watched)
		watch_no_more();
}

static int live(int ns, enum keep what, int *kept, struct pair *kept_pair)
{
	int vm = vm_with_cid(ns, CID), listener;
	struct pair pair;

	if (vm < 0 || pair_in(&pair, ns, SOCK_STREAM, LO))
		return -EINVAL;
	listener = listen_in(ns, SOCK_STREAM, ANY, PORT);
	if (listener < 0)
		return listener;
	if (send(pair.client, "unread", 6, 0) != 6)
		return -errno;
	*kept = what == A_VM ? vm : what == A_LISTENER ? listener : -1;
	kept_pair->client = what == A_CONNECTION ? pair.client : -1;
	kept_pair->server = what == A_CONNECTION ? pair.server : -1;
	if (what != A_VM)
		close(vm);
	if (what != A_LISTENER)
		close(listener);
	if (what != A_CONNECTION) {
		close(pair.client);
		close(pair.server);
	}
	return 0;
}

/* Look for stale objects in a new namespace; returns 0, or the number of the step. */
static int found(int ns)
{
	int vm, sock;

	if (connect_in(ns, SOCK_STREAM, LO, PORT) != -ECONNRESET)
		return 1;
	if (connect_in(ns, SOCK_STREAM, CID, PORT) != -ENODEV)
		return 2;
	vm = vm_with_cid(ns, CID);
	if (vm < 0)
		return 3;
	close(vm);
	sock = listen_in(ns, SOCK_STREAM, ANY, PORT);
	if (sock < 0 || !quiet(sock))
		return 4;
	close(sock);
	return 0;
}

/* Check the kept object: the CID, the listener or the connection still works. */
static int lives_on(enum keep what, int kept, const struct pair *pair)
{
	char text[8];
	int ns, sock;

	switch (what) {
	case A_VM:
		return vm_set_cid(kept, CID);
	case A_LISTENER:
		ns = ns_of_socket(kept);
		sock = connect_in(ns, SOCK_STREAM, LO, PORT);
		close(ns);
		if (sock < 0)
			return sock;
		close(accept_one(kept));
		close(sock);
		return 0;
	case A_CONNECTION:
		if (recv(pair->server, text, sizeof(text), MSG_DONTWAIT | MSG_PEEK) != 6)
			return -ENODATA;
		return send(pair->server, "back", 4, 0) == 4 ? 0 : -errno;
	default:
		return 0;
	}
}

TEST_F_TIMEOUT(attack_reuse, of_a_namespaces_address_finds_nothing_of_the_old_one, 170)
{
	int batch, again = 0, i, n = 0, ns;

	for (batch = 0; batch < BATCHES || (self->watched && !again && batch < MAX_BATCHES);
	     batch++) {
		for (i = 0; i < BATCH; i++, n++) {
			ns = ns_child_of(self->parent);
			ASSERT_LE(0, ns);
			ASSERT_EQ(0, found(ns));
			ASSERT_EQ(0, live(ns, keep[n % (KEEPS * 2)], &self->kept[n],
					  &self->kept_pair[n]));
			close(ns);
		}
		/* A namespace is freed some time after its last reference is dropped. */
		usleep(200000);
		again = self->watched ? born_at_an_old_address() : 0;
	}
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, lives_on(keep[i % (KEEPS * 2)], self->kept[i], &self->kept_pair[i]));
	TH_LOG("%d of %d namespaces at a reused address%s", again, n,
	       self->watched ? "" : " (unknown without a kprobe)");
	if (self->watched && !has_quarantine())
		EXPECT_LT(0, again);
}

TEST_HARNESS_MAIN
