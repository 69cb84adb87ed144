// SPDX-License-Identifier: GPL-2.0
/*
 * The part of vsockns check that concerns kernel modules, the loaded ones and the
 * files that modprobe would load. Modules of the kernel itself are marked
 * "intree"; those that were built beside it taint the kernel with O.
 */
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vsockns.h"

/**
 * struct module - one of the family
 * @name: as in /sys/module
 * @loaded: as a module, not built in
 * @out_of_tree: the loaded one was not built with the kernel
 * @srcversion: of the loaded one, "" if it has none
 * @file: the file that modprobe would load; "" if there is none
 * @file_out_of_tree: the file was not built with the kernel
 * @file_netns: it says to have namespaces ("netns: Y")
 * @file_version: its version
 * @file_srcversion: its source version
 * @signer: of the file, "" if it is not signed
 */
struct module {
	const char *name;
	bool loaded;
	bool out_of_tree;
	char srcversion[64];
	char file[512];
	bool file_out_of_tree;
	bool file_netns;
	char file_version[64];
	char file_srcversion[64];
	char signer[128];
};

static struct module family[] = {
	{ .name = "vsock" }, { .name = "vsock_diag" },
	{ .name = "vmw_vsock_virtio_transport_common" }, { .name = "vmw_vsock_virtio_transport" },
	{ .name = "vsock_loopback" }, { .name = "vhost_vsock" },
	{ .name = "vmw_vsock_vmci_transport" }, { .name = "hv_sock" },
};

#define for_each_module(m) for ((m) = family; (m) < family + ARRAY_SIZE(family); (m)++)

static bool read_sys(const struct module *m, const char *what, char *text, size_t size)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/module/%s/%s", m->name, what);
	return read_line(path, text, size);
}

static void read_loaded(struct module *m)
{
	char text[64];

	m->loaded = read_sys(m, "initstate", text, sizeof(text));
	m->out_of_tree = m->loaded && read_sys(m, "taint", text, sizeof(text)) && strchr(text,
											 'O');
	if (!m->loaded || !read_sys(m, "srcversion", m->srcversion, sizeof(m->srcversion)))
		m->srcversion[0] = '\0';
}

/* "key:      value", as modinfo prints it. */
static void take_line(struct module *m, char *line)
{
	char *value = strchr(line, ':');

	line[strcspn(line, "\n")] = '\0';
	if (!value || line[0] == '\t')
		return;
	*value++ = '\0';
	value += strspn(value, " ");
	clean(value);
	if (!strcmp(line, "filename") && value[0] == '/')
		snprintf(m->file, sizeof(m->file), "%s", value);
	else if (!strcmp(line, "intree"))
		m->file_out_of_tree = false;
	else if (!strcmp(line, "netns"))
		m->file_netns = true;
	else if (!strcmp(line, "version"))
		snprintf(m->file_version, sizeof(m->file_version), "%s", value);
	else if (!strcmp(line, "srcversion"))
		snprintf(m->file_srcversion, sizeof(m->file_srcversion), "%s", value);
	else if (!strcmp(line, "signer"))
		snprintf(m->signer, sizeof(m->signer), "%s", *value ? value : "?");
}

static void exec_modinfo(const char *name, int out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(out, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execlp("modinfo", "modinfo", name, NULL);
	execl("/usr/sbin/modinfo", "modinfo", name, NULL);
	execl("/sbin/modinfo", "modinfo", name, NULL);
	_exit(127);
}

/* Returns false if there is no modinfo. It exits with 1 if there is no such module. */
static bool read_file_info(struct module *m)
{
	int ends[2], status;
	char *line = NULL;
	size_t size = 0;
	FILE *stream;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC))
		die(EXIT_FAILED, "cannot create a pipe: %m");
	fflush(NULL);
	child = fork();
	if (child < 0)
		die(EXIT_FAILED, "cannot run modinfo: %m");
	if (!child)
		exec_modinfo(m->name, ends[1]);
	close(ends[1]);
	stream = fdopen(ends[0], "r");
	if (!stream)
		die(EXIT_FAILED, "out of memory");
	m->file_out_of_tree = true;
	while (getline(&line, &size, stream) > 0)
		take_line(m, line);
	free(line);
	fclose(stream);
	m->file_out_of_tree &= m->file[0] != '\0';
	return waitpid(child, &status,
		       0) == child && WIFEXITED(status) && WEXITSTATUS(status) != 127;
}

