// SPDX-License-Identifier: GPL-2.0
/*
 * Messages (SOCK_SEQPACKET) and a slow reader: the sender waits or gets EAGAIN,
 * a message is sent whole or not at all, and none is lost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "fixture.h"
#include "vm_link.h"

/* Default of SO_VM_SOCKETS_BUFFER_SIZE */
#define BUFFER_SIZE 262144

/* More messages than any queue holds, and many times the limit in flight. */
#define MANY 3000

/* A buffer holds two messages of this length, but not three. */
#define LONG 100000

static char long_message[LONG];

static bool told_within(int sock, short event, int milliseconds)
{
	struct pollfd p = { .fd = sock, .events = event };

	return poll(&p, 1, milliseconds) == 1 && p.revents & event;
}

static bool told(int sock, short event)
{
	return told_within(sock, event, 0);
}

/* Send message @n with @len bytes; as many of them as possible encode @n. */
static int send_numbered(int sock, unsigned int n, size_t len, int flags)
{
	unsigned char data[512];
	size_t i;

	for (i = 0; i < len; i++)
		data[i] = n >> (8 * (i % 2));
	return send(sock, data, len, flags | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static bool is_numbered(const unsigned char *data, unsigned int n, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (data[i] != (unsigned char)(n >> (8 * (i % 2))))
			return false;
	return true;
}

static int receive_numbered(int sock, unsigned int n, size_t len)
{
	unsigned char data[512];
	ssize_t got = recv(sock, data, len, MSG_WAITALL | MSG_TRUNC);

	if (got < 0)
		return -errno;
	return (size_t)got == len && is_numbered(data, n, len) ? 0 : -EBADMSG;
}

/* Send messages from *@n on until one would block. Returns the errno, or 0 at @end. */
static int fill(int sock, unsigned int *n, unsigned int end, size_t len)
{
	int err = 0;

	while (*n < end && !err) {
		err = send_numbered(sock, *n, len, MSG_DONTWAIT);
		*n += !err;
	}
	return err;
}

/* ---- short messages ---- */

FIXTURE(short_messages)
{
	struct pair pair;
	int ns;
};

FIXTURE_VARIANT(short_messages)
{
	size_t len;
};

FIXTURE_VARIANT_ADD(short_messages, of_1_byte) { .len = 1 };
FIXTURE_VARIANT_ADD(short_messages, of_17_bytes) { .len = 17 };
FIXTURE_VARIANT_ADD(short_messages, of_300_bytes) { .len = 300 };

FIXTURE_SETUP(short_messages)
{
	SKIP_IF(cannot_run());
	self->ns = ns_global();
	ASSERT_LE(0, self->ns);
	ASSERT_EQ(0, pair_in(&self->pair, self->ns, SOCK_SEQPACKET, VMADDR_CID_LOCAL));
}

NO_TEARDOWN(short_messages)

TEST_F(short_messages, wait_for_a_slow_reader)
{
	unsigned int sent = 0, received = 0;
	int err;

	while (received < MANY) {
		ASSERT_TRUE(told_within(self->pair.client, POLLOUT, VM_PATIENCE_MS));
		err = fill(self->pair.client, &sent, MANY, variant->len);
		ASSERT_EQ(sent < MANY ? -EAGAIN : 0, err);
		if (err)
			EXPECT_FALSE(told(self->pair.client, POLLOUT));
		ASSERT_LT(received, sent);
		for (; received < sent; received++)
			ASSERT_EQ(0, receive_numbered(self->pair.server, received, variant->len));
	}
	EXPECT_TRUE(quiet(self->pair.server));
	EXPECT_EQ(0, talk(self->pair.client, self->pair.server));
}

struct writer {
	int sock;
	size_t len;
};

static int write_many(void *arg)
{
	const struct writer *writer = arg;
	unsigned int n;

	for (n = 0; n < MANY; n++)
		if (send_numbered(writer->sock, n, writer->len, 0))
			return 1;
	return 0;
}

TEST_F(short_messages, block_their_writer_until_they_are_read)
{
	struct writer writer = { self->pair.client, variant->len };
	pid_t pid = start(write_many, &writer);
	unsigned int n;

	usleep(200000);		/* usually enough for the writer to wait */
	for (n = 0; n < MANY; n++)
		ASSERT_EQ(0, receive_numbered(self->pair.server, n, variant->len));
	EXPECT_EQ(0, finish(pid));
	EXPECT_TRUE(quiet(self->pair.server));
}

/* The sender waits until messages are read, so the reader must not wait for more. */
TEST_F(short_messages, are_read_by_who_waits_for_more_bytes)
{
	unsigned int sent = 0, received;
	int lowat = BUFFER_SIZE;

	ASSERT_EQ(0, setsockopt(self->pair.server, SOL_SOCKET, SO_RCVLOWAT, &lowat,
				sizeof(lowat)));
	ASSERT_EQ(-EAGAIN, fill(self->pair.client, &sent, MANY, variant->len));
	for (received = 0; received < sent; received++) {
		ASSERT_TRUE(told_within(self->pair.server, POLLIN, VM_PATIENCE_MS));
		ASSERT_EQ(0, receive_numbered(self->pair.server, received, variant->len));
	}
}

/* ---- small buffers ---- */

FIXTURE(small_buffer)
{
	struct pair pair;
	int ns;
};

FIXTURE_VARIANT(small_buffer)
{
	int type;
	unsigned int size;
};

FIXTURE_VARIANT_ADD(small_buffer, of_128_bytes) { .type = SOCK_SEQPACKET, .size = 128 };
FIXTURE_VARIANT_ADD(small_buffer, of_576_bytes) { .type = SOCK_SEQPACKET, .size = 576 };
FIXTURE_VARIANT_ADD(small_buffer, of_1500_bytes) { .type = SOCK_SEQPACKET, .size = 1500 };
FIXTURE_VARIANT_ADD(small_buffer, of_8192_bytes) { .type = SOCK_SEQPACKET, .size = 8192 };
FIXTURE_VARIANT_ADD(small_buffer, of_a_stream) { .type = SOCK_STREAM, .size = 128 };

FIXTURE_SETUP(small_buffer)
{
	SKIP_IF(cannot_run());
	self->ns = ns_global();
	ASSERT_LE(0, self->ns);
	ASSERT_EQ(0, pair_with_buffers(&self->pair, self->ns, variant->type, variant->size));
}

NO_TEARDOWN(small_buffer)

TEST_F(small_buffer, carries_all_one_by_one)
{
	unsigned int n;

	for (n = 0; n < 100; n++) {
		ASSERT_EQ(0, send_numbered(self->pair.client, n, 100, 0));
		ASSERT_EQ(0, receive_numbered(self->pair.server, n, 100));
	}
}

TEST_F(small_buffer, lets_the_sender_wait)
{
	unsigned int sent = 0, n;
	size_t len = variant->type == SOCK_STREAM ? 100 : 1;

	ASSERT_EQ(-EAGAIN, fill(self->pair.client, &sent, MANY, len));
	ASSERT_LE(1, sent);
	for (n = 0; n < sent && variant->type == SOCK_SEQPACKET; n++)
		ASSERT_EQ(0, receive_numbered(self->pair.server, n, len));
}

/* ---- whole messages ---- */

enum how { NOT_WAITING, TIMED_OUT, INTERRUPTED };

FIXTURE(whole_messages)
{
	struct pair pair;
	int ns;
};

FIXTURE_VARIANT(whole_messages)
{
	enum how how;
	int err;
};

FIXTURE_VARIANT_ADD(whole_messages, not_waiting) { .how = NOT_WAITING, .err = EAGAIN };
FIXTURE_VARIANT_ADD(whole_messages, timed_out) { .how = TIMED_OUT, .err = EAGAIN };
FIXTURE_VARIANT_ADD(whole_messages, interrupted) { .how = INTERRUPTED, .err = EINTR };

FIXTURE_SETUP(whole_messages)
{
	SKIP_IF(cannot_run());
	self->ns = ns_global();
	ASSERT_LE(0, self->ns);
	ASSERT_EQ(0, pair_in(&self->pair, self->ns, SOCK_SEQPACKET, VMADDR_CID_LOCAL));
}

NO_TEARDOWN(whole_messages)

static void interrupt(int signal)
{
	(void)signal;
}

/* Repeat the signal, as the first one may arrive before the send(). */
static void send_signals(int milliseconds)
{
	struct itimerval timer = {
		.it_value = { .tv_usec = milliseconds * 1000 },
		.it_interval = { .tv_usec = milliseconds * 1000 },
	};
	struct sigaction action = { .sa_handler = interrupt };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static ssize_t send_long(int sock, enum how how)
{
	struct timeval patience = { .tv_usec = 100000 };
	ssize_t len;

	if (how == TIMED_OUT)
		setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (how == INTERRUPTED) {
		patience.tv_sec = 20;
		setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		send_signals(100);
	}
	len = send(sock, long_message, LONG,
		   MSG_NOSIGNAL | (how == NOT_WAITING ? MSG_DONTWAIT : 0));
	len = len < 0 ? -errno : len;
	send_signals(0);
	return len;
}

TEST_F(whole_messages, are_sent_or_nothing_of_them_is)
{
	static char data[BUFFER_SIZE];
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(LONG, send(self->pair.client, long_message, LONG, 0));
	EXPECT_EQ(-variant->err, send_long(self->pair.client, variant->how));
	EXPECT_EQ(4, send(self->pair.client, "next", 4, MSG_DONTWAIT));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(LONG, recv(self->pair.server, data, sizeof(data), 0));
	EXPECT_EQ(4, recv(self->pair.server, data, sizeof(data), 0));
	EXPECT_EQ(0, memcmp("next", data, 4));
	EXPECT_TRUE(quiet(self->pair.server));
}

/* poll() must not report a socket as writable if the message does not fit. */
TEST_F(whole_messages, that_did_not_fit_are_polled_for)
{
	static char data[BUFFER_SIZE];
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(LONG, send(self->pair.client, long_message, LONG, 0));
	EXPECT_TRUE(told(self->pair.client, POLLOUT));
	EXPECT_EQ(-variant->err, send_long(self->pair.client, variant->how));
	EXPECT_FALSE(told(self->pair.client, POLLOUT));
	EXPECT_EQ(LONG, recv(self->pair.server, data, sizeof(data), 0));
	EXPECT_TRUE(told_within(self->pair.client, POLLOUT, VM_PATIENCE_MS));
	EXPECT_EQ(LONG, send(self->pair.client, long_message, LONG, MSG_DONTWAIT));
}

TEST_F(whole_messages, that_can_never_fit_are_refused_at_once)
{
	static char data[BUFFER_SIZE + 1];

	ASSERT_EQ(LONG, send(self->pair.client, long_message, LONG, 0));
	EXPECT_EQ(-1, send(self->pair.client, data, sizeof(data), 0));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_TRUE(told(self->pair.client, POLLOUT));
	EXPECT_EQ(LONG, recv(self->pair.server, data, sizeof(data), 0));
	EXPECT_TRUE(quiet(self->pair.server));
}

/* ---- VMs ---- */

FIXTURE(messages_vm)
{
	struct vm vm;
	struct vm_link link;
	int ns[NS_COUNT];
};

FIXTURE_SETUP(messages_vm)
{
	SKIP_IF(cannot_link_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	ASSERT_EQ(0, vm_start(&self->vm, self->ns[L0], CID));
	ASSERT_EQ(0, link_from_host(&self->link, &self->vm, self->ns[L0], SOCK_SEQPACKET));
}

FIXTURE_TEARDOWN(messages_vm)
{
	link_close(&self->link);
	vm_stop(&self->vm);
	ns_close(self->ns);
}

/* A guest's kernel queues packets only up to their overhead, 576 bytes or more each. */
TEST_F(messages_vm, gets_no_more_short_ones_than_its_kernel_can_queue)
{
	unsigned int sent = 0, received = 0;
	unsigned char data[16];
	int err;

	while (received < 1000) {
		err = fill(self->link.sock, &sent, 1000, 2);
		ASSERT_EQ(sent < 1000 ? -EAGAIN : 0, err);
		EXPECT_GE(GUEST_BUF_ALLOC / 576 - 1, sent - received);
		for (; received < sent; received++) {
			ASSERT_EQ(2, guest_read(self->link.conn, data, sizeof(data), NULL,
						VM_PATIENCE_MS));
			ASSERT_TRUE(is_numbered(data, received, 2));
		}
		/* The host may wait for credit that the guest has not advertised yet. */
		ASSERT_EQ(0, guest_post_op(self->link.conn, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0,
					   guest_now() + VM_PATIENCE_MS));
		ASSERT_EQ(0, guest_flush(&self->vm.guest, VM_PATIENCE_MS));
	}
}

TEST_F(messages_vm, gets_long_ones_whole_or_not_at_all)
{
	static char data[GUEST_BUF_ALLOC];

	ASSERT_EQ(40000, send(self->link.sock, long_message, 40000, MSG_DONTWAIT));
	EXPECT_EQ(-1, send(self->link.sock, long_message, 40000, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(4, send(self->link.sock, "next", 4, MSG_DONTWAIT));
	EXPECT_EQ(40000, guest_read(self->link.conn, data, sizeof(data), NULL, VM_PATIENCE_MS));
	EXPECT_EQ(4, guest_read(self->link.conn, data, sizeof(data), NULL, VM_PATIENCE_MS));
	EXPECT_EQ(0, memcmp("next", data, 4));
}

TEST_HARNESS_MAIN
