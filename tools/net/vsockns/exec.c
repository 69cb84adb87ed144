// SPDX-License-Identifier: GPL-2.0
/*
 * vsockns exec: a command in a new namespace. Without privileges, a user namespace
 * comes first, in which the caller is root.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vsockns.h"

/* As in env, timeout and chroot: distinct from the usual statuses of CMD. */
enum { EXIT_EXEC = 125, EXIT_CANNOT_RUN, EXIT_NOT_FOUND };

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(EXIT_FAILED, "cannot write %s to %s: %m", text, path);
	close(fd);
}

static void become_root_of_user_space(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWUSER))
		die(EXIT_FAILED,
		    "cannot create a user namespace: %m: see sysctl user.max_user_namespaces");
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", format_text("0 %u 1", uid));
	write_text("/proc/self/gid_map", format_text("0 %u 1", gid));
}

int cmd_exec(int argc, char **argv)
{
	static const struct option options[] = { { "mode", required_argument, NULL, 'm' }, { 0 } };
	const char *text = NULL;
	enum mode mode;
	int opt;

	failure_status = EXIT_EXEC;
	while ((opt = getopt_long(argc, argv, "+:m:", options, NULL)) != -1) {
		if (opt != 'm')
			bad_option(argv, opt);
		text = optarg;
	}
	mode = need_mode(text);
	if (optind == argc)
		die(EXIT_USAGE,
		    "exec needs a command: vsockns exec --mode local|global -- CMD [ARGUMENT...]");
	need_feature();
	/* Test the permission: enter_new_space() leaves this namespace again. */
	if (unshare(CLONE_NEWNET) && errno == EPERM)
		become_root_of_user_space();
	enter_new_space(mode);
	execvp(argv[optind], argv + optind);
	failure_status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
	die(failure_status, "cannot run %s: %m", argv[optind]);
}
