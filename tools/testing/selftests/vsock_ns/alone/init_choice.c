// SPDX-License-Identifier: GPL-2.0
/*
 * init chooses local for its children. The choice is permanent, so the program
 * needs a VM to itself.
 */
#include <sched.h>

#include "fixture.h"

FIXTURE(before)
{
	int init;
	int existing;
};

FIXTURE_SETUP(before)
{
	SKIP_IF(cannot_run());
	self->init = ns_here();
	self->existing = ns_global();
	ASSERT_LE(0, self->existing);
}

NO_TEARDOWN(before)

/* Must run first, as it needs an init without a choice. */
TEST_F(before, the_choice_of_init_existing_namespaces_stay_as_they_are)
{
	struct pair pair;

	ASSERT_EQ(0, choose_for_children(self->init, LOCAL));
	EXPECT_EQ(GLOBAL, mode_of(self->existing));
	EXPECT_EQ(GLOBAL, child_mode_of(self->existing));

	ASSERT_EQ(0, pair_in(&pair, self->existing, SOCK_STREAM, 1));
	EXPECT_EQ(0, talk(pair.client, pair.server));
	ASSERT_LE(0, listen_in(self->init, SOCK_STREAM, VMADDR_CID_ANY, PORT));
	EXPECT_LE(0, connect_in(self->existing, SOCK_STREAM, 1, PORT));
	EXPECT_LE(0, ns_child_of(self->existing));
	EXPECT_EQ(GLOBAL, mode_of(ns_child_of(self->existing)));
}

FIXTURE(after)
{
	int init;
};

FIXTURE_SETUP(after)
{
	self->init = ns_here();
	if (mode_of(self->init) != GLOBAL)
		SKIP(return, "kernel without vsock namespaces, or not in init");
	ASSERT_EQ(0, choose_for_children(self->init, LOCAL));
}

NO_TEARDOWN(after)

TEST_F(after, the_choice_init_stays_global_itself)
{
	EXPECT_EQ(GLOBAL, mode_of(self->init));
	EXPECT_EQ(LOCAL, child_mode_of(self->init));
}

TEST_F(after, the_choice_global_is_busy_and_local_is_ok)
{
	EXPECT_EQ(-EBUSY, choose_for_children(self->init, GLOBAL));
	EXPECT_EQ(0, choose_for_children(self->init, LOCAL));
	EXPECT_EQ(LOCAL, child_mode_of(self->init));
}

TEST_F(after, the_choice_new_namespaces_are_local)
{
	int ns = ns_global();

	ASSERT_LE(0, ns);
	EXPECT_EQ(LOCAL, mode_of(ns));
	EXPECT_EQ(LOCAL, child_mode_of(ns));
	EXPECT_EQ(-EPERM, choose_for_children(ns, GLOBAL));
}

TEST_F(after, the_choice_new_namespaces_and_init_do_not_reach_each_other)
{
	int ns = ns_global();
	struct pair pair;

	ASSERT_LE(0, listen_in(self->init, SOCK_STREAM, VMADDR_CID_ANY, PORT));
	EXPECT_EQ(-ECONNRESET, connect_in(ns, SOCK_STREAM, 1, PORT));
	EXPECT_EQ(0, pair_in(&pair, ns, SOCK_STREAM, 1));
	EXPECT_EQ(0, talk(pair.client, pair.server));
}

static int mode_in_a_user_namespace(void *unused)
{
	(void)unused;
	if (become_root_of_a_user_namespace(CLONE_NEWNET))
		return 100;
	return mode_of(ns_here());
}

TEST_F(after, the_choice_a_users_own_namespace_is_local_too)
{
	EXPECT_EQ(LOCAL, in_a_child(mode_in_a_user_namespace, NULL));
}

TEST_F(after, the_choice_init_still_reaches_itself)
{
	struct pair pair;

	ASSERT_EQ(0, pair_in(&pair, self->init, SOCK_STREAM, 1));
	EXPECT_EQ(0, talk(pair.client, pair.server));
}

TEST_HARNESS_MAIN
