// SPDX-License-Identifier: GPL-2.0
/*
 * A VM cannot touch the connections of another, whatever its guest sends.
 *
 *	liar ----.
 *		 +--- host: client or listener
 *	victim --'
 *
 * The liar knows the CID and the ports of the connection between the host and
 * the victim. It uses its own CID or that of the victim, and it is in the same
 * scope or in another one.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "guest.h"
#include "vsock_ns_util.h"

#define GUEST_PORT 0x6c696573
#define WAIT_MS 10000

static const struct {
	const char *name;
	uint16_t op;
	uint32_t flags;
	const char *payload;
} lies[] = {
	{ "reset", VIRTIO_VSOCK_OP_RST, 0, "" },
	{ "shutdown", VIRTIO_VSOCK_OP_SHUTDOWN, 3, "" },
	{ "data", VIRTIO_VSOCK_OP_RW, 0, "lies" },
	{ "response", VIRTIO_VSOCK_OP_RESPONSE, 0, "" },
	{ "credit", VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, "" },
	{ "invalid", VIRTIO_VSOCK_OP_INVALID, 0, "" },
	{ "unknown", 4711, 0, "lies" },
};

/**
 * struct scene - who is there
 * @ns: the namespaces
 * @victim: VM in init, with CID
 * @liar: VM with OTHER_CID
 * @connection: header of a packet from the host to the victim
 * @sock: the end of the host
 */
struct scene {
	int ns[NS_COUNT];
	struct guest victim;
	struct guest liar;
	struct virtio_vsock_hdr connection;
	int sock;
};

FIXTURE(guest_lies)
{
	struct scene scene;
};

FIXTURE_VARIANT(guest_lies)
{
	int liar_ns;
	bool forges_cid;
};

FIXTURE_VARIANT_ADD(guest_lies, same_scope_own_cid) { .liar_ns = G0 };
FIXTURE_VARIANT_ADD(guest_lies, same_scope_forged_cid) { .liar_ns = G0, .forges_cid = true };
FIXTURE_VARIANT_ADD(guest_lies, other_scope_own_cid) { .liar_ns = L0 };
FIXTURE_VARIANT_ADD(guest_lies, other_scope_forged_cid) { .liar_ns = L0, .forges_cid = true };

static int guest_in(struct guest *guest, int ns, unsigned int cid)
{
	int here = ns_here(), err = ns_enter(ns);

	if (!err)
		err = guest_start(guest, cid);
	if (ns_enter(here) && !err)
		err = -EINVAL;
	close(here);
	return err;
}

FIXTURE_SETUP(guest_lies)
{
	const char *why = cannot_run();

	if (!why)
		why = cannot_make_vms();
	if (why)
		SKIP(return, "%s", why);
	self->scene.sock = -1;
	ASSERT_EQ(0, ns_make(self->scene.ns));
	ASSERT_EQ(0, guest_in(&self->scene.victim, self->scene.ns[INIT], CID));
	ASSERT_EQ(0, guest_in(&self->scene.liar, self->scene.ns[variant->liar_ns], OTHER_CID));
}

FIXTURE_TEARDOWN(guest_lies)
{
	if (self->scene.sock >= 0)
		close(self->scene.sock);
	guest_stop(&self->scene.victim);
	guest_stop(&self->scene.liar);
	ns_close(self->scene.ns);
}

/* ---- steps ---- */

static int send_from(struct guest *guest, const struct virtio_vsock_hdr *connection,
		     uint64_t cid, int op, uint32_t flags, const char *payload)
{
	struct virtio_vsock_hdr hdr;

	guest_answer(&hdr, connection, op);
	hdr.src_cid = htole64(cid);
	hdr.flags = htole32(flags);
	hdr.len = htole32(strlen(payload));
	return guest_send(guest, &hdr, payload);
}

/* The host keeps a closed socket for 8 s if the guest does not answer, so no
 * test uses the port of another.
 */
static struct virtio_vsock_hdr with_listener(void)
{
	return (struct virtio_vsock_hdr) {
		.src_cid = htole64(VMADDR_CID_HOST),
		.src_port = htole32(PORT),
		.dst_cid = htole64(CID),
		.dst_port = htole32(GUEST_PORT + getpid()),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
	};
}

static int victim_sends(struct scene *self, int op, const char *payload)
{
	return send_from(&self->victim, &self->connection, CID, op, 0, payload);
}

/* What else the host sends meanwhile (credit, mostly) is passed over. */
static int victim_receives(struct scene *self, int op, struct virtio_vsock_hdr *hdr,
			   char *payload, size_t size)
{
	int len;

	do
		len = guest_receive(&self->victim, hdr, payload, size, WAIT_MS);
	while (len >= 0 && le16toh(hdr->op) != op);
	return len;
}

static int tell_all_lies(struct scene *self, bool forges_cid)
{
	uint64_t cid = forges_cid ? CID : OTHER_CID;
	struct virtio_vsock_hdr hdr;
	char payload[GUEST_BUFFER];
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		err = send_from(&self->liar, &self->connection, cid, lies[i].op,
				lies[i].flags, lies[i].payload);
		if (err)
			return err;
		/* Makes room for what the host answers, resets for example. */
		while (guest_receive(&self->liar, &hdr, payload, sizeof(payload), 20) >= 0)
			;
	}
	return 0;
}

