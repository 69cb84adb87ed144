// SPDX-License-Identifier: GPL-2.0
/*
 * Namespaces and VMs that processes hold: namespaces of threads, open descriptors of
 * namespaces, and open vhost-vsock devices. Anything that vanishes meanwhile is skipped.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "vsockns.h"

#define VHOST_VSOCK_MAJOR 10	/* misc devices */
#define VHOST_VSOCK_MINOR 241

/**
 * struct process - the one that is looked at
 * @dir: its directory in /proc
 * @pid: its number
 * @program: its name
 * @space: the namespace of its first thread
 */
struct process {
	int dir;
	pid_t pid;
	char program[64];
	struct space *space;
};

static DIR *open_dir(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (!stream && fd >= 0)
		close(fd);
	return stream;
}

static struct dirent *next_number(DIR *dir)
{
	struct dirent *entry;

	do {
		entry = readdir(dir);
	} while (entry && !isdigit((unsigned char)entry->d_name[0]));
	return entry;
}

/* Reads a file of the process as text; NUL bytes become spaces. */
static bool read_file(const struct process *process, const char *path, char *text, size_t size)
{
	int fd = openat(process->dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t len, i;

	if (fd < 0)
		return false;
	len = read(fd, text, size - 1);
	close(fd);
	if (len < 0)
		return false;
	for (i = 0; i < len; i++)
		if (!text[i])
			text[i] = ' ';
	text[len] = '\0';
	return true;
}

static void scan_thread(struct process *process, const char *path, bool first)
{
	struct space *space;
	struct stat st;

	if (fstatat(process->dir, path, &st, 0))
		return;
	space = space_open(process->dir, path, st.st_ino);
	if (!space)
		return;
	if (first)
		process->space = space;
	if (!space->pid) {
		space->pid = process->pid;
		memcpy(space->program, process->program, sizeof(space->program));
	}
}

static void scan_threads(struct process *process)
{
	struct dirent *entry;
	struct stat st;
	char path[512];
	DIR *dir;

	scan_thread(process, "ns/net", true);
	if (fstatat(process->dir, "task", &st, 0) || st.st_nlink <= 3)
		return;		/* only one */
	dir = open_dir(process->dir, "task");
	if (!dir)
		return;
	while ((entry = next_number(dir))) {
		snprintf(path, sizeof(path), "task/%s/ns/net", entry->d_name);
		if (atoi(entry->d_name) != process->pid)
			scan_thread(process, path, false);
	}
	closedir(dir);
}

/*
 * Mainline's fdinfo has neither CID nor namespace. The namespace of the process is
 * right unless the device was opened elsewhere, and QEMU has the CID in its arguments.
 */
static void guess_vm(const struct process *process, struct vm **vm)
{
	static const char word[] = "guest-cid=";
	char text[8192];
	const char *at;

	if (!process->space)
		return;
	at = read_file(process, "cmdline", text, sizeof(text)) ? strstr(text, word) : NULL;
	*vm = vm_add(process->space, at ? strtoul(at + strlen(word), NULL, 0) : 0);
	if (*vm)
		(*vm)->guess = true;
}

static void scan_device(const struct process *process, const char *number)
{
	unsigned long inode = 0;
	unsigned int cid = 0;
	char path[512], text[1024];
	struct vm *vm = NULL;
	const char *line;

	snprintf(path, sizeof(path), "fdinfo/%s", number);
	if (!read_file(process, path, text, sizeof(text)))
		return;
	line = strstr(text, "\nnet_ns:");
	if (line && sscanf(line, "\nnet_ns: %lu", &inode) == 1) {
		line = strstr(text, "\nguest_cid:");
		if (line)
			sscanf(line, "\nguest_cid: %u", &cid);
		vm = vm_add(space_get(inode), cid);
	} else {
		guess_vm(process, &vm);
	}
	if (!vm)
		return;
	vm->pid = process->pid;
	memcpy(vm->program, process->program, sizeof(vm->program));
}

static void scan_namespace(int dir, const char *number)
{
	unsigned long inode;
	char target[64];
	ssize_t len = readlinkat(dir, number, target, sizeof(target) - 1);

	if (len < 0)
		return;
	target[len] = '\0';
	if (sscanf(target, "net:[%lu]", &inode) == 1)
		space_open(dir, number, inode);
}

/* AT_STATX_DONT_SYNC: a descriptor may belong to a file on a dead server. */
static void scan_descriptors(const struct process *process, dev_t nsfs)
{
	DIR *dir = open_dir(process->dir, "fd");
	struct dirent *entry;
	struct statx st;

	if (!dir)
		return;
	while ((entry = next_number(dir))) {
		if (statx(dirfd(dir), entry->d_name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
			  STATX_TYPE, &st))
			continue;
		if (S_ISCHR(st.stx_mode) && st.stx_rdev_major == VHOST_VSOCK_MAJOR &&
		    st.stx_rdev_minor == VHOST_VSOCK_MINOR)
			scan_device(process, entry->d_name);
		else if (makedev(st.stx_dev_major, st.stx_dev_minor) == nsfs)
			scan_namespace(dirfd(dir), entry->d_name);
	}
	closedir(dir);
}

static void scan_process(int proc, const char *number, dev_t nsfs)
{
	struct process process = { .pid = atoi(number) };
	struct stat st;

	process.dir = openat(proc, number, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (process.dir < 0)
		return;
	if (!fstatat(process.dir, "ns/net", &st, 0)) {
		found.processes++;
		if (read_file(&process, "comm", process.program, sizeof(process.program)))
			process.program[strcspn(process.program, "\n")] = '\0';
		clean(process.program);
		scan_threads(&process);
		scan_descriptors(&process, nsfs);
	} else if (errno == EACCES || errno == EPERM) {
		found.unseen++;
	}
	close(process.dir);
	progress();
}

void scan_processes(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct stat nsfs;

	if (!proc || stat("/proc/self/ns/net", &nsfs))
		die(EXIT_FAILED, "cannot read /proc: %m");
	while ((entry = next_number(proc)))
		if (atoi(entry->d_name) != getpid())
			scan_process(dirfd(proc), entry->d_name, nsfs.st_dev);
	closedir(proc);
}
