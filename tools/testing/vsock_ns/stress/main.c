// SPDX-License-Identifier: GPL-2.0
/*
 * vsock_stress: several processes create and destroy namespaces, connections
 * and VMs at random, and check each byte. See stress.h for the parts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"

#define PROGRESS_MS 30000
#define END_MS 180000		/* for the workers to finish their connections */

/* This many steps include each kind of work; a slow machine may do fewer. */
#define ENOUGH_STEPS 2000

static const struct {
	const char *name;
	unsigned int weight;
	enum result (*run)(struct worker *w);
} works[] = {
	{ "space-new", 4, space_new },
	{ "space-drop", 3, space_drop },
	{ "mode-write", 5, mode_write },
	{ "link-new", 14, link_new },
	{ "link-turn", 40, link_turn },
	{ "link-half", 4, link_half },
	{ "link-finish", 8, link_finish },
	{ "link-kill", 4, link_kill },
	{ "link-buffer", 2, link_buffer },
	{ "foreign", 6, attempt_foreign },
	{ "neighbour", 4, attempt_neighbour },
	{ "bind", 5, attempt_bind },
	{ "assign", 3, assign },
	{ "backlog", 4, attempt_backlog },
	{ "vm-new", 6, vm_new },
	{ "vm-close", 2, vm_close },
	{ "vm-cid", 2, vm_cid },
	{ "vm-link", 9, vm_link },
	{ "vm-forge", 5, vm_forge },
	{ "vm-foreign", 4, attempt_vm },
	{ "dump", 4, dump_sockets },
	{ "tap", 1, tap_new },
	{ "tap-read", 4, tap_read },
};

/*
 * struct plan - the options
 */
struct plan {
	unsigned long seconds, workers;
	unsigned long long seed, steps;
	bool unload_all, no_modules, no_faults, verbose;
};

/* ---- a worker ---- */

static unsigned int choose(struct worker *w)
{
	unsigned int i, sum = 0, at;

	for (i = 0; i < ARRAY_SIZE(works); i++)
		sum += works[i].weight;
	at = roll(w, sum);
	for (i = 0; at >= works[i].weight; i++)
		at -= works[i].weight;
	return i;
}

static void let_go_of_links(struct worker *w, const struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < LINKS; i++)
		if (w->links[i].used && w->links[i].vm == vm)
			link_finish_one(w, &w->links[i]);
}

static void let_go_of_vms(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < VMS; i++) {
		if (!w->vms[i].used)
			continue;
		let_go_of_links(w, &w->vms[i]);
		vm_end(w, &w->vms[i]);
	}
}

/* Close the objects that keep the modules in use. */
static void let_go(struct worker *w)
{
	if (leaving(w, LEAVE_LOOPBACK))
		let_go_of_links(w, NULL);
	if (leaving(w, LEAVE_VHOST))
		let_go_of_vms(w);
	if (leaving(w, 0))
		taps_drop(w);
	/* Leave the modules unused for a moment before the next attempt. */
	if (leaving(w, ~0))
		poll(NULL, 0, 10);
}

static void next_step(struct worker *w, bool verbose)
{
	unsigned int kind;
	enum result result;

	w->epoch = epoch_now(w);
	let_go(w);
	w->dice = mix(w->seed ^ (uint64_t)w->index << 56 ^ w->counters->step);
	kind = choose(w);
	result = works[kind].run(w);
	if (result == DONE)
		w->counters->done[kind]++;
	else if (result == REFUSED)
		w->counters->refused[kind]++;
	else
		w->counters->skipped[kind]++;
	if (verbose)
		printf("# worker %d step %llu: %s: %d\n", w->index,
		       (unsigned long long)w->counters->step, works[kind].name, result);
}

static int work(struct shared *shared, const struct plan *plan, int index)
{
	static struct worker w;
	unsigned int i;

	w = (struct worker) {
		.index = index, .seed = plan->seed, .shared = shared,
		.counters = &shared->counters[index], .home = ns_here(),
		.local_allowed = !plan->unload_all, .faults_allowed = !plan->no_faults,
	};
	for (i = 0; i < SPACES; i++)
		w.spaces[i].fd = i ? -1 : w.home;
	for (i = 0; i < TAPS; i++)
		w.taps[i].fd = -1;
	faults_open(&w);
	while (!shared->stop && (!plan->steps || w.counters->step < plan->steps)) {
		next_step(&w, plan->verbose);
		w.counters->step++;
	}
	w.faults_allowed = false;
	let_go_of_links(&w, NULL);
	let_go_of_vms(&w);
	taps_drop(&w);
	return 0;
}

