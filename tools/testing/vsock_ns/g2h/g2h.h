/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest-to-host transport, its assignment, and the services of g2h_host
 */
#ifndef VSOCK_NS_G2H_H
#define VSOCK_NS_G2H_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include "vsock_ns_util.h"

#ifndef IOCTL_VM_SOCKETS_ASSIGN_G2H_NETNS
#define IOCTL_VM_SOCKETS_ASSIGN_G2H_NETNS _IO(7, 0xba)
#endif

/* Ports of g2h_host. Seqpacket services have the next number. */
#define ECHO_PORT 0x67320000	/* returns what it receives */
#define CALL_PORT 0x67320002	/* struct callback -> connects there and echoes; returns an errno */
#define LIVE_PORT 0x67320004	/* returns the number of ECHO connections that have not ended */
#define IDLE_PORT 0x67320006	/* does not read, and closes after a minute */
#define MOVE_PORT 0x67320008	/* has the client's VM migrated to another CID */

/**
 * struct callback - a request to g2h_host to connect to its client
 * @port: port at the CID of the client
 * @type: SOCK_STREAM or SOCK_SEQPACKET
 */
struct callback {
	unsigned int port;
	int type;
};

static inline int dev_vsock_in(int ns)
{
	int here = ns_here(), dev = -1;

	if (!ns_enter(ns))
		dev = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
	if (ns_enter(here))
		dev = -1;
	close(here);
	return dev;
}

static inline int assign_by(int dev)
{
	return ioctl(dev, IOCTL_VM_SOCKETS_ASSIGN_G2H_NETNS) ? -errno : 0;
}

static inline int assign_to(int ns)
{
	int dev = dev_vsock_in(ns), err = assign_by(dev);

	close(dev);
	return err;
}

static inline unsigned int local_cid_by(int dev)
{
	unsigned int cid = 0;

	return ioctl(dev, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) ? 0 : cid;
}

static inline unsigned int local_cid_in(int ns)
{
	int dev = dev_vsock_in(ns);
	unsigned int cid = local_cid_by(dev);

	close(dev);
	return cid;
}

/* Wait for up to @seconds until @ns has @cid (or not: @is). Return false if it takes longer. */
static inline bool wait_for_cid(int ns, unsigned int cid, bool is, int seconds)
{
	int tries = seconds * 10;

	while ((local_cid_in(ns) == cid) != is && --tries)
		usleep(100000);
	return tries > 0;
}

#endif
