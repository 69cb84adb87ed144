// SPDX-License-Identifier: GPL-2.0
/*
 * Floods. While one tenant sends as much as it can, the transfer of another
 * tenant finishes without loss. The slowdown is printed but never fails the
 * test, as on a machine with few CPUs any load slows the other tasks.
 */
#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"
#include "guest_scene.h"

#define ANY VMADDR_CID_ANY
#define LO VMADDR_CID_LOCAL

#define FLOODERS 4
#define TRANSFER 1048576
#define ROUND_TRIPS 50

struct flood {
	int ns;
	atomic_long *count;
};

/* A flood runs until it is killed. */
typedef int (*flood_fn)(struct flood *flood);

FIXTURE(attack_flood)
{
	struct scene scene;
	struct flood flood;
	pid_t pid[FLOODERS];
};

FIXTURE_VARIANT(attack_flood)
{
	flood_fn flood;
};

#define FLOOD(name)							\
	static int name(struct flood *flood);				\
	FIXTURE_VARIANT_ADD(attack_flood, name)				\
	{								\
		.flood = name,						\
	};								\
	static int name(struct flood *flood)

/* Use a port of its own: neither another flooder's nor one that is being closed. */
static int own_pair(struct flood *flood, struct pair *pair)
{
	static unsigned int turn;
	unsigned int port = PORT + 0x10000 * (getpid() % 1024) + turn++;
	int listener = listen_in(flood->ns, SOCK_STREAM, ANY, port);

	pair->client = connect_in(flood->ns, SOCK_STREAM, LO, port);
	pair->server = accept_one(listener);
	close(listener);
	return pair->server < 0 ? pair->server : 0;
}

FLOOD(of_messages_by_loopback)
{
	static const char data[64];
	char sink[65536];
	struct pair pair;

	if (own_pair(flood, &pair))
		return 1;
	if (!fork())
		while (read(pair.server, sink, sizeof(sink)) > 0 && getppid() > 1)
			;
	while (send(pair.client, data, sizeof(data), MSG_NOSIGNAL) > 0)
		++*flood->count;
	return 2;
}

FLOOD(of_connects_that_are_reset)
{
	for (;;) {
		connect_in(flood->ns, SOCK_STREAM, LO, PORT + 1);
		++*flood->count;
	}
	return 0;
}

FLOOD(of_connections_that_are_closed)
{
	struct pair pair;

	while (!own_pair(flood, &pair)) {
		close(pair.client);
		close(pair.server);
		++*flood->count;
	}
	return 1;
}

/* Flood the host from a VM: with resets, which have no answer, or with
 * requests, which have one each.
 */
static int guest_floods(struct flood *flood, int op)
{
	const struct guest_options options = { .ring = 256 };
	struct virtio_vsock_hdr connection = with_listener(), hdr;
	struct guest guest;
	int err;

	connection.dst_cid = htole64(1000 + getpid());
	connection.src_port = htole32(PORT + 1);
	guest_answer(&hdr, &connection, op);
	if (ns_enter(flood->ns) || guest_start_with(&guest, 1000 + getpid(), &options))
		return 1;
	do {
		err = guest_post(&guest, &hdr, NULL);
		if (!err)
			++*flood->count;
		else if (err == -EAGAIN)
			err = guest_wait(&guest, WAIT_MS);
		while (guest_receive(&guest, NULL, NULL, 0, 0) >= 0)
			;
	} while (!err);
	return 2;
}

FLOOD(of_resets_by_guests)
{
	return guest_floods(flood, VIRTIO_VSOCK_OP_RST);
}

FLOOD(of_requests_by_guests)
{
	return guest_floods(flood, VIRTIO_VSOCK_OP_REQUEST);
}

FLOOD(of_vms_that_come_and_go)
{
	for (;;) {
		close(vm_with_cid(flood->ns, 1000 + getpid()));
		++*flood->count;
	}
	return 0;
}

FIXTURE_SETUP(attack_flood)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	ASSERT_EQ(0, scene_start(&self->scene, L0));
	self->flood.ns = self->scene.ns[L1];
	self->flood.count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				 -1, 0);
	ASSERT_NE(MAP_FAILED, self->flood.count);
}

