// SPDX-License-Identifier: GPL-2.0
/*
 * Profile the instructions of a section: samples of the kernel's cpu-clock perf
 * event, assigned to functions by /proc/kallsyms. If a clock tick is an
 * instruction, a sample stands for PERIOD instructions.
 *
 * No sample hits a function with interrupts disabled. Its share goes to the
 * function that enables them.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/perf_event.h>

#include "bench.h"

#define PERIOD 5003		/* prime, so not in step with the measured code */
#define RING_BYTES (16 << 20)
#define SHOWN 45

struct function {
	unsigned long long address;
	char name[64];
	long hits;
};

static struct function *functions;
static size_t count;
static struct perf_event_mmap_page *ring;
static int event = -1;

static int by_address(const void *a, const void *b)
{
	const struct function *f = a, *g = b;

	return f->address < g->address ? -1 : f->address > g->address;
}

static int by_hits(const void *a, const void *b)
{
	const struct function *f = a, *g = b;

	return f->hits > g->hits ? -1 : f->hits < g->hits;
}

static void load_functions(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	struct function fn = {};
	char line[512], type;
	size_t room = 0;

	free(functions);
	functions = NULL;
	count = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %c %63s", &fn.address, &type, fn.name) != 3 ||
		    !strchr("tTwW", type))
			continue;
		if (count == room) {
			room = room ? 2 * room : 1 << 16;
			functions = realloc(functions, room * sizeof(*functions));
			if (!functions)
				fail("out of memory");
		}
		functions[count++] = fn;
	}
	if (!count || !functions[0].address)
		fail("/proc/kallsyms shows no addresses");
	fclose(f);
	qsort(functions, count, sizeof(*functions), by_address);
}

static struct function *function_at(uint64_t address)
{
	size_t low = 0, high = count;

	while (high - low > 1) {
		size_t mid = (low + high) / 2;

		if (functions[mid].address <= address)
			low = mid;
		else
			high = mid;
	}
	return &functions[low];
}

/* Raise a limit, or the kernel would throttle the samples. */
static void allow(const char *path, const char *value)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(value, f) < 0 || fclose(f))
		fail("%s: %s", path, strerror(errno));
}

void profile_begin(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = PERIOD,
		.sample_type = PERF_SAMPLE_IP,
		.exclude_idle = 1,
	};
	size_t size = RING_BYTES + sysconf(_SC_PAGESIZE);

	/* The rate can be changed only while a time limit is set. An earlier
	 * section may have removed the limit.
	 */
	allow("/proc/sys/kernel/perf_cpu_time_max_percent", "25");
	allow("/proc/sys/kernel/perf_event_max_sample_rate", "1000000");
	allow("/proc/sys/kernel/perf_cpu_time_max_percent", "0");
	load_functions();
	event = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	must_errno(event, "perf_event_open");
	ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, event, 0);
	if (ring == MAP_FAILED)
		fail("the ring of perf: %s", strerror(errno));
}

/* Returns the number of samples in user space. */
static long count_hits(void)
{
	const char *data = (const char *)ring + ring->data_offset;
	uint64_t at, end = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
	const struct perf_event_header *record;
	long user = 0;

	/* Records and their positions are multiples of 8 bytes. */
	for (at = 0; at < end; at += record->size) {
		record = (const void *)(data + at);
		if (record->type == PERF_RECORD_LOST)
			fail("the profile is incomplete: fewer runs are needed");
		if (record->type != PERF_RECORD_SAMPLE)
			continue;
		if ((record->misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_USER)
			user++;
		else
			function_at(*(const uint64_t *)(record + 1))->hits++;
	}
	return user;
}

void profile_end(const char *work, long n, long operations)
{
	double each = (double)PERIOD / operations;
	long user;
	size_t i;

	ioctl(event, PERF_EVENT_IOC_DISABLE, 0);
	user = count_hits();
	qsort(functions, count, sizeof(*functions), by_hits);
	for (i = 0; i < SHOWN && functions[i].hits; i++)
		printf("profile %s %ld %.0f %s\n", work, n,
		       functions[i].hits * each, functions[i].name);
	printf("profile %s %ld %.0f (user)\n", work, n, user * each);
	munmap(ring, RING_BYTES + sysconf(_SC_PAGESIZE));
	close(event);
}
