// SPDX-License-Identifier: GPL-2.0
/*
 * A host that is itself a guest, and the CID of this machine as a guest:
 *
 *	its host
 *	 |
 *	this machine: CID 3, for example, by its guest-to-host transport
 *	 +-- init, g0	global: CID 3 is this machine, CID 2 its host
 *	 +-- l0, l1	local: CID 3 is free for a VM, CID 2 is unreachable
 *
 * Needs a machine with such a device (tools/check/real/nested). The VMs are
 * guests without a VM, see guest.h.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "g2h.h"
#include "guest.h"

#define ANY VMADDR_CID_ANY
#define HOST VMADDR_CID_HOST
#define GUEST_PORT 0x6e657374
#define WAIT_MS 60000

/* ---- the machine ---- */

FIXTURE(nested)
{
	int ns[NS_COUNT];
	unsigned int own;
	struct guest vm;
	bool runs;
};

static bool is_guest(unsigned int cid)
{
	return cid > HOST && cid != ANY;
}

FIXTURE_SETUP(nested)
{
	SKIP_IF(cannot_run());
	SKIP_IF(cannot_make_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	self->own = local_cid_in(self->ns[INIT]);
	if (!is_guest(self->own))
		SKIP(return, "this machine is not a guest");
}

FIXTURE_TEARDOWN(nested)
{
	if (self->runs)
		guest_stop(&self->vm);
	ns_close(self->ns);
}

#define START_VM_IN(n) do {						\
	int here = ns_here();						\
									\
	ASSERT_EQ(0, ns_enter(self->ns[n]));				\
	self->runs = !guest_start(&self->vm, self->own);		\
	ASSERT_EQ(0, ns_enter(here));					\
	ASSERT_TRUE(self->runs);					\
	close(here);							\
} while (0)

/* ---- a VM with the CID of this machine ---- */

TEST_F(nested, own_cid_is_refused_to_a_vm_in_a_global_namespace)
{
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[INIT], self->own));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[G0], self->own));
}

TEST_F(nested, own_cid_is_free_for_a_vm_in_each_local_namespace)
{
	EXPECT_LE(0, vm_with_cid(self->ns[L0], self->own));
	EXPECT_LE(0, vm_with_cid(self->ns[L1], self->own));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[L0], self->own));
	EXPECT_EQ(-EADDRINUSE, vm_with_cid(self->ns[INIT], self->own));
}

/* ---- connections ---- */

/* Receive packets until one of kind @op arrives; skip others, such as credit updates. */
static int vm_receives(struct guest *vm, int op, struct virtio_vsock_hdr *hdr,
		       char *payload, size_t size)
{
	int len;

	do
		len = guest_receive(vm, hdr, payload, size, WAIT_MS);
	while (len >= 0 && le16toh(hdr->op) != op);
	return len;
}

static int vm_says(struct guest *vm, const struct virtio_vsock_hdr *from_host, int op,
		   const char *text)
{
	struct virtio_vsock_hdr hdr;

	guest_answer(&hdr, from_host, op);
	hdr.len = htole32(strlen(text));
	return guest_send(vm, &hdr, text);
}

static int connect_without_waiting(int sock, unsigned int cid, unsigned int port)
{
	int flags = fcntl(sock, F_GETFL), err;

	fcntl(sock, F_SETFL, flags | O_NONBLOCK);
	err = connect_to(sock, cid, port);
	fcntl(sock, F_SETFL, flags);
	return err;
}

TEST_F_TIMEOUT(nested, stream_in_a_local_namespace_reaches_its_vm_with_the_own_cid, 180)
{
	struct virtio_vsock_hdr hdr;
	char text[8] = "";
	int sock;

	START_VM_IN(L0);
	sock = sock_in(self->ns[L0], SOCK_STREAM);
	ASSERT_EQ(-EINPROGRESS, connect_without_waiting(sock, self->own, GUEST_PORT));
	ASSERT_EQ(0, vm_receives(&self->vm, VIRTIO_VSOCK_OP_REQUEST, &hdr, text, sizeof(text)));
	EXPECT_EQ(self->own, le64toh(hdr.dst_cid));
	EXPECT_EQ(GUEST_PORT, le32toh(hdr.dst_port));
	EXPECT_EQ(HOST, le64toh(hdr.src_cid));
	ASSERT_EQ(0, vm_says(&self->vm, &hdr, VIRTIO_VSOCK_OP_RESPONSE, ""));
	ASSERT_EQ(0, sock_outcome(sock, POLLOUT, WAIT_MS));

	ASSERT_EQ(4, send(sock, "ping", 4, 0));
	ASSERT_EQ(4, vm_receives(&self->vm, VIRTIO_VSOCK_OP_RW, &hdr, text, sizeof(text)));
	EXPECT_STREQ("ping", text);
	ASSERT_EQ(0, vm_says(&self->vm, &hdr, VIRTIO_VSOCK_OP_RW, "pong"));
	EXPECT_EQ(4, recv(sock, text, 4, MSG_WAITALL));
	EXPECT_STREQ("pong", text);
	close(sock);
}

