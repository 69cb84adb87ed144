// SPDX-License-Identifier: GPL-2.0
/*
 * A scan: first the caller's own namespace, then mounts, then processes,
 * then all that the kernel lists.
 *
 * Each namespace is entered once, by a thread, which may lack the right to return:
 * root in a user namespace may enter the network namespaces that this one owns, but
 * not the network namespace of its own process. The main thread stays there.
 */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "vsockns.h"

static void *run_scan(void *unused)
{
	static const char *const own = "/proc/self/ns/net";
	struct stat st;

	(void)unused;
	if (stat(own, &st) || !space_open(AT_FDCWD, own, st.st_ino))
		die(EXIT_FAILED, "cannot open %s: %m: is /proc mounted?", own);
	scan_mounts();
	scan_processes();
	scan_listns();
	return NULL;
}

const struct scan *scan_all(void)
{
	pthread_t thread;
	int error;

	progress_begin();
	error = pthread_create(&thread, NULL, run_scan, NULL);
	if (error)
		die(EXIT_FAILED, "cannot create a thread: %s", strerror(error));
	pthread_join(thread, NULL);
	progress_end();
	return &found;
}
