// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets are closed while the host still processes the data they sent. The
 * tests repeat this, as a race is rarely hit. They also give KCSAN a busy
 * socket during its release.
 */
#include "fixture.h"
#include "vm_link.h"

/* A minute per test under emulation with KCSAN. */
#define ROUNDS 1000
#define PIECES 8
#define PIECE 1500

#define SHUTDOWNS 1000

FIXTURE(vm_close)
{
	int ns[NS_COUNT];
	struct vm vm;
	int at;
};

FIXTURE_VARIANT(vm_close)
{
	int ns;
	int type;
};

FIXTURE_VARIANT_ADD(vm_close, stream_in_init)
{
	.ns = INIT, .type = SOCK_STREAM,
};

FIXTURE_VARIANT_ADD(vm_close, stream_in_l0)
{
	.ns = L0, .type = SOCK_STREAM,
};

FIXTURE_VARIANT_ADD(vm_close, seqpacket_in_l0)
{
	.ns = L0, .type = SOCK_SEQPACKET,
};

FIXTURE_SETUP(vm_close)
{
	SKIP_IF(cannot_link_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	self->at = self->ns[variant->ns];
	ASSERT_EQ(0, vm_start(&self->vm, self->at, CID));
}

FIXTURE_TEARDOWN(vm_close)
{
	vm_stop(&self->vm);
	ns_close(self->ns);
}

/* Send @pieces, each filled with its number, and close at once. */
static int send_and_close(int sock, int pieces)
{
	char data[PIECE];
	int i, err = 0;

	for (i = 0; i < pieces && !err; i++) {
		memset(data, i, sizeof(data));
		if (send(sock, data, sizeof(data), MSG_NOSIGNAL) != sizeof(data))
			err = -errno;
	}
	close(sock);
	return err;
}

/* The same from the guest. */
static int guest_sends_and_closes(struct guest_conn *conn, int pieces)
{
	char data[PIECE];
	int i;

	for (i = 0; i < pieces; i++) {
		memset(data, i, sizeof(data));
		if (guest_write(conn, data, sizeof(data), VM_PATIENCE_MS) != sizeof(data))
			return -EPIPE;
	}
	return guest_shutdown(conn, VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV);
}

/* Read the next data in the given direction. */
static ssize_t next_data(struct vm_link *link, bool to_guest, char *data, size_t size)
{
	ssize_t len;

	if (to_guest)
		return guest_read(link->conn, data, size, NULL, VM_PATIENCE_MS);
	len = recv(link->sock, data, size, 0);
	return len < 0 ? -errno : len;
}

/* Receive all pieces up to EOF. */
static int take_to_the_end(struct vm_link *link, bool to_guest, int pieces)
{
	ssize_t len, i, got = 0;
	char data[PIECE];

	while ((len = next_data(link, to_guest, data, sizeof(data))) > 0)
		for (i = 0; i < len; i++, got++)
			if (data[i] != got / PIECE)
				return -EBADMSG;
	if (len < 0)
		return len;
	return got == (ssize_t)pieces * PIECE ? 0 : -ENODATA;
}

TEST_F_TIMEOUT(vm_close, by_the_host_loses_nothing_that_it_sent, 300)
{
	struct vm_link link;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, link_from_host(&link, &self->vm, self->at, variant->type));
		ASSERT_EQ(0, send_and_close(link.sock, i % PIECES));
		ASSERT_EQ(0, take_to_the_end(&link, true, i % PIECES));
		guest_abort(link.conn);
	}
	EXPECT_EQ(0, self->vm.stack.resets);
}

/* The host answers with a reset while its socket is released. */
TEST_F_TIMEOUT(vm_close, by_the_guest_loses_nothing_that_it_sent, 300)
{
	struct vm_link link;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, link_from_host(&link, &self->vm, self->at, variant->type));
		ASSERT_EQ(0, guest_sends_and_closes(link.conn, i % PIECES));
		ASSERT_EQ(0, take_to_the_end(&link, false, i % PIECES));
		link_close(&link);
	}
	EXPECT_EQ(0, self->vm.stack.resets);
}

/* Neither side reads. Only the VM's worker can answer the guest's last packets. */
static int both_close(struct vm_link *link, int pieces)
{
	long long until = guest_now() + VM_PATIENCE_MS;
	int err;

	send(link->sock, "never read", 10, MSG_NOSIGNAL);
	err = guest_post_op(link->conn, VIRTIO_VSOCK_OP_RST, 0, until);
	send_and_close(link->sock, pieces);
	if (!err)
		err = guest_post_op(link->conn, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0, until);
	guest_abort(link->conn);
	return err;
}

TEST_F_TIMEOUT(vm_close, by_both_at_once_leaves_the_vm_as_it_was, 300)
{
	struct vm_link link;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, link_from_host(&link, &self->vm, self->at, variant->type));
		ASSERT_EQ(0, both_close(&link, i % PIECES));
	}
	ASSERT_EQ(0, link_from_host(&link, &self->vm, self->at, variant->type));
	EXPECT_EQ(0, link_talks(&link));
	link_close(&link);
}

/* The guest receives no packets meanwhile. */
TEST_F(vm_close, after_a_thousand_shutdowns_sends_the_guest_one_for_each_way)
{
	struct vm_link link;
	int i;

	ASSERT_EQ(0, link_from_host(&link, &self->vm, self->at, variant->type));
	for (i = 0; i < SHUTDOWNS; i++) {
		ASSERT_EQ(0, shutdown(link.sock, SHUT_WR));
		ASSERT_EQ(0, shutdown(link.sock, SHUT_RD));
		ASSERT_EQ(0, shutdown(link.sock, SHUT_RDWR));
	}
	while (guest_turn(&self->vm.stack, 200) >= 0)
		;
	EXPECT_EQ(2, self->vm.stack.received[VIRTIO_VSOCK_OP_SHUTDOWN]);
	link_close(&link);
}

TEST_HARNESS_MAIN
