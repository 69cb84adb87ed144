// SPDX-License-Identifier: GPL-2.0
/*
 * CIDs of VMs: assigned per scope. A VM takes its scope from the task that
 * opened /dev/vhost-vsock. No guest runs in these VMs.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "fixture.h"

#define MANY 100

/* ---- collisions ---- */

#define CASE(fixture, name, a, b)					\
	FIXTURE_VARIANT_ADD(fixture, name)				\
	{								\
		.first = a, .second = b,				\
	}

FIXTURE(one_scope)
{
	int ns[NS_COUNT];
};

FIXTURE_VARIANT(one_scope)
{
	int first;
	int second;
};

PAIRS_IN_ONE_SCOPE(CASE, one_scope);

NAMESPACES_SETUP(one_scope, cannot_run() ?: cannot_make_vms())

TEST_F(one_scope, refuses_a_cid_that_is_taken)
{
	ASSERT_LE(0, vm_with_cid(self->ns[variant->first], CID));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[variant->second], CID));
	EXPECT_LE(0, vm_with_cid(self->ns[variant->second], OTHER_CID));
}

TEST_F(one_scope, has_a_cid_again_when_its_vm_is_closed)
{
	int vm = vm_with_cid(self->ns[variant->first], CID);

	ASSERT_LE(0, vm);
	close(vm);
	EXPECT_LE(0, vm_with_cid(self->ns[variant->second], CID));
}

TEST_F(one_scope, has_a_cid_again_when_its_vm_takes_another)
{
	int vm = vm_with_cid(self->ns[variant->first], CID);

	ASSERT_LE(0, vm);
	EXPECT_EQ(0, vm_set_cid(vm, OTHER_CID));
	EXPECT_LE(0, vm_with_cid(self->ns[variant->second], CID));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[variant->second], OTHER_CID));
}

TEST_F(one_scope, leaves_a_refused_vm_with_the_cid_that_it_had)
{
	int vm = vm_with_cid(self->ns[variant->second], OTHER_CID);

	ASSERT_LE(0, vm);
	ASSERT_LE(0, vm_with_cid(self->ns[variant->first], CID));
	EXPECT_EQ(-EADDRINUSE, vm_set_cid(vm, CID));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[variant->first], OTHER_CID));
}

FIXTURE(two_scopes)
{
	int ns[NS_COUNT];
};

FIXTURE_VARIANT(two_scopes)
{
	int first;
	int second;
};

PAIRS_IN_TWO_SCOPES(CASE, two_scopes);

NAMESPACES_SETUP(two_scopes, cannot_run() ?: cannot_make_vms())

TEST_F(two_scopes, have_the_same_cid_each)
{
	ASSERT_LE(0, vm_with_cid(self->ns[variant->first], CID));
	EXPECT_LE(0, vm_with_cid(self->ns[variant->second], CID));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[variant->first], CID));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[variant->second], CID));
}

TEST_F(two_scopes, connect_to_the_others_vm_ends_with_enodev)
{
	SKIP_IF(cannot_alias_the_host());
	ASSERT_LE(0, vm_with_cid(self->ns[variant->second], CID));
	EXPECT_EQ(-ENODEV, connect_in(self->ns[variant->first], SOCK_STREAM,
				      CID, PORT));
	EXPECT_EQ(-ESOCKTNOSUPPORT, connect_in(self->ns[variant->first],
					       SOCK_SEQPACKET, CID, PORT));
}

TEST_F(two_scopes, closing_one_vm_leaves_the_cid_to_the_other)
{
	int vm = vm_with_cid(self->ns[variant->first], CID);

	ASSERT_LE(0, vm);
	ASSERT_LE(0, vm_with_cid(self->ns[variant->second], CID));
	close(vm);
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[variant->second], CID));
	EXPECT_LE(0, vm_with_cid(self->ns[variant->first], CID));
}

/* ---- one VM ---- */

FIXTURE(cid)
{
	int ns[NS_COUNT];
};

NAMESPACES_SETUP(cid, cannot_run() ?: cannot_make_vms())

TEST_F(cid, reserved_or_too_wide_is_einval_in_every_namespace)
{
	static const __u64 bad[] = {
		0, 1, 2, 0xffffffff, 0x100000000, 0x100000003,
		0xffffffffffffffff,
	};
	size_t i;
	int n;

	for (n = INIT; n < NS_COUNT; n++)
		for (i = 0; i < ARRAY_SIZE(bad); i++)
			EXPECT_EQ(-EINVAL, vm_with_cid(self->ns[n], bad[i]));
}

