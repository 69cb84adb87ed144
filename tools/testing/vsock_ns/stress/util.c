// SPDX-License-Identifier: GPL-2.0
/*
 * Random numbers, faults, failures: see stress.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

/* Long, as the machine may be emulated and a debug kernel slow. */
#define PATIENCE_S 60
#define NONBLOCK_S 8

/* One in FAULT_EVERY calls that create an object gets a failing allocation. */
#define FAULT_EVERY 6
#define FAULT_DEEPEST 24

/* ---- random numbers ---- */

/* splitmix64: each bit of the result depends on each bit of @x. */
uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

uint32_t roll(struct worker *w, uint32_t sides)
{
	w->dice = mix(w->dice);
	return (w->dice >> 32) % sides;
}

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

/* ---- faults: the n-th allocation of this task fails (CONFIG_FAULT_INJECTION) ---- */

void faults_open(struct worker *w)
{
	w->fail_nth = -1;
	if (w->faults_allowed)
		w->fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
}

static void set_fail_nth(struct worker *w, unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	if (pwrite(w->fail_nth, text, len, 0) != len)
		wrong(w, "fail-nth cannot be set: %s", strerror(errno));
}

/* Arm a fault at random. Only the tested calls may run before fault_end(). */
void fault_begin(struct worker *w)
{
	bool now = !roll(w, FAULT_EVERY);
	unsigned int nth = 1 + roll(w, FAULT_DEEPEST);

	w->faulty = now && w->fail_nth >= 0;
	if (w->faulty)
		set_fail_nth(w, nth);
}

/* Returns true if an allocation has failed. */
bool fault_end(struct worker *w)
{
	char text[16] = "";

	if (!w->faulty)
		return false;
	w->faulty = false;
	if (pread(w->fail_nth, text, sizeof(text) - 1, 0) < 1)
		wrong(w, "fail-nth cannot be read: %s", strerror(errno));
	if (atoi(text)) {
		set_fail_nth(w, 0);
		return false;
	}
	w->counters->faults++;
	return true;
}

bool is_shortage(int err)
{
	return err == -ENOMEM || err == -ENOBUFS || err == -EAGAIN || err == -ENFILE;
}

/* ---- failures ---- */

void wrong_at(struct worker *w, const char *where, const char *fmt, ...)
{
	va_list args;

	flockfile(stdout);
	printf("# FAILED: seed %llu worker %d step %llu: %s: ", (unsigned long long)w->seed,
	       w->index, (unsigned long long)w->counters->step, where);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	funlockfile(stdout);
	w->counters->failures++;
	_exit(1);
}

/* ---- missing modules ---- */

int leaving(const struct worker *w, int what)
{
	return __atomic_load_n(&w->shared->leave, __ATOMIC_RELAXED) & (what | LEAVE_ALL);
}

uint32_t epoch_now(const struct worker *w)
{
	return __atomic_load_n(&w->shared->epoch, __ATOMIC_SEQ_CST);
}

/* True if the module may have been missing at any time during this step. */
bool gone(const struct worker *w, int err)
{
	bool absent = err == -ENODEV || err == -ESOCKTNOSUPPORT || err == -ENOENT ||
		      err == -ENXIO || err == -EAFNOSUPPORT || err == -ENETUNREACH;

	return absent && (w->epoch & 1 || epoch_now(w) != w->epoch);
}

/* ---- sockets ---- */

/* Create a socket as a task of @space. Negative if memory or the module is missing. */
int worker_socket(struct worker *w, const struct space *space, int type)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int sock, err;
	bool hit;

	if (ns_enter(space->fd))
		wrong(w, "cannot enter namespace %u", space->id);
	fault_begin(w);
	sock = socket(AF_VSOCK, type | SOCK_CLOEXEC, 0);
	err = sock < 0 ? -errno : 0;
	hit = fault_end(w);
	if (ns_enter(w->home))
		wrong(w, "cannot return to init");
	if (err && !(hit && is_shortage(err)) && !gone(w, err))
		wrong(w, "socket in scope %u: %s", scope_of(space), strerror(-err));
	if (err)
		return err;
	setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof(patience));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return sock;
}

/* A connecting socket lives until its timeout, even if it is closed. It holds a
 * module meanwhile, so shorten the timeout.
 */
void no_waiting(int sock)
{
	struct timeval timeout = { .tv_sec = NONBLOCK_S };

	setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, sizeof(timeout));
	fcntl(sock, F_SETFL, O_NONBLOCK);
}

/* Copy @space with a file descriptor of its own. */
void keep_space(struct worker *w, struct space *copy, const struct space *space)
{
	*copy = *space;
	copy->fd = fcntl(space->fd, F_DUPFD_CLOEXEC, 0);
	if (copy->fd < 0)
		wrong(w, "dup: %s", strerror(errno));
}
