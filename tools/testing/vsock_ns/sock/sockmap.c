// SPDX-License-Identifier: GPL-2.0
/*
 * A receiver in a sockmap: a BPF program is run for each packet, which may sleep.
 * The sender must not run it in its own context, under a spinlock.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>

#include "kselftest_harness.h"
#include "vm_link.h"

#define ROUNDS 50

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

/* Load a program that passes each packet to its socket. */
static int program_load(void)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = SK_PASS },
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
	const char *why = cannot_run();
	int here = ns_here();

	if (why)
		SKIP(return, "%s", why);
	self->map = map_create();
	self->program = program_load();
	if (self->map < 0 || self->program < 0)
		SKIP(return, "kernel without BPF sockmaps: %s",
		     strerror(-(self->map < 0 ? self->map : self->program)));
	ASSERT_EQ(0, program_attach(self->map, self->program));
	ASSERT_EQ(0, pair_in(&self->pair, here, SOCK_STREAM, VMADDR_CID_LOCAL));
	close(here);
}

FIXTURE_TEARDOWN(sockmap)
{
	close(self->pair.client);
	close(self->pair.server);
	close(self->program);
	close(self->map);
}

/* Without a wait in recv(): of a socket in a sockmap, it would hold the lock. */
static ssize_t receive(int sock, unsigned char *data, size_t len)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	ssize_t n;

	do {
		if (poll(&p, 1, VM_PATIENCE_MS) != 1)
			return -ETIMEDOUT;
		n = recv(sock, data, len, MSG_DONTWAIT);
	} while (n < 0 && errno == EAGAIN);

	return n < 0 ? -errno : n;
}

static int one_way(int from, int to, int n)
{
	unsigned char data[] = { n, n + 1, n + 2 }, got[4];
	ssize_t len;

	if (send(from, data, sizeof(data), 0) != sizeof(data))
		return -EIO;
	len = receive(to, got, sizeof(got));
	if (len != sizeof(data))
		return len < 0 ? len : -ENODATA;
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

TEST_HARNESS_MAIN