/* 0 if the connection is as it was: nothing in it, and it works both ways. */
static int harm(struct scene *self)
{
	struct virtio_vsock_hdr hdr;
	char payload[GUEST_BUFFER] = "";
	int len;

	if (!quiet(self->sock))
		return -EPROTO;
	len = victim_sends(self, VIRTIO_VSOCK_OP_RW, "truth");
	if (len)
		return len;
	if (read(self->sock, payload, sizeof(payload)) != 5 || memcmp(payload, "truth", 5))
		return -EBADMSG;
	if (write(self->sock, "right", 5) != 5)
		return -errno;
	len = victim_receives(self, VIRTIO_VSOCK_OP_RW, &hdr, payload, sizeof(payload));
	return len == 5 && !memcmp(payload, "right", 5) ? 0 : -EILSEQ;
}

/* The host's client has sent its request; the victim has not answered yet. */
static int host_begins_to_connect(struct scene *self)
{
	char payload[GUEST_BUFFER];
	int err;

	self->sock = sock_in(self->ns[INIT], SOCK_STREAM);
	if (self->sock < 0)
		return self->sock;
	fcntl(self->sock, F_SETFL, O_NONBLOCK);
	err = connect_to(self->sock, CID, GUEST_PORT);
	if (err != -EINPROGRESS)
		return err ? : -EISCONN;
	err = victim_receives(self, VIRTIO_VSOCK_OP_REQUEST, &self->connection,
			      payload, sizeof(payload));
	return err < 0 ? err : 0;
}

static int connected(struct scene *self)
{
	struct pollfd p = { .fd = self->sock, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err = 0;

	if (poll(&p, 1, WAIT_MS) != 1)
		return -ETIMEDOUT;
	if (getsockopt(self->sock, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	fcntl(self->sock, F_SETFL, 0);
	return -err;
}

static bool still_connecting(struct scene *self)
{
	struct pollfd p = { .fd = self->sock, .events = POLLOUT };

	return poll(&p, 1, 0) == 0;
}

static int victim_connects_to(struct scene *self, int listener)
{
	int err;

	self->connection = with_listener();
	err = victim_sends(self, VIRTIO_VSOCK_OP_REQUEST, "");
	if (err)
		return err;
	self->sock = accept_one(listener);
	return self->sock < 0 ? self->sock : 0;
}

/* ---- promises ---- */

TEST_F(guest_lies, do_not_reach_a_client_that_is_connecting)
{
	ASSERT_EQ(0, host_begins_to_connect(&self->scene));
	ASSERT_EQ(0, tell_all_lies(&self->scene, variant->forges_cid));
	EXPECT_TRUE(still_connecting(&self->scene));
	ASSERT_EQ(0, victim_sends(&self->scene, VIRTIO_VSOCK_OP_RESPONSE, ""));
	ASSERT_EQ(0, connected(&self->scene));
	EXPECT_EQ(0, harm(&self->scene));
}

TEST_F(guest_lies, do_not_reach_a_connection_that_the_host_made)
{
	ASSERT_EQ(0, host_begins_to_connect(&self->scene));
	ASSERT_EQ(0, victim_sends(&self->scene, VIRTIO_VSOCK_OP_RESPONSE, ""));
	ASSERT_EQ(0, connected(&self->scene));
	EXPECT_EQ(0, harm(&self->scene));
	ASSERT_EQ(0, tell_all_lies(&self->scene, variant->forges_cid));
	EXPECT_EQ(0, harm(&self->scene));
}

TEST_F(guest_lies, do_not_reach_a_connection_that_the_guest_made)
{
	int listener = listen_in(self->scene.ns[INIT], SOCK_STREAM, VMADDR_CID_ANY, PORT);

	ASSERT_LE(0, listener);
	ASSERT_EQ(0, victim_connects_to(&self->scene, listener));
	EXPECT_EQ(0, harm(&self->scene));
	ASSERT_EQ(0, tell_all_lies(&self->scene, variant->forges_cid));
	EXPECT_EQ(0, harm(&self->scene));
	EXPECT_TRUE(quiet(listener));
	close(listener);
}

TEST_F(guest_lies, do_not_reach_a_listener)
{
	int listener = listen_in(self->scene.ns[INIT], SOCK_STREAM, VMADDR_CID_ANY, PORT);

	ASSERT_LE(0, listener);
	self->scene.connection = with_listener();
	ASSERT_EQ(0, tell_all_lies(&self->scene, variant->forges_cid));
	EXPECT_TRUE(quiet(listener));
	ASSERT_EQ(0, victim_connects_to(&self->scene, listener));
	EXPECT_EQ(0, harm(&self->scene));
	close(listener);
}

/* The door for all this: a request under another's CID is nobody's. */
TEST_F(guest_lies, do_not_connect_under_a_foreign_cid)
{
	int listener = listen_in(self->scene.ns[INIT], SOCK_STREAM, VMADDR_CID_ANY, PORT);
	bool welcome = variant->liar_ns == G0 && !variant->forges_cid;
	uint64_t cid = variant->forges_cid ? CID : OTHER_CID;

	ASSERT_LE(0, listener);
	self->scene.connection = with_listener();
	ASSERT_EQ(0, send_from(&self->scene.liar, &self->scene.connection, cid,
			       VIRTIO_VSOCK_OP_REQUEST, 0, ""));
	EXPECT_EQ(!welcome, quiet(listener));
	close(listener);
}

TEST_HARNESS_MAIN
