// SPDX-License-Identifier: GPL-2.0
/*
 * Holds new network namespaces as only some programs do. "holder thread": one that only
 * a thread is in. "holder fd": one that only a descriptor keeps; "holder sent": the
 * descriptor is in a message. "holder many N": N that descriptors keep, with an open
 * /dev/vhost-vsock in each, all with CID 3. "holder shared": one with a VM, CID 7, whose
 * device two processes hold. Prints the inode number of the (last) namespace, then waits
 * for a signal.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/vhost.h>

static int open_own(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err(1, "/proc/thread-self/ns/net");
	return fd;
}

static void print_inode(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		err(1, "fstat");
	printf("%lu\n", (unsigned long)st.st_ino);
	fflush(stdout);
}

static int new_space(void)
{
	if (unshare(CLONE_NEWNET))
		err(1, "unshare");
	return open_own();
}

static void *stay(void *unused)
{
	int fd = new_space();

	print_inode(fd);
	close(fd);
	pause();
	return unused;
}

/* The descriptor is in a message that nobody receives, so in no process. */
static void send_away(int fd)
{
	char byte = 0, room[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1,
				  .msg_control = room, .msg_controllen = sizeof(room) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	int pair[2];

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) || sendmsg(pair[0], &message, 0) != 1)
		err(1, "sendmsg");
	close(fd);
}

static void take_cid(uint64_t cid)
{
	int vm = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);

	if (vm < 0 || ioctl(vm, VHOST_SET_OWNER) || ioctl(vm, VHOST_VSOCK_SET_GUEST_CID, &cid))
		err(1, "/dev/vhost-vsock");
}

static void many(int count)
{
	struct rlimit files = { 4 * count + 64, 4 * count + 64 };
	int fd = -1;

	if (setrlimit(RLIMIT_NOFILE, &files))
		err(1, "setrlimit");
	while (count--) {
		fd = new_space();
		take_cid(3);
	}
	print_inode(fd);
}

int main(int argc, char **argv)
{
	int home = open_own(), fd;
	pthread_t thread;

	if (argc == 2 && !strcmp(argv[1], "thread")) {
		if (pthread_create(&thread, NULL, stay, NULL))
			errx(1, "pthread_create");
	} else if (argc == 2 && !strcmp(argv[1], "fd")) {
		fd = new_space();
		print_inode(fd);
	} else if (argc == 2 && !strcmp(argv[1], "sent")) {
		fd = new_space();
		print_inode(fd);
		send_away(fd);
	} else if (argc == 3 && !strcmp(argv[1], "many")) {
		many(atoi(argv[2]));
	} else if (argc == 2 && !strcmp(argv[1], "shared")) {
		fd = new_space();
		take_cid(7);
		if (!fork())
			prctl(PR_SET_PDEATHSIG, SIGKILL);
		else
			print_inode(fd);
	} else {
		errx(2, "usage: holder thread|fd|sent|shared|many N");
	}
	if (setns(home, CLONE_NEWNET))
		err(1, "setns");
	close(home);
	pause();
	return 0;
}
