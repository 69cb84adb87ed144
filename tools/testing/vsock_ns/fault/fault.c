// SPDX-License-Identifier: GPL-2.0
/*
 * Allocation failures: the first allocation of a system call fails, then the
 * second, and so on until the call succeeds without a fault. Each time, the
 * call either fails with ENOMEM or succeeds, and the next call succeeds.
 * Crashes and leaks appear in the kernel log and in kmemleak, which
 * tools/check/guest/run-tests checks.
 *
 * Only allocations below functions of the module family fail. Needs
 * CONFIG_FAILSLAB and its stack trace filter. Loads and unloads modules, so the
 * program needs a VM to itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/netlink.h>

#include "fixture.h"
#include "g2h.h"
#include "guest.h"
#include "inject.h"
#include "netlink.h"

#define PATIENCE 900		/* seconds; debug kernels and emulation are slow */
#define CONVERSATIONS 300

/* ---- the tested calls ---- */

static struct {
	int parent;
	int local;
	struct guest guest;
	const char *module;
	char path[256];
} at;

static void close_it(int fd)
{
	close(fd);
}

static int enter_a_new_namespace(void)
{
	return unshare(CLONE_NEWNET) ? -errno : 0;
}

static void leave_it(int result)
{
	(void)result;
	if (ns_enter(at.parent))
		abort();
}

static int enter_a_namespace(void)
{
	return ns_enter(at.local);
}

static int make_a_stream_socket(void)
{
	return sock_in(at.local, SOCK_STREAM);
}

static int make_a_seqpacket_socket(void)
{
	return sock_in(at.local, SOCK_SEQPACKET);
}

static int bind_to_a_port(void)
{
	return bind_in(at.local, VMADDR_CID_ANY, PORT);
}

static int bind_to_any_port(void)
{
	return bind_in(at.local, VMADDR_CID_ANY, VMADDR_PORT_ANY);
}

/* Create two sockets, connect them and exchange data. */
static int converse(int type)
{
	struct pair pair = { -1, -1 };
	int err = pair_in(&pair, at.local, type, VMADDR_CID_LOCAL);

	if (!err)
		err = talk(pair.client, pair.server);
	if (pair.client >= 0)
		close(pair.client);
	if (pair.server >= 0)
		close(pair.server);
	return err;
}

static int converse_in_a_stream(void)
{
	return converse(SOCK_STREAM);
}

static int converse_in_packets(void)
{
	return converse(SOCK_SEQPACKET);
}

static int open_a_vm(void)
{
	return vm_in(at.local);
}

static int give_a_cid(void)
{
	return vm_with_cid(at.local, CID);
}

static int start_a_guest(void)
{
	return guest_start(&at.guest, CID);
}

static void stop_the_guest(int result)
{
	(void)result;
	guest_stop(&at.guest);
}

static int connect_to_the_guest(void)
{
	int sock = sock_in(at.local, SOCK_STREAM);
	int err;

	if (sock < 0)
		return sock;
	fcntl(sock, F_SETFL, O_NONBLOCK);
	err = connect_to(sock, CID, PORT);
	if (err == -EINPROGRESS)
		return sock;
	close(sock);
	return err;
}

/* Assign the guest-to-host transport to a namespace with sockets, and back. */
static int assign_the_way_to_the_host(void)
{
	return assign_to(at.local) ?: assign_to(at.parent);
}

static int list_the_sockets(void)
{
	int diag = netlink_open(NETLINK_SOCK_DIAG);
	int count = diag < 0 ? diag : diag_dump(diag, NULL, NULL);

	close(diag);
	return count;
}

static int make_a_tap(void)
{
	int route = netlink_open(NETLINK_ROUTE);
	int err = route < 0 ? route : tap_create(route, "tap");

	close(route);
	return err;
}

static void delete_the_tap(int result)
{
	int route = netlink_open(NETLINK_ROUTE);

	(void)result;
	if (tap_delete(route, "tap"))
		abort();
	close(route);
}

static int load_the_module(void)
{
	int file = open(at.path, O_RDONLY | O_CLOEXEC);
	int err = syscall(SYS_finit_module, file, "", 0) ? -errno : 0;

	close(file);
	return err;
}

static void unload_the_module(int result)
{
	(void)result;
	if (module_unload(at.module))
		abort();
}