TEST_F_TIMEOUT(nested, a_vm_with_the_own_cid_reaches_a_listener_in_its_namespace, 180)
{
	struct virtio_vsock_hdr hdr, to_listener = {
		.src_cid = htole64(HOST), .src_port = htole32(PORT),
		.dst_cid = htole64(self->own), .dst_port = htole32(GUEST_PORT),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
	};
	int init = listen_in(self->ns[INIT], SOCK_STREAM, ANY, PORT);
	int l0 = listen_in(self->ns[L0], SOCK_STREAM, ANY, PORT);
	struct sockaddr_vm peer;
	socklen_t len = sizeof(peer);
	char text[8] = "";
	int sock;

	START_VM_IN(L0);
	ASSERT_EQ(0, vm_says(&self->vm, &to_listener, VIRTIO_VSOCK_OP_REQUEST, ""));
	ASSERT_EQ(0, vm_receives(&self->vm, VIRTIO_VSOCK_OP_RESPONSE, &hdr, text, sizeof(text)));
	sock = accept_one(l0);
	ASSERT_LE(0, sock);
	EXPECT_TRUE(quiet(init));
	ASSERT_EQ(0, getpeername(sock, (struct sockaddr *)&peer, &len));
	EXPECT_EQ(self->own, peer.svm_cid);

	ASSERT_EQ(0, vm_says(&self->vm, &to_listener, VIRTIO_VSOCK_OP_RW, "ping"));
	EXPECT_EQ(4, recv(sock, text, 4, MSG_WAITALL));
	EXPECT_STREQ("ping", text);
	ASSERT_EQ(4, send(sock, "pong", 4, 0));
	ASSERT_EQ(4, vm_receives(&self->vm, VIRTIO_VSOCK_OP_RW, &hdr, text, sizeof(text)));
	EXPECT_STREQ("pong", text);
	close(sock);
}

/* Since 7.1, a CID without a VM is looked for at the host, which a local namespace
 * does not reach.
 */
static int without_a_vm(void)
{
	return access("/proc/sys/net/vsock/g2h_fallback", F_OK) ? -ENODEV : -ENETUNREACH;
}

TEST_F(nested, own_cid_without_such_a_vm_is_nobody_in_a_local_namespace)
{
	int init = listen_in(self->ns[INIT], SOCK_STREAM, ANY, PORT);
	int l1 = listen_in(self->ns[L1], SOCK_STREAM, ANY, PORT);

	START_VM_IN(L0);
	EXPECT_EQ(without_a_vm(), connect_in(self->ns[L1], SOCK_STREAM, self->own, PORT));
	EXPECT_EQ(-ESOCKTNOSUPPORT, connect_in(self->ns[L1], SOCK_SEQPACKET, self->own, PORT));
	EXPECT_TRUE(quiet(init));
	EXPECT_TRUE(quiet(l1));
}

TEST_F(nested, own_cid_is_this_machine_in_global_namespaces)
{
	struct pair pair;

	START_VM_IN(L0);
	ASSERT_EQ(0, pair_in(&pair, self->ns[INIT], SOCK_STREAM, self->own));
	EXPECT_EQ(0, talk(pair.client, pair.server));
	ASSERT_EQ(0, pair_in(&pair, self->ns[G0], SOCK_STREAM, self->own));
	EXPECT_EQ(0, talk(pair.client, pair.server));
}

TEST_F(nested, the_host_is_unreachable_from_a_local_namespace)
{
	EXPECT_EQ(-ENETUNREACH, connect_in(self->ns[L0], SOCK_STREAM, HOST, PORT));
	EXPECT_EQ(-ESOCKTNOSUPPORT, connect_in(self->ns[L0], SOCK_SEQPACKET, HOST, PORT));
}

TEST_F(nested, the_host_answers_global_namespaces)
{
	/* The host resets the request, as it has no such listener. */
	EXPECT_EQ(-ECONNRESET, connect_in(self->ns[INIT], SOCK_STREAM, HOST, PORT));
	EXPECT_EQ(-ECONNRESET, connect_in(self->ns[G0], SOCK_STREAM, HOST, PORT));
}

/* ---- binds ---- */

TEST_F(nested, own_cid_is_no_address_in_a_local_namespace)
{
	EXPECT_EQ(-EADDRNOTAVAIL, bind_in(self->ns[L0], self->own, PORT));
	START_VM_IN(L0);
	EXPECT_EQ(-EADDRNOTAVAIL, bind_in(self->ns[L0], self->own, PORT));
}

TEST_F(nested, own_cid_is_an_address_in_global_namespaces)
{
	int sock = bind_in(self->ns[INIT], self->own, PORT);

	EXPECT_LE(0, sock);
	EXPECT_EQ(-EADDRINUSE, bind_in(self->ns[G0], self->own, PORT));
	close(sock);
	EXPECT_LE(0, bind_in(self->ns[G0], self->own, PORT));
}

/* ---- IOCTL_VM_SOCKETS_GET_LOCAL_CID ---- */

TEST_F(nested, dev_vsock_does_not_tell_a_local_namespace_the_own_cid)
{
	EXPECT_EQ(self->own, local_cid_in(self->ns[G0]));
	EXPECT_EQ(HOST, local_cid_in(self->ns[L0]));
	START_VM_IN(L0);
	EXPECT_EQ(HOST, local_cid_in(self->ns[L0]));
}

struct asking {
	int ns;
	int dev;
};

static int ask_in(void *arg)
{
	struct asking *asking = arg;
	unsigned int cid;

	if (ns_enter(asking->ns))
		return 255;
	cid = local_cid_by(asking->dev);
	return cid < 255 ? cid : 254;
}

TEST_F(nested, dev_vsock_answers_for_the_namespace_of_its_opener)
{
	struct asking from_local = { self->ns[INIT], dev_vsock_in(self->ns[L0]) };
	struct asking from_global = { self->ns[L0], dev_vsock_in(self->ns[G0]) };

	ASSERT_GT(254, self->own);	/* must fit into an exit status */
	EXPECT_EQ((int)HOST, in_a_child(ask_in, &from_local));
	EXPECT_EQ((int)self->own, in_a_child(ask_in, &from_global));
	close(from_local.dev);
	close(from_global.dev);
}

TEST_HARNESS_MAIN
