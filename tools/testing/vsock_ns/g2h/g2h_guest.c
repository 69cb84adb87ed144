// SPDX-License-Identifier: GPL-2.0
/*
 * Assignment of the guest-to-host transport, in a guest whose host runs g2h_host:
 *
 *	the host: echoes, calls back, counts connections
 *	 |
 *	this machine: the device belongs to one scope at a time
 *	 +-- init, g0	the shared scope
 *	 +-- l0, l1
 */
#include <endian.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netlink.h>
#include <linux/vsockmon.h>

#include "fixture.h"
#include "g2h_client.h"
#include "lock_holder.h"
#include "netlink.h"

#define ANY VMADDR_CID_ANY
#define HOST VMADDR_CID_HOST
#define WAIT_MS 60000

FIXTURE(g2h)
{
	int ns[NS_COUNT];
	unsigned int own;
};

FIXTURE_VARIANT(g2h)
{
	int type;
};

FIXTURE_VARIANT_ADD(g2h, stream)
{
	.type = SOCK_STREAM,
};

FIXTURE_VARIANT_ADD(g2h, seqpacket)
{
	.type = SOCK_SEQPACKET,
};

FIXTURE_SETUP(g2h)
{
	SKIP_IF(cannot_run());
	ASSERT_EQ(0, ns_make(self->ns));
	ASSERT_EQ(0, assign_to(self->ns[INIT]));
	self->own = local_cid_in(self->ns[INIT]);
	if (self->own <= HOST || self->own == ANY)
		SKIP(return, "this machine is not a guest");
}

FIXTURE_TEARDOWN(g2h)
{
	assign_to(self->ns[INIT]);
	ns_close(self->ns);
}

/* ---- connections ---- */

TEST_F_TIMEOUT(g2h, shared_is_for_all_global_namespaces, 180)
{
	EXPECT_TRUE(reaches_host(self->ns[INIT], variant->type));
	EXPECT_TRUE(reaches_host(self->ns[G0], variant->type));
	EXPECT_FALSE(reaches_host(self->ns[L0], variant->type));
}

TEST_F_TIMEOUT(g2h, assigned_namespace_reaches_the_host_and_others_do_not, 180)
{
	ASSERT_EQ(0, assign_to(self->ns[L0]));
	EXPECT_TRUE(reaches_host(self->ns[L0], variant->type));
	EXPECT_FALSE(reaches_host(self->ns[INIT], variant->type));
	EXPECT_FALSE(reaches_host(self->ns[G0], variant->type));
	EXPECT_FALSE(reaches_host(self->ns[L1], variant->type));
	ASSERT_EQ(0, assign_to(self->ns[INIT]));
	EXPECT_TRUE(reaches_host(self->ns[G0], variant->type));
	EXPECT_FALSE(reaches_host(self->ns[L0], variant->type));
}

TEST_F_TIMEOUT(g2h, cid_2_is_this_machine_for_others, 180)
{
	struct pair pair;

	ASSERT_EQ(0, assign_to(self->ns[L0]));
	ASSERT_EQ(0, pair_in(&pair, self->ns[INIT], variant->type, HOST));
	EXPECT_EQ(0, talk(pair.client, pair.server));
	ASSERT_EQ(0, pair_in(&pair, self->ns[L1], variant->type, HOST));
	EXPECT_EQ(0, talk(pair.client, pair.server));
}

TEST_F_TIMEOUT(g2h, host_reaches_listeners_of_the_assigned_namespace_only, 180)
{
	int init = listen_in(self->ns[INIT], variant->type, ANY, PORT);
	int l0 = listen_in(self->ns[L0], variant->type, ANY, PORT);
	int sock;

	ASSERT_EQ(0, host_calls(self->ns[INIT], variant->type, PORT));
	EXPECT_LE(0, accept_one(init));
	EXPECT_TRUE(quiet(l0));
	ASSERT_EQ(0, assign_to(self->ns[L0]));
	ASSERT_EQ(0, host_calls(self->ns[L0], variant->type, PORT));
	sock = accept_one(l0);
	ASSERT_LE(0, sock);
	EXPECT_TRUE(echoes(sock, "called"));
	EXPECT_TRUE(quiet(init));
	close(l0);
	EXPECT_EQ(ECONNRESET, host_calls(self->ns[L0], variant->type, PORT));
	EXPECT_TRUE(quiet(init));
	ASSERT_EQ(0, assign_to(self->ns[INIT]));
	EXPECT_EQ(-ECONNRESET, sock_outcome(sock, POLLHUP, WAIT_MS));
}

