// SPDX-License-Identifier: GPL-2.0
/*
 * Modes: their names, their files, and new namespaces with a given mode.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vsockns.h"

const char *mode_name(enum mode mode)
{
	static const char *const names[] = {
		[MODE_UNKNOWN] = "?",
		[MODE_NONE] = "none",
		[MODE_GLOBAL] = "global",
		[MODE_LOCAL] = "local",
	};

	return names[mode];
}

bool parse_mode(const char *text, enum mode *mode)
{
	*mode = !strcmp(text, "local") ? MODE_LOCAL : MODE_GLOBAL;
	return !strcmp(text, mode_name(*mode));
}

/* Reads a mode of the namespace that the calling thread is in. */
enum mode read_mode(const char *path)
{
	char text[16];
	enum mode mode;

	if (!read_line(path, text, sizeof(text)))
		return errno == ENOENT ? MODE_NONE : MODE_UNKNOWN;
	return parse_mode(text, &mode) ? mode : MODE_UNKNOWN;
}

/*
 * The kernel does not tell whether child_ns_mode was written. It certainly was if
 * the value differs from the namespace's own mode, which it starts as.
 */
bool children_chosen(const struct space *space)
{
	return space->mode == MODE_GLOBAL && space->children == MODE_LOCAL;
}

void need_feature(void)
{
	if (!access(NS_MODE_FILE, F_OK))
		return;
	if (access("/sys/module/vsock", F_OK))
		die(EXIT_NO_FEATURE, "no %s: the module vsock is not loaded: run modprobe vsock",
		    NS_MODE_FILE);
	die(EXIT_NO_FEATURE,
	    "no %s: the vsock of this kernel has no network namespaces: see vsockns check",
	    NS_MODE_FILE);
}

static void new_space(void)
{
	if (!unshare(CLONE_NEWNET))
		return;
	if (errno == EPERM)
		die(EXIT_NOT_PERMITTED,
		    "cannot create a network namespace: root (CAP_SYS_ADMIN) is required");
	die(EXIT_FAILED, "cannot create a network namespace: %m");
}

static void choose_for_children(enum mode mode)
{
	const char *text = mode_name(mode);
	int fd = open(CHILD_MODE_FILE, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) >= 0) {
		close(fd);
		return;
	}
	if (errno == EPERM && mode == MODE_GLOBAL)
		die(EXIT_NOT_PERMITTED,
		    "cannot create a global namespace here: child_ns_mode is local for good");
	die(status_of(errno), "cannot write %s to %s: %m", text, CHILD_MODE_FILE);
}

/*
 * Moves the caller to a new namespace of this mode. If namespaces created here get
 * the other mode, the choice is made in a namespace between, which ends as its only
 * task leaves it. So no choice is made in the caller's own namespace.
 */
void enter_new_space(enum mode mode)
{
	new_space();
	if (read_mode(NS_MODE_FILE) == mode)
		return;
	choose_for_children(mode);
	new_space();
	if (read_mode(NS_MODE_FILE) != mode)
		die(EXIT_FAILED, "the new namespace is not %s: was vsock unloaded meanwhile?",
		    mode_name(mode));
}
