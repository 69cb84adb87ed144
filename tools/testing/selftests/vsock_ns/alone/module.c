// SPDX-License-Identifier: GPL-2.0
/*
 * Isolation survives module unloading: local namespaces pin the vsock module.
 * Its parameter chooses for init and for namespaces that exist before it is
 * loaded. Unloads and pins the module, so the program needs a VM to itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fixture.h"

#define WRITERS 8
#define ROUNDS 200

/* The modules that need vsock, in load order. */
static const char * const others[] = {
	"vmw_vsock_virtio_transport_common", "vsock_loopback", "vhost_vsock",
	"vsock_diag",
};

static int unload_others(void)
{
	int err, i;

	for (i = ARRAY_SIZE(others) - 1; i >= 0; i--) {
		err = module_unload(others[i]);
		if (err && err != -ENOENT)
			return err;
	}
	return 0;
}

static int load_others(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++)
		if (module_load(others[i]))
			return -ENOENT;
	return 0;
}

static long references(void)
{
	FILE *file = fopen("/sys/module/vsock/refcnt", "re");
	long count = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%ld", &count) != 1)
		count = -1;
	fclose(file);
	return count;
}

/* A namespace is freed some time after its last reference is dropped. */
static bool references_come_to(long count)
{
	int tries;

	for (tries = 0; tries < 2000 && references() != count; tries++)
		usleep(10000);
	return references() == count;
}

static const char *cannot_try(void)
{
	const char *why = cannot_run();

	if (!why && system("modinfo -p vsock | grep -q ^child_ns_mode"))
		why = "no parameter child_ns_mode: this vsock can be unloaded";
	return why;
}

FIXTURE(hold)
{
	int ns;
};

FIXTURE_SETUP(hold)
{
	SKIP_IF(cannot_try());
	if (unload_others()) {
		load_others();
		SKIP(return, "the modules are in use or built in");
	}
	ASSERT_TRUE(references_come_to(0));
	self->ns = ns_global();
	ASSERT_LE(0, self->ns);
}

FIXTURE_TEARDOWN(hold)
{
	close(self->ns);
	EXPECT_TRUE(references_come_to(0));
	EXPECT_EQ(0, module_unload("vsock"));
	EXPECT_EQ(0, module_load("vsock"));
	EXPECT_EQ(0, load_others());
}

TEST_F(hold, global_namespaces_let_the_module_go)
{
	EXPECT_EQ(0, choose_for_children(self->ns, GLOBAL));
	EXPECT_EQ(-EBUSY, choose_for_children(self->ns, LOCAL));
	ASSERT_LE(0, ns_child_of(self->ns));
	EXPECT_EQ(0, references());
	EXPECT_EQ(0, module_try_unload("vsock"));
	EXPECT_EQ(0, module_load("vsock"));
}

TEST_F(hold, choice_of_local_holds_the_module)
{
	ASSERT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(1, references());
	EXPECT_EQ(-EAGAIN, module_try_unload("vsock"));
	EXPECT_EQ(LOCAL, child_mode_of(self->ns));
}

TEST_F(hold, local_namespace_holds_the_module_beyond_its_parent)
{
	int child;

	ASSERT_EQ(0, choose_for_children(self->ns, LOCAL));
	child = ns_child_of(self->ns);
	ASSERT_EQ(LOCAL, mode_of(child));
	EXPECT_EQ(2, references());
	close(self->ns);
	self->ns = -1;
	EXPECT_TRUE(references_come_to(1));
	EXPECT_EQ(-EAGAIN, module_try_unload("vsock"));
	EXPECT_EQ(LOCAL, mode_of(child));
	close(child);
}

TEST_F(hold, only_the_first_write_counts)
{
	int child;

	ASSERT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(-EBUSY, choose_for_children(self->ns, GLOBAL));
	child = ns_child_of(self->ns);
	EXPECT_EQ(0, choose_for_children(child, LOCAL));
	EXPECT_EQ(-EPERM, choose_for_children(child, GLOBAL));
	EXPECT_EQ(2, references());
	close(child);
}

static int write_local(void *ns)
{
	return choose_for_children(*(int *)ns, LOCAL) ? 1 : 0;
}

TEST_F(hold, many_writers_at_once_count_as_one)
{
	pid_t writer[WRITERS];
	int i;

	for (i = 0; i < WRITERS; i++)
		writer[i] = start(write_local, &self->ns);
	for (i = 0; i < WRITERS; i++)
		EXPECT_EQ(0, finish(writer[i]));
	EXPECT_EQ(1, references());
}

/* Returns 0 if each accepted choice was kept, and at least one was accepted. */
static int choose_again_and_again(void *unused)
{
	int accepted = 0;
	int i, ns, err;

	(void)unused;
	for (i = 0; i < ROUNDS; i++) {
		ns = ns_global();
		err = choose_for_children(ns, LOCAL);
		if (!err) {
			accepted++;
			if (mode_of(ns_child_of(ns)) != LOCAL)
				return 1;
		} else if (err != -ENODEV && err != -ENOENT) {
			return 2;
		}
		closefrom(3);
	}
	return accepted ? 0 : 3;
}