/* ---- the CID ---- */

TEST_F_TIMEOUT(g2h, own_cid_goes_with_the_transport, 180)
{
	ASSERT_EQ(0, assign_to(self->ns[L0]));
	EXPECT_EQ(self->own, local_cid_in(self->ns[L0]));
	EXPECT_NE(self->own, local_cid_in(self->ns[INIT]));
	EXPECT_NE(self->own, local_cid_in(self->ns[L1]));
	EXPECT_LE(0, bind_in(self->ns[L0], self->own, PORT));
	EXPECT_EQ(-EADDRNOTAVAIL, bind_in(self->ns[INIT], self->own, PORT));
	EXPECT_EQ(-EADDRNOTAVAIL, bind_in(self->ns[L1], self->own, PORT));
	if (!cannot_make_vms()) {
		EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[L0], self->own));
		EXPECT_LE(0, vm_with_cid(self->ns[INIT], self->own));
	}
}

/* ---- change of hands ---- */

TEST_F_TIMEOUT(g2h, connections_of_the_loser_are_reset_at_both_ends, 180)
{
	int sock = connect_host(self->ns[INIT], variant->type, ECHO_PORT), tries = 100;

	ASSERT_LE(0, sock);
	ASSERT_TRUE(echoes(sock, "before"));
	EXPECT_LE(1, live_at_host(self->ns[INIT]));
	ASSERT_EQ(0, assign_to(self->ns[L0]));
	EXPECT_EQ(-ECONNRESET, sock_outcome(sock, POLLHUP, WAIT_MS));
	EXPECT_GT(0, send(sock, "after", 5, MSG_NOSIGNAL));
	while (live_at_host(self->ns[L0]) && --tries)
		usleep(100000);
	EXPECT_LT(0, tries);
	close(sock);
}

