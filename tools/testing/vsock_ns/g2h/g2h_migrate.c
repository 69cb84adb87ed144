// SPDX-License-Identifier: GPL-2.0
/*
 * A migration of this machine, a guest, to another CID while a local namespace has the
 * guest-to-host transport. g2h_host asks for the migration, and answers before and after.
 */
#include <errno.h>
#include <poll.h>

#include "fixture.h"
#include "g2h_client.h"

#define WAIT_MS 60000

static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };

#define TYPES ARRAY_SIZE(types)

FIXTURE(g2h_migrate)
{
	int ns[NS_COUNT];
	int listeners[TYPES];
	int socks[TYPES];
	unsigned int own;
};

FIXTURE_SETUP(g2h_migrate)
{
	SKIP_IF(cannot_run());
	ASSERT_EQ(0, ns_make(self->ns));
	ASSERT_EQ(0, assign_to(self->ns[L0]));
	self->own = local_cid_in(self->ns[L0]);
	if (self->own <= VMADDR_CID_HOST || self->own == VMADDR_CID_ANY)
		SKIP(return, "this machine is not a guest");
	for (size_t i = 0; i < TYPES; i++) {
		self->listeners[i] = listen_in(self->ns[L0], types[i], VMADDR_CID_ANY, PORT + i);
		ASSERT_LE(0, self->listeners[i]);
		self->socks[i] = connect_host(self->ns[L0], types[i], ECHO_PORT);
		ASSERT_TRUE(echoes(self->socks[i], "before"));
	}
}

FIXTURE_TEARDOWN(g2h_migrate)
{
	for (size_t i = 0; i < TYPES; i++) {
		close(self->listeners[i]);
		close(self->socks[i]);
	}
	assign_to(self->ns[INIT]);
	ns_close(self->ns);
}

/* Ask for the migration; false if this machine still has its CID after @seconds. */
static bool migrates(int ns, unsigned int from, int seconds)
{
	close(connect_in(ns, SOCK_STREAM, VMADDR_CID_HOST, MOVE_PORT));
	return wait_for_cid(ns, from, false, seconds);
}

TEST_F_TIMEOUT(g2h_migrate, the_owner_stays_and_has_the_new_cid, 900)
{
	const int l0 = self->ns[L0], init = self->ns[INIT];
	unsigned int new;

	ASSERT_TRUE(migrates(l0, self->own, 600));
	new = local_cid_in(l0);
	EXPECT_LT(VMADDR_CID_HOST, new);
	EXPECT_NE(VMADDR_CID_ANY, new);
	EXPECT_NE(new, local_cid_in(init));
	for (size_t i = 0; i < TYPES; i++) {
		EXPECT_EQ(-ECONNRESET, sock_outcome(self->socks[i], POLLHUP, WAIT_MS));
		EXPECT_TRUE(reaches_host(l0, types[i]));
		EXPECT_FALSE(reaches_host(init, types[i]));
		EXPECT_EQ(0, host_calls(l0, types[i], PORT + i));
		EXPECT_LE(0, accept_one(self->listeners[i]));
	}
}

TEST_HARNESS_MAIN
