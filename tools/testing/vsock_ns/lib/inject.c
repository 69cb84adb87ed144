// SPDX-License-Identifier: GPL-2.0
/*
 * Injection of allocation failures: see inject.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inject.h"
#include "vsock_ns_util.h"

#define DEBUGFS "/sys/kernel/debug/"
#define PLENTY 1000000
#define MOST_FAULTS 5000	/* per call; more indicate a bug in the test */

const char * const family[FAMILY_SIZE] = {
	"vsock", "vmw_vsock_virtio_transport_common", "vsock_loopback",
	"vhost_vsock", "vsock_diag", "vsockmon",
};

const char *cannot_inject(void)
{
	if (access(DEBUGFS "failslab/reject-start", W_OK) ||
	    access(DEBUGFS "fail_page_alloc/min-order", W_OK) ||
	    access("/proc/thread-self/fail-nth", W_OK))
		return "kernel without FAILSLAB, FAIL_PAGE_ALLOC or the stack trace filter";
	return NULL;
}

/* ---- selecting allocations ---- */

/* Set an attribute of both failslab and fail_page_alloc. */
static int set(const char *name, const char *text)
{
	static const char * const attributes[] = { "failslab", "fail_page_alloc" };
	char path[128];
	int err = 0;
	size_t i;

	for (i = 0; !err && i < 2; i++) {
		snprintf(path, sizeof(path), DEBUGFS "%s/%s", attributes[i], name);
		err = write_text(path, text);
	}
	return err;
}

static int set_number(const char *name, unsigned long long number)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", number);
	return set(name, text);
}

/* Get the address range that covers all loaded modules of the family. */
static int family_range(unsigned long long *start, unsigned long long *end)
{
	char line[1024], name[64];
	unsigned long long at;
	unsigned int size;
	FILE *modules = fopen("/proc/modules", "re");
	size_t i;

	if (!modules)
		return -errno;
	*start = -1ULL;
	*end = 0;
	while (fgets(line, sizeof(line), modules)) {
		char *place = strstr(line, "0x");

		if (!place || sscanf(line, "%63s %u", name, &size) != 2)
			continue;
		at = strtoull(place, NULL, 16);
		for (i = 0; i < FAMILY_SIZE && strcmp(name, family[i]); i++)
			;
		if (i == FAMILY_SIZE)
			continue;
		*start = at < *start ? at : *start;
		*end = at + size > *end ? at + size : *end;
	}
	fclose(modules);
	return *start < *end ? 0 : -ENOENT;
}

/* Read /proc/kallsyms once, as reading takes long. */
static const char *symbols(void)
{
	static char *text;
	size_t size = 0, room = 1 << 24;
	ssize_t len;
	int fd;

	if (text)
		return text;
	fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	text = malloc(room);
	while (fd >= 0 && text && size < room - 1) {
		len = read(fd, text + size, room - 1 - size);
		if (len <= 0)
			break;
		size += len;
	}
	close(fd);
	if (text)
		text[size] = 0;
	return text ?: "";
}

/* Get the address range of a kernel function, up to the next symbol. */
static int function_range(const char *function, unsigned long long *start, unsigned long long *end)
{
	const char *line;
	char pattern[128];
	unsigned long long at;

	*start = 0;
	*end = -1ULL;
	snprintf(pattern, sizeof(pattern), " %s\n", function);
	line = strstr(symbols(), pattern);
	while (line && line > symbols() && line[-1] != '\n')
		line--;
	if (line)
		*start = strtoull(line, NULL, 16);
	for (line = *start ? symbols() : NULL; line; line = strchr(line + 1, '\n')) {
		at = strtoull(line, NULL, 16);
		if (at > *start && at < *end)
			*end = at;
	}
	return *start ? 0 : -ENOENT;
}

/*
 * Fail allocations with a return address in @start to @end on the stack, except
 * below @except.
 */
static int faults_within(unsigned long long start, unsigned long long end, const char *except)
{
	unsigned long long from, to;
	int err = function_range(except ?: "__vmalloc_node_range_noprof", &from, &to);

	if (!err)
		err = set_number("reject-start", from) ?: set_number("reject-end", to);
	return err ?: set_number("probability", 0) ?: set_number("verbose", 0) ?:
		set("ignore-gfp-wait", "N") ?: set_number("stacktrace-depth", 32) ?:
		set_number("require-start", start) ?: set_number("require-end", end) ?:
		write_text(DEBUGFS "fail_page_alloc/min-order", "0");
}

/* ---- a single call ---- */

/* Make the @n-th allocation of this task from now on fail; 0: none. */
static int fail_nth(int fd, int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	return pwrite(fd, text, len, 0) == len ? 0 : -errno;
}

/* True if the fault was injected. */
static bool failed_nth(int fd)
{
	char text[16] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;
}

static int undone(const struct call *call, int result)
{
	if (result >= 0 && call->undo)
		call->undo(result);
	return result < 0 ? result : 0;
}

static bool proper(const struct call *call, int result)
{
	size_t i;

	for (i = 0; i < 3; i++)
		if (result == -call->may[i])
			return true;
	return result >= 0 || result == -ENOMEM || result == -ENOBUFS;
}

/*
 * Call once with the @n-th fault and once without. Returns 0 if there is no
 * @n-th allocation.
 */
static int survives_one(const char *name, const struct call *call, int fd, int n)
{
	int result, again;
	bool hit;

	if (fail_nth(fd, n))
		return -errno;
	result = call->run();
	hit = failed_nth(fd);
	fail_nth(fd, 0);
	undone(call, result);
	if (!proper(call, result) || (!hit && result < 0)) {
		fprintf(stderr, "# %s, fault %d: %s\n", name, n, strerror(-result));
		return -EINVAL;
	}
	if (!hit)
		return 0;
	again = undone(call, call->run());
	if (again < 0) {
		fprintf(stderr, "# %s after fault %d: %s\n", name, n, strerror(-again));
		return -EINVAL;
	}
	return result < 0 ? 1 : 2;
}

int survives(const char *name, const struct call *call)
{
	unsigned long long start, end;
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	int err = call->under ? function_range(call->under, &start, &end) :
		  family_range(&start, &end);
	int n, refused = 0;

	if (!err)
		err = fd < 0 ? -errno : faults_within(start, end, call->except);
	for (n = 1; !err && n < MOST_FAULTS; n++) {
		int outcome = survives_one(name, call, fd, n);

		if (!outcome)
			break;
		err = outcome < 0 ? outcome : 0;
		refused += outcome == 1;
	}
	close(fd);
	if (!err)
		fprintf(stderr, "# %s: %d faults injected, %d refused\n", name, n - 1, refused);
	return err ?: n < MOST_FAULTS ? n - 1 : -E2BIG;
}

/* ---- in all tasks ---- */

static long left_of(const char *attribute)
{
	char path[128];
	long left = PLENTY;
	FILE *file;

	snprintf(path, sizeof(path), DEBUGFS "%s/times", attribute);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%ld", &left) != 1)
		left = PLENTY;
	if (file)
		fclose(file);
	return left;
}

long injected(void)
{
	return 2 * PLENTY - left_of("failslab") - left_of("fail_page_alloc");
}

int inject_everywhere(unsigned int percent)
{
	unsigned long long start, end;
	int err;

	if (!percent)
		return set_number("probability", 0);
	err = family_range(&start, &end);
	return err ?: faults_within(start, end, NULL) ?: set_number("times", PLENTY) ?:
		set_number("probability", percent);
}
