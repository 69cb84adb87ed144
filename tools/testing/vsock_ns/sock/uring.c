// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring over loopback: a receive that waits for data completes when it is sent,
 * and the sender completes it in its own context.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/io_uring.h>

#include "fixture.h"

#define ENTRIES 4
#define ROUNDS 100

/* A ring for one task that waits for each completion. IORING_FEAT_SINGLE_MMAP is needed. */
struct ring {
	int fd;
	char *rings;
	struct io_uring_sqe *sqes;
	struct io_uring_params params;
};

static int ring_open(struct ring *ring)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_POPULATE;
	struct io_uring_params *p = &ring->params;

	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(SYS_io_uring_setup, ENTRIES, p);
	if (ring->fd < 0)
		return -errno;
	if (!(p->features & IORING_FEAT_SINGLE_MMAP))
		return -EOPNOTSUPP;
	ring->rings = mmap(NULL, p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe),
			   prot, flags, ring->fd, IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, p->sq_entries * sizeof(*ring->sqes), prot, flags, ring->fd,
			  IORING_OFF_SQES);
	return ring->rings == MAP_FAILED || ring->sqes == MAP_FAILED ? -errno : 0;
}

static unsigned int *at(const struct ring *ring, unsigned int offset)
{
	return (unsigned int *)(ring->rings + offset);
}

static int submit(struct ring *ring, int op, int sock, void *data, unsigned int len)
{
	const struct io_sqring_offsets *sq = &ring->params.sq_off;
	unsigned int tail = *at(ring, sq->tail), i = tail & *at(ring, sq->ring_mask);

	ring->sqes[i] = (struct io_uring_sqe) {
		.opcode = op, .fd = sock, .addr = (uintptr_t)data, .len = len, .user_data = op,
	};
	at(ring, sq->array)[i] = i;
	__atomic_store_n(at(ring, sq->tail), tail + 1, __ATOMIC_RELEASE);
	return syscall(SYS_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0) == 1 ? 0 : -errno;
}

/* Returns the result of the next operation, which must be @op. */
static int complete(struct ring *ring, uint64_t op)
{
	const struct io_cqring_offsets *cq = &ring->params.cq_off;
	unsigned int head = *at(ring, cq->head);
	struct io_uring_cqe *cqe;
	int res;

	if (syscall(SYS_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	if (head == __atomic_load_n(at(ring, cq->tail), __ATOMIC_ACQUIRE))
		return -ENODATA;
	cqe = (struct io_uring_cqe *)(ring->rings + cq->cqes) + (head & *at(ring, cq->ring_mask));
	res = cqe->user_data == op ? cqe->res : -EBADMSG;
	__atomic_store_n(at(ring, cq->head), head + 1, __ATOMIC_RELEASE);
	return res;
}

TEST(uring_receive_that_waits_gets_what_is_sent)
{
	struct pair pair;
	struct ring ring;
	int i;

	SKIP_IF(cannot_run());
	SKIP_IF(ring_open(&ring) ? "this kernel has no io_uring" : NULL);
	ASSERT_EQ(0, pair_in(&pair, ns_here(), SOCK_STREAM, VMADDR_CID_LOCAL));
	for (i = 0; i < ROUNDS; i++) {
		char data[2] = { i, i + 1 }, got[2] = "";

		ASSERT_EQ(0, submit(&ring, IORING_OP_RECV, pair.server, got, 2));
		ASSERT_EQ(2, send(pair.client, data, 2, 0));
		ASSERT_EQ(2, complete(&ring, IORING_OP_RECV));
		ASSERT_EQ(0, memcmp(data, got, 2));

		ASSERT_EQ(0, submit(&ring, IORING_OP_SEND, pair.server, data, 2));
		ASSERT_EQ(2, complete(&ring, IORING_OP_SEND));
		ASSERT_EQ(2, recv(pair.client, got, 2, 0));
		ASSERT_EQ(0, memcmp(data, got, 2));
	}
}

TEST_HARNESS_MAIN
