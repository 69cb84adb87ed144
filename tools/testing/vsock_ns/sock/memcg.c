// SPDX-License-Identifier: GPL-2.0
/*
 * Packets are charged to the memory cgroup of the sending task if
 * charge_packets is set, else to no cgroup.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "vm_link.h"

#define PARAMETER "/sys/module/vmw_vsock_virtio_transport_common/parameters/charge_packets"
#define MB 1048576L

/**
 * struct queued - data that a task of the cgroup has queued
 * @bytes: payload sent and not received, or a negative errno
 * @charged: growth of memory.current meanwhile
 */
struct queued {
	long long bytes;
	long long charged;
};

/**
 * struct tenant - a task in its own cgroup
 * @mount: mount point of cgroup v2
 * @cgroup: directory of the cgroup
 * @ns: namespace of its sockets
 * @send: the function that it runs
 * @queued: result of @send, in shared memory
 */
struct tenant {
	char mount[32];
	char cgroup[64];
	int ns;
	long long (*send)(struct tenant *tenant);
	struct queued *queued;
};

/* ---- cgroups ---- */

static int cgroup_write(const char *cgroup, const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	return write_text(path, text);
}

static long long charged_to(const struct tenant *tenant)
{
	char path[128];
	long long bytes;
	FILE *f;

	snprintf(path, sizeof(path), "%s/memory.current", tenant->cgroup);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	if (fscanf(f, "%lld", &bytes) != 1)
		bytes = -EIO;
	fclose(f);
	return bytes;
}

static int charge(bool yes)
{
	return write_text(PARAMETER, yes ? "Y" : "N");
}

/* A cgroup becomes empty shortly after its last task was waited for. */
static void tenant_remove(struct tenant *tenant)
{
	int tries = 100;

	charge(false);
	while (*tenant->cgroup && rmdir(tenant->cgroup) && errno == EBUSY && --tries)
		usleep(20000);
	if (*tenant->mount) {
		cgroup_write(tenant->mount, "cgroup.subtree_control", "-memory");
		umount(tenant->mount);
		rmdir(tenant->mount);
	}
}

