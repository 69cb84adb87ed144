// SPDX-License-Identifier: GPL-2.0
/*
 * Stands in for qemu-system-x86_64 in tests that need only its CID: opens the device
 * and holds the CID of its argument vhost-vsock-pci,guest-cid=N until it is killed.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vhost.h>

#define OPTION "vhost-vsock-pci,guest-cid="

int main(int argc, char **argv)
{
	uint64_t cid = 0;
	int vm, i;

	for (i = 1; i < argc; i++)
		if (!strncmp(argv[i], OPTION, strlen(OPTION)))
			cid = strtoull(argv[i] + strlen(OPTION), NULL, 10);
	vm = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
	if (vm < 0 || ioctl(vm, VHOST_VSOCK_SET_GUEST_CID, &cid)) {
		perror("vhost-vsock");
		return 1;
	}
	for (;;)
		pause();
}
