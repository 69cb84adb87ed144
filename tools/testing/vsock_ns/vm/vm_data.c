// SPDX-License-Identifier: GPL-2.0
/*
 * Data between the host and a VM, in a global and in a local namespace: more
 * than the buffers hold, messages and their boundaries, credit, half-closed
 * connections.
 */
#include <errno.h>
#include <string.h>

#include "fixture.h"
#include "vm_link.h"

#define MUCH 300000

#define CASES(fixture)							\
	FIXTURE_VARIANT_ADD(fixture, init_stream)			\
	{								\
		.ns = INIT, .type = SOCK_STREAM,			\
	};								\
	FIXTURE_VARIANT_ADD(fixture, init_seqpacket)			\
	{								\
		.ns = INIT, .type = SOCK_SEQPACKET,			\
	};								\
	FIXTURE_VARIANT_ADD(fixture, l0_stream)				\
	{								\
		.ns = L0, .type = SOCK_STREAM,				\
	};								\
	FIXTURE_VARIANT_ADD(fixture, l0_seqpacket)			\
	{								\
		.ns = L0, .type = SOCK_SEQPACKET,			\
	}

FIXTURE(vm_data)
{
	int ns[NS_COUNT];
	struct vm vm;
	struct vm_link link;
};

FIXTURE_VARIANT(vm_data)
{
	int ns;
	int type;
};

CASES(vm_data);

FIXTURE_SETUP(vm_data)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	ASSERT_EQ(0, vm_start(&self->vm, self->ns[variant->ns], CID));
	ASSERT_EQ(0, link_from_host(&self->link, &self->vm, self->ns[variant->ns],
				    variant->type));
}

FIXTURE_TEARDOWN(vm_data)
{
	vm_stop(&self->vm);
	ns_close(self->ns);
}

/* Process packets until the guest has received all data of the host. */
static void turn_until_quiet(struct vm *vm)
{
	while (guest_turn(&vm->stack, 200) != -ETIMEDOUT)
		;
}

TEST_F(vm_data, more_than_all_buffers_hold_arrives_complete_both_ways)
{
	EXPECT_EQ(0, link_carries(&self->link, MUCH));
	EXPECT_EQ(0, self->vm.stack.overruns);
}

/* ---- credit ---- */

#define TRIPS 50

/* The writer of messages is told of each that was read. */
TEST_F(vm_data, ping_pong_of_a_stream_is_one_packet_each_way)
{
	const unsigned long long *received = self->vm.stack.received;
	char byte = 0;
	int i;

	for (i = 0; i < TRIPS; i++) {
		ASSERT_EQ(1, send(self->link.sock, &byte, 1, 0));
		ASSERT_EQ(1, guest_read(self->link.conn, &byte, 1, NULL, VM_PATIENCE_MS));
		ASSERT_EQ(1, guest_write(self->link.conn, &byte, 1, VM_PATIENCE_MS));
		ASSERT_EQ(1, recv(self->link.sock, &byte, 1, 0));
	}
	turn_until_quiet(&self->vm);
	EXPECT_EQ(TRIPS, received[VIRTIO_VSOCK_OP_RW]);
	EXPECT_GE(variant->type == SOCK_STREAM ? 0 : TRIPS,
		  received[VIRTIO_VSOCK_OP_CREDIT_UPDATE]);
}

TEST_F(vm_data, host_stops_when_the_guest_has_no_room)
{
	static char data[4096];
	ssize_t sent = 0, len;
	size_t waits = 0;

	while ((len = send(self->link.sock, data, sizeof(data), MSG_DONTWAIT)) > 0)
		sent += len;
	EXPECT_EQ(GUEST_BUF_ALLOC, sent);
	turn_until_quiet(&self->vm);
	for (const struct guest_chunk *chunk = self->link.conn->first; chunk; chunk = chunk->next)
		waits += chunk->len;
	EXPECT_EQ(GUEST_BUF_ALLOC, waits);
	EXPECT_EQ(0, self->vm.stack.overruns);
}

TEST_F(vm_data, guest_stops_when_the_host_has_no_room_and_goes_on_when_it_reads)
{
	static char data[1024];
	size_t room = guest_space(self->link.conn), read_back = 0;
	ssize_t len;

	ASSERT_LT(sizeof(data), room);
	while (guest_space(self->link.conn) >= sizeof(data))
		ASSERT_EQ(sizeof(data), guest_write(self->link.conn, data, sizeof(data),
						    VM_PATIENCE_MS));
	if (guest_space(self->link.conn))
		ASSERT_LT(0, guest_write(self->link.conn, data, guest_space(self->link.conn),
					 VM_PATIENCE_MS));
	EXPECT_EQ(-ETIMEDOUT, guest_write(self->link.conn, data, 1, 200));
	while ((len = recv(self->link.sock, data, sizeof(data), MSG_DONTWAIT)) > 0)
		read_back += len;
	EXPECT_EQ(room, read_back);
	EXPECT_EQ(1, guest_write(self->link.conn, data, 1, VM_PATIENCE_MS));
}

