// SPDX-License-Identifier: GPL-2.0
/*
 * MSG_ZEROCOPY: for any layout of the iovec, all bytes arrive in order and each
 * send() has one completion.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/errqueue.h>

#include "fixture.h"
#include "vm_link.h"

/* More than the frags of an skb: 17 by default. */
#define PIECES 40
#define PAGE 4096
#define SKB_MAX 65536

/* Pieces in the pages of @memory, after a first piece that may be long. */
struct gather {
	struct iovec iov[PIECES + 1];
	size_t count;
	size_t len;
	char *memory;
};

static int gather_init(struct gather *g)
{
	size_t size = SKB_MAX + PIECES * 2 * PAGE, i;

	g->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g->memory == MAP_FAILED)
		return -errno;
	for (i = 0; i < size; i++)
		g->memory[i] = i * 167 + (i >> 8) * 13;
	return 0;
}

/* Build @count pieces of odd lengths below @most at odd offsets, after @first bytes. */
static void gather_make(struct gather *g, size_t first, size_t count, size_t most)
{
	size_t i;

	g->count = 0;
	g->len = first;
	if (first)
		g->iov[g->count++] = (struct iovec) { g->memory, first };
	for (i = 0; i < count; i++) {
		char *page = g->memory + SKB_MAX + i * 2 * PAGE;
		size_t len = 1 + (i * 37 + count * 11) % most;

		g->iov[g->count++] = (struct iovec) { page + (i * 61 + count) % PAGE, len };
		g->len += len;
	}
}

static ssize_t gather_send(const struct gather *g, int sock)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)g->iov, .msg_iovlen = g->count };

	return sendmsg(sock, &msg, MSG_ZEROCOPY | MSG_NOSIGNAL) < 0 ? -errno : (ssize_t)g->len;
}

/* True if @data matches the pieces. */
static bool gathered(const struct gather *g, const char *data)
{
	size_t i;

	for (i = 0; i < g->count; i++) {
		if (memcmp(data, g->iov[i].iov_base, g->iov[i].iov_len))
			return false;
		data += g->iov[i].iov_len;
	}
	return true;
}

static int zerocopy_on(int sock)
{
	int one = 1;

	return setsockopt(sock, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)) ? -errno : 0;
}

/* Read one completion; returns the number of sends from @next on, or a negative errno. */
static int completed(int sock, unsigned int next)
{
	struct pollfd p = { .fd = sock };
	struct sock_extended_err *err;
	char control[128];
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;

	if (poll(&p, 1, VM_PATIENCE_MS) != 1 || recvmsg(sock, &msg, MSG_ERRQUEUE) < 0)
		return -ETIMEDOUT;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg)
		return -ENOMSG;
	err = (struct sock_extended_err *)CMSG_DATA(cmsg);
	if (err->ee_origin != SO_EE_ORIGIN_ZEROCOPY || err->ee_errno || err->ee_info != next)
		return -EBADMSG;
	return err->ee_data - err->ee_info + 1;
}

/* Returns 0 if each of @count sends has exactly one completion. */
static int completions(int sock, int count)
{
	struct pollfd p = { .fd = sock };
	int done = 0, more;

	while (done < count) {
		more = completed(sock, done);
		if (more < 0)
			return more;
		done += more;
	}
	return done == count && poll(&p, 1, 0) == 0 ? 0 : -EOVERFLOW;
}

/* ---- loopback ---- */

FIXTURE(zerocopy)
{
	struct pair pair;
	struct gather gather;
	int ns;
};

FIXTURE_VARIANT(zerocopy)
{
	int (*make)(void);
	int type;
};

FIXTURE_VARIANT_ADD(zerocopy, global_stream) { .make = ns_global, .type = SOCK_STREAM };
FIXTURE_VARIANT_ADD(zerocopy, local_stream) { .make = ns_local, .type = SOCK_STREAM };
FIXTURE_VARIANT_ADD(zerocopy, global_seqpacket) { .make = ns_global, .type = SOCK_SEQPACKET };
FIXTURE_VARIANT_ADD(zerocopy, local_seqpacket) { .make = ns_local, .type = SOCK_SEQPACKET };

FIXTURE_SETUP(zerocopy)
{
	SKIP_IF(cannot_run());
	ASSERT_EQ(0, gather_init(&self->gather));
	self->ns = variant->make();
	ASSERT_LE(0, self->ns);
	ASSERT_EQ(0, pair_in(&self->pair, self->ns, variant->type, VMADDR_CID_LOCAL));
	ASSERT_EQ(0, zerocopy_on(self->pair.client));
}

NO_TEARDOWN(zerocopy)

/* Returns 0 if exactly the sent bytes arrive. */
static int carry(const struct gather *g, const struct pair *pair)
{
	static char data[SKB_MAX + PIECES * PAGE];
	ssize_t len = gather_send(g, pair->client);

	if (len < 0)
		return len;
	memset(data, 0, sizeof(data));
	len = recv(pair->server, data, g->len, MSG_WAITALL);
	if (len < 0)
		return -errno;
	if ((size_t)len != g->len)
		return -EMSGSIZE;
	return gathered(g, data) ? 0 : -EBADMSG;
}