static void *fill(void *arg)
{
	static char data[65536];
	int sock = *(int *)arg;

	while (send(sock, data, sizeof(data), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

TEST_F_TIMEOUT(g2h, a_blocked_writer_wakes, 180)
{
	int sock = connect_host(self->ns[INIT], variant->type, ECHO_PORT);
	pthread_t writer;

	ASSERT_LE(0, sock);
	/* The echo stops when nobody reads from it. */
	ASSERT_EQ(0, pthread_create(&writer, NULL, fill, &sock));
	usleep(2000000);
	ASSERT_EQ(0, assign_to(self->ns[L0]));
	EXPECT_EQ(0, pthread_join(writer, NULL));
	close(sock);
}

TEST_F_TIMEOUT(g2h, the_port_pair_of_an_old_connection_can_be_used_at_once, 180)
{
	unsigned int port = ECHO_PORT + (variant->type == SOCK_SEQPACKET);
	int i, old, new;

	for (i = 0; i < 20; i++) {
		old = sock_in(self->ns[INIT], variant->type);
		new = sock_in(self->ns[L0], variant->type);
		/* Each round has its own port: the host may not have closed the last one. */
		ASSERT_EQ(0, bind_to(old, ANY, PORT + i));
		ASSERT_EQ(0, bind_to(new, ANY, PORT + i));
		ASSERT_EQ(0, connect_to(old, HOST, port));
		/* The echo of this is on its way when the transport changes hands. */
		ASSERT_EQ(8, send(old, "old data", 8, MSG_NOSIGNAL));
		ASSERT_EQ(0, assign_to(self->ns[L0]));
		if (!connect_to(new, HOST, port))
			EXPECT_TRUE(echoes(new, "new data"));
		EXPECT_TRUE(reaches_host(self->ns[L0], variant->type));
		close(old);
		close(new);
		ASSERT_EQ(0, assign_to(self->ns[INIT]));
	}
}

TEST_F_TIMEOUT(g2h, a_closed_socket_of_the_loser_returns_its_port, 180)
{
	int sock = sock_in(self->ns[INIT], variant->type), again, tries = 50;

	ASSERT_EQ(0, bind_to(sock, ANY, PORT));
	ASSERT_EQ(0, connect_to(sock, HOST, IDLE_PORT + (variant->type == SOCK_SEQPACKET)));
	/* The host has this in its queue, and does not answer to close(). */
	ASSERT_EQ(4, send(sock, "data", 4, MSG_NOSIGNAL));
	close(sock);
	ASSERT_EQ(0, assign_to(self->ns[L0]));
	while ((again = bind_in(self->ns[INIT], ANY, PORT)) == -EADDRINUSE && --tries)
		usleep(100000);
	EXPECT_LE(0, again);
	close(again);
}

static void *drain(void *arg)
{
	static char data[65536];
	int sock = *(int *)arg;

	while (recv(sock, data, sizeof(data), 0) > 0)
		;
	return NULL;
}

/* Open a packet socket on a new tap in @ns. */
static int tap_in(int ns)
{
	int here = ns_here(), tap = -1, route;

	if (ns_enter(ns))
		return -1;
	route = netlink_open(NETLINK_ROUTE);
	if (!tap_create(route, "vsockmon0"))
		tap = tap_open("vsockmon0");
	close(route);
	if (ns_enter(here))
		tap = -1;
	close(here);
	return tap;
}

/* The number of packets with payload that the tap has seen. */
static int payloads(int tap)
{
	static union {
		struct af_vsockmon_hdr hdr;
		char bytes[70000];
	} packet;
	int count = 0;

	while (recv(tap, &packet, sizeof(packet), 0) >= (ssize_t)sizeof(packet.hdr))
		count += le16toh(packet.hdr.op) == AF_VSOCK_OP_PAYLOAD;
	return count;
}

TEST_F_TIMEOUT(g2h, taps_of_the_new_owner_do_not_see_payload_of_the_old_one, 180)
{
	int tap = tap_in(self->ns[L0]), i, sock;
	pthread_t writer, reader;

	ASSERT_LE(0, tap);
	for (i = 0; i < 10; i++) {
		sock = connect_host(self->ns[INIT], variant->type, ECHO_PORT);
		ASSERT_LE(0, sock);
		ASSERT_EQ(0, pthread_create(&writer, NULL, fill, &sock));
		ASSERT_EQ(0, pthread_create(&reader, NULL, drain, &sock));
		usleep(500000);
		ASSERT_EQ(0, assign_to(self->ns[L0]));
		ASSERT_EQ(0, pthread_join(writer, NULL));
		ASSERT_EQ(0, pthread_join(reader, NULL));
		close(sock);
		usleep(200000);
		EXPECT_EQ(0, payloads(tap));
		ASSERT_TRUE(reaches_host(self->ns[L0], variant->type));
		EXPECT_LT(0, payloads(tap));
		ASSERT_EQ(0, assign_to(self->ns[INIT]));
	}
	close(tap);
}

TEST_F_TIMEOUT(g2h, a_held_lock_delays_nobody, 180)
{
	int sock = connect_host(self->ns[INIT], variant->type, ECHO_PORT);
	const char *why = cannot_hold_locks();
	struct lock_holder holder;

	if (why)
		SKIP(return, "%s", why);
	ASSERT_LE(0, sock);
	ASSERT_EQ(0, locks_hold(&holder, &sock, 1));
	ASSERT_EQ(0, assign_to(self->ns[L0]));
	EXPECT_TRUE(reaches_host(self->ns[L0], variant->type));
	locks_release(&holder);
	EXPECT_EQ(-ECONNRESET, sock_outcome(sock, POLLHUP, WAIT_MS));
	close(sock);
}

/* ---- unplugging ---- */

/* Find the PCI device of the transport: its path below /sys/bus/pci/devices. */
static int find_device(char *path, size_t size)
{
	static const char driver[] = "/sys/bus/virtio/drivers/vmw_vsock_virtio_transport";
	char found[PATH_MAX];
	glob_t devices;
	int err = -1;

	if (glob("/sys/bus/pci/devices/*/virtio*/driver", 0, NULL, &devices))
		return -1;
	for (size_t i = 0; i < devices.gl_pathc && err; i++) {
		const char *link = devices.gl_pathv[i];
		const char *end = strstr(link, "/virtio");

		if (!realpath(link, found) || strcmp(found, driver))
			continue;
		snprintf(path, size, "%.*s", (int)(end - link), link);
		err = 0;
	}
	globfree(&devices);
	return err;
}

TEST_F_TIMEOUT(g2h, an_unplugged_device_comes_back_to_its_owner, 180)
{
	char device[PATH_MAX], remove[PATH_MAX + 8];
	int sock, listener;

	ASSERT_EQ(0, find_device(device, sizeof(device)));
	snprintf(remove, sizeof(remove), "%s/remove", device);
	ASSERT_EQ(0, assign_to(self->ns[L0]));
	listener = listen_in(self->ns[L0], variant->type, ANY, PORT);
	/* The driver cannot tell the host, which keeps its end of the connection. */
	sock = connect_host(self->ns[L0], variant->type, IDLE_PORT);
	ASSERT_LE(0, sock);

	ASSERT_EQ(0, write_text(remove, "1"));
	EXPECT_EQ(-ECONNRESET, sock_outcome(sock, POLLHUP, WAIT_MS));
	EXPECT_GT(0, connect_host(self->ns[L0], variant->type, ECHO_PORT));
	EXPECT_NE(self->own, local_cid_in(self->ns[L0]));
	ASSERT_EQ(0, write_text("/sys/bus/pci/rescan", "1"));
	EXPECT_TRUE(wait_for_cid(self->ns[L0], self->own, true, 20));

	EXPECT_NE(self->own, local_cid_in(self->ns[INIT]));
	EXPECT_TRUE(reaches_host(self->ns[L0], variant->type));
	EXPECT_FALSE(reaches_host(self->ns[INIT], variant->type));
	EXPECT_EQ(0, host_calls(self->ns[L0], variant->type, PORT));
	EXPECT_LE(0, accept_one(listener));
	close(listener);
	close(sock);
}

/* ---- the end of the namespace ---- */

TEST_F_TIMEOUT(g2h, shared_again_when_the_namespace_ends, 180)
{
	int ns = ns_local(), sock;

	ASSERT_LE(0, ns);
	ASSERT_EQ(0, assign_to(ns));
	sock = connect_host(ns, variant->type, ECHO_PORT);
	ASSERT_LE(0, sock);
	close(ns);
	EXPECT_TRUE(echoes(sock, "no name, no task"));
	close(sock);
	EXPECT_TRUE(wait_for_cid(self->ns[INIT], self->own, true, 20));
	EXPECT_TRUE(reaches_host(self->ns[INIT], variant->type));
}

/* ---- many at once ---- */

struct assigner {
	int dev;
	bool failed;
};

static void *assign_often(void *arg)
{
	struct assigner *assigner = arg;
	int i;

	for (i = 0; i < 200; i++)
		assigner->failed |= assign_by(assigner->dev) != 0;
	return NULL;
}

TEST_F_TIMEOUT(g2h, two_that_assign_at_once_leave_one_owner, 300)
{
	struct assigner a = { .dev = dev_vsock_in(self->ns[L0]) };
	struct assigner b = { .dev = dev_vsock_in(self->ns[L1]) };
	pthread_t other;
	bool l0, l1;
	int i;

	ASSERT_EQ(0, pthread_create(&other, NULL, assign_often, &a));
	assign_often(&b);
	for (i = 0; i < 20; i++)
		close(connect_host(self->ns[i % 2 ? L0 : L1], variant->type, ECHO_PORT));
	ASSERT_EQ(0, pthread_join(other, NULL));
	EXPECT_FALSE(a.failed);
	EXPECT_FALSE(b.failed);
	l0 = local_cid_in(self->ns[L0]) == self->own;
	l1 = local_cid_in(self->ns[L1]) == self->own;
	EXPECT_EQ(1, l0 + l1);
	EXPECT_TRUE(reaches_host(self->ns[l0 ? L0 : L1], variant->type));
	EXPECT_FALSE(reaches_host(self->ns[l0 ? L1 : L0], variant->type));
	close(a.dev);
	close(b.dev);
}

TEST_HARNESS_MAIN
