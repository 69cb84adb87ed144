// SPDX-License-Identifier: GPL-2.0
/*
 * A socket belongs to the namespace that it was created in, regardless of the
 * task that uses it. It outlives the last name and the last task of that
 * namespace.
 */
#include <sched.h>

#include "fixture.h"

#define ANY VMADDR_CID_ANY
#define LO VMADDR_CID_LOCAL
#define CYCLES 200

FIXTURE(life)
{
	int ns[NS_COUNT];
};

NAMESPACES_SETUP(life, cannot_run())

/* ---- a socket used in another namespace ---- */

TEST_F(life, socket_of_l0_connects_from_g0_to_l0)
{
	int listener = listen_in(self->ns[L0], SOCK_STREAM, ANY, PORT);
	int in_g0 = listen_in(self->ns[G0], SOCK_STREAM, ANY, PORT);
	int sock = sock_in(self->ns[L0], SOCK_STREAM);
	int server;

	ASSERT_LE(0, in_g0);
	ASSERT_EQ(0, ns_enter(self->ns[G0]));
	ASSERT_EQ(0, connect_to(sock, LO, PORT));
	server = accept_one(listener);
	ASSERT_LE(0, server);
	EXPECT_EQ(0, talk(sock, server));
	EXPECT_TRUE(quiet(in_g0));
}

TEST_F(life, socket_of_l0_does_not_reach_g0_from_g0)
{
	int listener = listen_in(self->ns[G0], SOCK_STREAM, ANY, PORT);
	int sock = sock_in(self->ns[L0], SOCK_STREAM);

	ASSERT_LE(0, listener);
	ASSERT_EQ(0, ns_enter(self->ns[G0]));
	EXPECT_EQ(-ECONNRESET, connect_to(sock, LO, PORT));
	EXPECT_TRUE(quiet(listener));
}

TEST_F(life, socket_of_g0_reaches_init_from_a_local_namespace)
{
	int listener = listen_in(self->ns[INIT], SOCK_STREAM, ANY, PORT);
	int sock = sock_in(self->ns[G0], SOCK_STREAM);

	ASSERT_LE(0, listener);
	ASSERT_EQ(0, ns_enter(self->ns[L0]));
	ASSERT_EQ(0, connect_to(sock, LO, PORT));
	EXPECT_EQ(0, talk(sock, accept_one(listener)));
}

TEST_F(life, socket_of_l0_listens_in_l0_from_g0)
{
	int listener = sock_in(self->ns[L0], SOCK_STREAM);

	ASSERT_EQ(0, ns_enter(self->ns[G0]));
	ASSERT_EQ(0, listen_on(listener, ANY, PORT));
	EXPECT_LE(0, connect_in(self->ns[L0], SOCK_STREAM, LO, PORT));
	EXPECT_EQ(-ECONNRESET, connect_in(self->ns[G0], SOCK_STREAM, LO, PORT));
}

struct received {
	int channel;
	int ns;
};

static int connect_received_socket(void *arg)
{
	struct received *received = arg;
	int sock;

	if (ns_enter(received->ns))
		return 1;
	sock = receive_fd(received->channel);
	if (sock < 0)
		return 2;
	if (connect_to(sock, LO, PORT))
		return 3;
	return send(sock, "hello", 5, 0) == 5 ? 0 : 4;
}

TEST_F(life, socket_handed_to_a_task_in_g0_connects_in_l0)
{
	struct received received = { .ns = self->ns[G0] };
	int listener = listen_in(self->ns[L0], SOCK_STREAM, ANY, PORT);
	char text[8] = "";
	int channel[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, channel));
	received.channel = channel[1];
	pid = start(connect_received_socket, &received);
	ASSERT_EQ(0, send_fd(channel[0], sock_in(self->ns[L0], SOCK_STREAM)));
	EXPECT_EQ(5, recv(accept_one(listener), text, sizeof(text), 0));
	EXPECT_STREQ("hello", text);
	EXPECT_EQ(0, finish(pid));
}

TEST_F(life, accept_in_another_namespace_gives_sockets_of_the_listeners)
{
	int listener = listen_in(self->ns[L0], SOCK_STREAM, ANY, PORT);
	int client = connect_in(self->ns[L0], SOCK_STREAM, LO, PORT);
	int server;

	ASSERT_EQ(0, ns_enter(self->ns[G0]));
	server = accept_one(listener);
	ASSERT_LE(0, server);
	EXPECT_TRUE(ns_same(self->ns[L0], ns_of_socket(server)));
	EXPECT_EQ(0, talk(client, server));
}

TEST_F(life, client_in_init_is_accepted_as_a_socket_of_g0)
{
	int listener = listen_in(self->ns[G0], SOCK_STREAM, ANY, PORT);
	int client = connect_in(self->ns[INIT], SOCK_STREAM, LO, PORT);
	int server = accept_one(listener);

	ASSERT_LE(0, server);
	EXPECT_TRUE(ns_same(self->ns[G0], ns_of_socket(server)));
	EXPECT_TRUE(ns_same(self->ns[INIT], ns_of_socket(client)));
}

/* ---- a deleted namespace ---- */

FIXTURE(deleted)
{
	int init;
	int ns;
};

FIXTURE_VARIANT(deleted)
{
	int (*make)(void);
	int type;
};

FIXTURE_VARIANT_ADD(deleted, local_stream)
{
	.make = ns_local, .type = SOCK_STREAM,
};

FIXTURE_VARIANT_ADD(deleted, local_seqpacket)
{
	.make = ns_local, .type = SOCK_SEQPACKET,
};

