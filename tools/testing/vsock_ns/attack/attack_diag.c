// SPDX-License-Identifier: GPL-2.0
/*
 * sock_diag (ss --vsock) shows no foreign sockets. A namespace sees the sockets
 * that were created in it, regardless of the task that uses or lists them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/vm_sockets_diag.h>

#include "fixture.h"
#include "netlink.h"

#define ANY VMADDR_CID_ANY
#define LO VMADDR_CID_LOCAL

FIXTURE(attack_diag)
{
	int ns[NS_COUNT];
};

NAMESPACES_SETUP(attack_diag,
		 cannot_run() ?: (module_load("vsock_diag") ? "no vsock_diag" : NULL))

/* ---- a dump ---- */

static int diag_in(int ns)
{
	int here = ns_here(), diag = -1;

	if (!ns_enter(ns))
		diag = netlink_open(NETLINK_SOCK_DIAG);
	if (ns_enter(here))
		abort();
	close(here);
	return diag;
}

static ino_t inode_of(int sock)
{
	struct stat st;

	return fstat(sock, &st) ? 0 : st.st_ino;
}

/**
 * struct sought - a socket to look for in a dump
 * @inode: inode of the socket
 * @times: how often it was found
 */
struct sought {
	ino_t inode;
	int times;
};

static void compare(const struct vsock_diag_msg *found, void *arg)
{
	struct sought *sought = arg;

	sought->times += found->vdiag_ino == sought->inode;
}

/* Dump by an open netlink socket; count @sock, and all sockets in @total. */
static int times_told(int diag, int sock, int *total)
{
	struct sought sought = { .inode = inode_of(sock) };

	*total = diag_dump(diag, compare, &sought);
	return *total < 0 ? *total : sought.times;
}

static int times_shown(int ns, int sock)
{
	int diag = diag_in(ns), total, times;

	times = diag < 0 ? diag : times_told(diag, sock, &total);
	close(diag);
	return times;
}

static int all_shown(int ns)
{
	int diag = diag_in(ns);
	int total = diag < 0 ? diag : diag_dump(diag, NULL, NULL);

	close(diag);
	return total;
}

/* Returns 0, or 1 + the index of the first namespace with a wrong dump. */
static int wrongly_shown(const int ns[NS_COUNT], int sock, int home)
{
	int i;

	for (i = INIT; i < NS_COUNT; i++) {
		int expected = i == home;

		if (times_shown(ns[i], sock) != expected)
			return i + 1;
	}
	return 0;
}

/* ---- tests ---- */

TEST_F(attack_diag, shows_sockets_in_the_namespace_that_they_were_made_in)
{
	struct pair pair;
	int i;

	for (i = INIT; i < NS_COUNT; i++) {
		EXPECT_EQ(0, wrongly_shown(self->ns, sock_in(self->ns[i], SOCK_STREAM), i));
		EXPECT_EQ(0, wrongly_shown(self->ns, bind_in(self->ns[i], ANY, PORT + 10 + i), i));
		EXPECT_EQ(0, wrongly_shown(self->ns, listen_in(self->ns[i], SOCK_SEQPACKET, ANY,
							       PORT + 20 + i), i));
		ASSERT_EQ(0, pair_in(&pair, self->ns[i], SOCK_STREAM, LO));
		EXPECT_EQ(0, wrongly_shown(self->ns, pair.client, i));
		EXPECT_EQ(0, wrongly_shown(self->ns, pair.server, i));
	}
}

TEST_F(attack_diag, shows_each_end_of_a_connection_between_namespaces_at_home)
{
	int listener = listen_in(self->ns[G0], SOCK_STREAM, ANY, PORT);
	int client = connect_in(self->ns[INIT], SOCK_STREAM, LO, PORT);
	int server = accept_one(listener);

	ASSERT_LE(0, server);
	EXPECT_EQ(0, wrongly_shown(self->ns, client, INIT));
	EXPECT_EQ(0, wrongly_shown(self->ns, server, G0));
}