/* ---- the tests ---- */

FIXTURE(fault)
{
	int init;
};

FIXTURE_SETUP(fault)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	ASSERT_EQ(0, module_load("vsockmon"));
	self->init = ns_here();
	at.parent = ns_global();
	ASSERT_LE(0, at.parent);
	ASSERT_EQ(0, choose_for_children(at.parent, LOCAL));
	at.local = ns_child_of(at.parent);
	ASSERT_EQ(LOCAL, mode_of(at.local));
	ASSERT_EQ(0, ns_enter(at.local));
}

FIXTURE_TEARDOWN(fault)
{
	EXPECT_EQ(0, ns_enter(self->init));
	close(at.local);
	close(at.parent);
	close(self->init);
}

/* Zero faults would mean that the call was not tested. */
#define SURVIVES(what, ...) \
	EXPECT_LT(0, survives(#what, &(struct call) { .run = what, ##__VA_ARGS__ }))

TEST_F_TIMEOUT(fault, entering_a_new_namespace, PATIENCE)
{
	SURVIVES(enter_a_new_namespace, .undo = leave_it);
}

TEST_F_TIMEOUT(fault, entering_a_new_namespace_whoever_lacks_memory, PATIENCE)
{
	/* errors of other subsystems: /proc/net, the socket for uevents */
	SURVIVES(enter_a_new_namespace, .undo = leave_it, .under = "setup_net",
		 .may = { EEXIST, ENODEV, EINVAL });
}

TEST_F_TIMEOUT(fault, entering_a_namespace, PATIENCE)
{
	SURVIVES(enter_a_namespace, .under = "__x64_sys_setns");
}

TEST_F_TIMEOUT(fault, sockets, PATIENCE)
{
	SURVIVES(make_a_stream_socket, .undo = close_it);
	SURVIVES(make_a_seqpacket_socket, .undo = close_it);
	/* for the inode */
	SURVIVES(make_a_stream_socket, .undo = close_it, .under = "__sys_socket",
		 .may = { ENFILE });
}

TEST_F_TIMEOUT(fault, binds, PATIENCE)
{
	SURVIVES(bind_to_a_port, .undo = close_it);
	SURVIVES(bind_to_any_port, .undo = close_it);
}

TEST_F_TIMEOUT(fault, connections, PATIENCE)
{
	SURVIVES(converse_in_a_stream);
	SURVIVES(converse_in_packets);
}

TEST_F_TIMEOUT(fault, vms, PATIENCE)
{
	SURVIVES(open_a_vm, .undo = close_it);
	SURVIVES(give_a_cid, .undo = close_it);
	/* for a page that vhost allocates on the first write */
	SURVIVES(start_a_guest, .undo = stop_the_guest, .may = { EFAULT });
}

TEST_F_TIMEOUT(fault, connections_to_a_guest, PATIENCE)
{
	ASSERT_EQ(0, guest_start(&at.guest, CID));
	SURVIVES(connect_to_the_guest, .undo = close_it);
	guest_stop(&at.guest);
}

TEST_F_TIMEOUT(fault, assignments_need_no_memory, PATIENCE)
{
	int sock = bind_to_a_port();

	ASSERT_LE(0, sock);
	ASSERT_EQ(0, module_load("vmw_vsock_virtio_transport"));
	EXPECT_EQ(0, survives("assign_the_way_to_the_host",
			      &(struct call) { .run = assign_the_way_to_the_host }));
	EXPECT_EQ(0, module_unload("vmw_vsock_virtio_transport"));
	close(sock);
}

TEST_F_TIMEOUT(fault, lists_of_sockets, PATIENCE)
{
	ASSERT_LE(0, bind_to_a_port());
	SURVIVES(list_the_sockets, .under = "netlink_sendmsg");
}

TEST_F_TIMEOUT(fault, taps, PATIENCE)
{
	/* for the name of the device in sysfs */
	SURVIVES(make_a_tap, .undo = delete_the_tap, .under = "rtnl_newlink",
		 .may = { EINVAL });
}

/*
 * Allocations of the loopback and vhost workers belong to no system call: fail
 * one in ten, in all tasks. A lost answer never arrives, so waits are short.
 */
static int converse_while_memory_is_short(void)
{
	struct timeval short_time = { .tv_usec = 50000 };
	int listener = listen_in(at.local, SOCK_STREAM, VMADDR_CID_ANY, PORT);
	int client = sock_in(at.local, SOCK_STREAM), server = -1, err;

	setsockopt(client, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &short_time,
		   sizeof(short_time));
	err = connect_to(client, VMADDR_CID_LOCAL, PORT);
	fcntl(listener, F_SETFL, O_NONBLOCK);
	if (!err)
		server = accept(listener, NULL, NULL);
	if (server >= 0 && send(client, "text", 4, MSG_DONTWAIT | MSG_NOSIGNAL) == 4)
		send(server, "text", 4, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(listener);
	close(client);
	close(server);
	return err;
}

TEST_F_TIMEOUT(fault, workers, PATIENCE)
{
	int err, i, refused = 0;

	ASSERT_EQ(0, guest_start(&at.guest, CID));
	ASSERT_EQ(0, inject_everywhere(10));
	for (i = 0; i < CONVERSATIONS; i++) {
		err = converse_while_memory_is_short();
		refused += err < 0;
		if (err && err != -ENOMEM && err != -ETIMEDOUT && err != -ECONNRESET &&
		    err != -EBADF)
			break;
		close(connect_to_the_guest());
	}
	EXPECT_EQ(0, inject_everywhere(0));
	EXPECT_EQ(CONVERSATIONS, i)
		TH_LOG("%s", strerror(-err));
	EXPECT_LT(0, injected());
	fprintf(stderr, "# workers: %ld faults injected, %d of %d refused\n",
		injected(), refused, CONVERSATIONS);
	guest_stop(&at.guest);
	EXPECT_EQ(0, converse(SOCK_STREAM));
	EXPECT_EQ(0, converse(SOCK_SEQPACKET));
	EXPECT_EQ(0, guest_start(&at.guest, CID));
	guest_stop(&at.guest);
}

/* ---- module loading ---- */

/* Find the file that modprobe would load. */
static int find_module(const char *name)
{
	char command[64];
	FILE *modinfo;
	int err;

	snprintf(command, sizeof(command), "modinfo -n %s", name);
	modinfo = popen(command, "re");
	err = !modinfo || fscanf(modinfo, "%255s", at.path) != 1 || at.path[0] != '/';
	if (modinfo)
		pclose(modinfo);
	at.module = name;
	return err ? -ENOENT : 0;
}

/* Unload the modules from the last one down to @first. */
static int unload_from(size_t first)
{
	size_t i;
	int err;

	for (i = FAMILY_SIZE; i-- > first;) {
		err = module_unload(family[i]);
		if (err && err != -ENOENT)
			return err;
	}
	return 0;
}

FIXTURE(load)
{
	int here;
	int found;
};

FIXTURE_SETUP(load)
{
	if (access("/proc/modules", F_OK))
		SKIP(return, "kernel without modules");
	/* Fails if an earlier test has leaked a reference, for example. */
	ASSERT_EQ(0, unload_from(0));
	/* another namespace that exists when the modules are loaded */
	self->here = ns_here();
	self->found = ns_global();
	ASSERT_LE(0, self->found);
}

FIXTURE_TEARDOWN(load)
{
	size_t i;

	for (i = 0; i < FAMILY_SIZE; i++)
		EXPECT_EQ(0, module_load(family[i]));
	close(self->found);
	close(self->here);
}

TEST_F_TIMEOUT(load, each_module, PATIENCE)
{
	size_t i;

	for (i = 0; i < FAMILY_SIZE; i++) {
		struct call call = {
			.run = load_the_module, .undo = unload_the_module,
			.under = "do_init_module", .except = "__kmem_cache_create_args",
		};

		ASSERT_EQ(0, find_module(family[i]));
		EXPECT_LT(0, survives(family[i], &call));
		ASSERT_EQ(0, load_the_module());
	}
}

/* Skip the whole program: distribution kernels lack fault injection. */
#define main tests_main
TEST_HARNESS_MAIN
#undef main

int main(int argc, char **argv)
{
	const char *why = cannot_inject();

	if (!why)
		return tests_main(argc, argv);
	printf("TAP version 13\n1..0 # SKIP %s\n", why);
	return KSFT_SKIP;
}
