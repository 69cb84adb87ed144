// SPDX-License-Identifier: GPL-2.0
/*
 * Streams whose window, the smaller one of both buffers, limits a reader or
 * shrinks: the reader and the writer always get on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "vm_link.h"

/* Default of SO_VM_SOCKETS_BUFFER_SIZE */
#define BUFFER_SIZE 262144

/* A packet, which is as large as it can be */
#define PACKET 65536
#define PIECE 4096

static char zeroes[BUFFER_SIZE];

static bool told(int sock, short event)
{
	struct pollfd p = { .fd = sock, .events = event };

	return poll(&p, 1, VM_PATIENCE_MS) == 1 && p.revents & event;
}

static int set_lowat(int sock, int bytes)
{
	return setsockopt(sock, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes)) ? -errno : 0;
}

/* In pieces: recv() returns -ENOMEM for as much as a buffer can hold. */
static size_t receive(int sock, size_t bytes)
{
	size_t got = 0;
	ssize_t n;

	while (got < bytes) {
		n = recv(sock, zeroes, bytes - got < PIECE ? bytes - got : PIECE, 0);
		if (n <= 0)
			break;
		got += n;
	}
	return got;
}

static bool pass(int from, int to, size_t bytes)
{
	return send(from, zeroes, bytes, MSG_DONTWAIT) == (ssize_t)bytes &&
	       receive(to, bytes) == bytes;
}

/* Send until the window is full; returns the number of bytes. */
static ssize_t fill(int sock)
{
	ssize_t sent = 0, n;

	while ((n = send(sock, zeroes, sizeof(zeroes), MSG_DONTWAIT)) > 0)
		sent += n;
	return errno == EAGAIN ? sent : -errno;
}

/* A child that waits for data does so long before this. */
#define SOON_US 200000

FIXTURE(window)
{
	struct pair pair;
	int reader;
	int writer;
	int resized;
};

FIXTURE_VARIANT(window)
{
	bool of_reader;
};

FIXTURE_VARIANT_ADD(window, of_the_reader) { .of_reader = true };
FIXTURE_VARIANT_ADD(window, of_the_writer) { .of_reader = false };

FIXTURE_SETUP(window)
{
	int here = ns_here();

	SKIP_IF(cannot_run());
	ASSERT_LE(0, here);
	ASSERT_EQ(0, pair_in(&self->pair, here, SOCK_STREAM, VMADDR_CID_LOCAL));
	self->writer = self->pair.client;
	self->reader = self->pair.server;
	self->resized = variant->of_reader ? self->reader : self->writer;
	close(here);
}

NO_TEARDOWN(window)

/* Set the buffer size, and return when both sides know of it. */
static int resize(int sock, unsigned long long size, int reader, int writer)
{
	int err = set_buffer_size(sock, size);

	if (!err && !pass(reader, writer, 1))
		err = -EIO;
	return err;
}

TEST_F(window, below_what_a_reader_waits_for_is_read_when_full)
{
	ASSERT_EQ(0, set_lowat(self->reader, PACKET + 1));
	ASSERT_EQ(0, resize(self->resized, PACKET, self->reader, self->writer));
	ASSERT_EQ(PACKET, fill(self->writer));
	EXPECT_TRUE(told(self->reader, POLLIN));
	EXPECT_EQ(PACKET, receive(self->reader, PACKET));
	EXPECT_TRUE(told(self->writer, POLLOUT));
}

static int poll_for_data(void *arg)
{
	return !told(*(int *)arg, POLLIN);
}

TEST_F(window, below_what_a_reader_waits_for_wakes_it_when_full)
{
	pid_t pid;

	ASSERT_EQ(0, set_lowat(self->reader, PACKET + 1));
	ASSERT_EQ(0, resize(self->resized, PACKET, self->reader, self->writer));
	pid = start(poll_for_data, &self->reader);
	ASSERT_LT(0, pid);
	usleep(SOON_US);
	ASSERT_EQ(PACKET, send(self->writer, zeroes, PACKET, 0));
	EXPECT_EQ(0, finish(pid));
}

TEST_F(window, shrunk_below_a_packet_read_in_part_lets_the_rest_be_read)
{
	ASSERT_EQ(PACKET, send(self->writer, zeroes, PACKET, 0));
	ASSERT_EQ(PACKET - 100, receive(self->reader, PACKET - 100));
	ASSERT_EQ(0, set_lowat(self->reader, 200));
	ASSERT_EQ(0, resize(self->resized, 4096, self->reader, self->writer));
	EXPECT_TRUE(told(self->reader, POLLIN));
	EXPECT_EQ(100, recv(self->reader, zeroes, 200, MSG_DONTWAIT));
	EXPECT_TRUE(told(self->writer, POLLOUT));
	EXPECT_TRUE(pass(self->writer, self->reader, 200));
}

/*
 * The reader has told nothing of what it has read, as the window was large. No
 * data goes back: it would tell the writer.
 */
TEST_F(window, shrunk_below_what_was_read_lets_the_writer_send)
{
	ASSERT_TRUE(pass(self->writer, self->reader, 100000));
	ASSERT_EQ(0, set_buffer_size(self->resized, PACKET));
	ASSERT_TRUE(told(self->writer, POLLOUT));
	EXPECT_TRUE(pass(self->writer, self->reader, PACKET / 2));
}

TEST_F(window, shrunk_and_grown_again_lets_the_writer_fill_it)
{
	ASSERT_TRUE(pass(self->writer, self->reader, 100000));
	ASSERT_EQ(0, resize(self->resized, PACKET, self->reader, self->writer));
	ASSERT_EQ(0, resize(self->resized, BUFFER_SIZE, self->reader, self->writer));
	ASSERT_TRUE(told(self->writer, POLLOUT));
	EXPECT_TRUE(pass(self->writer, self->reader, 200000));
	EXPECT_TRUE(pass(self->writer, self->reader, 200000));
}

TEST_F(window, lets_a_reader_have_as_much_as_it_waits_for)
{
	int i;

	ASSERT_EQ(0, resize(self->resized, PACKET, self->reader, self->writer));
	ASSERT_EQ(0, set_lowat(self->reader, PACKET / 2));
	for (i = 1; i < 20; i++) {
		size_t bytes = PACKET / 2 + i * 1000;

		ASSERT_TRUE(told(self->writer, POLLOUT));
		ASSERT_EQ(bytes, send(self->writer, zeroes, bytes, 0));
		ASSERT_TRUE(told(self->reader, POLLIN));
		ASSERT_EQ(bytes, receive(self->reader, bytes));
	}
}

TEST_HARNESS_MAIN