TEST_F(attack_diag, shows_what_is_used_elsewhere_at_home_alone)
{
	int listener = sock_in(self->ns[L0], SOCK_STREAM);
	int client = sock_in(self->ns[L0], SOCK_STREAM);
	int server;

	ASSERT_EQ(0, ns_enter(self->ns[L1]));
	ASSERT_EQ(0, listen_on(listener, ANY, PORT));
	EXPECT_EQ(0, wrongly_shown(self->ns, listener, L0));
	ASSERT_EQ(0, ns_enter(self->ns[G0]));
	ASSERT_EQ(0, connect_to(client, LO, PORT));
	ASSERT_EQ(0, ns_enter(self->ns[G1]));
	server = accept_one(listener);
	ASSERT_LE(0, server);
	EXPECT_EQ(0, wrongly_shown(self->ns, client, L0));
	EXPECT_EQ(0, wrongly_shown(self->ns, server, L0));
}

TEST_F(attack_diag, shows_a_new_local_namespace_nothing)
{
	struct pair pair;

	ASSERT_EQ(0, pair_in(&pair, self->ns[INIT], SOCK_STREAM, LO));
	ASSERT_EQ(0, pair_in(&pair, self->ns[L0], SOCK_STREAM, LO));
	EXPECT_EQ(0, all_shown(self->ns[L1]));
	EXPECT_EQ(0, all_shown(self->ns[G1]));
	EXPECT_EQ(2, all_shown(self->ns[L0]));
}

/* The opener decides, as for every socket; the namespace's owner may pass it on. */
TEST_F(attack_diag, asked_by_a_descriptor_of_l0_tells_of_l0_wherever_it_is)
{
	int diag = diag_in(self->ns[L0]), total;
	struct pair l0, g0;

	ASSERT_LE(0, diag);
	ASSERT_EQ(0, pair_in(&l0, self->ns[L0], SOCK_STREAM, LO));
	ASSERT_EQ(0, pair_in(&g0, self->ns[G0], SOCK_STREAM, LO));
	ASSERT_EQ(0, ns_enter(self->ns[G0]));
	EXPECT_EQ(1, times_told(diag, l0.client, &total));
	EXPECT_EQ(2, total);
	EXPECT_EQ(0, times_told(diag, g0.client, &total));
}

#define CANNOT_PREPARE 200

/* Returns the number of sockets shown to root of a user namespace as exit status. */
static int tenant_looks(void *mode)
{
	int ns;

	if (become_root_of_a_user_namespace(CLONE_NEWNET) ||
	    choose_for_children(ns_here(), *(enum mode *)mode))
		return CANNOT_PREPARE;
	ns = ns_child_of(ns_here());
	return ns < 0 ? CANNOT_PREPARE + 1 : all_shown(ns);
}

TEST_F(attack_diag, shows_the_root_of_a_user_namespace_nothing_of_others)
{
	enum mode local = LOCAL, global = GLOBAL;
	struct pair pair;
	int i;

	for (i = INIT; i < NS_COUNT; i++)
		ASSERT_EQ(0, pair_in(&pair, self->ns[i], SOCK_STREAM, LO));
	EXPECT_EQ(0, in_a_child(tenant_looks, &local));
	EXPECT_EQ(0, in_a_child(tenant_looks, &global));
}

TEST_F(attack_diag, does_not_destroy_sockets)
{
	int diag = diag_in(self->ns[L0]);
	struct pair pair;

	ASSERT_EQ(0, pair_in(&pair, self->ns[L0], SOCK_STREAM, LO));
	ASSERT_EQ(0, diag_ask(diag, SOCK_DESTROY, NLM_F_ACK));
	EXPECT_EQ(-EOPNOTSUPP, netlink_answer(diag));
	EXPECT_EQ(0, talk(pair.client, pair.server));
}

TEST_HARNESS_MAIN
