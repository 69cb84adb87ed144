// SPDX-License-Identifier: GPL-2.0
/*
 * Probing. A tenant that tries everything that the kernel lets it ask sees no
 * difference between an idle scope and a busy one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fixture.h"

#define ANY VMADDR_CID_ANY
#define LO VMADDR_CID_LOCAL

/* Activity of the busy scope: more ports than a prober would try. */
#define BUSY 200

FIXTURE(attack_probe)
{
	int ns[NS_COUNT];
	int prober;
	int victim;
};

FIXTURE_VARIANT(attack_probe)
{
	int prober;
	int victim;
};

#define PROBE(name, a, b)						\
	FIXTURE_VARIANT_ADD(attack_probe, name)				\
	{								\
		.prober = a, .victim = b,				\
	}

PROBE(of_init_by_a_tenant, L0, INIT);
PROBE(of_a_global_namespace_by_a_tenant, L0, G0);
PROBE(of_a_tenant_by_another, L0, L1);
PROBE(of_a_tenant_by_init, INIT, L0);
PROBE(of_a_tenant_by_a_global_namespace, G0, L0);

FIXTURE_SETUP(attack_probe)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	self->prober = self->ns[variant->prober];
	self->victim = self->ns[variant->victim];
}

NO_TEARDOWN(attack_probe)

/* ---- visible state ---- */

static long long next_port(int ns)
{
	int sock = bind_in(ns, ANY, VMADDR_PORT_ANY);
	long long port = sock < 0 ? sock : port_of(sock);

	close(sock);
	return port;
}

static int closed(int fd)
{
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int local_cid(int ns)
{
	int here = ns_here(), cid = -1, dev;

	if (ns_enter(ns))
		abort();
	dev = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
	if (ioctl(dev, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid))
		cid = -errno;
	close(dev);
	if (ns_enter(here))
		abort();
	close(here);
	return cid;
}

/* Read the AF_VSOCK line of /proc/net/protocols, which counts sockets. */
static int protocol_line(int ns, char *line, size_t size)
{
	int here = ns_here(), found = 0;
	FILE *file;

	if (ns_enter(ns))
		abort();
	file = fopen("/proc/thread-self/net/protocols", "re");
	while (file && !found && fgets(line, size, file))
		found = !strncmp(line, "AF_VSOCK", 8);
	if (file)
		fclose(file);
	if (ns_enter(here))
		abort();
	close(here);
	return found ? 0 : -ENOENT;
}

/**
 * struct sight - everything a tenant can learn by trying
 * @connect: errno of connecting to a port, by stream and by seqpacket
 * @vm: the same for connecting to a CID
 * @bind: errno of binding a port, and a CID
 * @vm_cid: errno of assigning the CID to a VM
 * @local_cid: the CID that /dev/vsock returns
 * @sysctl: the values of the two sysctls
 * @protocol: the line of /proc/net/protocols
 */
struct sight {
	int connect[2];
	int vm[2];
	int bind[3];
	int vm_cid;
	int local_cid;
	int sysctl[2];
	char protocol[256];
};

static void look(int ns, struct sight *sight)
{
	memset(sight, 0, sizeof(*sight));
	sight->connect[0] = closed(connect_in(ns, SOCK_STREAM, LO, PORT));
	sight->connect[1] = closed(connect_in(ns, SOCK_SEQPACKET, LO, PORT));
	sight->vm[0] = closed(connect_in(ns, SOCK_STREAM, CID, PORT));
	sight->vm[1] = closed(connect_in(ns, SOCK_SEQPACKET, CID, PORT));
	sight->bind[0] = closed(bind_in(ns, ANY, PORT));
	sight->bind[1] = closed(bind_in(ns, LO, PORT));
	sight->bind[2] = closed(bind_in(ns, CID, PORT));
	sight->vm_cid = closed(vm_with_cid(ns, CID));
	sight->local_cid = local_cid(ns);
	sight->sysctl[0] = mode_of(ns);
	sight->sysctl[1] = child_mode_of(ns);
	if (protocol_line(ns, sight->protocol, sizeof(sight->protocol)))
		snprintf(sight->protocol, sizeof(sight->protocol), "none");
}

/* Listen, connect, create a VM and bind many ports, including the ones after @port. */
static int be_busy(int ns, long long port)
{
	struct pair pair;
	int i;

	if (vm_with_cid(ns, CID) < 0 || pair_in(&pair, ns, SOCK_STREAM, LO))
		return -EINVAL;
	if (listen_in(ns, SOCK_STREAM, ANY, PORT) < 0)
		return -EADDRINUSE;
	for (i = 0; i < BUSY; i++)
		if (bind_in(ns, ANY, VMADDR_PORT_ANY) < 0)
			return -EADDRNOTAVAIL;
	/* May collide with a port bound above. */
	for (i = 0; i < BUSY; i++)
		bind_in(ns, ANY, port + i);
	return 0;
}

/* ---- tests ---- */

TEST_F(attack_probe, shows_the_same_of_a_busy_scope_as_of_an_idle_one)
{
	struct sight idle, busy;

	look(self->prober, &idle);
	ASSERT_EQ(0, be_busy(self->victim, next_port(self->prober) + 1));
	look(self->prober, &busy);
	EXPECT_EQ(idle.connect[0], busy.connect[0]);
	EXPECT_EQ(idle.connect[1], busy.connect[1]);
	EXPECT_EQ(idle.vm[0], busy.vm[0]);
	EXPECT_EQ(idle.vm[1], busy.vm[1]);
	EXPECT_EQ(0, busy.bind[0]);
	EXPECT_EQ(0, busy.bind[1]);
	EXPECT_EQ(-EADDRNOTAVAIL, busy.bind[2]);
	EXPECT_EQ(0, busy.vm_cid);
	EXPECT_EQ(idle.local_cid, busy.local_cid);
	EXPECT_EQ(idle.sysctl[0], busy.sysctl[0]);
	EXPECT_EQ(idle.sysctl[1], busy.sysctl[1]);
	EXPECT_STREQ(idle.protocol, busy.protocol);
}

TEST_F(attack_probe, by_ports_that_are_given_shows_its_own_count_alone)
{
	long long first = next_port(self->prober);
	int i;

	ASSERT_LE(1024, first);
	for (i = 1; i <= 20; i++) {
		EXPECT_LE(0, bind_in(self->victim, ANY, VMADDR_PORT_ANY));
		EXPECT_LE(0, bind_in(self->victim, ANY, first + i));
		EXPECT_EQ(first + i, next_port(self->prober));
	}
}

TEST_F(attack_probe, by_ports_that_are_given_does_not_tell_where_another_starts)
{
	long long a = next_port(self->prober), b = next_port(self->victim);

	ASSERT_LE(1024, a);
	ASSERT_LE(1024, b);
	EXPECT_LT(1000, a > b ? a - b : b - a);
}

TEST_HARNESS_MAIN
