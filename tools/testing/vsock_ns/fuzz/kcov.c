// SPDX-License-Identifier: GPL-2.0
/*
 * Coverage of the kernel, for libFuzzer: see fuzz.h. KCOV traces the system
 * calls of this thread. The device's worker inherits the remote handle of the
 * thread that sets the owner. A thread cannot have both kinds of tracing, so a
 * second thread sets the owner.
 *
 * Without CONFIG_KCOV, only the branches of the fuzzer guide the search.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kcov.h>
#include <linux/vhost.h>

#include "fuzz.h"

#define WORDS 0x20000u
#define HANDLE 0x6675
#define COUNTERS 0x8000u
#define SEEN 0x100000u		/* bits in the hash table of cover_points() */

__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

static uint64_t *own, *workers;
static uint8_t seen[SEEN / 8];
static unsigned long points;

static struct {
	sem_t asked, answered;
	int vhost, result;
} owner;

static uint64_t *open_kcov(int *fd)
{
	uint64_t *area;

	*fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	if (*fd < 0)
		return NULL;
	if (ioctl(*fd, KCOV_INIT_TRACE, WORDS))
		cannot("kcov: %s", strerror(errno));
	area = mmap(NULL, WORDS * sizeof(*area), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (area == MAP_FAILED)
		cannot("kcov: %s", strerror(errno));
	return area;
}

/* Sets the owner of each device, so that the device's worker is traced. */
static void *owner_thread(void *arg)
{
	struct kcov_remote_arg remote = {
		.trace_mode = KCOV_TRACE_PC, .area_size = WORDS,
		.common_handle = HANDLE,
	};
	int fd;

	(void)arg;
	workers = open_kcov(&fd);
	if (workers && ioctl(fd, KCOV_REMOTE_ENABLE, &remote))
		cannot("kcov of the workers: %s", strerror(errno));
	sem_post(&owner.answered);
	for (;;) {
		sem_wait(&owner.asked);
		owner.result = ioctl(owner.vhost, VHOST_SET_OWNER, NULL);
		sem_post(&owner.answered);
	}
	return NULL;
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem))
		;
}

int set_owner(int vhost)
{
	owner.vhost = vhost;
	sem_post(&owner.asked);
	wait_for(&owner.answered);
	return owner.result;
}

static void tell(void)
{
	fprintf(stderr, "vsock_fuzz: kernel coverage: %lu points%s\n", points,
		cover_there() ? "" : " (this kernel has no KCOV)");
}

void cover_open(void)
{
	pthread_t thread;
	int fd;

	sem_init(&owner.asked, 0, 0);
	sem_init(&owner.answered, 0, 0);
	if (pthread_create(&thread, NULL, owner_thread, NULL))
		cannot("no second thread");
	wait_for(&owner.answered);
	own = open_kcov(&fd);
	if (own && ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC))
		cannot("kcov: %s", strerror(errno));
	atexit(tell);
}

bool cover_there(void)
{
	return own && workers;
}

unsigned long cover_points(void)
{
	return points;
}

void cover_begin(void)
{
	if (!cover_there())
		return;
	__atomic_store_n(own, 0, __ATOMIC_RELAXED);
	__atomic_store_n(workers, 0, __ATOMIC_RELAXED);
}

static void count(const uint64_t *area)
{
	uint64_t i, n = __atomic_load_n(area, __ATOMIC_RELAXED);

	if (n > WORDS - 1)
		n = WORDS - 1;
	for (i = 1; i <= n; i++) {
		uint64_t hash = area[i] * 0x9e3779b97f4a7c15ull >> 32;
		uint8_t *c = &counters[hash % COUNTERS];
		uint8_t bit = 0x80 >> hash % 8;

		if (*c < 255)
			++*c;
		points += !(seen[hash / 8 % sizeof(seen)] & bit);
		seen[hash / 8 % sizeof(seen)] |= bit;
	}
}

void cover_end(void)
{
	if (!cover_there())
		return;
	count(own);
	count(workers);
}