TEST_F(cid, refused_as_einval_leaves_the_one_that_the_vm_had)
{
	int vm = vm_with_cid(self->ns[L0], CID);

	ASSERT_LE(0, vm);
	EXPECT_EQ(-EINVAL, vm_set_cid(vm, 2));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[L0], CID));
}

TEST_F(cid, same_again_on_one_device_is_ok)
{
	int init = vm_with_cid(self->ns[INIT], CID);
	int l0 = vm_with_cid(self->ns[L0], CID);

	EXPECT_EQ(0, vm_set_cid(init, CID));
	EXPECT_EQ(0, vm_set_cid(l0, CID));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[L0], CID));
}

TEST_F(cid, another_and_back_on_one_device_is_ok)
{
	int vm = vm_with_cid(self->ns[L0], CID);

	EXPECT_EQ(0, vm_set_cid(vm, OTHER_CID));
	EXPECT_EQ(0, vm_set_cid(vm, CID));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[L0], CID));
	EXPECT_LE(0, vm_with_cid(self->ns[L0], OTHER_CID));
}

TEST_F_TIMEOUT(cid, three_in_each_of_100_namespaces_and_in_init_is_ok, 120)
{
	int ns[MANY];
	int i;

	for (i = 0; i < MANY; i++) {
		ns[i] = i ? ns_child_of(ns[0]) : ns_local();
		ASSERT_LE(0, ns[i]);
		ASSERT_LE(0, vm_with_cid(ns[i], 3));
	}
	EXPECT_LE(0, vm_with_cid(self->ns[INIT], 3));
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(-EADDRINUSE, vm_with_cid(ns[i], 3));
}

/* ---- connecting to a VM that does not run: same errors as the base ---- */

static int connect_soon(int ns, int type)
{
	struct timeval patience = { .tv_usec = 200000 };
	int sock = sock_in(ns, type);

	setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience,
		   sizeof(patience));
	return connect_to(sock, CID, PORT);
}

TEST_F(cid, connect_to_a_vm_that_does_not_run_ends_in_l0_as_in_init)
{
	int vm = vm_with_cid(self->ns[INIT], CID);
	int as_in_init = connect_soon(self->ns[INIT], SOCK_STREAM);

	ASSERT_LE(0, vm);
	EXPECT_GT(0, as_in_init);
	EXPECT_NE(-ENODEV, as_in_init);
	EXPECT_EQ(as_in_init, connect_soon(self->ns[G0], SOCK_STREAM));
	close(vm);

	ASSERT_LE(0, vm_with_cid(self->ns[L0], CID));
	EXPECT_EQ(as_in_init, connect_soon(self->ns[L0], SOCK_STREAM));
	EXPECT_EQ(-ENODEV, connect_soon(self->ns[INIT], SOCK_STREAM));
}

TEST_F(cid, seqpacket_to_a_vm_that_does_not_run_ends_in_l0_as_in_init)
{
	int vm = vm_with_cid(self->ns[INIT], CID);
	int as_in_init = connect_soon(self->ns[INIT], SOCK_SEQPACKET);

	ASSERT_LE(0, vm);
	EXPECT_GT(0, as_in_init);
	close(vm);
	ASSERT_LE(0, vm_with_cid(self->ns[L0], CID));
	EXPECT_EQ(as_in_init, connect_soon(self->ns[L0], SOCK_SEQPACKET));
}

/* ---- the opener's namespace decides ---- */

TEST_F(cid, set_by_a_task_elsewhere_is_taken_where_the_device_was_opened)
{
	int vm = vm_in(self->ns[L0]);

	ASSERT_LE(0, vm);
	ASSERT_EQ(0, ns_enter(self->ns[G0]));
	EXPECT_EQ(0, vm_set_cid(vm, CID));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[L0], CID));
	EXPECT_LE(0, vm_with_cid(self->ns[G0], CID));
}

TEST_F(cid, set_from_a_local_namespace_is_taken_in_init_where_it_was_opened)
{
	int vm = vm_in(self->ns[INIT]);

	ASSERT_LE(0, vm);
	ASSERT_EQ(0, ns_enter(self->ns[L0]));
	EXPECT_EQ(0, vm_set_cid(vm, CID));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[INIT], CID));
	EXPECT_LE(0, vm_with_cid(self->ns[L0], CID));
}

