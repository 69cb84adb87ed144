// SPDX-License-Identifier: GPL-2.0
/*
 * Taps: a vsockmon device sees the packets of its own scope only.
 *
 * Each test connects to a port without a listener. The request and the reset
 * that answers it pass the taps before connect() returns. A tap that has not
 * seen them by then never will.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/vsockmon.h>

#include "fixture.h"
#include "guest.h"
#include "netlink.h"

#define DEVICE "vsockmon0"

/* Run a command as a task of @ns. */
static int run_in(int ns, const char *command)
{
	int here = ns_here(), err = ns_enter(ns);

	if (!err && system(command))
		err = -EINVAL;
	if (ns_enter(here))
		err = -EINVAL;
	close(here);
	return err;
}

/* Open a packet socket on the tap in @ns. */
static int listen_on_tap(int ns)
{
	int here = ns_here(), sock = ns_enter(ns);

	if (!sock)
		sock = tap_open(DEVICE);
	if (ns_enter(here))
		sock = -EINVAL;
	close(here);
	return sock;
}

static int make_tap(int ns)
{
	return run_in(ns, "ip link add " DEVICE " type vsockmon && ip link set " DEVICE " up");
}

static int tap_in(int ns)
{
	int err = make_tap(ns);

	return err ? err : listen_on_tap(ns);
}

/* Returns the number of packets on the tap with @port as source or destination. */
static int seen(int tap, unsigned int port)
{
	union {
		struct af_vsockmon_hdr hdr;
		char bytes[65536];
	} packet;
	int count = 0;

	while (recv(tap, &packet, sizeof(packet), 0) >= (ssize_t)sizeof(packet.hdr))
		count += le32toh(packet.hdr.src_port) == port ||
			 le32toh(packet.hdr.dst_port) == port;
	return count;
}

FIXTURE(taps)
{
	int ns[NS_COUNT];
	int tap;
	struct guest guest;
};

FIXTURE_VARIANT(taps)
{
	int tap;
	int sender;
};

#define PAIR(fixture, name, a, b)				\
	FIXTURE_VARIANT_ADD(fixture, name)			\
	{							\
		.tap = a, .sender = b,				\
	}

PAIRS_IN_ONE_SCOPE(PAIR, taps);
PAIRS_IN_TWO_SCOPES(PAIR, taps);

static bool is_local(int ns)
{
	return ns == L0 || ns == L1;
}

static bool may_see(int tap, int sender)
{
	return is_local(tap) ? tap == sender : !is_local(sender);
}

FIXTURE_SETUP(taps)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	SKIP_IF(cannot_tap());
	ASSERT_EQ(0, ns_make(self->ns));
	self->tap = tap_in(self->ns[variant->tap]);
	ASSERT_LE(0, self->tap);
	self->guest.vhost = -1;
}

FIXTURE_TEARDOWN(taps)
{
	int init = self->ns[INIT];

	if (self->guest.vhost >= 0)
		guest_stop(&self->guest);
	close(self->tap);
	ns_enter(init);
	if (variant->tap == INIT && system("ip link del " DEVICE))
		TH_LOG("cannot delete " DEVICE);
	ns_close(self->ns);
}

TEST_F(taps, see_loopback_of_their_scope_only)
{
	EXPECT_EQ(-ECONNRESET, connect_in(self->ns[variant->sender], SOCK_STREAM,
					  VMADDR_CID_LOCAL, PORT));
	EXPECT_EQ(may_see(variant->tap, variant->sender) ? 2 : 0, seen(self->tap, PORT));
}

/* The task stays in the namespace of the VM. */
static int start_guest(struct guest *guest, int ns)
{
	int err = ns_enter(ns);

	return err ? err : guest_start(guest, CID);
}

TEST_F(taps, see_what_a_vm_of_their_scope_sends)
{
	struct virtio_vsock_hdr hdr = {
		.src_cid = htole64(CID),
		.dst_cid = htole64(VMADDR_CID_HOST),
		.src_port = htole32(PORT),
		.dst_port = htole32(PORT + 1),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(VIRTIO_VSOCK_OP_REQUEST),
	};
	struct virtio_vsock_hdr reset;

	ASSERT_EQ(0, start_guest(&self->guest, self->ns[variant->sender]));
	ASSERT_EQ(0, guest_send(&self->guest, &hdr, NULL));
	ASSERT_EQ(0, guest_receive(&self->guest, &reset, NULL, 0, 10000));
	EXPECT_EQ(VIRTIO_VSOCK_OP_RST, le16toh(reset.op));
	EXPECT_EQ(may_see(variant->tap, variant->sender) ? 2 : 0, seen(self->tap, PORT));
}

