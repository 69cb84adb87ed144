// SPDX-License-Identifier: GPL-2.0
/*
 * claim_cid CID - claim a CID as QEMU does, without a virtual machine
 *
 * Opens /dev/vhost-vsock and sets the guest CID, as QEMU does first for a VM with
 * a vsock device. No guest runs, but the CID is in use, in the network namespace in
 * which this program opened the device. Prints the result and holds the CID until
 * its standard input ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vhost.h>

#define DEVICE "/dev/vhost-vsock"

static void die(const char *what)
{
	fprintf(stderr, "claim_cid: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void wait_for_end_of_input(void)
{
	char junk[64];
	ssize_t n;

	do {
		n = read(STDIN_FILENO, junk, sizeof(junk));
	} while (n > 0 || (n < 0 && errno == EINTR));
}

int main(int argc, char **argv)
{
	unsigned long long number;
	char *end, what[64];
	uint64_t cid;
	int vm;

	if (argc != 2 || argv[1][0] < '0' || argv[1][0] > '9') {
		fprintf(stderr, "usage: claim_cid CID\n");
		return 2;
	}
	errno = 0;
	number = strtoull(argv[1], &end, 0);
	if (*end)
		errno = EINVAL;
	if (errno)
		die(argv[1]);
	cid = number;
	snprintf(what, sizeof(what), "CID %llu", number);

	vm = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (vm < 0)
		die(DEVICE);
	if (ioctl(vm, VHOST_VSOCK_SET_GUEST_CID, &cid))
		die(what);
	printf("%s is ours\n", what);
	fflush(stdout);
	wait_for_end_of_input();
	return 0;
}
