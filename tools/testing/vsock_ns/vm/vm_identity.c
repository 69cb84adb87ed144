// SPDX-License-Identifier: GPL-2.0
/*
 * A connection belongs to its VM, not to the VM's CID.
 *
 *	first ----.  closed, or assigned another CID
 *		  +---- host: a socket
 *	next -----'  takes the CID of the first, in the same scope
 *
 * Both are guests without a VM. The next VM knows the ports of the first, like
 * a guest that was resumed from a snapshot.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "lock_holder.h"
#include "vm_link.h"

/* A timeout of connect() that never expires during a test. */
#define A_YEAR (365 * 24 * 3600)

FIXTURE(identity)
{
	int ns[NS_COUNT];
	int at;
	struct vm first;
	struct vm next;
};

FIXTURE_VARIANT(identity)
{
	int scope;
	int type;
	bool changes_cid;
};

#define IDENTITY(name, ...) FIXTURE_VARIANT_ADD(identity, name) { __VA_ARGS__ }

IDENTITY(closed_in_init_stream, .scope = INIT, .type = SOCK_STREAM);
IDENTITY(closed_in_init_seqpacket, .scope = INIT, .type = SOCK_SEQPACKET);
IDENTITY(closed_in_l0_stream, .scope = L0, .type = SOCK_STREAM);
IDENTITY(changed_in_init_stream, .scope = INIT, .type = SOCK_STREAM, .changes_cid = true);
IDENTITY(changed_in_init_seqpacket, .scope = INIT, .type = SOCK_SEQPACKET, .changes_cid = true);
IDENTITY(changed_in_l0_stream, .scope = L0, .type = SOCK_STREAM, .changes_cid = true);

FIXTURE_SETUP(identity)
{
	SKIP_IF(cannot_link_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	self->at = self->ns[variant->scope];
	memset(&self->next, 0, sizeof(self->next));
	ASSERT_EQ(0, vm_start(&self->first, self->at, CID));
}

FIXTURE_TEARDOWN(identity)
{
	vm_stop(&self->first);
	vm_stop(&self->next);
	ns_close(self->ns);
}

/* The first VM loses the CID; the next VM takes it. */
static int replace(struct _test_data_identity *self, bool changes_cid)
{
	int err = 0;

	if (changes_cid)
		err = guest_set_cid(&self->first.guest, OTHER_CID);
	else
		guest_close_device(&self->first.guest);

	return err ? err : vm_start(&self->next, self->at, CID);
}

static short events_of(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN | POLLRDHUP };

	return poll(&p, 1, VM_PATIENCE_MS) == 1 ? p.revents : 0;
}

/* Returns how many packets of any kind the next VM has received. */
static unsigned long long packets_of(struct vm *vm)
{
	unsigned long long sum = 0;
	unsigned int i;

	while (guest_turn(&vm->stack, 200) > 0)
		;
	for (i = 0; i < GUEST_OPS; i++)
		sum += vm->stack.received[i];
	return sum;
}

/* Send a packet of the next VM with the addresses of the first VM's connection. */
static int next_sends(struct _test_data_identity *self, struct guest_conn *old, uint16_t op,
		      uint32_t flags, const char *payload)
{
	struct virtio_vsock_hdr hdr;

	guest_header(&hdr, old, op);
	hdr.src_cid = htole64(CID);
	hdr.flags = htole32(flags);
	hdr.len = htole32(strlen(payload));
	return guest_send(&self->next.guest, &hdr, payload);
}

TEST_F(identity, is_lost_at_once_with_a_reset_and_a_hangup)
{
	struct vm_link link;

	ASSERT_EQ(0, link_from_host(&link, &self->first, self->at, variant->type));
	ASSERT_EQ(0, link_talks(&link));
	ASSERT_EQ(0, replace(self, variant->changes_cid));
	EXPECT_EQ(POLLHUP | POLLERR, events_of(link.sock) & (POLLHUP | POLLERR));
	EXPECT_EQ(-ECONNRESET, link_reset(&link, 0));
	EXPECT_EQ(-1, send(link.sock, "x", 1, MSG_NOSIGNAL));
	EXPECT_EQ(EPIPE, errno);
	close(link.sock);
}