TEST_F(taps, see_what_is_sent_to_a_vm_of_their_scope)
{
	struct virtio_vsock_hdr request;
	int sock;

	ASSERT_EQ(0, start_guest(&self->guest, self->ns[variant->sender]));
	sock = sock_in(self->ns[variant->sender], SOCK_STREAM);
	ASSERT_LE(0, sock);
	fcntl(sock, F_SETFL, O_NONBLOCK);
	ASSERT_EQ(-EINPROGRESS, connect_to(sock, CID, PORT));
	ASSERT_EQ(0, guest_receive(&self->guest, &request, NULL, 0, 10000));
	EXPECT_EQ(may_see(variant->tap, variant->sender) ? 1 : 0, seen(self->tap, PORT));
	close(sock);
}

/* ---- a user's own tap ---- */

FIXTURE(users_tap)
{
	int ns[NS_COUNT];
};

NAMESPACES_SETUP(users_tap, cannot_run() ?: cannot_tap())

/* Create a tap in a new user namespace. Report how many packets it sees of the
 * traffic that the test sends in @ns between the two bytes.
 */
struct spy {
	int channel;
	bool local;
};

#define CANNOT_PREPARE 200

static int spy(void *arg)
{
	const struct spy *spy = arg;
	int here, tap;
	char byte = 0;

	if (become_root_of_a_user_namespace(CLONE_NEWNET))
		return CANNOT_PREPARE;
	here = ns_here();
	if (spy->local && (choose_for_children(here, LOCAL) || unshare(CLONE_NEWNET)))
		return CANNOT_PREPARE + 1;
	close(here);
	here = ns_here();
	tap = tap_in(here);
	if (tap < 0)
		return CANNOT_PREPARE + 2;
	if (write(spy->channel, &byte, 1) != 1 || read(spy->channel, &byte, 1) != 1)
		return CANNOT_PREPARE + 3;
	if (connect_in(here, SOCK_STREAM, VMADDR_CID_LOCAL, PORT + 1) != -ECONNRESET)
		return CANNOT_PREPARE + 4;
	/* Two packets in the tap's own namespace. */
	return 10 * seen(tap, PORT + 1) + seen(tap, PORT);
}

static int spied(bool local, const int ns[NS_COUNT])
{
	struct spy args = { .local = local };
	int channel[2], i;
	char byte = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, channel))
		return -errno;
	args.channel = channel[1];
	pid = start(spy, &args);
	close(channel[1]);
	if (read(channel[0], &byte, 1) != 1)
		return finish(pid);
	for (i = 0; i < NS_COUNT; i++)
		if (connect_in(ns[i], SOCK_STREAM, VMADDR_CID_LOCAL, PORT) != -ECONNRESET)
			return -EINVAL;
	if (write(channel[0], &byte, 1) != 1)
		return -errno;
	close(channel[0]);
	return finish(pid);
}

TEST_F(users_tap, in_a_global_namespace_sees_nothing)
{
	EXPECT_EQ(0, spied(false, self->ns));
}

TEST_F(users_tap, in_a_local_namespace_sees_what_is_its_own)
{
	EXPECT_EQ(20, spied(true, self->ns));
}

/* ---- a tap that moves ---- */

TEST_F(users_tap, that_moved_sees_what_is_there_where_it_is)
{
	char move[100];
	int tap;

	snprintf(move, sizeof(move), "ip link set " DEVICE " netns /proc/%d/fd/%d", getpid(),
		 self->ns[L0]);
	ASSERT_EQ(0, make_tap(self->ns[G0]));
	ASSERT_EQ(0, run_in(self->ns[G0], move));
	ASSERT_EQ(0, run_in(self->ns[L0], "ip link set " DEVICE " up"));
	tap = listen_on_tap(self->ns[L0]);
	ASSERT_LE(0, tap);
	EXPECT_EQ(-ECONNRESET, connect_in(self->ns[G0], SOCK_STREAM, VMADDR_CID_LOCAL, PORT));
	EXPECT_EQ(0, seen(tap, PORT));
	EXPECT_EQ(-ECONNRESET, connect_in(self->ns[L0], SOCK_STREAM, VMADDR_CID_LOCAL, PORT));
	EXPECT_EQ(2, seen(tap, PORT));
	close(tap);
}

TEST_HARNESS_MAIN
