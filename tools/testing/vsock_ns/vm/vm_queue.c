// SPDX-License-Identifier: GPL-2.0
/*
 * Queued packets: in the guest's queue until the device starts, and in the
 * host's while the guest offers no buffer, or bad ones.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/sockios.h>

#include "fixture.h"
#include "guest_scene.h"

#define HDR sizeof(struct virtio_vsock_hdr)
#define PAGE 4096
#define RING 16
#define NOBODY (GUEST_PORT + 1)
/* No event shows that the host has not looked at a descriptor. */
#define GRACE_US 100000

/**
 * struct bare - a guest that posts each buffer explicitly
 * @guest: the VM
 * @connection: header of a packet from the host on the connection
 * @sock: the host's end
 */
struct bare {
	struct guest guest;
	struct virtio_vsock_hdr connection;
	int sock;
};

/* ---- the guest ---- */

static int bare_open(struct bare *bare, unsigned int cid)
{
	const struct guest_options options = {
		.ring = RING, .bare = true, .scratch = RING * GUEST_BUFFER + 2 * PAGE,
	};
	int err;

	memset(bare, 0, sizeof(*bare));
	bare->sock = -1;
	err = guest_open(&bare->guest, &options);
	if (!err)
		err = guest_set_up(&bare->guest);
	return err ? err : guest_set_cid(&bare->guest, cid);
}

static void bare_close(struct bare *bare)
{
	/*
	 * Closing the socket first would make it wait for the guest and hold
	 * its ports.
	 */
	guest_stop(&bare->guest);
	if (bare->sock >= 0)
		close(bare->sock);
}

static char *room(struct bare *bare, unsigned int slot)
{
	return (char *)bare->guest.scratch + slot * GUEST_BUFFER;
}

/* Returns a page of shared memory that is not writable. */
static uint64_t closed_page(struct bare *bare)
{
	uintptr_t page = ((uintptr_t)room(bare, RING) + PAGE - 1) & ~(uintptr_t)(PAGE - 1);

	return mprotect((void *)page, PAGE, PROT_NONE) ? 0 : page;
}

static int offer(struct bare *bare, int count)
{
	int slot = 0;

	while (slot >= 0 && count--) {
		unsigned int next = bare->guest.queues[GUEST_RX].free;
		struct vring_desc desc = {
			.addr = (uintptr_t)room(bare, next), .len = GUEST_BUFFER,
			.flags = VRING_DESC_F_WRITE,
		};

		slot = guest_push(&bare->guest, GUEST_RX, &desc, 1);
	}
	return slot < 0 ? slot : 0;
}

/* Returns the length of the payload. */
static int take(struct bare *bare, struct virtio_vsock_hdr *hdr, char *payload)
{
	uint32_t len;
	int slot = guest_used(&bare->guest, GUEST_RX, &len, WAIT_MS);

	if (slot < 0)
		return slot;
	if (len < HDR || len > GUEST_BUFFER)
		return -EPROTO;
	memcpy(hdr, room(bare, slot), HDR);
	if (payload)
		memcpy(payload, room(bare, slot) + HDR, len - HDR);
	return len - HDR;
}

/* Receive one packet and check that it is of kind @op. */
static int expect(struct bare *bare, int op, struct virtio_vsock_hdr *hdr, char *payload)
{
	int len = offer(bare, 1);

	if (!len)
		len = take(bare, hdr, payload);
	if (len >= 0 && le16toh(hdr->op) != op)
		return -EPROTO;
	return len;
}

/* Each test, which is a process, uses its own port. */
static struct virtio_vsock_hdr request(struct bare *bare, unsigned int port, int type)
{
	return (struct virtio_vsock_hdr) {
		.src_cid = htole64(bare->guest.cid), .src_port = htole32(GUEST_PORT + getpid()),
		.dst_cid = htole64(VMADDR_CID_HOST), .dst_port = htole32(port),
		.type = htole16(type == SOCK_STREAM ? VIRTIO_VSOCK_TYPE_STREAM
						    : VIRTIO_VSOCK_TYPE_SEQPACKET),
		.op = htole16(VIRTIO_VSOCK_OP_REQUEST), .buf_alloc = htole32(65536),
	};
}

