// SPDX-License-Identifier: GPL-2.0
/*
 * vsockns check: one line and an exit status for monitoring, details below it.
 */
#include <dirent.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "vsockns.h"

#define FAILED_BUILDS "/var/lib/vsock-netns/failed"
#define OLDER_BUILDS "/var/lib/vsock-netns/older"
#define NAMED 5		/* so many open namespaces have a name in the text */

static const char *const severity_name[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

static struct json_object *problems;
static enum severity worst;

/* A known problem outranks a missing answer. */
static void raise_to(enum severity severity)
{
	static const int rank[] = { [SEV_OK] = 0, [SEV_UNKNOWN] = 1, [SEV_WARNING] = 2,
				   [SEV_CRITICAL] = 3 };

	if (rank[severity] > rank[worst])
		worst = severity;
}

void problem(enum severity severity, const char *format, ...)
{
	struct json_object *object = json_object_new_object();
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		die(EXIT_FAILED, "out of memory");
	va_end(args);
	clean(text);
	json_put(object, "severity", json_object_new_string(severity_name[severity]));
	json_put(object, "text", json_object_new_string(text));
	json_object_array_add(problems, object);
	free(text);
	raise_to(severity);
}

static void report_build(const char *path, const char *text, const char *kernel)
{
	char line[256] = "";

	read_line(path, line, sizeof(line));
	problem(SEV_WARNING, "%s %s: %s", text, kernel, *line ? line : path);
}

/* A directory of vsock-netns-dkms has a file for each kernel, with a reason. */
static void check_builds(const char *directory, const char *text)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		char *path = format_text("%s/%s", directory, entry->d_name);

		if (entry->d_name[0] != '.')
			report_build(path, text, entry->d_name);
		free(path);
	}
	closedir(dir);
}

static bool is_open(const struct space *space)
{
	return !space->self && space->mode == MODE_GLOBAL && found.spaces->children == MODE_LOCAL;
}

static char *describe(const struct space *space)
{
	if (space->names)
		return must_copy(space->names->text);
	return format_text("%lu (process %d %s)", (unsigned long)space->inode, space->pid,
			   space->program);
}

/* Local was chosen in this namespace. Global ones mostly existed before. */
static void check_spaces(struct json_object *list)
{
	const struct space *space;
	char *text = must_copy("");
	long open = 0;

	for (space = found.spaces; space; space = space->next) {
		if (!is_open(space))
			continue;
		json_object_array_add(list, json_space(space));
		if (open++ < NAMED)
			text = join(text, describe(space));
	}
	if (open > NAMED)
		text = join(text, must_copy("... (see vsockns list)"));
	if (open)
		problem(SEV_WARNING, "%ld namespace%s global although local was chosen: %s",
			open, open == 1 ? " is" : "s are", text);
	if (found.unseen)
		problem(SEV_UNKNOWN, "no permission to look at %ld process%s: run it as root",
			found.unseen, found.unseen == 1 ? "" : "es");
	free(text);
}

static void count_modes(long *local, long *global)
{
	const struct space *space;

	for (space = found.spaces; space; space = space->next) {
		*local += space->mode == MODE_LOCAL;
		*global += space->mode == MODE_GLOBAL;
	}
}

static const char *text_of(struct json_object *object, const char *key)
{
	return json_object_get_string(json_object_object_get(object, key));
}

static void print_text(void)
{
	size_t i, count = json_object_array_length(problems);
	long local = 0, global = 0;

	count_modes(&local, &global);
	printf("VSOCKNS %s - %zu problem%s, ", severity_name[worst], count, count == 1 ? "" : "s");
	printf("%ld local and %ld global namespaces, %ld VMs", local, global, found.nr_vms);
	printf(" | local=%ld global=%ld vms=%ld\n", local, global, found.nr_vms);
	for (i = 0; i < count; i++) {
		struct json_object *object = json_object_array_get_idx(problems, i);

		printf("%s: %s\n", text_of(object, "severity"), text_of(object, "text"));
	}
	print_modules();
}

static void print_json(struct json_object *modules, struct json_object *open)
{
	struct json_object *top = json_object_new_object();

	json_put(top, "status", json_object_new_string(severity_name[worst]));
	json_put(top, "exit_status", json_object_new_int(worst));
	json_put(top, "problems", json_object_get(problems));
	json_put(top, "modules", json_object_get(modules));
	json_put(top, "open_namespaces", json_object_get(open));
	json_print(top);
}

int cmd_check(int argc, char **argv)
{
	struct json_object *modules = json_object_new_array(), *open = json_object_new_array();
	bool json;

	failure_status = SEV_UNKNOWN;	/* wrong usage, too */
	json = only_json(argc, argv);
	problems = json_object_new_array();
	check_modules(modules);
	check_builds(FAILED_BUILDS, "the modules could not be built for");
	check_builds(OLDER_BUILDS, "the modules are older than the kernel");
	scan_all();
	check_spaces(open);
	if (json)
		print_json(modules, open);
	else
		print_text();
	json_object_put(modules);
	json_object_put(open);
	json_object_put(problems);
	return finish(worst);
}
