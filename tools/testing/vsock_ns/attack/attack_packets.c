// SPDX-License-Identifier: GPL-2.0
/*
 * Packets that no guest should send. Each row of the table is an attack, which
 * does no harm from a VM in the scope of the victim or in another one.
 * guest_lies.c has the well-formed packets with foreign addresses.
 *
 *	liar in L0 ------> its own scope
 *	liar in INIT ----.
 *			 +--- host: a client of the victim, and listeners everywhere
 *	victim ----------'
 */
#include <endian.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "guest_scene.h"

#define HDR sizeof(struct virtio_vsock_hdr)
#define WIDE 0x100000000ull

/* Differences from a correct packet of the liar to a client or listener of the host. */
struct forgery {
	uint64_t src_cid;	/* 0: the CID of the liar */
	uint64_t dst_cid;	/* 0: the CID of the host */
	uint16_t type;
	bool has_type;
	uint16_t op;		/* 0: all operations */
	uint32_t flags;
	uint32_t len;		/* length in the header, if lies_about_len */
	bool lies_about_len;
	uint32_t buf_alloc;
	uint32_t fwd_cnt;
	bool to_nobody;		/* to a port without a socket */
};

FIXTURE(attack_packets)
{
	struct scene scene;
	struct guest near;
	int listener[NS_COUNT];
};

FIXTURE_VARIANT(attack_packets)
{
	struct forgery forgery;
};

#define ATTACK(name, ...)						\
	FIXTURE_VARIANT_ADD(attack_packets, name)			\
	{								\
		.forgery = { __VA_ARGS__ },				\
	}

ATTACK(from_cid_of_the_victim, .src_cid = CID);
ATTACK(from_cid_of_the_victim_and_more_bits, .src_cid = WIDE + CID);
ATTACK(from_its_own_cid_and_more_bits, .src_cid = WIDE + OTHER_CID);
ATTACK(from_cid_of_loopback, .src_cid = VMADDR_CID_LOCAL);
ATTACK(from_cid_of_the_host, .src_cid = VMADDR_CID_HOST);
ATTACK(from_any_cid, .src_cid = VMADDR_CID_ANY);
ATTACK(from_cid_of_all_ones, .src_cid = -1ull);
ATTACK(to_the_victims_cid, .dst_cid = CID);
ATTACK(from_and_to_the_victims_cid, .src_cid = CID, .dst_cid = CID);
ATTACK(from_the_host_to_the_victim, .src_cid = VMADDR_CID_HOST, .dst_cid = CID);
ATTACK(to_cid_of_loopback, .dst_cid = VMADDR_CID_LOCAL);
ATTACK(to_cid_of_loopback_from_it, .src_cid = VMADDR_CID_LOCAL, .dst_cid = VMADDR_CID_LOCAL);
ATTACK(to_any_cid, .dst_cid = VMADDR_CID_ANY);
ATTACK(to_the_host_and_more_bits, .dst_cid = WIDE + VMADDR_CID_HOST);
ATTACK(of_type_0, .has_type = true, .type = 0);
ATTACK(of_type_seqpacket, .has_type = true, .type = VIRTIO_VSOCK_TYPE_SEQPACKET);
ATTACK(of_type_3, .has_type = true, .type = 3);
ATTACK(of_type_ffff, .has_type = true, .type = 0xffff);
ATTACK(of_op_8, .op = 8);
ATTACK(of_op_ffff, .op = 0xffff);
ATTACK(with_all_flags, .flags = ~0u);
ATTACK(with_all_flags_under_the_victims_cid, .flags = ~0u, .src_cid = CID);
ATTACK(longer_than_sent, .lies_about_len = true, .len = GUEST_BUFFER);
ATTACK(a_byte_longer_than_sent, .lies_about_len = true, .len = 5);
ATTACK(longer_than_any, .lies_about_len = true, .len = ~0u);
ATTACK(of_a_length_that_wraps, .lies_about_len = true, .len = -(uint32_t)HDR);
ATTACK(shorter_than_sent, .lies_about_len = true, .len = 1);
ATTACK(with_credit_of_nothing, .buf_alloc = 0, .fwd_cnt = ~0u);
ATTACK(with_credit_without_end, .buf_alloc = ~0u, .fwd_cnt = ~0u);
ATTACK(to_nobody, .to_nobody = true);
ATTACK(to_nobody_from_the_victim, .to_nobody = true, .src_cid = CID);

