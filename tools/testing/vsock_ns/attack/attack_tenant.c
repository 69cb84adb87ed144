// SPDX-License-Identifier: GPL-2.0
/*
 * A tenant is root in its own user namespace, with a local network namespace.
 * Each row of the table is an attempt to escape, with the expected error. The
 * tenant has inherited file descriptors from root, more than it should have.
 *
 *	init: listeners, a connection, a VM	L0: likewise
 *	  tenant (an unprivileged user outside)
 *	    user namespace, network namespace: local
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/sockios.h>

#include "fixture.h"

#define ANY VMADDR_CID_ANY
#define LO VMADDR_CID_LOCAL
#define HOST VMADDR_CID_HOST

#define CANNOT_PREPARE 200
#define SUCCEEDED 0

/**
 * struct prey - targets of the tenant
 * @ns: foreign namespaces
 * @sysctl: child_ns_mode of init, opened for writing by root
 * @pair: a connection in init
 * @listener: stream and seqpacket listeners, in init and in L0
 * @vm: a VM in init, with CID
 * @root: a process of root
 */
struct prey {
	int ns[NS_COUNT];
	int sysctl;
	struct pair pair;
	int listener[4];
	int vm;
	pid_t root;
};

static int user_root(void *unused)
{
	(void)unused;
	return become_root_of_a_user_namespace(CLONE_NEWNET) ? 1 : 0;
}

/* for the attack functions */
static const struct prey *prey;

FIXTURE(attack_tenant)
{
	struct prey prey;
};

/* Returns the errno of the attempt as exit status. */
typedef int (*attack_fn)(void);

FIXTURE_VARIANT(attack_tenant)
{
	attack_fn attack;
	int expected;
	int or_else;
};

#define ATTACK_OR(name, errno1, errno2)					\
	static int name(void);			\
	FIXTURE_VARIANT_ADD(attack_tenant, name)			\
	{								\
		.attack = name, .expected = errno1, .or_else = errno2,	\
	};								\
	static int name(void)

#define ATTACK(name, error) ATTACK_OR(name, error, error)

static int error_of(long result)
{
	return result < 0 ? errno : SUCCEEDED;
}

static int connects(int type, unsigned int cid, unsigned int port)
{
	int sock = connect_in(ns_here(), type, cid, port);

	return sock < 0 ? -sock : SUCCEEDED;
}

/* ---- attempts by namespaces ---- */

ATTACK(enters_init_by_a_descriptor, EPERM)
{
	return -ns_enter(prey->ns[INIT]);
}

ATTACK(enters_another_tenants_namespace_by_a_descriptor, EPERM)
{
	return -ns_enter(prey->ns[L0]);
}

ATTACK(opens_the_namespace_of_roots_process, EACCES)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", prey->root);
	return error_of(open(path, O_RDONLY));
}

ATTACK(asks_a_socket_of_init_for_its_namespace, EPERM)
{
	return error_of(ioctl(prey->pair.client, SIOCGSKNS));
}

ATTACK(makes_a_namespace_that_is_global, EPERM)
{
	return -choose_for_children(ns_here(), GLOBAL);
}

ATTACK(makes_a_user_namespace_inside_that_is_global, EPERM)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return CANNOT_PREPARE;
	return -choose_for_children(ns_here(), GLOBAL);
}

ATTACK(writes_inits_choice_by_a_descriptor, EPERM)
{
	return error_of(write(prey->sysctl, "local", 5));
}

ATTACK(writes_its_own_mode, EACCES)
{
	return error_of(open("/proc/sys/net/vsock/ns_mode", O_WRONLY));
}

/* ---- attempts by processes and modules ---- */

ATTACK(takes_a_descriptor_from_roots_process, EPERM)
{
	int process = syscall(SYS_pidfd_open, prey->root, 0);

	if (process < 0)
		return CANNOT_PREPARE;
	return error_of(syscall(SYS_pidfd_getfd, process, prey->vm, 0));
}

ATTACK(reads_which_vm_roots_process_has, EACCES)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", prey->root, prey->vm);
	return error_of(open(path, O_RDONLY));
}

/* ENOSYS: a kernel without module support. */
ATTACK_OR(unloads_the_module, EPERM, ENOSYS)
{
	return -module_try_unload("vsock");
}

ATTACK_OR(loads_a_module, EPERM, ENOSYS)
{
	return error_of(syscall(SYS_init_module, "", 0, "child_ns_mode=global"));
}

/* ---- attempts by sockets ---- */

ATTACK(connects_to_a_listener_of_init, ECONNRESET)
{
	return connects(SOCK_STREAM, LO, PORT);
}

ATTACK(connects_to_a_seqpacket_listener_of_init, ECONNRESET)
{
	return connects(SOCK_SEQPACKET, LO, PORT + 1);
}

