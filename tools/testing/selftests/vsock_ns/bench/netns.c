// SPDX-License-Identifier: GPL-2.0
/*
 * What the vsock modules add to creating and deleting a network namespace: the
 * instructions of their per-namespace callbacks, as the function_graph tracer
 * of the kernel times them.
 *
 * With modules minus without would be plainer, but the rest of a namespace,
 * 1.7 million instructions, varies by more than what is looked for. So:
 *
 *	creating   each ops_init() that runs one of the modules' functions, which
 *		   has the allocation of the per-namespace memory in it. They are
 *		   found by their place in the sequence, and timed without anything
 *		   else being traced below them.
 *	deleting   the modules' own functions.
 *
 * The tracer's own cost is taken off: it is what the shortest call takes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "bench.h"

#define TRACING "/sys/kernel/tracing/"
#define BATCH 50
#define CLEANED_MS 3000
#define MAX_PLACES 512
#define MAX_NAMES 32
#define NAME_LEN 64

static const char *const module_names[] = {
	"vsock", "vsock_loopback", "vhost_vsock", "vsock_diag", "vmw_vsock_virtio_transport_common",
};

/* One call in the trace; a leaf has its duration on its one line. */
struct call {
	char name[NAME_LEN];
	double ns;
	int depth;
	bool of_module;
	bool begins;
	bool ends;
};

/* ---- the tracer ---- */

static void put(const char *file, const char *text, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), TRACING "%s", file);
	fd = must_errno(open(path, O_WRONLY | flags), path);
	if (text[0])
		must_errno(write(fd, text, strlen(text)), path);
	close(fd);
}

static void set(const char *file, const char *text)
{
	put(file, text, O_TRUNC);
}

static void tracer_prepare(void)
{
	if (mount("tracefs", TRACING, "tracefs", 0, NULL) && errno != EBUSY)
		fail("tracefs: %s", strerror(errno));
	set("tracing_on", "0");
	set("current_tracer", "function_graph");
	set("buffer_size_kb", "8192");
	set("options/funcgraph-overhead", "0");
	set("options/funcgraph-irqs", "0");
	set("options/funcgraph-tail", "1");
	set("options/sleep-time", "0");
}

static void trace_functions(const char *const *names, int n)
{
	int i;

	set("set_ftrace_filter", "");
	for (i = 0; i < n; i++)
		put("set_ftrace_filter", names[i], O_APPEND);
}

static void trace_modules(void)
{
	char filter[NAME_LEN];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(module_names); i++) {
		snprintf(filter, sizeof(filter), ":mod:%s", module_names[i]);
		put("set_ftrace_filter", filter, O_APPEND);
	}
}

static void tracer_go(void)
{
	set("trace", "");
	set("tracing_on", "1");
}

/*
 *  0)   1.866 us    |  ops_init();
 *  0)               |  ops_init() {
 *  0)   5.698 us    |    vsock_sysctl_init_net [vsock]();
 *  0)   7.472 us    |  } // ops_init (in the tracer's own comment marks)
 */
static bool parse(const char *line, struct call *call)
{
	const char *bar = strchr(line, '|');
	const char *paren = strchr(line, ')');
	const char *text;

	if (line[0] == '#' || !bar || !paren || paren > bar)
		return false;
	memset(call, 0, sizeof(*call));
	call->ns = 1000 * strtod(paren + 1, NULL);
	text = bar + 1 + strspn(bar + 1, " ");
	call->depth = (text - bar - 3) / 2;
	call->ends = text[0] == '}' || strchr(text, ';');
	call->begins = text[0] != '}';
	call->of_module = strchr(text, '[') != NULL;
	if (text[0] == '}')
		text += strcspn(text, "*") + 2;
	snprintf(call->name, sizeof(call->name), "%.*s", (int)strcspn(text, " (\n"), text);
	return true;
}

/* Calls @see for each line of the trace. */
static void read_trace(void (*see)(const struct call *call))
{
	FILE *f = fopen(TRACING "trace", "r");
	struct call call;
	char line[512];

	set("tracing_on", "0");
	if (!f)
		fail(TRACING "trace: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, "LOST"))
			fail("the trace is incomplete");
		if (parse(line, &call))
			see(&call);
	}
	fclose(f);
}

