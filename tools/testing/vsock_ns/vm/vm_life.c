// SPDX-License-Identifier: GPL-2.0
/*
 * VMs that start and stop, change their CIDs, are run by tasks of other
 * namespaces and outlive their namespaces; and the notification of their peers.
 */
#include <string.h>

#include "fixture.h"
#include "vm_link.h"

#define LINKS 3

FIXTURE(vm_life)
{
	int ns[NS_COUNT];
};

NAMESPACES_SETUP(vm_life, cannot_link_vms())

/* ---- reused and changed CIDs ---- */

TEST_F(vm_life, next_vm_with_a_cid_is_reached_and_gets_no_connection_of_the_last)
{
	struct vm_link old, new;
	struct vm last, next;

	ASSERT_EQ(0, vm_start(&last, self->ns[L0], CID));
	ASSERT_EQ(0, link_from_host(&old, &last, self->ns[L0], SOCK_STREAM));
	vm_stop(&last);
	ASSERT_EQ(0, vm_start(&next, self->ns[L0], CID));
	EXPECT_EQ(-ECONNRESET, link_reset(&old, VM_PATIENCE_MS));
	EXPECT_GT(0, send(old.sock, "late", 4, MSG_NOSIGNAL));
	ASSERT_EQ(0, link_from_host(&new, &next, self->ns[L0], SOCK_STREAM));
	EXPECT_EQ(0, link_talks(&new));
	EXPECT_EQ(0, next.stack.received[VIRTIO_VSOCK_OP_RST]);
	EXPECT_EQ(0, next.stack.resets);
	vm_stop(&next);
}

TEST_F(vm_life, vm_that_changes_its_cid_is_reached_by_the_new_one_only)
{
	struct vm_link link;
	struct vm vm;

	ASSERT_EQ(0, vm_start(&vm, self->ns[L0], CID));
	ASSERT_EQ(0, guest_set_cid(&vm.guest, OTHER_CID));
	EXPECT_EQ(-ENODEV, connect_briefly(self->ns[L0], SOCK_STREAM, CID, VM_PORT));
	ASSERT_EQ(0, link_from_host(&link, &vm, self->ns[L0], SOCK_STREAM));
	EXPECT_EQ(0, link_talks(&link));
	vm_stop(&vm);
}

TEST_F(vm_life, cid_changed_while_connected_leaves_the_connection_to_nobody)
{
	struct vm vm, elsewhere;
	struct vm_link link;

	ASSERT_EQ(0, vm_start(&vm, self->ns[L0], CID));
	ASSERT_EQ(0, vm_start(&elsewhere, self->ns[INIT], CID));
	ASSERT_EQ(0, link_from_host(&link, &vm, self->ns[L0], SOCK_STREAM));
	ASSERT_EQ(0, link_talks(&link));
	while (guest_turn(&vm.stack, 200) != -ETIMEDOUT)
		; /* discard the host's late credit update */
	ASSERT_EQ(0, guest_set_cid(&vm.guest, OTHER_CID));
	EXPECT_EQ(-ECONNRESET, link_reset(&link, VM_PATIENCE_MS));
	send(link.sock, "lost", 4, MSG_NOSIGNAL | MSG_DONTWAIT);
	guest_turn(&elsewhere.stack, 200);
	EXPECT_EQ(0, elsewhere.stack.received[VIRTIO_VSOCK_OP_RW]);
	EXPECT_EQ(0, guest_turn(&vm.stack, 0));
	vm_stop(&vm);
	vm_stop(&elsewhere);
}

TEST_F(vm_life, cid_changed_and_back_does_not_bring_the_connection_back)
{
	struct vm_link old, new;
	struct vm vm;

	ASSERT_EQ(0, vm_start(&vm, self->ns[L0], CID));
	ASSERT_EQ(0, link_from_host(&old, &vm, self->ns[L0], SOCK_STREAM));
	ASSERT_EQ(0, guest_set_cid(&vm.guest, OTHER_CID));
	ASSERT_EQ(0, guest_set_cid(&vm.guest, CID));
	EXPECT_EQ(-ECONNRESET, link_reset(&old, VM_PATIENCE_MS));
	ASSERT_EQ(0, link_from_host(&new, &vm, self->ns[L0], SOCK_STREAM));
	EXPECT_EQ(0, link_talks(&new));
	vm_stop(&vm);
}

