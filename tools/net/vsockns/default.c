// SPDX-License-Identifier: GPL-2.0
/*
 * vsockns default: which mode namespaces created here get, and the choice of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vsockns.h"

static void print_global(const char *head)
{
	static const char *const titles[] = { "NAME", "INODE", "PID", "PROGRAM" };
	const struct space *space;
	char inode[32], pid[32];

	printf("%s\n", head);
	table_row(titles, 4);
	for (space = found.spaces; space; space = space->next) {
		const char *cell[] = { space_name(space), inode, pid,
				       space->pid ? space->program : "-" };

		if (space->mode != MODE_GLOBAL)
			continue;
		snprintf(inode, sizeof(inode), "%lu", (unsigned long)space->inode);
		snprintf(pid, sizeof(pid), space->pid ? "%d" : "-", space->pid);
		table_row(cell, 4);
	}
	table_print();
}

static void show(const struct space *own)
{
	printf("this namespace:  %s\n", mode_name(own->mode));
	printf("new namespaces:  %s%s\n", mode_name(own->children),
	       children_chosen(own) ? ", chosen, final" :
	       own->mode == MODE_LOCAL ? ", as this namespace is local" : "");
	print_global("global namespaces:");
}

static void explain_busy(void)
{
	die(EXIT_FAILED,
	    "the first choice is final until this namespace ends (the initial one: until reboot)");
}

/* Open before the question: a caller without permission is not asked. */
static int open_child_mode(void)
{
	int fd = open(CHILD_MODE_FILE, O_WRONLY | O_CLOEXEC);

	if (fd < 0 && (errno == EACCES || errno == EPERM))
		die(EXIT_NOT_PERMITTED,
		    "cannot write %s: only root of the owning user namespace may", CHILD_MODE_FILE);
	if (fd < 0)
		die(EXIT_FAILED, "cannot open %s: %m", CHILD_MODE_FILE);
	return fd;
}

static bool agreed(enum mode mode)
{
	char answer[16];

	if (!isatty(STDIN_FILENO))
		die(EXIT_USAGE, "the choice is final: confirm it with --yes, or on a terminal");
	printf("New namespaces will be %s. This choice is final. Make it? [y/N] ", mode_name(mode));
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static void choose(int fd, enum mode mode)
{
	const char *text = mode_name(mode);

	if (write(fd, text, strlen(text)) >= 0)
		return;
	if (errno == EBUSY)
		explain_busy();
	die(status_of(errno), "cannot write %s to %s: %m", text, CHILD_MODE_FILE);
}

static int set(const struct space *own, enum mode mode, bool yes)
{
	int fd;

	if (own->mode == MODE_LOCAL && mode == MODE_GLOBAL)
		die(EXIT_NOT_PERMITTED,
		    "this namespace is local: namespaces created in it cannot be global");
	if (children_chosen(own) && mode == MODE_GLOBAL)
		explain_busy();
	if (own->children == MODE_LOCAL) {
		printf("new namespaces are local already\n");
		return EXIT_OK;
	}
	fd = open_child_mode();
	if (mode == MODE_LOCAL)
		print_global("these namespaces stay global:");
	if (!yes && !agreed(mode)) {
		warn("nothing was changed");
		return EXIT_FAILED;
	}
	choose(fd, mode);
	close(fd);
	printf("new namespaces:  %s\n", mode_name(read_mode(CHILD_MODE_FILE)));
	return EXIT_OK;
}

int cmd_default(int argc, char **argv)
{
	static const struct option options[] = { { "yes", no_argument, NULL, 'y' }, { 0 } };
	bool yes = one_flag(argc, argv, ":y", options);
	enum mode mode = MODE_NONE;
	int status = EXIT_OK;

	if (argc - optind > 1)
		die(EXIT_USAGE, "default takes one mode at most: vsockns default [local|global]");
	if (optind < argc)
		mode = need_mode(argv[optind]);
	need_feature();
	scan_all();
	if (mode == MODE_NONE)
		show(found.spaces);
	else
		status = set(found.spaces, mode, yes);
	warn_unseen();
	return finish(status);
}