/* Connect from the guest to a listener. */
static int bare_connect(struct bare *bare, int listener, int type)
{
	struct virtio_vsock_hdr hdr = request(bare, PORT, type);
	int err = guest_send(&bare->guest, &hdr, NULL);

	if (!err)
		err = expect(bare, VIRTIO_VSOCK_OP_RESPONSE, &bare->connection, NULL);
	if (err)
		return err;
	bare->sock = accept_one(listener);
	return bare->sock < 0 ? bare->sock : 0;
}

/* ---- device start ---- */

FIXTURE(vm_queue)
{
	int ns;
	int listener;
	struct bare bare;
};

FIXTURE_SETUP(vm_queue)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	self->ns = ns_here();
	ASSERT_EQ(0, bare_open(&self->bare, CID));
	self->listener = listen_in(self->ns, SOCK_STREAM, VMADDR_CID_ANY, PORT);
	ASSERT_LE(0, self->listener);
}

FIXTURE_TEARDOWN(vm_queue)
{
	bare_close(&self->bare);
	close(self->listener);
	close(self->ns);
}

TEST_F(vm_queue, of_the_guest_is_handled_when_the_device_starts)
{
	struct virtio_vsock_hdr hdr = request(&self->bare, PORT, SOCK_STREAM);

	ASSERT_EQ(0, offer(&self->bare, 1));
	ASSERT_EQ(0, guest_post(&self->bare.guest, &hdr, NULL));
	usleep(GRACE_US);
	ASSERT_EQ(0, guest_run(&self->bare.guest, 1));
	ASSERT_EQ(0, take(&self->bare, &hdr, NULL));
	EXPECT_EQ(VIRTIO_VSOCK_OP_RESPONSE, le16toh(hdr.op));
}

TEST_F(vm_queue, of_the_guest_is_handled_when_the_device_starts_again)
{
	struct virtio_vsock_hdr hdr;

	ASSERT_EQ(0, guest_run(&self->bare.guest, 1));
	ASSERT_EQ(0, bare_connect(&self->bare, self->listener, SOCK_STREAM));
	ASSERT_EQ(0, guest_run(&self->bare.guest, 0));
	hdr = header_from(&self->bare.connection, CID, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0, 0);
	ASSERT_EQ(0, offer(&self->bare, 1));
	ASSERT_EQ(0, guest_post(&self->bare.guest, &hdr, NULL));
	usleep(GRACE_US);
	ASSERT_EQ(0, guest_run(&self->bare.guest, 1));
	ASSERT_EQ(0, take(&self->bare, &hdr, NULL));
	EXPECT_EQ(VIRTIO_VSOCK_OP_CREDIT_UPDATE, le16toh(hdr.op));
}