FIXTURE_VARIANT_ADD(deleted, global_stream)
{
	.make = ns_global, .type = SOCK_STREAM,
};

FIXTURE_VARIANT_ADD(deleted, global_seqpacket)
{
	.make = ns_global, .type = SOCK_SEQPACKET,
};

FIXTURE_SETUP(deleted)
{
	SKIP_IF(cannot_run());
	self->init = ns_here();
	self->ns = variant->make();
	ASSERT_LE(0, self->ns);
}

NO_TEARDOWN(deleted)

TEST_F(deleted, namespace_leaves_connections_that_carry_data_both_ways)
{
	struct pair pair;

	ASSERT_EQ(0, pair_in(&pair, self->ns, variant->type, LO));
	close(self->ns);
	EXPECT_EQ(0, talk(pair.client, pair.server));
	close(pair.client);
	EXPECT_TRUE(at_end(pair.server));
}

TEST_F(deleted, namespace_leaves_listeners_that_accept)
{
	int listener = listen_in(self->ns, variant->type, ANY, PORT);
	int waiting = connect_in(self->ns, variant->type, LO, PORT);
	int late = sock_in(self->ns, variant->type);
	int server;

	ASSERT_LE(0, waiting);
	close(self->ns);
	server = accept_one(listener);
	ASSERT_LE(0, server);
	EXPECT_EQ(0, talk(waiting, server));

	ASSERT_EQ(0, connect_to(late, LO, PORT));
	server = accept_one(listener);
	ASSERT_LE(0, server);
	EXPECT_EQ(0, talk(late, server));
}

TEST_F(deleted, namespace_leaves_sockets_that_bind_listen_and_connect)
{
	int listener = sock_in(self->ns, variant->type);
	int client = sock_in(self->ns, variant->type);

	close(self->ns);
	ASSERT_EQ(0, listen_on(listener, ANY, PORT));
	ASSERT_EQ(0, connect_to(client, LO, PORT));
	EXPECT_EQ(0, talk(client, accept_one(listener)));
}

/* The only task of the namespace: it connects, passes the sockets on and exits. */
static int connect_hand_over_and_leave(void *arg)
{
	int channel = *(int *)arg;
	struct pair pair;
	int ns = ns_local();

	if (ns < 0 || ns_enter(ns))
		return 1;
	if (pair_in(&pair, ns, SOCK_STREAM, LO))
		return 2;
	if (send_fd(channel, pair.client) || send_fd(channel, pair.server))
		return 3;
	return 0;
}

TEST_F(life, connection_survives_every_task_of_its_namespace)
{
	int channel[2], client, server;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, channel));
	ASSERT_EQ(0, in_a_child(connect_hand_over_and_leave, &channel[1]));
	client = receive_fd(channel[0]);
	server = receive_fd(channel[0]);
	ASSERT_LE(0, client);
	ASSERT_LE(0, server);
	EXPECT_EQ(0, exchange(client, server, 100000));
}

TEST_F(life, deleted_and_new_local_namespaces_do_not_meet)
{
	int old_ns = ns_local();
	int old_listener = listen_in(old_ns, SOCK_STREAM, ANY, PORT);
	int old_client = sock_in(old_ns, SOCK_STREAM);
	int new_ns, new_listener, new_client;

	ASSERT_LE(0, old_listener);
	close(old_ns);
	new_ns = ns_local();
	EXPECT_EQ(-ECONNRESET, connect_in(new_ns, SOCK_STREAM, LO, PORT));
	new_listener = listen_in(new_ns, SOCK_STREAM, ANY, PORT);
	ASSERT_LE(0, new_listener);
	new_client = connect_in(new_ns, SOCK_STREAM, LO, PORT);
	ASSERT_LE(0, new_client);
	EXPECT_TRUE(quiet(old_listener));
	EXPECT_EQ(0, talk(new_client, accept_one(new_listener)));

	ASSERT_EQ(0, connect_to(old_client, LO, PORT));
	EXPECT_TRUE(quiet(new_listener));
	EXPECT_EQ(0, talk(old_client, accept_one(old_listener)));
}

TEST_F(life, deleted_namespace_gives_its_ports_back)
{
	int i;

	/* alternate local namespaces and global ones, which share the port */
	for (i = 0; i < 10; i++) {
		int ns = i % 2 ? ns_local() : ns_global();
		int listener = listen_in(ns, SOCK_STREAM, ANY, PORT);

		ASSERT_LE(0, listener);
		close(ns);
		close(listener);
	}
}

static int one_cycle(void)
{
	int ns = ns_local();
	struct pair pair;
	int err, unread;

	if (ns < 0)
		return ns;
	err = pair_in(&pair, ns, SOCK_STREAM, LO);
	if (err)
		return err;
	err = talk(pair.client, pair.server);
	/* leave unread data */
	unread = send(pair.client, "unread", 6, 0);
	close(ns);
	close(pair.client);
	close(pair.server);
	return err ? err : unread != 6;
}

TEST_F_TIMEOUT(life, many_cycles_leave_nothing_broken, 120)
{
	struct pair pair;
	int i;

	for (i = 0; i < CYCLES; i++)
		ASSERT_EQ(0, one_cycle());
	ASSERT_EQ(0, pair_in(&pair, self->ns[INIT], SOCK_STREAM, LO));
	EXPECT_EQ(0, talk(pair.client, pair.server));
	ASSERT_EQ(0, pair_in(&pair, self->ns[L0], SOCK_STREAM, LO));
	EXPECT_EQ(0, talk(pair.client, pair.server));
}

TEST_HARNESS_MAIN