TEST_F(vm_life, cid_that_is_set_again_or_refused_leaves_the_connection_as_it_was)
{
	struct vm vm, other;
	struct vm_link link;

	ASSERT_EQ(0, vm_start(&vm, self->ns[L0], CID));
	ASSERT_EQ(0, vm_start(&other, self->ns[L0], OTHER_CID));
	ASSERT_EQ(0, link_from_host(&link, &vm, self->ns[L0], SOCK_STREAM));
	EXPECT_EQ(0, vm_set_cid(vm.guest.vhost, CID));
	EXPECT_EQ(-EADDRINUSE, vm_set_cid(vm.guest.vhost, OTHER_CID));
	EXPECT_EQ(-EINVAL, vm_set_cid(vm.guest.vhost, 1));
	EXPECT_EQ(0, link_talks(&link));
	vm_stop(&vm);
	vm_stop(&other);
}

/* ---- the opener's namespace decides ---- */

FIXTURE(opener)
{
	int ns[NS_COUNT];
};

FIXTURE_VARIANT(opener)
{
	int opener;
	int runner;
};

FIXTURE_VARIANT_ADD(opener, in_l0_runner_in_init) { .opener = L0, .runner = INIT };
FIXTURE_VARIANT_ADD(opener, in_init_runner_in_l0) { .opener = INIT, .runner = L0 };
FIXTURE_VARIANT_ADD(opener, in_l0_runner_in_l1) { .opener = L0, .runner = L1 };

NAMESPACES_SETUP(opener, cannot_link_vms())

/* A VMM that receives its device from another task. The exit status is the result. */
struct runner {
	int channel;
	int ns;
};

enum { NO_DEVICE = 100, NO_START, NO_CONNECTION, NO_ECHO, NO_HOST };

static int run_device(void *arg)
{
	const struct runner *runner = arg;
	struct guest_options options = { .ring = 16 };
	struct guest_conn *conn;
	struct vm vm;
	char byte;

	options.vhost = receive_fd(runner->channel);
	if (options.vhost < 0)
		return NO_DEVICE;
	if (vm_start_with(&vm, runner->ns, CID, &options))
		return NO_START;
	if (write(runner->channel, "", 1) != 1 ||
	    guest_accept(&vm.stack, &conn, VM_PATIENCE_MS))
		return NO_CONNECTION;
	if (guest_read(conn, &byte, 1, NULL, VM_PATIENCE_MS) != 1 ||
	    guest_write(conn, &byte, 1, VM_PATIENCE_MS) != 1 ||
	    guest_read(conn, &byte, 1, NULL, VM_PATIENCE_MS))
		return NO_ECHO;
	if (guest_connect(&vm.stack, &conn, SOCK_STREAM, VMADDR_CID_HOST, PORT, VM_PATIENCE_MS) ||
	    guest_write(conn, "x", 1, VM_PATIENCE_MS) != 1 ||
	    guest_read(conn, &byte, 1, NULL, VM_PATIENCE_MS))
		return NO_HOST;
	return 0;
}