ATTACK_OR(connects_to_the_host, ECONNRESET, ENETUNREACH)
{
	return connects(SOCK_STREAM, HOST, PORT);
}

ATTACK(connects_to_a_listener_of_another_tenant, ECONNRESET)
{
	return connects(SOCK_STREAM, LO, PORT + 2);
}

ATTACK(connects_to_a_vm_of_init, ENODEV)
{
	return connects(SOCK_STREAM, CID, PORT);
}

ATTACK(connects_to_any_cid, ENODEV)
{
	return connects(SOCK_STREAM, ANY, PORT);
}

ATTACK(connects_to_the_hypervisor, ENODEV)
{
	return connects(SOCK_STREAM, VMADDR_CID_HYPERVISOR, PORT);
}

ATTACK(connects_from_the_port_of_inits_connection, ECONNRESET)
{
	int sock = sock_in(ns_here(), SOCK_STREAM);

	if (bind_to(sock, ANY, port_of(prey->pair.client)))
		return CANNOT_PREPARE;
	return -connect_to(sock, LO, PORT);
}

ATTACK(connects_to_the_port_of_inits_client, ECONNRESET)
{
	return connects(SOCK_STREAM, LO, port_of(prey->pair.client));
}

ATTACK(binds_the_cid_of_inits_vm, EADDRNOTAVAIL)
{
	return -bind_in(ns_here(), CID, PORT);
}

/* ---- attempts by BPF programs and maps that redirect between sockets ---- */

static int bpf(int command, union bpf_attr *attr)
{
	int err = error_of(syscall(SYS_bpf, command, attr, sizeof(*attr)));

	/* A kernel without BPF refuses it to all tasks. */
	return err == ENOSYS ? EPERM : err;
}

ATTACK(makes_a_sockmap, EPERM)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_SOCKMAP,
		.key_size = sizeof(int), .value_size = sizeof(int), .max_entries = 2,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

static int load(int type)
{
	/* r0 = 1; exit */
	static const struct bpf_insn program[] = {
		{ .code = 0xb7, .imm = 1 }, { .code = 0x95 },
	};
	union bpf_attr attr = {
		.prog_type = type,
		.insns = (uintptr_t)program, .insn_cnt = ARRAY_SIZE(program),
		.license = (uintptr_t)"GPL",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

ATTACK(loads_a_program_that_redirects, EPERM)
{
	return load(BPF_PROG_TYPE_SK_SKB);
}

ATTACK(loads_a_program_that_sees_connections, EPERM)
{
	return load(BPF_PROG_TYPE_SOCK_OPS);
}

/* ---- the tests ---- */

FIXTURE_SETUP(attack_tenant)
{
	struct prey *own = &self->prey;
	int i;

	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	SKIP_IF(in_a_child(user_root, NULL) ? "users may not create user namespaces here" : NULL);
	own->root = getpid();
	ASSERT_EQ(0, ns_make(own->ns));
	ASSERT_EQ(0, pair_in(&own->pair, own->ns[INIT], SOCK_STREAM, LO));
	for (i = 0; i < 4; i++) {
		own->listener[i] = listen_in(own->ns[i < 2 ? INIT : L0],
					     i % 2 ? SOCK_SEQPACKET : SOCK_STREAM, ANY, PORT + i);
		ASSERT_LE(0, own->listener[i]);
	}
	own->vm = vm_with_cid(own->ns[INIT], CID);
	ASSERT_LE(0, own->vm);
	own->sysctl = sysctl_open(own->ns[INIT], "child_ns_mode", O_WRONLY);
	ASSERT_LE(0, own->sysctl);
}

NO_TEARDOWN(attack_tenant)

static int tenant(void *arg)
{
	const attack_fn *attack = arg;

	if (become_root_of_a_user_namespace(CLONE_NEWNET) ||
	    choose_for_children(ns_here(), LOCAL) || unshare(CLONE_NEWNET) ||
	    mode_of(ns_here()) != LOCAL)
		return CANNOT_PREPARE;
	return (*attack)();
}

TEST_F(attack_tenant, is_refused_and_nobody_harmed)
{
	attack_fn attack = variant->attack;
	int status, i;

	prey = &self->prey;
	status = in_a_child(tenant, &attack);
	if (status != variant->or_else)
		EXPECT_EQ(variant->expected, status);
	for (i = 0; i < 4; i++)
		EXPECT_TRUE(quiet(self->prey.listener[i]));
	EXPECT_EQ(0, talk(self->prey.pair.client, self->prey.pair.server));
	EXPECT_EQ(GLOBAL, child_mode_of(self->prey.ns[INIT]));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->prey.ns[INIT], CID));
}

TEST_HARNESS_MAIN