/* A credit update queued for one VM must not hold back one for another VM. */
TEST_F(vm_queue, of_a_vm_that_was_given_up_holds_no_credit_of_the_next)
{
	struct timeval patience = { .tv_usec = 100000 };
	unsigned int size = 100000;
	struct virtio_vsock_hdr hdr;
	struct bare next;
	int sock;

	ASSERT_EQ(0, guest_run(&self->bare.guest, 1));
	ASSERT_EQ(0, bare_open(&next, OTHER_CID));
	ASSERT_EQ(0, guest_run(&next.guest, 1));
	sock = sock_in(self->ns, SOCK_STREAM);
	ASSERT_EQ(0, setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT,
				&patience, sizeof(patience)));
	EXPECT_EQ(-ETIMEDOUT, connect_to(sock, CID, GUEST_PORT));
	EXPECT_EQ(0, setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE,
				&(uint64_t){ size }, sizeof(uint64_t)));
	ASSERT_EQ(0, fcntl(sock, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EINPROGRESS, connect_to(sock, OTHER_CID, GUEST_PORT));
	next.sock = sock;

	ASSERT_EQ(0, expect(&next, VIRTIO_VSOCK_OP_REQUEST, &next.connection, NULL));
	hdr = header_from(&next.connection, OTHER_CID, VIRTIO_VSOCK_OP_RESPONSE, 0, 0);
	ASSERT_EQ(0, guest_send(&next.guest, &hdr, NULL));
	hdr = header_from(&next.connection, OTHER_CID, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0, 0);
	ASSERT_EQ(0, guest_send(&next.guest, &hdr, NULL));
	ASSERT_EQ(0, expect(&next, VIRTIO_VSOCK_OP_CREDIT_UPDATE, &hdr, NULL));
	EXPECT_EQ(size, le32toh(hdr.buf_alloc));
	bare_close(&next);
}

/* ---- bad buffers ---- */

FIXTURE(bad_buffer)
{
	int ns;
	struct bare bare;
};

FIXTURE_VARIANT(bad_buffer)
{
	int (*describe)(struct bare *bare, struct vring_desc chain[2]);
};

#define BAD_BUFFER(name)							\
	static int name(struct bare *bare, struct vring_desc chain[2]);		\
	FIXTURE_VARIANT_ADD(bad_buffer, name)					\
	{									\
		.describe = name,						\
	};									\
	static int name(struct bare *bare, struct vring_desc chain[2])

BAD_BUFFER(to_be_read)
{
	chain[0] = (struct vring_desc) { .addr = (uintptr_t)room(bare, 0), .len = HDR };
	return 1;
}

BAD_BUFFER(shorter_than_a_header)
{
	chain[0] = (struct vring_desc) {
		.addr = (uintptr_t)room(bare, 0), .len = HDR - 1, .flags = VRING_DESC_F_WRITE,
	};
	return 1;
}

BAD_BUFFER(that_cannot_hold_a_header)
{
	chain[0] = (struct vring_desc) {
		.addr = closed_page(bare), .len = HDR + 20, .flags = VRING_DESC_F_WRITE,
	};
	return 1;
}

BAD_BUFFER(that_cannot_hold_the_payload)
{
	chain[0] = (struct vring_desc) {
		.addr = (uintptr_t)room(bare, 0), .len = HDR,
		.flags = VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, .next = 1,
	};
	chain[1] = (struct vring_desc) {
		.addr = closed_page(bare), .len = 20, .flags = VRING_DESC_F_WRITE, .next = 2,
	};
	return 2;
}

FIXTURE_SETUP(bad_buffer)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	self->ns = ns_here();
	ASSERT_EQ(0, bare_open(&self->bare, CID));
	ASSERT_EQ(0, guest_run(&self->bare.guest, 1));
}

FIXTURE_TEARDOWN(bad_buffer)
{
	bare_close(&self->bare);
	close(self->ns);
}

static int offer_bad(struct bare *bare, int (*describe)(struct bare *, struct vring_desc *))
{
	struct vring_desc chain[2];
	int count = describe(bare, chain);
	int head = guest_push(&bare->guest, GUEST_RX, chain, count);

	return head < 0 ? head : 0;
}

/* Returns 0 once the host has returned the bad buffer, with nothing in it. */
static int bad_comes_back(struct bare *bare)
{
	uint32_t len = 0;
	int head = guest_used(&bare->guest, GUEST_RX, &len, WAIT_MS);

	return head < 0 ? head : (int)len;
}

static int unsent(int sock)
{
	int bytes;

	return ioctl(sock, SIOCOUTQ, &bytes) ? -errno : bytes;
}

