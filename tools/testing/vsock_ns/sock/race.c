// SPDX-License-Identifier: GPL-2.0
/*
 * Concurrent tasks: writers of child_ns_mode against each other and against the
 * creation of children; creation and deletion of namespaces with traffic.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "fixture.h"

#define ROUNDS 60
#define ROUNDS_WITH_CHILDREN 30
#define WRITERS 6
#define MAKERS 2
#define TASKS (WRITERS + MAKERS)
#define CHILDREN 3
#define UNDECIDED (-1)

/* One parent namespace and the results of the tasks that race for it. */
struct round {
	int parent;
	atomic_int ready;
	atomic_int decided;	/* UNDECIDED, or the mode of an accepted write */
	atomic_int accepted[2];	/* successful writes, per mode */
	atomic_int busy;	/* writes that failed with EBUSY */
	atomic_int misread;	/* another mode was read after an accepted write */
	atomic_int misborn;	/* a child had another mode after an accepted write */
	atomic_int trouble;	/* any other failure */
};

/* A task of the race. A writer writes @mode once per round. */
struct task {
	struct race *race;
	enum mode mode;
};

struct race {
	int rounds;
	int children;		/* number of children that each task creates */
	struct round round[ROUNDS];
};

static void wait_for_all(struct round *round)
{
	atomic_fetch_add(&round->ready, 1);
	while (atomic_load(&round->ready) < TASKS)
		sched_yield();
}

/* Create a child of the parent and stay in it. */
static void make_child(struct round *round, int must_be)
{
	int child, mode;

	if (ns_enter(round->parent) || unshare(CLONE_NEWNET)) {
		round->trouble++;
		return;
	}
	child = ns_here();
	mode = mode_of(child);
	if (mode < 0)
		round->trouble++;
	else if (must_be != UNDECIDED && mode != must_be)
		round->misborn++;
	close(child);
}

static void write_once(struct round *round, enum mode mode, bool children)
{
	static const char * const texts[] = { "global", "local" };
	int file = sysctl_open(round->parent, "child_ns_mode", O_RDWR);
	const char *text = texts[mode];
	char seen[16] = "";

	wait_for_all(round);
	if (write(file, text, strlen(text)) > 0) {
		pread(file, seen, sizeof(seen), 0);
		round->decided = mode;
		round->accepted[mode]++;
		round->misread += strncmp(seen, text, strlen(text)) != 0;
		if (children)
			make_child(round, mode);
	} else if (errno == EBUSY) {
		round->busy++;
	} else {
		round->trouble++;
	}
	close(file);
}

static int writer(void *arg)
{
	struct task *task = arg;
	struct race *race = task->race;
	int i;

	for (i = 0; i < race->rounds; i++)
		write_once(&race->round[i], task->mode, race->children);
	return 0;
}

/* Create children in a loop. After the first accepted write, all have its mode. */
static int maker(void *arg)
{
	struct task *task = arg;
	struct round *round = task->race->round;
	int i, n;

	for (i = 0; i < task->race->rounds; i++, round++) {
		wait_for_all(round);
		for (n = 0; n < task->race->children; n++)
			make_child(round, round->decided);
	}
	return 0;
}

/* The first @locals writers write local, the others global. */
static int run_race(struct race *race, int locals)
{
	struct task task[TASKS];
	pid_t pid[TASKS];
	int i, bad = 0;

	for (i = 0; i < race->rounds; i++) {
		race->round[i].decided = UNDECIDED;
		race->round[i].parent = ns_global();
	}
	for (i = 0; i < TASKS; i++) {
		task[i].race = race;
		task[i].mode = i < locals ? LOCAL : GLOBAL;
		pid[i] = start(i < WRITERS ? writer : maker, &task[i]);
	}
	for (i = 0; i < TASKS; i++)
		bad += finish(pid[i]) != 0;
	for (i = 0; i < race->rounds; i++)
		bad += race->round[i].trouble;
	return bad;
}

FIXTURE(race)
{
	struct race *race;
};

FIXTURE_VARIANT(race)
{
	int locals;
};

FIXTURE_VARIANT_ADD(race, all_want_local)
{
	.locals = WRITERS,
};

FIXTURE_VARIANT_ADD(race, half_want_local)
{
	.locals = WRITERS / 2,
};

FIXTURE_SETUP(race)
{
	SKIP_IF(cannot_run());
	self->race = mmap(NULL, sizeof(*self->race), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->race);
	self->race->rounds = ROUNDS;
}

FIXTURE_TEARDOWN(race)
{
	munmap(self->race, sizeof(*self->race));
}

/*
 * On a kernel with the mode and its lock in two words, each of these tests can
 * fail, but rarely: a writer must be interrupted between the two stores.
 */
TEST_F_TIMEOUT(race, has_one_winner_and_the_others_are_busy, 120)
{
	struct round *round = self->race->round;
	int i;

	ASSERT_EQ(0, run_race(self->race, variant->locals));
	for (i = 0; i < ROUNDS; i++, round++) {
		int winners = round->decided == LOCAL ? variant->locals :
			      WRITERS - variant->locals;

		ASSERT_NE(UNDECIDED, atomic_load(&round->decided));
		ASSERT_EQ(winners, atomic_load(&round->accepted[round->decided]));
		ASSERT_EQ(WRITERS - winners, atomic_load(&round->busy));
		ASSERT_EQ(atomic_load(&round->decided), child_mode_of(round->parent));
	}
}