TEST_F(opener, decides_whom_a_vm_reaches_and_who_reaches_it)
{
	struct runner runner = { .ns = self->ns[variant->runner] };
	int there = listen_in(self->ns[variant->runner], SOCK_STREAM, VMADDR_CID_ANY, PORT);
	int here = listen_in(self->ns[variant->opener], SOCK_STREAM, VMADDR_CID_ANY, PORT);
	int channel[2], device, sock;
	char byte = 'x';
	pid_t pid;

	ASSERT_LE(0, there);
	ASSERT_LE(0, here);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, channel));
	runner.channel = channel[1];
	pid = start(run_device, &runner);
	close(channel[1]);
	device = vm_in(self->ns[variant->opener]);
	ASSERT_LE(0, device);
	ASSERT_EQ(0, send_fd(channel[0], device));
	close(device);
	ASSERT_EQ(1, read(channel[0], &byte, 1));

	EXPECT_EQ(-ENODEV, connect_briefly(self->ns[variant->runner], SOCK_STREAM, CID, VM_PORT));
	sock = connect_in(self->ns[variant->opener], SOCK_STREAM, CID, VM_PORT);
	ASSERT_LE(0, sock);
	EXPECT_EQ(1, send(sock, &byte, 1, 0));
	EXPECT_EQ(1, recv(sock, &byte, 1, 0));
	close(sock);

	sock = accept_one(here);
	ASSERT_LE(0, sock);
	EXPECT_EQ(1, recv(sock, &byte, 1, 0));
	close(sock);
	EXPECT_EQ(0, finish(pid));
	EXPECT_TRUE(quiet(there));
}

/* ---- deletion of the namespace of a running VM ---- */

FIXTURE(deleted)
{
	int init;
	int ns;
	struct vm vm;
	struct vm_link link;
	int spare;
	int listener;
};

FIXTURE_VARIANT(deleted)
{
	int (*make)(void);
	int type;
};

FIXTURE_VARIANT_ADD(deleted, local_stream) { .make = ns_local, .type = SOCK_STREAM };
FIXTURE_VARIANT_ADD(deleted, local_seqpacket) { .make = ns_local, .type = SOCK_SEQPACKET };
FIXTURE_VARIANT_ADD(deleted, global_stream) { .make = ns_global, .type = SOCK_STREAM };

/* A task of the namespace leaves a connection, a listener and a socket. */
FIXTURE_SETUP(deleted)
{
	SKIP_IF(cannot_link_vms());
	self->init = ns_here();
	self->ns = variant->make();
	ASSERT_LE(0, self->ns);
	ASSERT_EQ(0, vm_start(&self->vm, self->ns, CID));
	ASSERT_EQ(0, link_from_host(&self->link, &self->vm, self->ns, variant->type));
	self->spare = sock_in(self->ns, variant->type);
	self->listener = listen_in(self->ns, variant->type, VMADDR_CID_ANY, PORT);
	ASSERT_LE(0, self->listener);
	close(self->ns);
}

FIXTURE_TEARDOWN(deleted)
{
	vm_stop(&self->vm);
	close(self->init);
}

/* Namespaces are cleaned up in order: once a later one is freed, so is this one. */
static void let_cleanup_run(void)
{
	int ns = ns_local();

	close(ns);
	usleep(300000);
}

TEST_F(deleted, namespace_leaves_the_vm_its_connections_both_ways)
{
	struct vm_link link;

	let_cleanup_run();
	EXPECT_EQ(0, link_carries(&self->link, 10000));
	ASSERT_EQ(0, link_from_sock(&link, &self->vm, self->spare, variant->type));
	EXPECT_EQ(0, link_carries(&link, 10000));
	ASSERT_EQ(0, link_to_listener(&link, &self->vm, self->listener, variant->type, PORT));
	EXPECT_EQ(0, link_carries(&link, 10000));
}

TEST_F(deleted, namespace_and_then_its_vm_closed_resets_what_is_left)
{
	let_cleanup_run();
	EXPECT_EQ(0, link_talks(&self->link));
	vm_stop(&self->vm);
	EXPECT_EQ(-ECONNRESET, link_reset(&self->link, VM_PATIENCE_MS));
	EXPECT_EQ(variant->type == SOCK_STREAM ? -ENODEV : -ESOCKTNOSUPPORT,
		  connect_to(self->spare, CID, vm_port(variant->type)));
}