TEST_F(vm_data, host_tells_its_credit_when_it_is_asked)
{
	uint16_t op = VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	unsigned long long before;
	uint32_t alloc;

	turn_until_quiet(&self->vm);
	before = self->vm.stack.received[op];
	alloc = self->link.conn->peer_buf_alloc;
	ASSERT_EQ(5, guest_write(self->link.conn, "hello", 5, VM_PATIENCE_MS));
	ASSERT_EQ(0, guest_post_op(self->link.conn, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0,
				   guest_now() + VM_PATIENCE_MS));
	turn_until_quiet(&self->vm);
	EXPECT_EQ(before + 1, self->vm.stack.received[op]);
	EXPECT_EQ(alloc, self->link.conn->peer_buf_alloc);
	EXPECT_EQ(alloc - 5, guest_space(self->link.conn));
}

/* ---- shutdown and close ---- */

TEST_F(vm_data, flows_from_the_host_after_the_guest_has_shut_down_its_way)
{
	char data[16] = "";

	ASSERT_EQ(4, guest_write(self->link.conn, "last", 4, VM_PATIENCE_MS));
	ASSERT_EQ(0, guest_shutdown(self->link.conn, VIRTIO_VSOCK_SHUTDOWN_SEND));
	EXPECT_EQ(4, recv(self->link.sock, data, sizeof(data), 0));
	EXPECT_TRUE(at_end(self->link.sock));
	EXPECT_EQ(5, send(self->link.sock, "after", 5, 0));
	EXPECT_EQ(5, guest_read(self->link.conn, data, sizeof(data), NULL, VM_PATIENCE_MS));
	EXPECT_EQ(0, memcmp(data, "after", 5));
}

TEST_F(vm_data, flows_from_the_guest_after_the_host_has_shut_down_its_way)
{
	char data[16] = "";

	ASSERT_EQ(4, send(self->link.sock, "last", 4, 0));
	ASSERT_EQ(0, shutdown(self->link.sock, SHUT_WR));
	EXPECT_EQ(4, guest_read(self->link.conn, data, sizeof(data), NULL, VM_PATIENCE_MS));
	EXPECT_EQ(0, guest_read(self->link.conn, data, sizeof(data), NULL, VM_PATIENCE_MS));
	EXPECT_EQ(5, guest_write(self->link.conn, "after", 5, VM_PATIENCE_MS));
	EXPECT_EQ(5, recv(self->link.sock, data, sizeof(data), 0));
}

TEST_F(vm_data, sent_before_the_guest_closes_arrives_and_then_the_end)
{
	char data[16] = "";

	ASSERT_EQ(4, guest_write(self->link.conn, "last", 4, VM_PATIENCE_MS));
	ASSERT_EQ(0, guest_shutdown(self->link.conn, VIRTIO_VSOCK_SHUTDOWN_SEND |
				    VIRTIO_VSOCK_SHUTDOWN_RCV));
	EXPECT_EQ(4, recv(self->link.sock, data, sizeof(data), 0));
	EXPECT_TRUE(at_end(self->link.sock));
}

TEST_F(vm_data, sent_before_the_host_closes_arrives_and_then_the_end)
{
	char data[16] = "";

	ASSERT_EQ(4, send(self->link.sock, "last", 4, 0));
	close(self->link.sock);
	EXPECT_EQ(4, guest_read(self->link.conn, data, sizeof(data), NULL, VM_PATIENCE_MS));
	EXPECT_EQ(0, memcmp(data, "last", 4));
	EXPECT_EQ(0, guest_read(self->link.conn, data, sizeof(data), NULL, VM_PATIENCE_MS));
}

TEST_F(vm_data, reset_by_the_guest_ends_on_the_host_both_ways)
{
	guest_abort(self->link.conn);
	EXPECT_TRUE(at_end(self->link.sock));
	EXPECT_EQ(-1, send(self->link.sock, "late", 4, MSG_NOSIGNAL));
	EXPECT_EQ(EPIPE, errno);
}

/* ---- messages ---- */

FIXTURE(vm_messages)
{
	int ns[NS_COUNT];
	struct vm vm;
	struct vm_link link;
};

FIXTURE_VARIANT(vm_messages)
{
	int ns;
};

FIXTURE_VARIANT_ADD(vm_messages, init) { .ns = INIT };
FIXTURE_VARIANT_ADD(vm_messages, l0) { .ns = L0 };

FIXTURE_SETUP(vm_messages)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	ASSERT_EQ(0, vm_start(&self->vm, self->ns[variant->ns], CID));
	ASSERT_EQ(0, link_from_host(&self->link, &self->vm, self->ns[variant->ns],
				    SOCK_SEQPACKET));
}

FIXTURE_TEARDOWN(vm_messages)
{
	vm_stop(&self->vm);
	ns_close(self->ns);
}

