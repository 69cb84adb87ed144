// SPDX-License-Identifier: GPL-2.0
/*
 * Passed file descriptors. A socket or a VM acts in the scope where it was
 * created, also when a task of another scope uses it. So a tenant can neither
 * make a daemon of the host act in the host's scope, nor act there with a
 * descriptor it received.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vhost.h>

#include "fixture.h"

#define ANY VMADDR_CID_ANY
#define LO VMADDR_CID_LOCAL

FIXTURE(attack_fds)
{
	int ns[NS_COUNT];
	int home;
	int away;
};

FIXTURE_VARIANT(attack_fds)
{
	int home;
	int away;
};

#define HANDED(name, a, b)						\
	FIXTURE_VARIANT_ADD(attack_fds, name)				\
	{								\
		.home = a, .away = b,					\
	}

HANDED(from_a_tenant_to_init, L0, INIT);
HANDED(from_init_to_a_tenant, INIT, L0);
HANDED(from_a_tenant_to_a_global_namespace, L0, G0);
HANDED(from_a_global_namespace_to_a_tenant, G0, L0);
HANDED(from_a_tenant_to_another, L0, L1);

FIXTURE_SETUP(attack_fds)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	self->home = self->ns[variant->home];
	self->away = self->ns[variant->away];
}

NO_TEARDOWN(attack_fds)

/* ---- the user: a task in *away that receives a descriptor in a message ---- */

struct hands {
	int away;
	int channel;
	int (*use)(int fd);
};

static int receiver(void *arg)
{
	const struct hands *hands = arg;
	int fd;

	if (ns_enter(hands->away))
		return 200;
	fd = receive_fd(hands->channel);
	return fd < 0 ? 201 : -hands->use(fd);
}

/* Returns the negative errno of @use in namespace @away. */
static int used_by(int away, int fd, int (*use)(int fd))
{
	struct hands hands = { .away = away, .use = use };
	int channel[2], err;
	pid_t pid;

	if (fd < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, channel))
		return -EBADF;
	hands.channel = channel[1];
	pid = start(receiver, &hands);
	err = send_fd(channel[0], fd);
	close(channel[0]);
	close(channel[1]);
	return err ? : -finish(pid);
}

static int connects(int sock)
{
	return connect_to(sock, LO, PORT);
}

static int connects_to_the_vm(int sock)
{
	return connect_to(sock, CID, PORT);
}

static int listens(int sock)
{
	return listen_on(sock, ANY, PORT);
}

static int binds_any(int sock)
{
	return bind_to(sock, ANY, VMADDR_PORT_ANY);
}

static int sets_cid(int vm)
{
	return vm_set_cid(vm, CID);
}

static int connects_in_vain_and_again(int sock)
{
	int err = connect_to(sock, LO, PORT + 1);

	return err == -ECONNRESET ? connect_to(sock, LO, PORT) : -EPROTO;
}

/* ---- tests ---- */

TEST_F(attack_fds, socket_does_not_connect_there)
{
	int there = listen_in(self->away, SOCK_STREAM, ANY, PORT);

	EXPECT_EQ(-ECONNRESET, used_by(self->away, sock_in(self->home, SOCK_STREAM), connects));
	EXPECT_EQ(-ECONNRESET, used_by(self->away, sock_in(self->home, SOCK_SEQPACKET), connects));
	EXPECT_TRUE(quiet(there));
}

TEST_F(attack_fds, socket_that_failed_at_home_does_not_connect_there_either)
{
	int there = listen_in(self->away, SOCK_STREAM, ANY, PORT);

	EXPECT_EQ(-ECONNRESET, used_by(self->away, sock_in(self->home, SOCK_STREAM),
				       connects_in_vain_and_again));
	EXPECT_TRUE(quiet(there));
}

TEST_F(attack_fds, socket_does_not_reach_a_vm_there)
{
	ASSERT_LE(0, vm_with_cid(self->away, CID));
	EXPECT_EQ(-ENODEV, used_by(self->away, sock_in(self->home, SOCK_STREAM),
				   connects_to_the_vm));
}

TEST_F(attack_fds, socket_does_not_listen_there)
{
	int sock = sock_in(self->home, SOCK_STREAM);

	ASSERT_EQ(0, used_by(self->away, sock, listens));
	EXPECT_EQ(-ECONNRESET, connect_in(self->away, SOCK_STREAM, LO, PORT));
	EXPECT_TRUE(quiet(sock));
	EXPECT_LE(0, listen_in(self->away, SOCK_STREAM, ANY, PORT));
	EXPECT_LE(0, connect_in(self->home, SOCK_STREAM, LO, PORT));
}

TEST_F(attack_fds, socket_does_not_take_a_port_there)
{
	int at_home = bind_in(self->home, ANY, VMADDR_PORT_ANY);
	int there = bind_in(self->away, ANY, VMADDR_PORT_ANY);
	long long next = port_of(there) + 1;
	int sock = sock_in(self->home, SOCK_STREAM);

	ASSERT_EQ(0, used_by(self->away, sock, binds_any));
	EXPECT_EQ(port_of(at_home) + 1, port_of(sock));
	EXPECT_EQ(next, port_of(bind_in(self->away, ANY, VMADDR_PORT_ANY)));
}

TEST_F(attack_fds, vm_does_not_appear_there)
{
	int vm = vm_in(self->home);

	ASSERT_EQ(0, used_by(self->away, vm, sets_cid));
	EXPECT_EQ(-ENODEV, connect_in(self->away, SOCK_STREAM, CID, PORT));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->home, CID));
	EXPECT_LE(0, vm_with_cid(self->away, CID));
}

TEST_F(attack_fds, accepted_socket_gives_no_further_reach)
{
	int there = listen_in(self->away, SOCK_STREAM, ANY, PORT);
	struct pair pair;

	ASSERT_EQ(0, pair_in(&pair, self->home, SOCK_STREAM, LO));
	EXPECT_EQ(-EISCONN, used_by(self->away, pair.server, connects));
	EXPECT_EQ(-EISCONN, used_by(self->away, pair.client, connects));
	EXPECT_TRUE(quiet(there));
	EXPECT_EQ(0, talk(pair.client, pair.server));
}

TEST_HARNESS_MAIN