TEST_F(deleted, namespace_is_followed_by_one_with_the_same_cid)
{
	bool local = variant->make == ns_local;
	struct vm_link link;
	struct vm next;
	int ns;

	let_cleanup_run();
	ns = variant->make();
	ASSERT_LE(0, ns);
	EXPECT_EQ(local ? 0 : -EADDRINUSE, vm_start(&next, ns, CID));
	if (!local) {
		vm_stop(&self->vm);
		ASSERT_EQ(0, vm_start(&next, ns, CID));
	}
	ASSERT_EQ(0, link_from_host(&link, &next, ns, variant->type));
	EXPECT_EQ(0, link_talks(&link));
	EXPECT_EQ(local ? 0 : -ECONNRESET, local ? link_talks(&self->link)
						 : link_reset(&self->link, VM_PATIENCE_MS));
	vm_stop(&self->vm);
	EXPECT_EQ(local ? -ECONNRESET : 0, link_reset(&self->link, VM_PATIENCE_MS));
	EXPECT_EQ(0, link_talks(&link));
	vm_stop(&next);
	close(ns);
}

/* ---- stopping a VM ---- */

/**
 * struct place - location of a VM
 * @ns: its namespace
 * @cid: its CID
 */
struct place {
	int ns;
	unsigned int cid;
};

static const struct place places[] = {
	{ INIT, CID },
	{ G0, OTHER_CID },
	{ L0, CID },
	{ L0, OTHER_CID },
	{ L1, CID },
};

FIXTURE(exit_of)
{
	int ns[NS_COUNT];
	struct vm vms[ARRAY_SIZE(places)];
	struct vm_link links[ARRAY_SIZE(places)][LINKS];
};

FIXTURE_VARIANT(exit_of)
{
	unsigned int ends;
};

FIXTURE_VARIANT_ADD(exit_of, vm_in_init) { .ends = 0 };
FIXTURE_VARIANT_ADD(exit_of, vm_in_g0) { .ends = 1 };
FIXTURE_VARIANT_ADD(exit_of, vm_in_l0) { .ends = 2 };
FIXTURE_VARIANT_ADD(exit_of, vm_in_l1) { .ends = 4 };

FIXTURE_SETUP(exit_of)
{
	unsigned int i, j;

	SKIP_IF(cannot_link_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		int ns = self->ns[places[i].ns];

		ASSERT_EQ(0, vm_start(&self->vms[i], ns, places[i].cid));
		for (j = 0; j < LINKS - 1; j++)
			ASSERT_EQ(0, link_from_host(&self->links[i][j], &self->vms[i], ns,
						    SOCK_STREAM));
		ASSERT_EQ(0, link_from_guest(&self->links[i][j], &self->vms[i], ns,
					     SOCK_STREAM, PORT));
	}
}

FIXTURE_TEARDOWN(exit_of)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(places); i++)
		vm_stop(&self->vms[i]);
	ns_close(self->ns);
}

TEST_F(exit_of, resets_its_own_peers_and_nobody_elses)
{
	unsigned int i, j;

	vm_stop(&self->vms[variant->ends]);
	for (j = 0; j < LINKS; j++)
		EXPECT_EQ(-ECONNRESET, link_reset(&self->links[variant->ends][j], 0));
	for (i = 0; i < ARRAY_SIZE(places); i++)
		for (j = 0; j < LINKS && i != variant->ends; j++)
			EXPECT_EQ(0, link_talks(&self->links[i][j]));
}

TEST_F(exit_of, leaves_listeners_and_lets_the_next_vm_reach_them)
{
	struct place place = places[variant->ends];
	int ns = self->ns[place.ns];
	int listener = listen_in(ns, SOCK_STREAM, VMADDR_CID_ANY, PORT + 1);
	struct vm_link link;

	ASSERT_LE(0, listener);
	vm_stop(&self->vms[variant->ends]);
	EXPECT_TRUE(quiet(listener));
	ASSERT_EQ(0, vm_start(&self->vms[variant->ends], ns, place.cid));
	ASSERT_EQ(0, link_to_listener(&link, &self->vms[variant->ends], listener,
				      SOCK_STREAM, PORT + 1));
	EXPECT_EQ(0, link_talks(&link));
	close(listener);
}

TEST_HARNESS_MAIN