/* Messages longer than a buffer are sent in several packets. */
static const size_t lengths[] = { 1, 1000, 2004, 2005, 6000, 30000 };

TEST_F(vm_messages, from_the_host_keep_their_lengths)
{
	static char data[32768];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++)
		ASSERT_EQ(lengths[i], send(self->link.sock, data, lengths[i], 0));
	for (i = 0; i < ARRAY_SIZE(lengths); i++)
		EXPECT_EQ(lengths[i], guest_read(self->link.conn, data, sizeof(data), NULL,
						 VM_PATIENCE_MS));
}

TEST_F(vm_messages, from_the_guest_keep_their_lengths)
{
	static char data[32768];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++)
		ASSERT_EQ(lengths[i], guest_write(self->link.conn, data, lengths[i],
						  VM_PATIENCE_MS));
	for (i = 0; i < ARRAY_SIZE(lengths); i++)
		EXPECT_EQ(lengths[i], recv(self->link.sock, data, sizeof(data), 0));
}

TEST_F(vm_messages, from_the_host_say_where_a_record_ends)
{
	uint32_t flags;
	char data[16];

	ASSERT_EQ(3, send(self->link.sock, "one", 3, 0));
	ASSERT_EQ(3, send(self->link.sock, "two", 3, MSG_EOR));
	EXPECT_EQ(3, guest_read(self->link.conn, data, sizeof(data), &flags, VM_PATIENCE_MS));
	EXPECT_EQ(0, flags);
	EXPECT_EQ(3, guest_read(self->link.conn, data, sizeof(data), &flags, VM_PATIENCE_MS));
	EXPECT_EQ(VIRTIO_VSOCK_SEQ_EOR, flags);
}

TEST_F(vm_messages, from_the_guest_say_where_a_record_ends)
{
	char data[16];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	ASSERT_EQ(3, guest_write(self->link.conn, "one", 3, VM_PATIENCE_MS));
	ASSERT_EQ(3, guest_write_flags(self->link.conn, "two", 3, VIRTIO_VSOCK_SEQ_EOR,
				       VM_PATIENCE_MS));
	EXPECT_EQ(3, recvmsg(self->link.sock, &msg, 0));
	EXPECT_EQ(0, msg.msg_flags & MSG_EOR);
	EXPECT_EQ(3, recvmsg(self->link.sock, &msg, 0));
	EXPECT_NE(0, msg.msg_flags & MSG_EOR);
}

/* ---- errors ---- */

FIXTURE(vm_error)
{
	struct vm vm;
	struct vm_link link;
	int ns[NS_COUNT];
};

FIXTURE_VARIANT(vm_error)
{
	int type;
};

FIXTURE_VARIANT_ADD(vm_error, of_a_stream) { .type = SOCK_STREAM };
FIXTURE_VARIANT_ADD(vm_error, of_messages) { .type = SOCK_SEQPACKET };

FIXTURE_SETUP(vm_error)
{
	int sock;

	SKIP_IF(cannot_link_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	ASSERT_EQ(0, vm_start(&self->vm, self->ns[L0], CID));
	sock = sock_in(self->ns[L0], variant->type);
	ASSERT_LE(0, sock);
	ASSERT_EQ(0, set_buffer_size(sock, 4096));
	ASSERT_EQ(0, link_from_sock(&self->link, &self->vm, sock, variant->type));
}

FIXTURE_TEARDOWN(vm_error)
{
	link_close(&self->link);
	vm_stop(&self->vm);
	ns_close(self->ns);
}

/* Send packets of 1000 bytes without regard to credit. */
static int overrun(struct vm_link *link, unsigned int packets)
{
	static const char data[1000];
	struct virtio_vsock_hdr hdr;
	int err = 0;

	guest_header(&hdr, link->conn, VIRTIO_VSOCK_OP_RW);
	hdr.len = htole32(sizeof(data));
	hdr.flags = htole32(link->conn->type == VIRTIO_VSOCK_TYPE_SEQPACKET ?
			    VIRTIO_VSOCK_SEQ_EOM : 0);
	while (packets-- && !err)
		err = guest_post_late(link->conn->stack, &hdr, data,
				      guest_now() + VM_PATIENCE_MS);
	return err ? : guest_flush(link->conn->stack->guest, VM_PATIENCE_MS);
}

TEST_F(vm_error, comes_once_behind_the_data_and_then_the_end)
{
	char data[1000];
	int i;

	ASSERT_EQ(0, overrun(&self->link, 5));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(1000, recv(self->link.sock, data, sizeof(data), MSG_DONTWAIT));
	EXPECT_EQ(-1, recv(self->link.sock, data, sizeof(data), MSG_DONTWAIT));
	EXPECT_EQ(ENOBUFS, errno);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, recv(self->link.sock, data, sizeof(data), MSG_DONTWAIT));
}

TEST_HARNESS_MAIN