TEST_F(zerocopy, of_short_pieces_carries_them_all)
{
	int count;

	for (count = 1; count <= PIECES; count++) {
		gather_make(&self->gather, 0, count, 300);
		ASSERT_EQ(0, carry(&self->gather, &self->pair));
	}
	EXPECT_EQ(0, completions(self->pair.client, PIECES));
	EXPECT_EQ(0, talk(self->pair.client, self->pair.server));
}

TEST_F(zerocopy, of_pieces_over_pages_carries_them_all)
{
	int count;

	for (count = 1; count <= PIECES; count++) {
		gather_make(&self->gather, 0, count, 3001);
		ASSERT_EQ(0, carry(&self->gather, &self->pair));
	}
	EXPECT_EQ(0, completions(self->pair.client, PIECES));
	EXPECT_EQ(0, talk(self->pair.client, self->pair.server));
}

/* The first packet uses pages of the sender, the second has too many pieces. */
TEST_F(zerocopy, of_short_pieces_behind_a_long_one_carries_them_all)
{
	int count;

	for (count = 1; count <= PIECES; count++) {
		gather_make(&self->gather, SKB_MAX, count, 300);
		ASSERT_EQ(0, carry(&self->gather, &self->pair));
	}
	EXPECT_EQ(0, completions(self->pair.client, PIECES));
	EXPECT_EQ(0, talk(self->pair.client, self->pair.server));
}

/* A stream may send the bytes before the bad address; a message is not sent. */
TEST_F(zerocopy, of_a_bad_address_carries_what_it_says)
{
	struct gather *g = &self->gather;
	char data[SKB_MAX + 16] = "";
	struct msghdr msg = { .msg_iov = g->iov };
	ssize_t len;

	gather_make(g, SKB_MAX, 5, 300);
	munmap(g->memory + SKB_MAX + 3 * 2 * PAGE, 2 * PAGE);
	msg.msg_iovlen = g->count;
	len = sendmsg(self->pair.client, &msg, MSG_ZEROCOPY | MSG_NOSIGNAL);
	if (variant->type == SOCK_STREAM) {
		ASSERT_EQ(SKB_MAX, len);
		ASSERT_EQ(SKB_MAX, recv(self->pair.server, data, SKB_MAX, MSG_WAITALL));
		EXPECT_EQ(0, memcmp(data, g->memory, SKB_MAX));
	} else {
		ASSERT_EQ(-1, len);
	}
	EXPECT_EQ(0, completions(self->pair.client, variant->type == SOCK_STREAM));
	ASSERT_EQ(4, send(self->pair.client, "next", 4, 0));
	EXPECT_EQ(4, recv(self->pair.server, data, sizeof(data), 0));
	EXPECT_EQ(0, memcmp(data, "next", 4));
}

/* ---- VMs ---- */

FIXTURE(zerocopy_vm)
{
	struct gather gather;
	struct vm vm;
	struct vm_link link;
	int ns[NS_COUNT];
};

FIXTURE_VARIANT(zerocopy_vm)
{
	int type;
};

FIXTURE_VARIANT_ADD(zerocopy_vm, stream) { .type = SOCK_STREAM };
FIXTURE_VARIANT_ADD(zerocopy_vm, seqpacket) { .type = SOCK_SEQPACKET };

FIXTURE_SETUP(zerocopy_vm)
{
	SKIP_IF(cannot_link_vms());
	ASSERT_EQ(0, gather_init(&self->gather));
	ASSERT_EQ(0, ns_make(self->ns));
	ASSERT_EQ(0, vm_start(&self->vm, self->ns[L0], CID));
	ASSERT_EQ(0, link_from_host(&self->link, &self->vm, self->ns[L0], variant->type));
	ASSERT_EQ(0, zerocopy_on(self->link.sock));
}

FIXTURE_TEARDOWN(zerocopy_vm)
{
	link_close(&self->link);
	vm_stop(&self->vm);
	ns_close(self->ns);
}

static int carry_to_vm(const struct gather *g, const struct vm_link *link)
{
	static char data[SKB_MAX];
	ssize_t len = gather_send(g, link->sock);
	size_t got = 0;

	memset(data, 0, sizeof(data));
	while (len >= 0 && got < g->len) {
		len = guest_read(link->conn, data + got, sizeof(data) - got, NULL,
				 VM_PATIENCE_MS);
		if (!len)
			return -EPIPE;
		got += len;
	}
	if (len < 0)
		return len;
	return got == g->len && gathered(g, data) ? 0 : -EBADMSG;
}

TEST_F(zerocopy_vm, gets_all_pieces)
{
	int count;

	for (count = 1; count <= PIECES; count++) {
		gather_make(&self->gather, 0, count, 300);
		ASSERT_EQ(0, carry_to_vm(&self->gather, &self->link));
	}
	EXPECT_EQ(0, completions(self->link.sock, PIECES));
	EXPECT_EQ(0, link_talks(&self->link));
}

TEST_HARNESS_MAIN