/* ---- all workers ---- */

/*
 * By default, failslab spares allocations that may sleep and prints a stack
 * trace for each fault. Page allocations do not fail here, as they print a
 * warning.
 */
static bool allow_faults(void)
{
	static const char * const settings[][2] = {
		{ "/sys/kernel/debug/failslab/ignore-gfp-wait", "N" },
		{ "/sys/kernel/debug/failslab/verbose", "0" },
	};
	unsigned int i;

	if (access("/proc/thread-self/fail-nth", W_OK))
		return false;
	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		int fd = open(settings[i][0], O_WRONLY | O_CLOEXEC);
		bool set = fd >= 0 && write(fd, settings[i][1], 1) == 1;

		if (fd >= 0)
			close(fd);
		if (!set)
			return false;
	}
	return true;
}

static pid_t spawn(struct shared *shared, const struct plan *plan, int index)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	exit(index < 0 ? modules_worker(shared, plan->seed, plan->unload_all) :
			 work(shared, plan, index));
}

static uint64_t sum(const struct shared *shared, size_t offset)
{
	uint64_t n = 0;
	int i;

	for (i = 0; i < MAX_WORKERS; i++)
		n += *(const uint64_t *)((const char *)&shared->counters[i] + offset);
	return n;
}

#define SUM(member) ((unsigned long long)sum(shared, offsetof(struct counters, member)))

static void progress(const struct shared *shared, uint64_t since)
{
	printf("# %3llu s: %llu steps, %llu bytes checked, %llu module unloads\n",
	       (unsigned long long)(now_ms() - since) / 1000, SUM(step), SUM(bytes),
	       (unsigned long long)shared->unloads);
	fflush(stdout);
}

/* Wait for the time limit, for all workers, or for the first failure. */
static int wait_for_all(struct shared *shared, const struct plan *plan, pid_t modules)
{
	uint64_t start = now_ms(), end = start + plan->seconds * 1000, told = start;
	unsigned long left = plan->workers;
	int failed = 0, status;
	pid_t pid;

	while (left || modules > 0) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid > 0) {
			if (pid == modules)
				modules = 0;
			else
				left--;
			failed += status != 0;
			if (WIFSIGNALED(status))
				printf("# FAILED: a worker died of signal %d\n", WTERMSIG(status));
		} else {
			poll(NULL, 0, 50);
		}
		if (failed || !left || now_ms() > end)
			shared->stop = 1;
		if (now_ms() > end + END_MS) {
			printf("# FAILED: %lu workers did not exit\n", left);
			return failed + left;
		}
		if (now_ms() > told + PROGRESS_MS) {
			progress(shared, start);
			told = now_ms();
		}
	}
	return failed;
}

static void print_counters(const struct shared *shared)
{
	unsigned int i;

	printf("# %-12s %10s %10s %10s\n", "work", "done", "refused", "skipped");
	for (i = 0; i < ARRAY_SIZE(works); i++)
		printf("# %-12s %10llu %10llu %10llu\n", works[i].name, SUM(done[i]),
		       SUM(refused[i]), SUM(skipped[i]));
	printf("# steps %llu, connections finished %llu, bytes checked %llu, lost %llu\n",
	       SUM(step), SUM(links), SUM(bytes), SUM(lost));
	printf("# packets on taps %llu, faults injected %llu, modules unloaded %llu, in use %llu\n",
	       SUM(tapped), SUM(faults), (unsigned long long)shared->unloads,
	       (unsigned long long)shared->held);
}

static int verdict(int number, bool ok, const char *what)
{
	printf("%sok %d %s\n", ok ? "" : "not ", number, what);
	return !ok;
}

/* A kind of work that never ran has tested nothing. */
static bool all_done(const struct shared *shared)
{
	bool all = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(works); i++) {
		if (SUM(done[i]))
			continue;
		printf("# %s was never done\n", works[i].name);
		all = false;
	}
	return all;
}