/* The names of modules that are loaded, or are files, and of one origin. */
static char *names_of(bool files, bool out_of_tree)
{
	char *text = must_copy("");
	struct module *m;

	for_each_module(m) {
		bool there = files ? m->file[0] : m->loaded;
		bool origin = files ? m->file_out_of_tree : m->out_of_tree;

		if (there && origin == out_of_tree)
			text = join(text, must_copy(m->name));
	}
	return text;
}

static void check_mixed(bool files)
{
	char *ours = names_of(files, true), *stock = names_of(files, false);

	if (*ours && *stock && files)
		problem(SEV_WARNING,
			"mixed family: modprobe loads %s from outside of the kernel, and the kernel's own %s",
			ours, stock);
	else if (*ours && *stock)
		problem(SEV_CRITICAL,
			"mixed family: loaded are %s from outside of the kernel, and the kernel's own %s",
			ours, stock);
	free(ours);
	free(stock);
}

static void check_feature(const struct module *vsock)
{
	if (!access(NS_MODE_FILE, F_OK))
		return;
	if (!vsock->loaded && access("/sys/module/vsock", F_OK))
		problem(SEV_WARNING,
			"vsock is not loaded: namespaces created before it is loaded are global");
	else if (vsock->file_netns)
		problem(SEV_CRITICAL,
			"the loaded vsock has no network namespaces, %s has them: reboot, or reload it",
			vsock->file);
	else
		problem(SEV_CRITICAL,
			"the vsock of this kernel has no network namespaces: all share CIDs and ports");
}

/* The modules were replaced while loaded: transports would be refused. */
static void check_stale(const struct module *m)
{
	if (!m->loaded || !m->file[0])
		return;
	if (m->out_of_tree != m->file_out_of_tree ||
	    (m->srcversion[0] && m->file_srcversion[0] && strcmp(m->srcversion,
								 m->file_srcversion)))
		problem(SEV_WARNING, "the loaded %s is not %s: reboot, or reload the modules",
			m->name, m->file);
}

static bool signature_required(void)
{
	char text[128];

	if (read_line("/sys/module/module/parameters/sig_enforce", text, sizeof(text)) &&
	    text[0] == 'Y')
		return true;
	return read_line("/sys/kernel/security/lockdown", text, sizeof(text)) && !strstr(text,
											 "[none]");
}

static struct json_object *json_text(const char *text)
{
	return *text ? json_object_new_string(text) : NULL;
}

static struct json_object *json_module(const struct module *m)
{
	struct json_object *object = json_object_new_object();

	json_put(object, "name", json_object_new_string(m->name));
	json_put(object, "loaded", json_object_new_boolean(m->loaded));
	json_put(object, "out_of_tree", m->loaded ?
		 json_object_new_boolean(m->out_of_tree) : NULL);
	json_put(object, "srcversion", json_text(m->srcversion));
	json_put(object, "file", json_text(m->file));
	json_put(object, "file_out_of_tree", m->file[0] ?
		 json_object_new_boolean(m->file_out_of_tree) : NULL);
	json_put(object, "file_version", json_text(m->file_version));
	json_put(object, "file_srcversion", json_text(m->file_srcversion));
	json_put(object, "signer", json_text(m->signer));
	return object;
}

void check_modules(struct json_object *list)
{
	bool modinfo = true, signature = signature_required();
	struct module *m;

	for_each_module(m) {
		read_loaded(m);
		modinfo = modinfo && read_file_info(m);
		check_stale(m);
		if (signature && m->file[0] && !m->signer[0])
			problem(SEV_CRITICAL,
				"%s is not signed, and this kernel refuses such modules", m->file);
		if (m->loaded || m->file[0])
			json_object_array_add(list, json_module(m));
	}
	if (!modinfo)
		problem(SEV_UNKNOWN,
			"there is no modinfo (package kmod): the module files were not looked at");
	check_feature(family);
	check_mixed(false);
	check_mixed(true);
}

static const char *state(const struct module *m)
{
	if (!m->loaded)
		return "not loaded";
	return m->out_of_tree ? "loaded from outside of the kernel" : "loaded, the kernel's own";
}

void print_modules(void)
{
	struct module *m;

	for_each_module(m) {
		if (!m->loaded && !m->file[0])
			continue;
		printf("module %s: %s, ", m->name, state(m));
		if (!m->file[0])
			printf("file not found\n");
		else
			printf("%s file %s, version %s\n", m->signer[0] ? "signed" : "unsigned",
			       m->file, m->file_version[0] ? m->file_version : "none");
	}
}
