// SPDX-License-Identifier: GPL-2.0
/*
 * Close a VM with one connection, beside N others with one connection each.
 *
 * All VMs are in init, for comparison with stock kernels. close(2) waits for a
 * grace period of RCU, so its cost is the CPU time of all tasks, see bench.h.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "bench.h"
#include "guest.h"

#define VICTIM 3
#define FIRST_OTHER 4
#define WARM_UP 5

/* Enough for grace periods of RCU and the work after them. */
#define LATER_MS 100

/* Connect from the host and accept in the guest; returns the host's socket. */
static int connection_to(struct guest *guest)
{
	struct virtio_vsock_hdr request, response;
	struct pollfd p = { .fd = plain_socket(SOCK_NONBLOCK), .events = POLLOUT };
	int err = connect_to(p.fd, guest->cid, PORT);

	if (err != -EINPROGRESS)
		must(err, "connecting to a guest");
	must(guest_receive(guest, &request, NULL, 0, 10000), "the host's request");
	if (request.op != VIRTIO_VSOCK_OP_REQUEST)
		fail("the guest expected a request and got operation %u", request.op);
	guest_answer(&response, &request, VIRTIO_VSOCK_OP_RESPONSE);
	must(guest_send(guest, &response, NULL), "the guest's response");
	if (poll(&p, 1, 10000) != 1 || p.revents != POLLOUT)
		fail("the connection to a guest was not established");
	return p.fd;
}

static void other_vm(long i)
{
	struct guest guest;

	must(guest_start(&guest, FIRST_OTHER + i), "starting a guest");
	connection_to(&guest);
}

/* CPU time of other activity in the time allowed for a close. */
static uint64_t background_cost(void)
{
	uint64_t cost[21], begin;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cost); i++) {
		begin = busy_ns();
		settle(LATER_MS);
		cost[i] = busy_since(begin);
	}
	qsort(cost, ARRAY_SIZE(cost), sizeof(*cost), by_size);
	return cost[ARRAY_SIZE(cost) / 2];
}

/* Measure until the peer is notified and deferred work has finished. */
static double close_one(uint64_t background)
{
	struct pollfd p = { .events = POLLIN };
	struct guest victim;
	uint64_t begin, passed;

	must(guest_start(&victim, VICTIM), "starting a guest");
	p.fd = connection_to(&victim);
	settle(LATER_MS);
	begin = busy_ns();
	must(guest_close_device(&victim), "closing a VM");
	if (poll(&p, 1, 10000) != 1)
		fail("the peer of a closed VM was not notified");
	settle(LATER_MS);
	passed = busy_since(begin);
	guest_stop(&victim);
	close(p.fd);
	return (double)passed - background;
}

void work_vm_close(const struct options *opt)
{
	uint64_t background;
	long count = 0;
	int i, run;

	many_files();
	settle(5000);
	for (i = 0; i < opt->argc; i++) {
		for (; count < positive(opt->argv[i]); count++)
			other_vm(count);
		background = background_cost();
		for (run = 0; run < WARM_UP; run++)
			close_one(background);
		for (run = 0; run < opt->runs; run++)
			report("vm-close/vm-close", count, close_one(background));
		progress("vm-close: N = %ld", count);
	}
}