struct handed {
	int channel;
	int ns;
};

/* Set the CID, report that, and hold the device until told to exit. */
static int set_cid_of_received_device(void *arg)
{
	struct handed *handed = arg;
	char byte = 0;
	int vm;

	if (ns_enter(handed->ns))
		return 1;
	vm = receive_fd(handed->channel);
	if (vm < 0)
		return 2;
	if (vm_set_cid(vm, CID))
		return 3;
	if (write(handed->channel, &byte, 1) != 1)
		return 4;
	return read(handed->channel, &byte, 1) == 1 ? 0 : 5;
}

TEST_F(cid, device_handed_to_a_task_elsewhere_stays_in_the_openers_namespace)
{
	struct handed handed = { .ns = self->ns[G0] };
	int channel[2], vm;
	char byte = 0;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, channel));
	handed.channel = channel[1];
	pid = start(set_cid_of_received_device, &handed);
	close(channel[1]);
	vm = vm_in(self->ns[L0]);
	ASSERT_LE(0, vm);
	ASSERT_EQ(0, send_fd(channel[0], vm));
	close(vm);

	ASSERT_EQ(1, read(channel[0], &byte, 1));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[L0], CID));
	EXPECT_LE(0, vm_with_cid(self->ns[G0], CID));

	ASSERT_EQ(1, write(channel[0], &byte, 1));
	EXPECT_EQ(0, finish(pid));
	EXPECT_LE(0, vm_with_cid(self->ns[L0], CID));
}

/* ---- a VM outlives the last name of its namespace ---- */

TEST_F(cid, vm_of_a_deleted_namespace_keeps_its_cid_to_itself)
{
	int ns = ns_local();
	int vm = vm_with_cid(ns, CID);

	ASSERT_LE(0, vm);
	close(ns);
	EXPECT_LE(0, vm_with_cid(self->ns[INIT], CID));
	EXPECT_LE(0, vm_with_cid(self->ns[L0], CID));
	EXPECT_LE(0, vm_with_cid(ns_local(), CID));
}

TEST_F(cid, vm_of_a_deleted_namespace_can_still_change_its_cid)
{
	int ns = ns_local();
	int vm = vm_with_cid(ns, CID);

	ASSERT_LE(0, vm);
	close(ns);
	ASSERT_LE(0, vm_with_cid(self->ns[INIT], OTHER_CID));
	EXPECT_EQ(0, vm_set_cid(vm, OTHER_CID));
	EXPECT_EQ(0, vm_set_cid(vm, CID));
}

TEST_F(cid, vm_of_a_deleted_global_namespace_still_has_its_cid)
{
	int ns = ns_global();
	int vm = vm_with_cid(ns, CID);

	ASSERT_LE(0, vm);
	close(ns);
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[INIT], CID));
	close(vm);
	EXPECT_LE(0, vm_with_cid(self->ns[INIT], CID));
}

/* ---- fdinfo ---- */

/* Returns a value from /proc/self/fdinfo/@fd, or -1 if there is no line @name. */
static long long fdinfo_value(int fd, const char *name)
{
	long long value = -1;
	char line[128];
	FILE *file;

	snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", fd);
	file = fopen(line, "re");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) &&
		    line[strlen(name)] == ':')
			sscanf(line + strlen(name) + 1, "%lld", &value);
	fclose(file);
	return value;
}

TEST_F(cid, fdinfo_shows_cid_and_namespace)
{
	struct stat ns;
	int i, vm;

	for (i = INIT; i < NS_COUNT; i++) {
		vm = vm_in(self->ns[i]);
		ASSERT_LE(0, vm);
		ASSERT_EQ(0, fstat(self->ns[i], &ns));
		EXPECT_EQ(0, fdinfo_value(vm, "guest_cid"));
		EXPECT_EQ((long long)ns.st_ino, fdinfo_value(vm, "net_ns"));
		ASSERT_EQ(0, vm_set_cid(vm, CID));
		EXPECT_EQ(CID, fdinfo_value(vm, "guest_cid"));
		ASSERT_EQ(0, vm_set_cid(vm, OTHER_CID));
		EXPECT_EQ(OTHER_CID, fdinfo_value(vm, "guest_cid"));
		EXPECT_EQ((long long)ns.st_ino, fdinfo_value(vm, "net_ns"));
		close(vm);
	}
}

TEST_HARNESS_MAIN
