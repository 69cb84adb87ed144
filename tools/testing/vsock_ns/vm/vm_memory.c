// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel memory per VM is the same in a local namespace and in init.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "guest.h"
#include "kernel_memory.h"

#define VMS 100

FIXTURE(vm_memory)
{
	struct guest guests[VMS];
	int ns[VMS];
};

FIXTURE_SETUP(vm_memory)
{
	int i;

	SKIP_IF(cannot_make_vms());
	SKIP_IF(geteuid() ? "needs root" : NULL);
	for (i = 0; i < VMS; i++)
		self->ns[i] = -1;
}

NO_TEARDOWN(vm_memory)

/* Wait until the memory freed by earlier programs is returned. */
static long long bytes_at_rest(void)
{
	long long bytes = kernel_bytes(), last;
	int tries = 20;

	do {
		last = bytes;
		sleep(1);
		bytes = kernel_bytes();
	} while (bytes >= 0 && llabs(bytes - last) > 16384 && --tries);
	return bytes;
}

/* Returns the bytes of kernel memory per VM, or a negative errno. */
static long long memory_of_vms(struct guest *guests, const int *ns, unsigned int cid)
{
	long long before = bytes_at_rest(), bytes;
	int i, err = before < 0 ? before : 0;

	for (i = 0; i < VMS && !err; i++) {
		if (ns)
			err = ns_enter(ns[i]);
		if (!err)
			err = guest_start(&guests[i], ns ? CID : cid + i);
	}
	if (err)
		return err;
	usleep(500000);
	bytes = kernel_bytes();
	for (i = 0; i < VMS; i++)
		guest_stop(&guests[i]);
	return bytes < 0 ? bytes : (bytes - before) / VMS;
}

/*
 * The first round grows the tables to their size. RCU frees memory within 5 s.
 * Stock kernels have no local namespaces, but the figure for init is printed.
 */
TEST_F_TIMEOUT(vm_memory, of_a_vm_in_a_local_namespace_is_that_of_one_in_init, 180)
{
	const char *why = cannot_run();
	long long in_init, local;
	int i;

	for (i = 0; i < VMS && !why; i++) {
		self->ns[i] = i ? ns_child_of(self->ns[0]) : ns_local();
		ASSERT_LE(0, self->ns[i]);
	}
	ASSERT_LT(0, memory_of_vms(self->guests, NULL, CID));
	sleep(6);
	in_init = memory_of_vms(self->guests, NULL, CID);
	ASSERT_LT(0, in_init);
	TH_LOG("a VM in init: %lld bytes of kernel memory", in_init);
	if (why)
		SKIP(return, "%s", why);
	sleep(6);
	local = memory_of_vms(self->guests, self->ns, 0);
	TH_LOG("a VM in a local namespace: %lld", local);
	ASSERT_LT(0, local);
	EXPECT_LE(local, in_init + in_init / 20);
}

TEST_HARNESS_MAIN
