// SPDX-License-Identifier: GPL-2.0
/*
 * Cost of the vsock modules in creating and deleting a network namespace: the
 * instructions of their per-namespace callbacks, timed by the function_graph
 * tracer of the kernel.
 *
 * The difference with and without modules would be simpler. But the rest of a
 * namespace takes 1.7 million instructions, and varies by more than the result.
 * So the callbacks are timed:
 *
 *	creating   Each ops_init() that runs a function of the modules, including
 *		   its allocation of the per-namespace memory. These calls are
 *		   identified by their position in the sequence, and timed
 *		   without tracing any function below them.
 *	deleting   The functions of the modules.
 *
 * The tracer's own cost, the duration of the shortest call, is subtracted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "bench.h"

/* The function that the kernel calls for each per-namespace operation. */
#define CREATE "ops_init"

#define TRACING "/sys/kernel/tracing/"
#define BATCH 50
#define CLEANED_MS 3000
#define MAX_PLACES 512
#define MAX_NAMES 32
#define NAME_LEN 64

static const char *const module_names[] = {
	"vsock", "vsock_loopback", "vhost_vsock", "vsock_diag", "vmw_vsock_virtio_transport_common",
};

/* One call in the trace; a leaf function has its duration on its only line. */
struct call {
	char name[NAME_LEN];
	double ns;
	int depth;
	bool of_module;
	bool begins;
	bool ends;
};

/* ---- the tracer ---- */

/* The kernel accepts one word per write. */
static void put(int fd, const char *file, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		int done = must_errno(write(fd, text, len), file);

		text += done;
		len -= done;
	}
}

static int open_file(const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), TRACING "%s", file);
	return must_errno(open(path, O_WRONLY | O_TRUNC), path);
}

static void set(const char *file, const char *text)
{
	int fd = open_file(file);

	put(fd, file, text);
	close(fd);
}

/* Keep the file open for all writes: an empty filter would trace all functions. */
static void trace_functions(const char *name, bool of_modules)
{
	int fd = open_file("set_ftrace_filter");
	char filter[NAME_LEN];
	size_t i;

	put(fd, "set_ftrace_filter", name);
	put(fd, "set_ftrace_filter", "\n");
	for (i = 0; of_modules && i < ARRAY_SIZE(module_names); i++) {
		snprintf(filter, sizeof(filter), ":mod:%s\n", module_names[i]);
		put(fd, "set_ftrace_filter", filter);
	}
	close(fd);
}

static void tracer_prepare(void)
{
	if (mount("tracefs", TRACING, "tracefs", 0, NULL) && errno != EBUSY)
		fail("tracefs: %s", strerror(errno));
	set("tracing_on", "0");
	trace_functions(CREATE, false);
	set("current_tracer", "function_graph");
	set("buffer_size_kb", "8192");
	set("options/funcgraph-overhead", "0");
	set("options/funcgraph-irqs", "0");
	set("options/funcgraph-tail", "1");
	set("options/sleep-time", "0");
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
	call->of_module = !!strchr(text, '[');
	if (text[0] == '}')
		text += strcspn(text, "*") + 2;
	snprintf(call->name, sizeof(call->name), "%.*s", (int)strcspn(text, " (\n"), text);
	return true;
}

/* Call @see for each line of the trace. */
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

/* ---- identifying the calls of the modules ---- */

static struct {
	int places;			/* calls of ops_init() per namespace */
	bool ours[MAX_PLACES];		/* calls that run a function of the modules */
	char names[MAX_NAMES * NAME_LEN];/* modules' functions on deletion */
} found;

static void learn_creating(const struct call *call)
{
	if (!strcmp(call->name, CREATE)) {
		found.places += call->ends;
		if (found.places == MAX_PLACES)
			fail("more per-namespace operations than expected");
	} else if (call->of_module) {
		found.ours[found.places] = true;
	}
}

static void learn_deleting(const struct call *call)
{
	char name[NAME_LEN + 1];

	if (!call->of_module || !call->begins || call->depth)
		return;
	snprintf(name, sizeof(name), "%s\n", call->name);
	if (strstr(found.names, name))
		return;
	if (strlen(found.names) + strlen(name) >= sizeof(found.names))
		fail("more functions than expected in deleting a namespace");
	strcat(found.names, name);
}

static void learn(int parent)
{
	int ns;

	trace_functions(CREATE, true);
	tracer_go();
	ns = must(ns_child_of(parent), "making a namespace");
	read_trace(learn_creating);

	tracer_go();
	close(ns);
	settle(CLEANED_MS);
	read_trace(learn_deleting);
}

/* ---- measuring the calls ---- */

static struct {
	double ns;			/* sum of all counted calls */
	double least;			/* shortest call of all */
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
	int i;

	trace_functions(CREATE, false);
	memset(&sum, 0, sizeof(sum));
	sum.least = 1e9;
	tracer_go();
	for (i = 0; i < BATCH; i++)
		ns[i] = must(ns_child_of(parent), "making a namespace");
	read_trace(add_creating);
	if (sum.calls != (long)BATCH * found.places)
		fail("%ld calls of " CREATE "() for %d namespaces of %d each",
		     sum.calls, BATCH, found.places);
	return (sum.ns - sum.counted * sum.least) / BATCH;
}

/* The tracer's cost is known from the measurement of creation. */
static double deleting(const int *ns)
{
	double least = sum.least;
	int i;

	memset(&sum, 0, sizeof(sum));
	if (found.names[0]) {
		trace_functions(found.names, false);
		tracer_go();
	}
	for (i = 0; i < BATCH; i++)
		close(ns[i]);
	settle(CLEANED_MS);
	if (found.names[0])
		read_trace(add_deleting);
	return (sum.ns - sum.counted * least) / BATCH;
}

void work_netns(const struct options *opt)
{
	int parent = opt->local ? local_parent() : ns_here();
	const char *mode = opt->local ? "local" : "global";
	double create, delete;
	char name[64];
	int i, ns[BATCH];

	settle(5000);
	tracer_prepare();
	learn(parent);
	for (i = -1; i < opt->runs; i++) {
		create = creating(parent, ns);
		delete = deleting(ns);
		if (i < 0)
			continue;
		snprintf(name, sizeof(name), "netns/create-%s", mode);
		report(name, 1, create);
		snprintf(name, sizeof(name), "netns/delete-%s", mode);
		report(name, 1, delete);
		snprintf(name, sizeof(name), "netns/instructions-%s", mode);
		report(name, 1, create + delete);
	}
	set("current_tracer", "nop");
	progress("netns: share of creating and deleting a %s namespace", mode);
}
