// SPDX-License-Identifier: GPL-2.0
/*
 * vsockns g2h: the namespace that the guest-to-host transport serves.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

#include "vsockns.h"

#ifndef IOCTL_VM_SOCKETS_ASSIGN_G2H_NETNS
#define IOCTL_VM_SOCKETS_ASSIGN_G2H_NETNS _IO(7, 0xba)
#endif

/*
 * The CID of this machine as a guest in the namespace that the calling thread is
 * in; 0 if it is none there.
 */
unsigned int guest_cid(void)
{
	unsigned int cid = 0;
	int dev = open("/dev/vsock", O_RDONLY | O_CLOEXEC);

	if (dev < 0)
		return 0;
	if (ioctl(dev, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) || cid <= VMADDR_CID_HOST ||
	    cid == VMADDR_CID_ANY)
		cid = 0;
	close(dev);
	return cid;
}

static int show(void)
{
	const struct space *space;

	scan_all();
	for (space = found.spaces; space && !space->guest_cid; space = space->next)
		;
	if (!space)
		printf("no namespace that you can see has a guest-to-host transport\n");
	else if (space->mode == MODE_GLOBAL)
		printf("CID %u: shared by all global namespaces\n", space->guest_cid);
	else
		printf("CID %u: %s, inode %lu\n", space->guest_cid, space_name(space),
		       (unsigned long)space->inode);
	warn_unseen();
	return finish(EXIT_OK);
}

static void enter_named(const char *name)
{
	char *path;
	int fd;

	if (!*name || leaves_directory(name))
		die(EXIT_USAGE, "'%s' cannot be the name of a namespace", name);
	path = format_text("%s/%s", NETNS_DIR, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(status_of(errno), "cannot open %s: %m", path);
	if (setns(fd, CLONE_NEWNET))
		die(status_of(errno), "cannot enter %s: %m", path);
	close(fd);
}

/* The kernel assigns to the namespace in which the file was opened. */
static int assign(void)
{
	int dev = open("/dev/vsock", O_RDONLY | O_CLOEXEC);

	if (dev < 0)
		die(status_of(errno), "cannot open /dev/vsock: %m");
	if (!ioctl(dev, IOCTL_VM_SOCKETS_ASSIGN_G2H_NETNS)) {
		close(dev);
		return finish(EXIT_OK);
	}
	switch (errno) {
	case EPERM:
		die(EXIT_NOT_PERMITTED,
		    "cannot assign the transport: CAP_NET_ADMIN in the initial user namespace is required");
	case ENODEV:
		die(EXIT_FAILED, "no guest-to-host transport is loaded: is this machine a guest?");
	case ENOTTY:
		die(EXIT_NO_FEATURE, "the vsock of this kernel cannot assign the transport");
	default:
		die(EXIT_FAILED, "cannot assign the transport: %m");
	}
}

int cmd_g2h(int argc, char **argv)
{
	static const struct option options[] = { { "shared", no_argument, NULL, 's' }, { 0 } };
	bool shared = one_flag(argc, argv, ":s", options);

	if (argc - optind > !shared)
		die(EXIT_USAGE, "g2h takes a name or --shared: vsockns g2h [NAME|--shared]");
	need_feature();
	if (!shared && optind == argc)
		return show();
	if (!shared)
		enter_named(argv[optind]);
	else if (read_mode(NS_MODE_FILE) != MODE_GLOBAL)
		die(EXIT_FAILED, "this namespace is local: run vsockns g2h --shared in a global one");
	return assign();
}
