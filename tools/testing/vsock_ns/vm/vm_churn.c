// SPDX-License-Identifier: GPL-2.0
/*
 * VMs are started, connected to and killed in turn, beside a VM whose
 * connection must lose no data.
 *
 *	this test ---- host's end, guest's end: the steady VM
 *	  `-- churner: host's ends
 *		`-- VMM, killed while connected: guest's ends
 */
#include <signal.h>
#include <sys/wait.h>

#include "fixture.h"
#include "vm_link.h"

/* All three take a minute under emulation. */
#define ROUNDS 300

#define CHURN_PORT (PORT + 2)
#define PIECE 20000

FIXTURE(vm_churn)
{
	int ns[NS_COUNT];
	struct vm steady;
	struct vm_link links[2];
};

FIXTURE_VARIANT(vm_churn)
{
	int steady;
	int churn;
	unsigned int cid;	/* CID of the churning VMs; the steady VM has CID */
};

FIXTURE_VARIANT_ADD(vm_churn, in_init_beside_init)
{
	.steady = INIT, .churn = G0, .cid = OTHER_CID,
};

FIXTURE_VARIANT_ADD(vm_churn, in_l0_beside_l0)
{
	.steady = L0, .churn = L0, .cid = OTHER_CID,
};

FIXTURE_VARIANT_ADD(vm_churn, in_l1_beside_l0_with_the_same_cid)
{
	.steady = L0, .churn = L1, .cid = CID,
};

FIXTURE_SETUP(vm_churn)
{
	int ns;

	SKIP_IF(cannot_link_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	ns = self->ns[variant->steady];
	ASSERT_EQ(0, vm_start(&self->steady, ns, CID));
	ASSERT_EQ(0, link_from_host(&self->links[0], &self->steady, ns, SOCK_STREAM));
	ASSERT_EQ(0, link_from_guest(&self->links[1], &self->steady, ns, SOCK_STREAM, PORT));
}

FIXTURE_TEARDOWN(vm_churn)
{
	vm_stop(&self->steady);
	ns_close(self->ns);
}

/**
 * struct churn - parameters of the churner and its VMMs
 * @ns: the namespace
 * @cid: the CID of all its VMs
 */
struct churn {
	int ns;
	unsigned int cid;
};

/* Runs until it is killed. */
static int run_vmm(void *arg)
{
	const struct churn *churn = arg;
	struct guest_conn *conn;
	struct vm vm;

	if (vm_start(&vm, churn->ns, churn->cid))
		return 1;
	if (guest_connect(&vm.stack, &conn, SOCK_STREAM, VMADDR_CID_HOST, CHURN_PORT,
			  VM_PATIENCE_MS))
		return 2;
	if (guest_write(conn, "begin", 5, VM_PATIENCE_MS) != 5)
		return 3;
	while (guest_turn(&vm.stack, VM_PATIENCE_MS) >= 0)
		;
	return 4;
}

/* One VM: connect in both directions, then kill it. Returns 0 or the failed step. */
static int one_round(const struct churn *churn, int listener)
{
	struct vm_link in, out;
	char text[5];
	pid_t vmm = start(run_vmm, (void *)churn);

	in.sock = accept_one(listener);
	if (in.sock < 0 || recv(in.sock, text, sizeof(text), 0) != 5)
		return 10;
	out.sock = connect_in(churn->ns, SOCK_STREAM, churn->cid, VM_PORT);
	if (out.sock < 0 || send(out.sock, "unread", 6, 0) != 6)
		return 11;
	kill(vmm, SIGKILL);
	if (finish(vmm) != -EINTR)
		return 12;
	if (link_reset(&in, VM_PATIENCE_MS) != -ECONNRESET ||
	    link_reset(&out, VM_PATIENCE_MS) != -ECONNRESET)
		return 13;
	close(in.sock);
	close(out.sock);
	return 0;
}

static int run_churner(void *arg)
{
	const struct churn *churn = arg;
	int listener = listen_in(churn->ns, SOCK_STREAM, VMADDR_CID_ANY, CHURN_PORT);
	int i, step;

	if (listener < 0)
		return 9;
	for (i = 0; i < ROUNDS; i++) {
		step = one_round(churn, listener);
		if (step)
			return step;
	}
	return 0;
}

/* About 20 s under emulation. */
TEST_F_TIMEOUT(vm_churn, leaves_a_steady_stream_whole_and_each_killed_vms_peers_reset, 170)
{
	struct churn churn = { .ns = self->ns[variant->churn], .cid = variant->cid };
	pid_t churner = start(run_churner, &churn);
	long long begin = guest_now();
	unsigned long pieces = 0;
	int status = 0;

	while (!waitpid(churner, &status, WNOHANG)) {
		ASSERT_EQ(0, link_carries(&self->links[pieces % 2], PIECE));
		pieces++;
	}
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(0, link_carries(&self->links[0], PIECE));
	EXPECT_EQ(0, link_carries(&self->links[1], PIECE));
	EXPECT_EQ(0, self->steady.stack.resets);
	TH_LOG("%d VMs started and killed beside %lu KB in %lld s", ROUNDS,
	       2 * (pieces + 2) * PIECE / 1000, (guest_now() - begin) / 1000);
}

TEST_HARNESS_MAIN