static const char *try_to_make(struct tenant *tenant)
{
	const char *why = cannot_link_vms();

	if (why || geteuid())
		return why ? why : "needs root";
	tenant->ns = ns_global();
	tenant->queued = mmap(NULL, sizeof(*tenant->queued), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	snprintf(tenant->mount, sizeof(tenant->mount), "/tmp/vsock-memcg-XXXXXX");
	if (tenant->ns < 0 || tenant->queued == MAP_FAILED || !mkdtemp(tenant->mount))
		return "no namespace, memory or directory in /tmp";
	if (mount("none", tenant->mount, "cgroup2", 0, NULL))
		return "no cgroup v2";
	if (cgroup_write(tenant->mount, "cgroup.subtree_control", "+memory"))
		return "cgroup v2 has no memory controller";
	snprintf(tenant->cgroup, sizeof(tenant->cgroup), "%s/vsock-tenant", tenant->mount);
	return mkdir(tenant->cgroup, 0700) ? strerror(errno) : NULL;
}

/* Returns NULL, or a reason for SKIP(); nothing is left then. */
static const char *tenant_make(struct tenant *tenant)
{
	const char *why = try_to_make(tenant);

	if (why)
		tenant_remove(tenant);
	return why;
}

/* ---- senders in the cgroup ---- */

/* Send until send() would block; returns the number of bytes. */
static long long fill(int sock, size_t piece)
{
	static const char data[65536];
	long long bytes = 0;
	ssize_t n;

	while ((n = send(sock, data, piece, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		bytes += n;
	return errno == EAGAIN ? bytes : -errno;
}

static long long fill_pair(struct tenant *tenant, int type, unsigned long long buffer, size_t piece)
{
	struct pair pair;
	int err = pair_with_buffers(&pair, tenant->ns, type, buffer);

	return err ? err : fill(pair.client, piece);
}

static long long stream(struct tenant *tenant)
{
	return fill_pair(tenant, SOCK_STREAM, 4 * MB, 65536);
}

static long long messages(struct tenant *tenant)
{
	return fill_pair(tenant, SOCK_SEQPACKET, 4 * MB, 65536);
}

/* The receive path merges short packets. The sender is in the root cgroup, without a limit. */
static long long short_writes(struct tenant *tenant)
{
	int listener = listen_in(tenant->ns, SOCK_STREAM, VMADDR_CID_ANY, PORT);
	int err = set_buffer_size(listener, 2 * MB);
	int sock, accepted;

	if (!err)
		err = cgroup_write(tenant->mount, "cgroup.procs", "0");
	sock = sock_in(tenant->ns, SOCK_STREAM);
	if (!err)
		err = set_buffer_size(sock, 2 * MB);
	if (!err)
		err = connect_to(sock, VMADDR_CID_LOCAL, PORT);
	accepted = err ? -1 : accept_one(listener);
	return err ? err : accepted < 0 ? accepted : fill(sock, 64);
}

static struct vm vm;

static long long to_a_guest(struct tenant *tenant)
{
	int sock = sock_in(tenant->ns, SOCK_STREAM);
	int err = set_buffer_size(sock, 4 * MB);
	struct vm_link link;

	if (!err)
		err = vm_start(&vm, tenant->ns, CID);
	vm.stack.buf_alloc = 4 * MB;
	if (!err)
		err = link_from_sock(&link, &vm, sock, SOCK_STREAM);
	return err ? err : fill(link.sock, 65536);
}

static long long from_a_guest(struct tenant *tenant)
{
	static const char data[2048];
	struct vm_link link;
	long long bytes = 0;
	int listener, err;

	listener = listen_in(tenant->ns, SOCK_STREAM, VMADDR_CID_ANY, PORT);
	err = set_buffer_size(listener, 4 * MB);
	if (!err)
		err = vm_start(&vm, tenant->ns, CID);
	if (!err)
		err = link_to_listener(&link, &vm, listener, SOCK_STREAM, PORT);
	while (err >= 0 && bytes < 3 * MB) {
		err = guest_write(link.conn, data, sizeof(data) - 44, VM_PATIENCE_MS);
		bytes += sizeof(data) - 44;
	}
	return err < 0 ? err : bytes;
}

/* The last packets may not have been delivered yet. */
static int run(void *arg)
{
	struct tenant *tenant = arg;
	struct queued *queued = tenant->queued;
	long long before, last;

	queued->bytes = cgroup_write(tenant->cgroup, "cgroup.procs", "0");
	if (queued->bytes)
		return 1;
	before = charged_to(tenant);
	queued->bytes = tenant->send(tenant);
	do {
		last = charged_to(tenant);
		usleep(200000);
		queued->charged = charged_to(tenant) - before;
	} while (queued->charged + before != last);
	return 0;
}

FIXTURE(memcg)
{
	struct tenant tenant;
};

FIXTURE_VARIANT(memcg)
{
	long long (*send)(struct tenant *tenant);
};

#define SENDER(name) FIXTURE_VARIANT_ADD(memcg, name) { .send = name }

SENDER(stream);
SENDER(messages);
SENDER(short_writes);
SENDER(to_a_guest);
SENDER(from_a_guest);

FIXTURE_SETUP(memcg)
{
	SKIP_IF(tenant_make(&self->tenant));
	self->tenant.send = variant->send;
}

FIXTURE_TEARDOWN(memcg)
{
	tenant_remove(&self->tenant);
}

TEST_F_TIMEOUT(memcg, pays_for_what_its_tasks_send_if_told_to, 120)
{
	struct queued *queued = self->tenant.queued;

	charge(true);
	EXPECT_EQ(0, in_a_child(run, &self->tenant));
	TH_LOG("%lld bytes sent, %lld charged", queued->bytes, queued->charged);
	EXPECT_LT(MB, queued->bytes);
	EXPECT_LT(queued->bytes / 2, queued->charged);
}

TEST_F_TIMEOUT(memcg, pays_nothing_unless_told_to, 120)
{
	struct queued *queued = self->tenant.queued;

	EXPECT_EQ(0, in_a_child(run, &self->tenant));
	TH_LOG("%lld bytes sent, %lld charged", queued->bytes, queued->charged);
	EXPECT_LT(MB, queued->bytes);
	EXPECT_GE(queued->bytes / 2, queued->charged);
}

/* ---- a flood ---- */

#define LIMIT (32 * MB)
#define FLOOD (4 * LIMIT)

/* Send as much as possible over connections that are never read. */
static long long flood(struct tenant *tenant)
{
	long long bytes = 0, more = 1;

	while (more > 0 && bytes < FLOOD) {
		more = fill_pair(tenant, SOCK_STREAM, MB, 65536);
		bytes += more;
		tenant->queued->bytes = bytes;
	}
	return bytes;
}

FIXTURE(flood)
{
	struct tenant tenant;
};

FIXTURE_SETUP(flood)
{
	SKIP_IF(tenant_make(&self->tenant));
	self->tenant.send = flood;
}

FIXTURE_TEARDOWN(flood)
{
	tenant_remove(&self->tenant);
}

TEST_F_TIMEOUT(flood, ends_at_the_limit_of_its_cgroup_and_harms_nobody_else, 120)
{
	struct tenant *tenant = &self->tenant;
	struct pair pair;

	EXPECT_EQ(0, pair_in(&pair, tenant->ns, SOCK_STREAM, VMADDR_CID_LOCAL));
	EXPECT_EQ(0, cgroup_write(tenant->cgroup, "memory.max", "33554432"));
	charge(true);
	in_a_child(run, tenant);
	TH_LOG("%lld bytes of %ld sent", tenant->queued->bytes, FLOOD);
	EXPECT_LT(MB, tenant->queued->bytes);
	EXPECT_GE(LIMIT, tenant->queued->bytes);
	EXPECT_EQ(0, talk(pair.client, pair.server));
}

TEST_HARNESS_MAIN
