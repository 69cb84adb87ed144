// SPDX-License-Identifier: GPL-2.0
/*
 * Unload modules under traffic and reload them: see stress.h. Connections and
 * VMs keep their modules in use, so the workers are asked to close them.
 * Meanwhile the workers try to create new ones.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "stress.h"

/* A socket that waits for its peer's answer holds a module for 8 s. */
#define TRY_MS 30000

static const struct {
	const char *name;
	int leave;
} modules[] = {
	{ "vsock_loopback", LEAVE_LOOPBACK },
	{ "vhost_vsock", LEAVE_VHOST },
	{ "vsock_diag", LEAVE_DIAG },
	{ "vmw_vsock_virtio_transport", 0 },
};

/* The modules to unload, in order, before and including vsock. */
static const char * const family[] = {
	"vsock_diag", "vhost_vsock", "vsock_loopback", "vmw_vsock_virtio_transport",
	"vmw_vsock_virtio_transport_common", "vsock",
};

static bool stopped(struct shared *shared)
{
	return __atomic_load_n(&shared->stop, __ATOMIC_RELAXED) || getppid() == 1;
}

static void pause_ms(struct shared *shared, unsigned int ms)
{
	uint64_t end = now_ms() + ms;

	while (!stopped(shared) && now_ms() < end)
		poll(NULL, 0, 20);
}

static bool unload(struct shared *shared, const char *name)
{
	uint64_t end = now_ms() + TRY_MS;
	int err;

	do {
		err = module_try_unload(name);
		/* Not loaded: unloaded or not loaded yet by another process. */
		if (!err || err == -ENOENT)
			return true;
		__atomic_add_fetch(&shared->held, 1, __ATOMIC_RELAXED);
		pause_ms(shared, 20);
	} while (!stopped(shared) && now_ms() < end);
	return false;
}

static int load(const char *name)
{
	int err = module_load(name);

	if (err)
		printf("# FAILED: modprobe %s: status %d\n", name, err);
	return err;
}

static int one(struct shared *shared, struct worker *dice)
{
	unsigned int i = roll(dice, ARRAY_SIZE(modules)), absent = roll(dice, 500);
	bool away;

	__atomic_or_fetch(&shared->leave, modules[i].leave, __ATOMIC_SEQ_CST);
	away = unload(shared, modules[i].name);
	__atomic_and_fetch(&shared->leave, 0, __ATOMIC_SEQ_CST);
	shared->unloads += away;
	pause_ms(shared, away ? absent : 0);
	return away ? load(modules[i].name) : 0;
}

static int all_of_them(struct shared *shared, struct worker *dice)
{
	unsigned int i, absent = roll(dice, 500);
	int err = 0;

	__atomic_or_fetch(&shared->leave, LEAVE_ALL, __ATOMIC_SEQ_CST);
	for (i = 0; i < ARRAY_SIZE(family) && unload(shared, family[i]); i++)
		shared->unloads++;
	__atomic_and_fetch(&shared->leave, 0, __ATOMIC_SEQ_CST);
	pause_ms(shared, absent);
	for (i = ARRAY_SIZE(family); !err && i--;)
		err = load(family[i]);
	return err;
}

int modules_worker(struct shared *shared, uint64_t seed, bool all)
{
	struct worker dice = { .dice = mix(seed ^ 0x6d6f64) };
	int err = 0;

	while (!err && !stopped(shared)) {
		pause_ms(shared, 500 + roll(&dice, 2500));
		__atomic_add_fetch(&shared->epoch, 1, __ATOMIC_SEQ_CST);
		err = all && !roll(&dice, 2) ? all_of_them(shared, &dice) : one(shared, &dice);
		__atomic_add_fetch(&shared->epoch, 1, __ATOMIC_SEQ_CST);
	}
	return err != 0;
}