TEST_F(identity, ends_a_connect_that_is_under_way)
{
	struct timeval year = { .tv_sec = A_YEAR };
	int sock = sock_in(self->at, variant->type);
	struct vm_link link = { .sock = sock };

	ASSERT_LE(0, sock);
	ASSERT_EQ(0, setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &year,
				sizeof(year)));
	ASSERT_EQ(0, fcntl(sock, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(-EINPROGRESS, connect_to(sock, CID, vm_port(variant->type)));
	ASSERT_EQ(0, replace(self, variant->changes_cid));
	EXPECT_EQ(-ECONNRESET, link_reset(&link, VM_PATIENCE_MS));
	close(sock);
	EXPECT_EQ(0, packets_of(&self->next));
}

/* Hold the device open until the gate is closed, then exit. */
static int keep_open(void *arg)
{
	const int *gate = arg;
	char byte;

	close(gate[1]);
	return read(gate[0], &byte, 1) != 0;
}

/* Retry, as another task closes the device; the CID becomes free before that ends. */
static int next_starts(struct _test_data_identity *self)
{
	long long until = guest_now() + VM_PATIENCE_MS;
	int err;

	do {
		err = vm_start(&self->next, self->at, CID);
		usleep(10000);
	} while (err == -EADDRINUSE && guest_now() < until);

	return err;
}

TEST_F(identity, is_lost_at_once_though_the_vm_waits_for_the_lock_of_a_socket)
{
	struct vm_link held, link;
	struct virtio_vsock_hdr hdr;
	struct lock_holder holder;
	pid_t keeper;
	int gate[2];

	if (cannot_hold_locks())
		SKIP(return, "%s", cannot_hold_locks());
	ASSERT_EQ(0, link_from_host(&held, &self->first, self->at, variant->type));
	ASSERT_EQ(0, link_from_host(&link, &self->first, self->at, variant->type));
	ASSERT_EQ(0, pipe(gate));
	keeper = start(keep_open, gate);
	ASSERT_LT(0, keeper);
	close(gate[0]);
	ASSERT_EQ(0, locks_hold(&holder, &held.sock, 1));
	guest_header(&hdr, held.conn, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	ASSERT_EQ(0, guest_post(&self->first.guest, &hdr, NULL));
	usleep(300000); /* let the worker find the packet */
	if (variant->changes_cid)
		EXPECT_EQ(0, guest_set_cid(&self->first.guest, OTHER_CID));
	guest_close_device(&self->first.guest);
	close(gate[1]);
	EXPECT_EQ(0, next_starts(self));
	EXPECT_EQ(-ECONNRESET, link_reset(&link, VM_PATIENCE_MS));
	locks_release(&holder);
	EXPECT_EQ(0, finish(keeper));
	EXPECT_EQ(-ECONNRESET, link_reset(&held, VM_PATIENCE_MS));
}

TEST_F(identity, is_not_taken_over_by_the_next_vm)
{
	static const uint16_t ops[] = {
		VIRTIO_VSOCK_OP_RW, VIRTIO_VSOCK_OP_CREDIT_UPDATE, VIRTIO_VSOCK_OP_RESPONSE,
		VIRTIO_VSOCK_OP_CREDIT_REQUEST, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_OP_RST,
	};
	struct vm_link link;
	unsigned int i;
	char byte;

	ASSERT_EQ(0, link_from_host(&link, &self->first, self->at, variant->type));
	ASSERT_EQ(0, replace(self, variant->changes_cid));
	EXPECT_EQ(-ECONNRESET, link_reset(&link, VM_PATIENCE_MS));
	shutdown(link.sock, SHUT_WR);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		bool data = ops[i] == VIRTIO_VSOCK_OP_RW;

		ASSERT_EQ(0, next_sends(self, link.conn, ops[i],
					data && variant->type == SOCK_SEQPACKET ?
					VIRTIO_VSOCK_SEQ_EOM : 0, data ? "late" : ""));
		guest_turn(&self->next.stack, 200);
	}
	EXPECT_GE(0, recv(link.sock, &byte, 1, MSG_DONTWAIT));
	/* Each packet but the last is answered with a reset. */
	EXPECT_EQ(ARRAY_SIZE(ops) - 1, self->next.stack.received[VIRTIO_VSOCK_OP_RST]);
	close(link.sock);
}

TEST_F(identity, is_of_no_use_to_send_to_the_next_vm)
{
	struct vm_link plain, half, whole, reader;
	unsigned long long size = 65536;
	struct vm_link *links[] = { &plain, &half, &whole, &reader };
	unsigned int i;
	char bytes[16];

	for (i = 0; i < ARRAY_SIZE(links); i++)
		ASSERT_EQ(0, link_from_host(links[i], &self->first, self->at, variant->type));
	ASSERT_EQ(5, guest_write(reader.conn, "bytes", 5, VM_PATIENCE_MS));
	ASSERT_EQ(0, replace(self, variant->changes_cid));
	EXPECT_GT(0, send(plain.sock, "lost", 4, MSG_NOSIGNAL | MSG_DONTWAIT));
	shutdown(half.sock, SHUT_WR);
	shutdown(whole.sock, SHUT_RDWR);
	setsockopt(plain.sock, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof(size));
	recv(reader.sock, bytes, sizeof(bytes), MSG_DONTWAIT);
	recv(reader.sock, bytes, sizeof(bytes), MSG_DONTWAIT);
	for (i = 0; i < ARRAY_SIZE(links); i++)
		close(links[i]->sock);
	EXPECT_EQ(0, packets_of(&self->next));
}

TEST_F(identity, does_not_keep_the_ports_from_the_next_vm)
{
	int listener = listen_in(self->at, variant->type, VMADDR_CID_ANY, PORT);
	struct vm_link old, new;

	ASSERT_LE(0, listener);
	ASSERT_EQ(0, link_to_listener(&old, &self->first, listener, variant->type, PORT));
	ASSERT_EQ(0, replace(self, variant->changes_cid));
	self->next.stack.next_port = old.conn->port;
	ASSERT_EQ(0, link_to_listener(&new, &self->next, listener, variant->type, PORT));
	EXPECT_EQ(0, link_talks(&new));
	EXPECT_EQ(-ECONNRESET, link_reset(&old, VM_PATIENCE_MS));
	close(old.sock);
	EXPECT_EQ(0, link_talks(&new));
	close(new.sock);
	close(listener);
}

TEST_F(identity, leaves_what_had_arrived_before_to_be_read)
{
	struct vm_link link;
	char bytes[16];

	ASSERT_EQ(0, link_from_host(&link, &self->first, self->at, variant->type));
	ASSERT_EQ(5, guest_write(link.conn, "bytes", 5, VM_PATIENCE_MS));
	ASSERT_EQ(0, guest_flush(&self->first.guest, VM_PATIENCE_MS));
	ASSERT_EQ(0, replace(self, variant->changes_cid));
	EXPECT_EQ(-ECONNRESET, link_reset(&link, VM_PATIENCE_MS));
	EXPECT_EQ(5, recv(link.sock, bytes, sizeof(bytes), MSG_DONTWAIT));
	EXPECT_GE(0, recv(link.sock, bytes, sizeof(bytes), MSG_DONTWAIT));
	close(link.sock);
}

/* ---- a guest that reuses a port ---- */

FIXTURE(port)
{
	int ns[NS_COUNT];
	struct vm vm;
	int listener;
	struct vm_link first;
	struct vm_link second;
};

FIXTURE_VARIANT(port)
{
	bool reset;
	bool unread;
	int type;
	int second_type;
};

#define PORT_OF(name, ...) FIXTURE_VARIANT_ADD(port, name) { __VA_ARGS__ }

PORT_OF(of_a_closed_stream, .type = SOCK_STREAM, .second_type = SOCK_STREAM);
PORT_OF(of_a_closed_stream_with_unread_data, .unread = true, .type = SOCK_STREAM,
	.second_type = SOCK_STREAM);
PORT_OF(of_a_reset_stream, .reset = true, .type = SOCK_STREAM, .second_type = SOCK_STREAM);
PORT_OF(of_a_reset_stream_with_unread_data, .reset = true, .unread = true,
	.type = SOCK_STREAM, .second_type = SOCK_STREAM);
PORT_OF(of_a_closed_seqpacket_with_unread_data, .unread = true, .type = SOCK_SEQPACKET,
	.second_type = SOCK_SEQPACKET);

FIXTURE_SETUP(port)
{
	SKIP_IF(cannot_link_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	ASSERT_EQ(0, vm_start(&self->vm, self->ns[L0], CID));
	self->listener = listen_in(self->ns[L0], variant->type, VMADDR_CID_ANY, PORT);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, link_to_listener(&self->first, &self->vm, self->listener,
				      variant->type, PORT));
}

FIXTURE_TEARDOWN(port)
{
	vm_stop(&self->vm);
	close(self->listener);
	close(self->second.sock);
	ns_close(self->ns);
}

/* The guest ends the first connection without waiting and reconnects from its port. */
static int connect_again(struct _test_data_port *self,
			 const struct _fixture_variant_port *variant)
{
	const uint32_t both = VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND;
	struct guest_conn *conn = self->first.conn;
	int err = 0;

	self->vm.stack.next_port = conn->port;
	if (variant->unread && guest_write(conn, "unread", 6, VM_PATIENCE_MS) != 6)
		return -EIO;
	if (!variant->reset)
		err = guest_shutdown(conn, both);
	conn->state = variant->reset ? conn->state : GUEST_RESET;
	guest_abort(conn);
	if (!err)
		err = guest_flush(&self->vm.guest, VM_PATIENCE_MS);
	while (!err && guest_turn(&self->vm.stack, 200) > 0)
		; /* discard the host's answers on the first */
	return err ? err : link_to_listener(&self->second, &self->vm, self->listener,
					    variant->second_type, PORT);
}

TEST_F(port, is_free_for_the_guest_while_the_program_has_the_old_socket)
{
	ASSERT_EQ(0, connect_again(self, variant));
	EXPECT_EQ(0, link_talks(&self->second));
	close(self->first.sock);
}

TEST_F(port, belongs_to_the_new_connection_whatever_is_done_with_the_old_socket)
{
	unsigned long long size = 65536;
	char bytes[16];

	ASSERT_EQ(0, connect_again(self, variant));
	setsockopt(self->first.sock, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof(size));
	EXPECT_EQ(variant->unread ? 6 : 0,
		  recv(self->first.sock, bytes, sizeof(bytes), MSG_DONTWAIT));
	shutdown(self->first.sock, SHUT_RDWR);
	close(self->first.sock);
	EXPECT_EQ(0, link_carries(&self->second, 100000));
	EXPECT_EQ(0, self->vm.stack.received[VIRTIO_VSOCK_OP_SHUTDOWN]);
}

TEST_HARNESS_MAIN