TEST_F(bad_buffer, loses_no_byte_of_a_stream)
{
	char payload[GUEST_BUFFER], got[64] = "";
	struct virtio_vsock_hdr hdr;
	int listener = listen_in(self->ns, SOCK_STREAM, VMADDR_CID_ANY, PORT), i, len;

	ASSERT_EQ(0, bare_connect(&self->bare, listener, SOCK_STREAM));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, offer_bad(&self->bare, variant->describe));
		ASSERT_EQ(26, send(self->bare.sock, "abcdefghijklmnopqrstuvwxyz", 26, 0));
		ASSERT_EQ(0, bad_comes_back(&self->bare));
	}
	/* Only the kick of the guest makes the host continue. */
	ASSERT_EQ(0, offer(&self->bare, 3));
	for (i = 0; i < 3; i++) {
		len = take(&self->bare, &hdr, payload);
		ASSERT_EQ(26, len);
		EXPECT_EQ(VIRTIO_VSOCK_OP_RW, le16toh(hdr.op));
		memcpy(got, payload, len);
		EXPECT_STREQ("abcdefghijklmnopqrstuvwxyz", got);
	}
	/* The host returns the last buffer shortly before it counts the bytes. */
	for (i = 0; i < 100 && unsent(self->bare.sock); i++)
		usleep(10000);
	EXPECT_EQ(0, unsent(self->bare.sock));
	close(listener);
}

TEST_F(bad_buffer, leaves_a_message_its_end)
{
	int listener = listen_in(self->ns, SOCK_SEQPACKET, VMADDR_CID_ANY, PORT), part, got;
	char payload[GUEST_BUFFER], message[600];
	struct virtio_vsock_hdr hdr;

	memset(message, 'x', sizeof(message));
	ASSERT_EQ(0, bare_connect(&self->bare, listener, SOCK_SEQPACKET));
	ASSERT_EQ(0, offer_bad(&self->bare, variant->describe));
	ASSERT_EQ(600, send(self->bare.sock, message, 600, MSG_EOR));
	ASSERT_EQ(0, bad_comes_back(&self->bare));
	ASSERT_EQ(0, offer(&self->bare, 1));
	got = take(&self->bare, &hdr, payload);
	ASSERT_LT(0, got);
	EXPECT_EQ(0, le32toh(hdr.flags));
	ASSERT_EQ(0, offer_bad(&self->bare, variant->describe));
	ASSERT_EQ(0, bad_comes_back(&self->bare));
	part = expect(&self->bare, VIRTIO_VSOCK_OP_RW, &hdr, payload);
	EXPECT_EQ(600, got + part);
	EXPECT_EQ(VIRTIO_VSOCK_SEQ_EOM | VIRTIO_VSOCK_SEQ_EOR, le32toh(hdr.flags));
	close(listener);
}

/* The host stops taking packets while this many replies are queued. */
TEST_F(bad_buffer, loses_no_reply_nor_the_count_of_replies)
{
	struct virtio_vsock_hdr hdr = request(&self->bare, NOBODY, SOCK_STREAM);
	int i;

	if (variant->describe == that_cannot_hold_the_payload)
		return;		/* a reply has no payload */
	for (i = 0; i < RING; i++) {
		ASSERT_EQ(0, offer_bad(&self->bare, variant->describe));
		ASSERT_EQ(0, guest_send(&self->bare.guest, &hdr, NULL));
		ASSERT_EQ(0, bad_comes_back(&self->bare));
	}
	for (i = 0; i < RING; i++)
		ASSERT_EQ(0, expect(&self->bare, VIRTIO_VSOCK_OP_RST, &hdr, NULL));
	hdr = request(&self->bare, NOBODY, SOCK_STREAM);
	ASSERT_EQ(0, guest_send(&self->bare.guest, &hdr, NULL));
	EXPECT_EQ(0, expect(&self->bare, VIRTIO_VSOCK_OP_RST, &hdr, NULL));
}

TEST_HARNESS_MAIN
