// SPDX-License-Identifier: GPL-2.0
/*
 * The maximum number of tenants of a node. Each has a local namespace with a
 * listener on CID 2, port 1, and a VM with CID 3.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "fixture.h"
#include "vm_link.h"

#define TENANTS 1000
#define TENANT_CID 3
#define TENANT_PORT 1

/**
 * struct tenant - one tenant
 * @ns: its namespace
 * @listener: a listener in @ns
 * @vm: its VM
 * @link: connection from the guest to @listener
 */
struct tenant {
	int ns;
	int listener;
	struct vm vm;
	struct vm_link link;
};

/* A VM needs five descriptors, the two ends of the host another two. */
static int many_files(void)
{
	struct rlimit limit = { 20 * TENANTS, 20 * TENANTS };

	return setrlimit(RLIMIT_NOFILE, &limit) ? -errno : 0;
}

FIXTURE(vm_many)
{
	struct tenant *tenants;
	int parent;
	int left[TENANTS];
};

FIXTURE_SETUP(vm_many)
{
	SKIP_IF(cannot_link_vms());
	ASSERT_EQ(0, many_files());
	self->tenants = calloc(TENANTS, sizeof(*self->tenants));
	ASSERT_NE(NULL, self->tenants);
	self->parent = ns_global();
	ASSERT_LE(0, self->parent);
	ASSERT_EQ(0, choose_for_children(self->parent, LOCAL));
}

FIXTURE_TEARDOWN(vm_many)
{
	free(self->tenants);
	close(self->parent);
}

static int move_in(struct tenant *tenant, int parent)
{
	const struct guest_options small = { 0 };

	tenant->ns = ns_child_of(parent);
	if (tenant->ns < 0)
		return tenant->ns;
	tenant->listener = listen_in(tenant->ns, SOCK_STREAM, VMADDR_CID_HOST, TENANT_PORT);
	if (tenant->listener < 0)
		return tenant->listener;
	return vm_start_with(&tenant->vm, tenant->ns, TENANT_CID, &small);
}

/* Each tenant sends its own number, so crosstalk is detected. */
static int guest_says(struct tenant *tenant, int number)
{
	ssize_t len = guest_write(tenant->link.conn, &number, sizeof(number), VM_PATIENCE_MS);

	return len < 0 ? len : 0;
}

static int host_answers(struct tenant *tenant, int number)
{
	int heard = -1;

	if (recv(tenant->link.sock, &heard, sizeof(heard), 0) != sizeof(heard))
		return -errno;
	if (heard != number)
		return -EBADMSG;
	number = ~number;
	return send(tenant->link.sock, &number, sizeof(number), 0) < 0 ? -errno : 0;
}

static int guest_hears(struct tenant *tenant, int number)
{
	int heard = 0;
	ssize_t len = guest_read(tenant->link.conn, &heard, sizeof(heard), NULL, VM_PATIENCE_MS);

	if (len < 0)
		return len;
	return len == sizeof(heard) && heard == ~number ? 0 : -EBADMSG;
}

static int all_is_well(struct tenant *tenant, int number)
{
	int err = guest_says(tenant, number);

	if (!err)
		err = host_answers(tenant, number);
	return err ? err : guest_hears(tenant, number);
}

/* The host sees the end of the VM at once. */
static int move_out(struct tenant *tenant)
{
	int err;

	vm_stop(&tenant->vm);
	err = link_reset(&tenant->link, 0);
	close(tenant->link.sock);
	close(tenant->listener);
	close(tenant->ns);
	return err;
}

static double seconds_since(long long begin)
{
	return (guest_now() - begin) / 1000.0;
}

TEST_F_TIMEOUT(vm_many, tenants_with_the_same_cid_and_port_each_have_their_own, 180)
{
	struct tenant *t = self->tenants;
	unsigned int seed = getpid() ^ guest_now();
	long long begin = guest_now();
	int i, pick, count;

	for (i = 0; i < TENANTS; i++)
		ASSERT_EQ(0, move_in(&t[i], self->parent));
	for (i = 0; i < TENANTS; i++)
		ASSERT_EQ(0, link_to_listener(&t[i].link, &t[i].vm, t[i].listener,
					      SOCK_STREAM, TENANT_PORT));
	TH_LOG("%d tenants created after %.1f s", TENANTS, seconds_since(begin));

	for (i = 0; i < TENANTS; i++)
		ASSERT_EQ(0, guest_says(&t[i], i));
	for (i = 0; i < TENANTS; i++)
		ASSERT_EQ(0, host_answers(&t[i], i));
	for (i = 0; i < TENANTS; i++)
		ASSERT_EQ(0, guest_hears(&t[i], i));
	TH_LOG("all sent and received after %.1f s; removing them in random order, seed %u",
	       seconds_since(begin), seed);

	srandom(seed);
	for (i = 0; i < TENANTS; i++)
		self->left[i] = i;
	for (count = TENANTS; count; count--) {
		pick = random() % count;
		i = self->left[pick];
		self->left[pick] = self->left[count - 1];
		ASSERT_EQ(-ECONNRESET, move_out(&t[i]));
		if (count > 1) {
			i = self->left[random() % (count - 1)];
			ASSERT_EQ(0, all_is_well(&t[i], i));
		}
	}
	TH_LOG("all removed after %.1f s", seconds_since(begin));
}

TEST_HARNESS_MAIN