TEST_F_TIMEOUT(hold, choice_that_was_accepted_outlives_attempts_to_unload, 150)
{
	pid_t pid = start(choose_again_and_again, NULL);
	int status, err;

	while (!waitpid(pid, &status, WNOHANG)) {
		err = module_try_unload("vsock");
		if (!err)
			module_load("vsock");
		else
			EXPECT_EQ(-EAGAIN, err);
	}
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

/* ---- the parameter ---- */

FIXTURE(parameter)
{
	int init;
	int ns;
	int child;
};

FIXTURE_SETUP(parameter)
{
	SKIP_IF(cannot_try());
	if (unload_others() || module_unload("vsock")) {
		load_others();
		SKIP(return, "the modules are in use or built in");
	}
	self->init = ns_here();
	self->ns = ns_global();
	self->child = ns_child_of(self->ns);
	ASSERT_LE(0, self->child);
}

FIXTURE_TEARDOWN(parameter)
{
	close(self->init);
	close(self->ns);
	close(self->child);
	EXPECT_EQ(0, load_others());
}

/* Read the parameter as the kernel shows it, without the newline. */
static const char *parameter_text(void)
{
	FILE *file = fopen("/sys/module/vsock/parameters/child_ns_mode", "re");
	static char text[16];

	if (!file)
		return "(none)";
	if (!fgets(text, sizeof(text), file))
		text[0] = 0;
	fclose(file);
	text[strcspn(text, "\n")] = 0;
	return text;
}

TEST_F_TIMEOUT(parameter, that_is_not_given_leaves_all_as_it_is, 150)
{
	ASSERT_EQ(0, module_load("vsock"));
	EXPECT_STREQ("", parameter_text());
	EXPECT_EQ(GLOBAL, mode_of(self->ns));
	EXPECT_EQ(GLOBAL, child_mode_of(self->init));
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
}

static bool refused_as_invalid(const char *value)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "modprobe vsock %s 2>&1 | grep -q 'Invalid argument'", value);
	return !system(command) && !module_loaded("vsock");
}

TEST_F_TIMEOUT(parameter, that_is_anything_else_fails_to_load, 150)
{
	EXPECT_TRUE(refused_as_invalid("child_ns_mode=Local"));
	EXPECT_TRUE(refused_as_invalid("child_ns_mode=locally"));
	EXPECT_TRUE(refused_as_invalid("child_ns_mode=loca"));
	EXPECT_TRUE(refused_as_invalid("child_ns_mode=1"));
	EXPECT_TRUE(refused_as_invalid("child_ns_mode="));
	EXPECT_TRUE(refused_as_invalid("child_ns_mode"));
	EXPECT_TRUE(refused_as_invalid("child_ns_mode=local child_ns_mode=x"));
	EXPECT_EQ(0, module_load("vsock"));
}

TEST_F_TIMEOUT(parameter, global_is_inits_choice_and_changes_nothing_else, 150)
{
	ASSERT_EQ(0, module_load("vsock child_ns_mode=global"));
	EXPECT_STREQ("global", parameter_text());
	EXPECT_EQ(GLOBAL, child_mode_of(self->init));
	EXPECT_EQ(-EBUSY, choose_for_children(self->init, LOCAL));
	EXPECT_EQ(0, choose_for_children(self->init, GLOBAL));
	EXPECT_EQ(GLOBAL, mode_of(ns_global()));

	EXPECT_EQ(GLOBAL, mode_of(self->ns));
	EXPECT_EQ(GLOBAL, mode_of(self->child));
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(LOCAL, mode_of(ns_child_of(self->ns)));
}

TEST_F_TIMEOUT(parameter, global_lets_the_module_go, 150)
{
	ASSERT_EQ(0, module_load("vsock child_ns_mode=global"));
	EXPECT_EQ(0, module_unload("vsock"));
}

/* Must run last, as init's choice of local is permanent. A task in another
 * namespace loads the module; its namespace does not become the chooser.
 */
TEST_F_TIMEOUT(parameter, local_closes_all_namespaces_but_init, 150)
{
	struct pair pair;

	ASSERT_EQ(0, ns_enter(self->ns));
	ASSERT_EQ(0, module_load("vsock child_ns_mode=local"));
	ASSERT_EQ(0, ns_enter(self->init));
	ASSERT_EQ(0, load_others());
	EXPECT_STREQ("local", parameter_text());

	EXPECT_EQ(GLOBAL, mode_of(self->init));
	EXPECT_EQ(LOCAL, child_mode_of(self->init));
	EXPECT_EQ(-EBUSY, choose_for_children(self->init, GLOBAL));
	EXPECT_EQ(0, choose_for_children(self->init, LOCAL));
	EXPECT_EQ(LOCAL, mode_of(ns_global()));

	EXPECT_EQ(LOCAL, mode_of(self->ns));
	EXPECT_EQ(LOCAL, child_mode_of(self->ns));
	EXPECT_EQ(-EPERM, choose_for_children(self->ns, GLOBAL));
	EXPECT_EQ(LOCAL, mode_of(self->child));
	EXPECT_EQ(LOCAL, mode_of(ns_child_of(self->child)));

	ASSERT_EQ(0, pair_in(&pair, self->ns, SOCK_STREAM, VMADDR_CID_LOCAL));
	ASSERT_LE(0, listen_in(self->ns, SOCK_STREAM, VMADDR_CID_ANY, PORT));
	EXPECT_EQ(-ECONNRESET, connect_in(self->init, SOCK_STREAM,
					  VMADDR_CID_LOCAL, PORT));
	EXPECT_EQ(-ECONNRESET, connect_in(self->child, SOCK_STREAM,
					  VMADDR_CID_LOCAL, PORT));

	closefrom(3); /* no socket and no namespace stays open */
	ASSERT_EQ(0, unload_others());
	EXPECT_EQ(-EAGAIN, module_try_unload("vsock"));
	EXPECT_EQ(LOCAL, child_mode_of(ns_here()));
}

TEST_HARNESS_MAIN
