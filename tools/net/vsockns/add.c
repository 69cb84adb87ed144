// SPDX-License-Identifier: GPL-2.0
/*
 * vsockns add: a namespace with a name, as "ip netns add" makes it, and with a mode.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vsockns.h"

static void check_name(const char *name)
{
	if (!*name)
		die(EXIT_USAGE, "the name of a namespace cannot be empty");
	if (leaves_directory(name))
		die(EXIT_USAGE, "'%s' is no name of a namespace: it becomes a file in %s", name,
		    NETNS_DIR);
	if (strlen(name) > NAME_MAX)
		die(EXIT_USAGE, "the name of a namespace has at most %d bytes", NAME_MAX);
}

/*
 * As in iproute2: mounts of names propagate to all mount namespaces. Otherwise a copy
 * of the mount in another one would keep a namespace whose name is deleted.
 */
static void share_directory(void)
{
	if (mkdir(NETNS_DIR, 0755) && errno != EEXIST)
		die(status_of(errno), "cannot create %s: %m", NETNS_DIR);
	if (!mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL))
		return;
	if (errno != EINVAL)
		die(status_of(errno), "cannot make %s a shared mount: %m", NETNS_DIR);
	if (mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL) ||
	    mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL))
		die(status_of(errno), "cannot make %s a shared mount: %m", NETNS_DIR);
}

/* A signal between the two steps would leave a file that is no namespace. */
static void bind_name(const char *path)
{
	int fd, error;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	if (fd < 0)
		die(status_of(errno), "cannot create %s: %m", path);
	close(fd);
	if (!mount("/proc/self/ns/net", path, "none", MS_BIND, NULL))
		return;
	error = errno;
	unlink(path);
	die(status_of(error), "cannot mount the namespace at %s: %s", path, strerror(error));
}

int cmd_add(int argc, char **argv)
{
	static const struct option options[] = { { "mode", required_argument, NULL, 'm' }, { 0 } };
	const char *text = NULL;
	enum mode mode;
	char *path;
	int opt;

	while ((opt = getopt_long(argc, argv, ":m:", options, NULL)) != -1) {
		if (opt != 'm')
			bad_option(argv, opt);
		text = optarg;
	}
	if (optind + 1 != argc)
		die(EXIT_USAGE, "add needs one NAME: vsockns add NAME --mode local|global");
	check_name(argv[optind]);
	mode = need_mode(text);
	path = format_text("%s/%s", NETNS_DIR, argv[optind]);
	if (!faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW))
		die(EXIT_EXISTS, "%s exists already: choose another name, or run ip netns del %s",
		    path, argv[optind]);
	need_feature();

	/* Until bind_name() nothing has a name, so a failure leaves nothing. */
	enter_new_space(mode);
	share_directory();
	bind_name(path);
	return EXIT_OK;
}