FIXTURE_SETUP(attack_packets)
{
	int i;

	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	ASSERT_EQ(0, scene_start(&self->scene, L0));
	ASSERT_EQ(0, guest_in(&self->near, self->scene.ns[INIT], OTHER_CID));
	for (i = INIT; i < NS_COUNT; i++) {
		self->listener[i] = listen_in(self->scene.ns[i], SOCK_STREAM, VMADDR_CID_ANY,
					      PORT + i);
		ASSERT_LE(0, self->listener[i]);
	}
}

FIXTURE_TEARDOWN(attack_packets)
{
	guest_stop(&self->near);
	scene_stop(&self->scene);
}

/* ---- sending the forged packets ---- */

static struct virtio_vsock_hdr packet(const struct forgery *f, uint16_t op,
				      const struct virtio_vsock_hdr *connection)
{
	struct virtio_vsock_hdr hdr;

	guest_answer(&hdr, connection, op);
	hdr.src_cid = htole64(f->src_cid ? : OTHER_CID);
	if (f->dst_cid)
		hdr.dst_cid = htole64(f->dst_cid);
	if (f->has_type)
		hdr.type = htole16(f->type);
	if (f->to_nobody)
		hdr.dst_port = htole32(PORT + 99);
	hdr.flags = htole32(f->flags);
	hdr.len = htole32(f->lies_about_len ? f->len : op == VIRTIO_VSOCK_OP_RW ? 4 : 0);
	hdr.buf_alloc = htole32(f->buf_alloc);
	hdr.fwd_cnt = htole32(f->fwd_cnt);
	return hdr;
}

static int send_all(struct guest *liar, const struct forgery *f,
		    const struct virtio_vsock_hdr *connection)
{
	uint16_t first = f->op ? : VIRTIO_VSOCK_OP_INVALID;
	uint16_t last = f->op ? : VIRTIO_VSOCK_OP_CREDIT_REQUEST;
	struct virtio_vsock_hdr hdr;
	unsigned int op;
	int err = 0;

	for (op = first; !err && op <= last; op++) {
		hdr = packet(f, op, connection);
		err = send_raw(liar, &hdr, sizeof(hdr) + 4);
	}
	discard_answers(liar);
	return err;
}

/* True if only the scope of the sender can be a reason to refuse the packet. */
static bool is_in_order(const struct forgery *f)
{
	return !f->src_cid && !f->dst_cid && !f->has_type && !f->op && !f->lies_about_len &&
	       !f->to_nobody;
}

/* Returns the header of a packet of the liar to a listener of the host. */
static struct virtio_vsock_hdr to_listener(int ns)
{
	struct virtio_vsock_hdr hdr = with_listener();

	hdr.src_port = htole32(PORT + ns);
	return hdr;
}

static int attack(struct guest *liar, const struct forgery *f, struct scene *scene, bool is_near)
{
	int err = send_all(liar, f, &scene->connection);
	int ns;

	for (ns = INIT; !err && ns < NS_COUNT; ns++) {
		struct virtio_vsock_hdr hdr = to_listener(ns);

		/* The liar may connect within its own scope. */
		if ((is_near ? ns <= G1 : ns == L0) && (is_in_order(f) || f->lies_about_len))
			continue;
		err = send_all(liar, f, &hdr);
	}
	return err;
}

TEST_F_TIMEOUT(attack_packets, harm_nobody, 120)
{
	int i;

	ASSERT_EQ(0, host_connects(&self->scene));
	ASSERT_EQ(0, attack(&self->scene.liar, &variant->forgery, &self->scene, false));
	EXPECT_EQ(0, harm(&self->scene));
	ASSERT_EQ(0, attack(&self->near, &variant->forgery, &self->scene, true));
	EXPECT_EQ(0, harm(&self->scene));
	for (i = INIT; i < NS_COUNT; i++)
		EXPECT_TRUE(quiet(self->listener[i]));
	/* The host keeps the VMs of the liars. */
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->scene.ns[L0], OTHER_CID));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->scene.ns[INIT], OTHER_CID));
}

TEST_HARNESS_MAIN
