// SPDX-License-Identifier: GPL-2.0
/*
 * Loopback within a namespace carries data completely, in order and in both
 * directions at the same time.
 */
#include "fixture.h"

#define LOTS (256 * 1024)
#define MESSAGES 200

FIXTURE(data)
{
	struct pair pair;
	int ns;
};

FIXTURE_VARIANT(data)
{
	int (*make)(void);
	int type;
};

FIXTURE_VARIANT_ADD(data, global_stream)
{
	.make = ns_global, .type = SOCK_STREAM,
};

FIXTURE_VARIANT_ADD(data, local_stream)
{
	.make = ns_local, .type = SOCK_STREAM,
};

FIXTURE_VARIANT_ADD(data, global_seqpacket)
{
	.make = ns_global, .type = SOCK_SEQPACKET,
};

FIXTURE_VARIANT_ADD(data, local_seqpacket)
{
	.make = ns_local, .type = SOCK_SEQPACKET,
};

FIXTURE_SETUP(data)
{
	SKIP_IF(cannot_run());
	self->ns = variant->make();
	ASSERT_LE(0, self->ns);
	ASSERT_EQ(0, pair_in(&self->pair, self->ns, variant->type,
			     VMADDR_CID_LOCAL));
}

NO_TEARDOWN(data)

TEST_F(data, of_256_kb_arrives_complete_and_in_order_both_ways)
{
	EXPECT_EQ(0, exchange(self->pair.client, self->pair.server, LOTS));
}

TEST_F(data, sent_before_a_close_arrives_and_then_the_end)
{
	char text[16] = "";

	ASSERT_EQ(4, send(self->pair.client, "last", 4, 0));
	close(self->pair.client);
	EXPECT_EQ(4, recv(self->pair.server, text, sizeof(text), 0));
	EXPECT_STREQ("last", text);
	EXPECT_TRUE(at_end(self->pair.server));
}

TEST_F(data, flows_one_way_after_the_other_is_shut_down)
{
	char text[16] = "";

	ASSERT_EQ(0, shutdown(self->pair.client, SHUT_WR));
	EXPECT_TRUE(at_end(self->pair.server));
	ASSERT_EQ(4, send(self->pair.server, "back", 4, 0));
	EXPECT_EQ(4, recv(self->pair.client, text, sizeof(text), 0));
	EXPECT_STREQ("back", text);
}

/* ---- messages ---- */

FIXTURE(messages)
{
	struct pair pair;
	int ns;
};

FIXTURE_VARIANT(messages)
{
	int (*make)(void);
};

FIXTURE_VARIANT_ADD(messages, global)
{
	.make = ns_global,
};

FIXTURE_VARIANT_ADD(messages, local)
{
	.make = ns_local,
};

FIXTURE_SETUP(messages)
{
	SKIP_IF(cannot_run());
	self->ns = variant->make();
	ASSERT_LE(0, self->ns);
	ASSERT_EQ(0, pair_in(&self->pair, self->ns, SOCK_SEQPACKET,
			     VMADDR_CID_LOCAL));
}

NO_TEARDOWN(messages)

/* Fill message @n; its length and its bytes depend on @n. */
static size_t message(unsigned char *bytes, int n)
{
	size_t len = 1 + (n * 37) % 700;

	memset(bytes, n, len);
	return len;
}

/* Returns how many messages arrive unchanged before the first wrong one. */
static int messages_in_order(int from, int to)
{
	unsigned char sent[1024], got[1024];
	ssize_t len;
	int n;

	for (n = 0; n < MESSAGES; n++) {
		len = message(sent, n);
		if (send(from, sent, len, MSG_EOR) != len)
			return -errno;
	}
	for (n = 0; n < MESSAGES; n++) {
		struct iovec iov = { got, sizeof(got) };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

		len = message(sent, n);
		if (recvmsg(to, &msg, 0) != len || memcmp(sent, got, len) ||
		    !(msg.msg_flags & MSG_EOR))
			break;
	}
	return n;
}

TEST_F(messages, keep_their_order_their_lengths_and_their_ends)
{
	EXPECT_EQ(MESSAGES, messages_in_order(self->pair.client,
					      self->pair.server));
	EXPECT_EQ(MESSAGES, messages_in_order(self->pair.server,
					      self->pair.client));
}

TEST_F(messages, too_long_for_the_buffer_are_cut_and_say_so)
{
	char text[16] = "", start[4];
	struct iovec iov = { start, sizeof(start) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	ASSERT_EQ(10, send(self->pair.client, "0123456789", 10, 0));
	ASSERT_EQ(4, send(self->pair.client, "next", 4, 0));
	EXPECT_EQ(4, recvmsg(self->pair.server, &msg, 0));
	EXPECT_EQ(0, memcmp(start, "0123", 4));
	EXPECT_EQ(MSG_TRUNC, msg.msg_flags & MSG_TRUNC);
	EXPECT_EQ(4, recv(self->pair.server, text, sizeof(text), 0));
	EXPECT_STREQ("next", text);
}

TEST_F(messages, of_64_kb_arrive_whole)
{
	static char sent[65536], got[65536];
	int i;

	for (i = 0; i < (int)sizeof(sent); i++)
		sent[i] = i * 7 + (i >> 8);
	ASSERT_EQ(sizeof(sent), send(self->pair.client, sent, sizeof(sent), 0));
	EXPECT_EQ(sizeof(got), recv(self->pair.server, got, sizeof(got), 0));
	EXPECT_EQ(0, memcmp(sent, got, sizeof(sent)));
}

TEST_HARNESS_MAIN