FIXTURE_TEARDOWN(attack_flood)
{
	scene_stop(&self->scene);
}

/* ---- running the flood ---- */

struct work {
	flood_fn fn;
	struct flood *flood;
};

/* Use a process group, as some floods have children. */
static int flooder(void *arg)
{
	struct work *work = arg;

	setpgid(0, 0);
	return work->fn(work->flood);
}

static void begin(pid_t pid[FLOODERS], struct flood *flood, flood_fn fn)
{
	struct work work = { fn, flood };
	int i;

	for (i = 0; i < FLOODERS; i++) {
		pid[i] = start(flooder, &work);
		setpgid(pid[i], pid[i]);
	}
	for (i = 0; i < 20000 && *flood->count < FLOODERS; i++)
		usleep(1000);
}

/* Kill the flooders; returns how many were still running. */
static int end(pid_t pid[FLOODERS])
{
	int i, busy = 0;

	for (i = 0; i < FLOODERS; i++) {
		kill(-pid[i], SIGKILL);
		busy += finish(pid[i]) == -EINTR;
	}
	return busy;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* ---- the other tenant: returns 0 or a negative errno, and measures the time ---- */

typedef int (*work_fn)(struct scene *scene, const struct pair *pair);

static int transfer(struct scene *scene, const struct pair *pair)
{
	(void)scene;
	return exchange(pair->client, pair->server, TRANSFER);
}

static int talk_to_the_guest(struct scene *scene, const struct pair *pair)
{
	int err = 0, i;

	(void)pair;
	for (i = 0; !err && i < ROUND_TRIPS; i++)
		err = harm(scene);
	return err;
}

#define TIMES 3

/* Measure @work: the mean of TIMES runs, or of more until the flood has made progress. */
static int timed(work_fn work, struct scene *scene, const struct pair *pair,
		 const struct flood *flood, double *seconds)
{
	long goal = *flood->count + (*flood->count ? 4 * FLOODERS : 0);
	double began = now();
	int err, times = 0;

	do {
		err = work(scene, pair);
		times++;
	} while (!err && (times < TIMES || *flood->count < goal));
	*seconds = (now() - began) / times;
	return err;
}

TEST_F_TIMEOUT(attack_flood, lets_a_transfer_in_another_scope_come_to_its_end, 150)
{
	double alone, beside;
	struct pair pair;
	long before;

	ASSERT_EQ(0, pair_in(&pair, self->scene.ns[L0], SOCK_STREAM, LO));
	ASSERT_EQ(0, transfer(NULL, &pair));	/* warm up */
	ASSERT_EQ(0, timed(transfer, NULL, &pair, &self->flood, &alone));
	begin(self->pid, &self->flood, variant->flood);
	before = *self->flood.count;
	EXPECT_EQ(0, timed(transfer, NULL, &pair, &self->flood, &beside));
	TH_LOG("2 MB take %.1f times as long beside %ld flood operations", beside / alone,
	       atomic_load(self->flood.count) - before);
	EXPECT_LT(before, atomic_load(self->flood.count));
	EXPECT_EQ(FLOODERS, end(self->pid));
}

TEST_F_TIMEOUT(attack_flood, lets_a_host_and_its_guest_talk_in_another_scope, 150)
{
	double alone, beside;
	long before;

	ASSERT_EQ(0, host_connects(&self->scene));
	ASSERT_EQ(0, talk_to_the_guest(&self->scene, NULL));
	ASSERT_EQ(0, timed(talk_to_the_guest, &self->scene, NULL, &self->flood, &alone));
	begin(self->pid, &self->flood, variant->flood);
	before = *self->flood.count;
	EXPECT_EQ(0, timed(talk_to_the_guest, &self->scene, NULL, &self->flood, &beside));
	TH_LOG("%d round trips take %.1f times as long beside %ld flood operations", ROUND_TRIPS,
	       beside / alone, atomic_load(self->flood.count) - before);
	EXPECT_LT(before, atomic_load(self->flood.count));
	EXPECT_EQ(FLOODERS, end(self->pid));
}

TEST_HARNESS_MAIN