TEST_F_TIMEOUT(race, shows_who_was_accepted_its_value_at_once, 120)
{
	int i;

	ASSERT_EQ(0, run_race(self->race, variant->locals));
	for (i = 0; i < ROUNDS; i++)
		ASSERT_EQ(0, atomic_load(&self->race->round[i].misread));
}

TEST_F_TIMEOUT(race, lets_no_child_after_an_accepted_write_have_another_mode, 120)
{
	int i;

	self->race->rounds = ROUNDS_WITH_CHILDREN;
	self->race->children = CHILDREN;
	ASSERT_EQ(0, run_race(self->race, variant->locals));
	for (i = 0; i < ROUNDS_WITH_CHILDREN; i++)
		ASSERT_EQ(0, atomic_load(&self->race->round[i].misborn));
}

/* ---- creation and deletion of namespaces ---- */

#define CHURNERS 3
#define TURNS 25

FIXTURE(churn)
{
	int ns[NS_COUNT];
	pid_t pid[CHURNERS];
};

NAMESPACES_SETUP(churn, cannot_run())

/* Leave unread packets, a pending connection and a VM's CID each time. */
static int come_and_go(void *unused)
{
	int i;

	(void)unused;
	for (i = 0; i < TURNS; i++) {
		int ns = ns_local();
		int vm = cannot_make_vms() ? -1 : vm_with_cid(ns, CID);
		int listener = listen_in(ns, SOCK_STREAM, VMADDR_CID_ANY, PORT);
		int hasty = sock_in(ns, SOCK_STREAM | SOCK_NONBLOCK);
		int client = connect_in(ns, SOCK_STREAM, VMADDR_CID_LOCAL, PORT);

		if (listener < 0 || client < 0)
			return 1;
		if (send(client, "unread", 6, 0) != 6)
			return 2;
		if (connect_to(hasty, VMADDR_CID_LOCAL, PORT) != -EINPROGRESS)
			return 3;
		close(ns);
		close(client);
		close(listener);
		close(hasty);
		close(vm);
	}
	return 0;
}

static void churn_start(pid_t pid[CHURNERS])
{
	int i;

	for (i = 0; i < CHURNERS; i++)
		pid[i] = start(come_and_go, NULL);
}

static int churn_finish(pid_t pid[CHURNERS])
{
	int i, bad = 0;

	for (i = 0; i < CHURNERS; i++)
		bad += finish(pid[i]) != 0;
	return bad;
}

TEST_F_TIMEOUT(churn, of_other_namespaces_does_not_disturb_a_local_one, 120)
{
	struct pair stays, pair;
	int i;

	ASSERT_EQ(0, pair_in(&stays, self->ns[L0], SOCK_STREAM, 1));
	churn_start(self->pid);
	for (i = 0; i < TURNS; i++) {
		EXPECT_EQ(0, pair_in(&pair, self->ns[L0], SOCK_STREAM, 1));
		EXPECT_EQ(0, talk(pair.client, pair.server));
		EXPECT_EQ(0, talk(stays.client, stays.server));
		close(pair.client);
		close(pair.server);
	}
	EXPECT_EQ(0, churn_finish(self->pid));
	EXPECT_EQ(0, talk(stays.client, stays.server));
}

TEST_F_TIMEOUT(churn, of_other_namespaces_does_not_disturb_init, 120)
{
	struct pair stays;
	int i;

	ASSERT_EQ(0, pair_in(&stays, self->ns[INIT], SOCK_STREAM, 1));
	churn_start(self->pid);
	for (i = 0; i < TURNS; i++)
		EXPECT_EQ(0, talk(stays.client, stays.server));
	EXPECT_EQ(0, churn_finish(self->pid));
	EXPECT_EQ(0, talk(stays.client, stays.server));
}

/* Runs until it is killed; the listener's backlog may fill up. */
static int connect_for_ever(void *arg)
{
	int told = *(int *)arg;
	int ns = ns_local();
	char byte = 0;

	if (listen_in(ns, SOCK_STREAM, VMADDR_CID_ANY, PORT) < 0)
		return 1;
	if (write(told, &byte, 1) != 1)
		return 2;
	for (;;) {
		int sock = connect_in(ns, SOCK_STREAM, VMADDR_CID_LOCAL, PORT);

		if (sock >= 0)
			close(sock);
	}
}

TEST_F_TIMEOUT(churn, by_killing_those_who_connect_leaves_nothing_broken, 120)
{
	struct pair pair;
	int told[2], i;
	char byte;

	ASSERT_EQ(0, pipe(told));
	for (i = 0; i < TURNS; i++) {
		pid_t pid = start(connect_for_ever, &told[1]);

		ASSERT_EQ(1, read(told[0], &byte, 1));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(-EINTR, finish(pid));
	}
	ASSERT_EQ(0, pair_in(&pair, self->ns[L0], SOCK_STREAM, 1));
	EXPECT_EQ(0, talk(pair.client, pair.server));
}

TEST_HARNESS_MAIN