static int report(const struct shared *shared, const struct plan *plan, int failed)
{
	bool enough = SUM(step) >= ENOUGH_STEPS;
	int bad = 0;

	print_counters(shared);
	bad += verdict(1, !failed, "each worker saw what it expected, to the end");
	bad += verdict(2, !SUM(lost) && SUM(bytes), "no byte was lost, or another's");
	/*
	 * Some kinds need local namespaces, and with -u the VMs are always
	 * being closed.
	 */
	if (!enough || plan->unload_all)
		printf("ok 3 each kind of work was done # SKIP %s\n",
		       enough ? "no local namespaces" : "too few steps");
	else
		bad += verdict(3, all_done(shared), "each kind of work was done");
	if (!enough || plan->no_modules)
		printf("ok 4 modules were unloaded under traffic # SKIP %s\n",
		       enough ? "not asked for" : "too few steps");
	else
		bad += verdict(4, shared->unloads, "modules were unloaded under traffic");
	return bad ? 1 : 0;
}

static void print_help(FILE *f)
{
	fputs("usage: vsock_stress [OPTION...]\n"
	      "Run as root in a VM to itself, with vsock, vsock_loopback, vhost_vsock,\n"
	      "vmw_vsock_virtio_transport, vsock_diag and vsockmon. Prints TAP. Exit status: 0 passed, 1 failed,\n"
	      "2 cannot run.\n"
	      "  -t, --seconds N   duration (180)\n"
	      "  -s, --seed N      seed of the random numbers (from the clock)\n"
	      "  -w, --workers N   number of processes (4, at most 16)\n"
	      "  -n, --steps N     stop each worker after N steps\n"
	      "  -u, --unload-all  unload vsock, too; no namespace chooses local\n"
	      "  -m, --no-modules  do not unload modules\n"
	      "  -f, --no-faults   do not inject allocation failures\n"
	      "  -v, --verbose     print each step: 0 done, 1 refused, 2 skipped\n", f);
}

static unsigned long long parse(const char *text, unsigned long long most)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 0);

	if (!*text || *end || n < 1 || n > most) {
		fprintf(stderr, "vsock_stress: error: %s is not a number from 1 to %llu\n",
			text, most);
		exit(2);
	}
	return n;
}

static struct plan options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "seconds", 1, NULL, 't' }, { "seed", 1, NULL, 's' }, { "workers", 1, NULL, 'w' },
		{ "steps", 1, NULL, 'n' }, { "unload-all", 0, NULL, 'u' },
		{ "no-modules", 0, NULL, 'm' }, { "no-faults", 0, NULL, 'f' },
		{ "verbose", 0, NULL, 'v' }, { "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	struct plan plan = { .seconds = 180, .workers = 4, .seed = mix(now_ms()) >> 32 };
	int c;

	while ((c = getopt_long(argc, argv, "t:s:w:n:umfvh", names, NULL)) != -1) {
		switch (c) {
		case 't':
			plan.seconds = parse(optarg, 1000000);
			break;
		case 's':
			plan.seed = parse(optarg, ~0ull);
			break;
		case 'w':
			plan.workers = parse(optarg, MAX_WORKERS);
			break;
		case 'n':
			plan.steps = parse(optarg, ~0ull);
			break;
		case 'u':
			plan.unload_all = true;
			break;
		case 'm':
			plan.no_modules = true;
			break;
		case 'f':
			plan.no_faults = true;
			break;
		case 'v':
			plan.verbose = true;
			break;
		case 'h':
			print_help(stdout);
			exit(0);
		default:
			print_help(stderr);
			exit(2);
		}
	}
	return plan;
}

int main(int argc, char **argv)
{
	struct plan plan = options(argc, argv);
	const char *why = cannot_run();
	struct shared *shared;
	pid_t modules = 0;
	unsigned long i;
	bool faults;

	if (!why)
		why = cannot_make_vms();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (!why && shared == MAP_FAILED)
		why = "no memory";
	if (why) {
		fprintf(stderr, "vsock_stress: error: %s\n", why);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	faults = !plan.no_faults && allow_faults();
	plan.no_faults = !faults;
	printf("TAP version 13\n1..4\n");
	printf("# seed %llu, %lu workers, %lu s, faults: %s\n", plan.seed, plan.workers,
	       plan.seconds, faults ? "yes" : "none, or not supported by this kernel");
	if (!plan.no_modules)
		modules = spawn(shared, &plan, -1);
	for (i = 0; i < plan.workers; i++)
		spawn(shared, &plan, i);
	return report(shared, &plan, wait_for_all(shared, &plan, modules));
}
