// SPDX-License-Identifier: GPL-2.0
/*
 * A guest cannot affect the connections of another VM by forged packets.
 *
 * The liar (guest_scene.h) knows the CID and the ports of the connection
 * between the host and the victim. It uses its own CID or the victim's, in the
 * same scope or in another one.
 */
#include <endian.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "guest_scene.h"

#define THIRD_CID (OTHER_CID + 1)

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

FIXTURE_SETUP(guest_lies)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	ASSERT_EQ(0, scene_start(&self->scene, variant->liar_ns));
}

FIXTURE_TEARDOWN(guest_lies)
{
	scene_stop(&self->scene);
}

/* ---- steps ---- */

/* All of them advertise no buffer space: a host that believes one stops sending. */
static int tell_all_lies(struct scene *self, bool forges_cid)
{
	uint64_t cid = forges_cid ? CID : OTHER_CID;
	struct virtio_vsock_hdr hdr;
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		hdr = header_from(&self->connection, cid, lies[i].op, lies[i].flags,
				  strlen(lies[i].payload));
		hdr.buf_alloc = 0;
		err = guest_send(&self->liar, &hdr, lies[i].payload);
		if (err)
			return err;
		discard_answers(&self->liar);
	}
	return 0;
}

/* ---- tests ---- */

TEST_F(guest_lies, do_not_reach_a_client_that_is_connecting)
{
	ASSERT_EQ(0, host_begins_to_connect(&self->scene));
	ASSERT_EQ(0, tell_all_lies(&self->scene, variant->forges_cid));
	EXPECT_TRUE(still_connecting(&self->scene));
	ASSERT_EQ(0, victim_sends(&self->scene, VIRTIO_VSOCK_OP_RESPONSE, ""));
	ASSERT_EQ(0, connected(&self->scene));
	EXPECT_EQ(0, harm(&self->scene));
}

/* The next VM with the CID knows the ports, as after a resume from a snapshot. */
TEST_F(guest_lies, do_not_complete_a_connect_whose_vm_went)
{
	struct virtio_vsock_hdr hdr;
	char payload[GUEST_BUFFER];

	ASSERT_EQ(0, host_begins_to_connect(&self->scene));
	guest_stop(&self->scene.victim);
	ASSERT_EQ(0, guest_in(&self->scene.victim, self->scene.ns[self->scene.at], CID));
	ASSERT_EQ(0, victim_sends(&self->scene, VIRTIO_VSOCK_OP_RESPONSE, ""));
	EXPECT_EQ(-ECONNRESET, connected(&self->scene));
	EXPECT_LE(0, victim_receives(&self->scene, VIRTIO_VSOCK_OP_RST, &hdr, payload,
				     sizeof(payload)));
}

/* The intended VM still runs, but another one has its CID now. */
TEST_F(guest_lies, do_not_complete_a_connect_to_the_vm_that_had_the_cid)
{
	struct virtio_vsock_hdr hdr;
	char payload[GUEST_BUFFER];
	struct guest meant;

	ASSERT_EQ(0, host_begins_to_connect(&self->scene));
	meant = self->scene.victim;
	ASSERT_EQ(0, vm_set_cid(meant.vhost, THIRD_CID));
	ASSERT_EQ(0, guest_in(&self->scene.victim, self->scene.ns[self->scene.at], CID));
	ASSERT_EQ(0, victim_sends(&self->scene, VIRTIO_VSOCK_OP_RESPONSE, ""));
	EXPECT_EQ(-ECONNRESET, connected(&self->scene));
	EXPECT_LE(0, victim_receives(&self->scene, VIRTIO_VSOCK_OP_RST, &hdr, payload,
				     sizeof(payload)));
	guest_stop(&meant);
}

TEST_F(guest_lies, do_not_reach_a_connection_that_the_host_made)
{
	ASSERT_EQ(0, host_connects(&self->scene));
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

/* A request with a foreign source CID belongs to no VM and must be refused. */
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