/* ---- which calls are the modules' ---- */

static struct {
	int places;			/* calls of ops_init() for a namespace */
	bool ours[MAX_PLACES];		/* those that run a function of the modules */
	char names[MAX_NAMES][NAME_LEN];/* the modules' functions in deleting */
	int n_names;
} found;

static void learn_creating(const struct call *call)
{
	if (!strcmp(call->name, "ops_init")) {
		found.places += call->ends;
		if (found.places == MAX_PLACES)
			fail("more per-namespace operations than expected");
	} else if (call->of_module) {
		found.ours[found.places] = true;
	}
}

static void learn_deleting(const struct call *call)
{
	int i;

	if (!call->of_module || !call->begins || call->depth)
		return;
	for (i = 0; i < found.n_names; i++)
		if (!strcmp(found.names[i], call->name))
			return;
	if (i == MAX_NAMES)
		fail("more functions than expected in deleting a namespace");
	strcpy(found.names[found.n_names++], call->name);
}

static void learn(int parent)
{
	static const char *const ops_init[] = { "ops_init" };
	int ns;

	trace_functions(ops_init, 1);
	trace_modules();
	tracer_go();
	ns = must(ns_child_of(parent), "making a namespace");
	read_trace(learn_creating);

	trace_functions(NULL, 0);
	trace_modules();
	tracer_go();
	close(ns);
	settle(CLEANED_MS);
	read_trace(learn_deleting);
}

/* ---- what they cost ---- */

static struct {
	double ns;			/* in all calls that count */
	double least;			/* of any call */
	long counted;
	long calls;
} sum;

static void add_creating(const struct call *call)
{
	if (found.ours[sum.calls++ % found.places]) {
		sum.ns += call->ns;
		sum.counted++;
	}
	if (call->ns < sum.least)
		sum.least = call->ns;
}

static void add_deleting(const struct call *call)
{
	sum.calls += call->begins;
	if (call->depth || !call->ends)
		return;
	sum.ns += call->ns;
	sum.counted++;
}

static double creating(int parent, int *ns)
{
	static const char *const ops_init[] = { "ops_init" };
	int i;

	trace_functions(ops_init, 1);
	memset(&sum, 0, sizeof(sum));
	sum.least = 1e9;
	tracer_go();
	for (i = 0; i < BATCH; i++)
		ns[i] = must(ns_child_of(parent), "making a namespace");
	read_trace(add_creating);
	if (sum.calls != (long)BATCH * found.places)
		fail("%ld calls of ops_init() for %d namespaces of %d each", sum.calls, BATCH, found.places);
	return (sum.ns - sum.counted * sum.least) / BATCH;
}

/* The tracer's cost is known from creating. */
static double deleting(const int *ns)
{
	const char *names[MAX_NAMES];
	double least = sum.least;
	int i;

	for (i = 0; i < found.n_names; i++)
		names[i] = found.names[i];
	memset(&sum, 0, sizeof(sum));
	if (found.n_names) {
		trace_functions(names, found.n_names);
		tracer_go();
	}
	for (i = 0; i < BATCH; i++)
		close(ns[i]);
	settle(CLEANED_MS);
	if (found.n_names)
		read_trace(add_deleting);
	return (sum.ns - sum.counted * least) / BATCH;
}

void work_netns(const struct options *opt)
{
	int parent = ns_here();
	const char *mode = opt->local ? "local" : "global";
	double create, delete;
	char name[64];
	int i, ns[BATCH];

	if (opt->local) {
		parent = must(ns_global(), "making a namespace");
		must(choose_for_children(parent, LOCAL), "choosing local");
	}
	settle(5000);
	tracer_prepare();
	learn(parent);
	for (i = -1; i < opt->runs; i++) {
		create = creating(parent, ns);
		delete = deleting(ns);
		if (i < 0)
			continue;
		snprintf(name, sizeof(name), "netns/create-%s", mode);
		sample(name, 1, create);
		snprintf(name, sizeof(name), "netns/delete-%s", mode);
		sample(name, 1, delete);
		snprintf(name, sizeof(name), "netns/instructions-%s", mode);
		sample(name, 1, create + delete);
	}
	set("current_tracer", "nop");
	progress("netns: share of creating and deleting a %s namespace", mode);
}
