// SPDX-License-Identifier: GPL-2.0
/*
 * A receiver in a sockmap: a BPF program is run for each packet, which may sleep.
 * The sender must not run it in its own context, under a spinlock: the program
 * drops such packets. recv() does not keep the lock of the socket while it waits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#include <linux/bpf.h>

#include "fixture.h"
#include "vm_link.h"

#define ROUNDS 50
#define WINDOW 262144

/* A child that waits in recv() does so long before this. */
#define SOON_US 200000

static int bpf(int command, union bpf_attr *attr)
{
	int ret = syscall(SYS_bpf, command, attr, sizeof(*attr));

	return ret < 0 ? -errno : ret;
}

static int map_create(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = 4, .value_size = 4, .max_entries = 1,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

/* Load a program that passes a packet to its socket, unless this process runs it. */
static int program_load(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_current_pid_tgid },
		{ .code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = BPF_REG_0, .imm = 32 },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0, .off = 2,
		  .imm = getpid() },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = SK_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = SK_DROP },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SK_SKB, .insns = (unsigned long)code,
		.insn_cnt = sizeof(code) / sizeof(*code), .license = (unsigned long)"GPL",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

static int program_attach(int map, int program)
{
	union bpf_attr attr = {
		.target_fd = map, .attach_bpf_fd = program, .attach_type = BPF_SK_SKB_VERDICT,
	};

	return bpf(BPF_PROG_ATTACH, &attr);
}

static int map_insert(int map, int sock)
{
	unsigned int key = 0;
	union bpf_attr attr = {
		.map_fd = map, .key = (unsigned long)&key, .value = (unsigned long)&sock,
	};

	return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

static int map_delete(int map)
{
	unsigned int key = 0;
	union bpf_attr attr = { .map_fd = map, .key = (unsigned long)&key };

	return bpf(BPF_MAP_DELETE_ELEM, &attr);
}

FIXTURE(sockmap)
{
	struct pair pair;
	int map;
	int program;
};

FIXTURE_SETUP(sockmap)
{
	const struct timeval patience = { .tv_sec = VM_PATIENCE_MS / 1000 };
	int here = ns_here();

	SKIP_IF(cannot_run());
	self->map = map_create();
	self->program = program_load();
	if (self->map < 0 || self->program < 0)
		SKIP(return, "kernel without BPF sockmaps: %s",
		     strerror(-(self->map < 0 ? self->map : self->program)));
	ASSERT_EQ(0, program_attach(self->map, self->program));
	ASSERT_EQ(0, pair_in(&self->pair, here, SOCK_STREAM, VMADDR_CID_LOCAL));
	ASSERT_EQ(0, setsockopt(self->pair.client, SOL_SOCKET, SO_RCVTIMEO, &patience,
				sizeof(patience)));
	ASSERT_EQ(0, setsockopt(self->pair.server, SOL_SOCKET, SO_RCVTIMEO, &patience,
				sizeof(patience)));
	close(here);
}

NO_TEARDOWN(sockmap)

static int one_way(int from, int to, int n)
{
	unsigned char data[] = { n, n + 1, n + 2 }, got[4];
	ssize_t len;

	if (send(from, data, sizeof(data), 0) != sizeof(data))
		return -EIO;
	len = recv(to, got, sizeof(got), 0);
	if (len != sizeof(data))
		return len < 0 ? -errno : -ENODATA;
	return memcmp(data, got, sizeof(data)) ? -EBADMSG : 0;
}

TEST_F(sockmap, receivers_get_all_that_is_sent)
{
	int i;

	ASSERT_EQ(0, map_insert(self->map, self->pair.server));
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, one_way(self->pair.client, self->pair.server, i));
		ASSERT_EQ(0, one_way(self->pair.server, self->pair.client, i));
	}
}

TEST_F(sockmap, receivers_may_come_and_go)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, one_way(self->pair.client, self->pair.server, i));
		ASSERT_EQ(0, map_insert(self->map, self->pair.server));
		ASSERT_EQ(0, one_way(self->pair.client, self->pair.server, i));
		ASSERT_EQ(0, map_delete(self->map));
	}
}

/* A recv() that waits would loop in the kernel: mainline cannot be asked to. */
TEST_F(sockmap, recv_of_no_bytes_ends_and_takes_none)
{
	struct pollfd p = { .fd = self->pair.server, .events = POLLIN };
	char data[4];

	ASSERT_EQ(0, map_insert(self->map, self->pair.server));
	ASSERT_EQ(3, send(self->pair.client, "abc", 3, 0));
	ASSERT_EQ(1, poll(&p, 1, VM_PATIENCE_MS));
	EXPECT_EQ(0, recv(self->pair.server, data, 0, MSG_DONTWAIT));
	EXPECT_EQ(3, recv(self->pair.server, data, sizeof(data), 0));
}

/* ---- a child that waits in recv() ---- */

static int receive_a_byte(void *arg)
{
	char byte;

	return recv(*(int *)arg, &byte, 1, 0) != 1;
}

static int receive_the_end(void *arg)
{
	char byte;

	return recv(*(int *)arg, &byte, 1, 0) != 0;
}

/* Returns the child, which waits on a socket that is in the sockmap now. */
static pid_t start_to_wait(int map, int *sock, int (*wait)(void *))
{
	int err = map_insert(map, *sock);
	pid_t pid = err ? err : start(wait, sock);

	if (pid > 0)
		usleep(SOON_US);
	return pid;
}

TEST_F(sockmap, reader_that_waits_gets_data)
{
	pid_t pid = start_to_wait(self->map, &self->pair.server, receive_a_byte);

	ASSERT_LT(0, pid);
	ASSERT_EQ(1, send(self->pair.client, "x", 1, 0));
	EXPECT_EQ(0, finish(pid));
}

TEST_F(sockmap, reader_that_waits_gets_the_end)
{
	pid_t pid = start_to_wait(self->map, &self->pair.server, receive_the_end);

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, shutdown(self->pair.client, SHUT_WR));
	EXPECT_EQ(0, finish(pid));
}

TEST_F(sockmap, reader_that_waits_is_not_ended_by_credit)
{
	static char data[WINDOW];
	pid_t pid;

	ASSERT_EQ(WINDOW, send(self->pair.server, data, WINDOW, 0));
	pid = start_to_wait(self->map, &self->pair.server, receive_a_byte);
	ASSERT_LT(0, pid);
	ASSERT_EQ(WINDOW / 2, recv(self->pair.client, data, WINDOW / 2, MSG_WAITALL));
	usleep(SOON_US);
	ASSERT_EQ(1, send(self->pair.client, "x", 1, 0));
	EXPECT_EQ(0, finish(pid));
}

TEST_F(sockmap, reader_that_waits_lets_others_connect)
{
	pid_t pid = start_to_wait(self->map, &self->pair.server, receive_a_byte);
	int here = ns_here();
	struct pair pair;

	ASSERT_LT(0, pid);
	ASSERT_EQ(1, send(self->pair.client, "x", 1, 0));
	EXPECT_EQ(0, pair_in(&pair, here, SOCK_STREAM, VMADDR_CID_LOCAL));
	EXPECT_EQ(0, talk(pair.client, pair.server));
	EXPECT_EQ(0, finish(pid));
}

TEST_HARNESS_MAIN
