// SPDX-License-Identifier: GPL-2.0
/*
 * Reachability between the host and a VM. A guest runs in each VM (guest.h),
 * and both sides connect in turn.
 *
 *	host: a socket in init, g0, g1, l0, l1
 *	VM:   its device was opened in init, g0, l0, l1
 */
#include "fixture.h"
#include "vm_link.h"

#define CASE(fixture, name, from, to, kind)				\
	FIXTURE_VARIANT_ADD(fixture, name)				\
	{								\
		.host = from, .vm = to, .type = kind,			\
	}

#define ROW(fixture, name, from, to)					\
	CASE(fixture, name##_stream, from, to, SOCK_STREAM);		\
	CASE(fixture, name##_seqpacket, from, to, SOCK_SEQPACKET)

/* ---- one scope ---- */

FIXTURE(one_scope)
{
	int ns[NS_COUNT];
	struct vm vm;
};

FIXTURE_VARIANT(one_scope)
{
	int host;
	int vm;
	int type;
};

PAIRS_IN_ONE_SCOPE(ROW, one_scope);

FIXTURE_SETUP(one_scope)
{
	SKIP_IF(cannot_link_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	ASSERT_EQ(0, vm_start(&self->vm, self->ns[variant->vm], CID));
}

FIXTURE_TEARDOWN(one_scope)
{
	vm_stop(&self->vm);
	ns_close(self->ns);
}

TEST_F(one_scope, host_reaches_the_guest_and_data_flows_both_ways)
{
	struct vm_link link;

	ASSERT_EQ(0, link_from_host(&link, &self->vm, self->ns[variant->host], variant->type));
	EXPECT_EQ(0, link_carries(&link, 10000));
	link_close(&link);
}

TEST_F(one_scope, guest_reaches_the_host_and_data_flows_both_ways)
{
	struct vm_link link;

	ASSERT_EQ(0, link_from_guest(&link, &self->vm, self->ns[variant->host],
				     variant->type, PORT));
	EXPECT_EQ(0, link_carries(&link, 10000));
	link_close(&link);
}

/* ---- two scopes ---- */

FIXTURE(two_scopes)
{
	int ns[NS_COUNT];
	struct vm vm;
};

FIXTURE_VARIANT(two_scopes)
{
	int host;
	int vm;
	int type;
};

PAIRS_IN_TWO_SCOPES(ROW, two_scopes);

FIXTURE_SETUP(two_scopes)
{
	SKIP_IF(cannot_link_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	ASSERT_EQ(0, vm_start(&self->vm, self->ns[variant->vm], CID));
}

FIXTURE_TEARDOWN(two_scopes)
{
	vm_stop(&self->vm);
	ns_close(self->ns);
}

TEST_F(two_scopes, host_finds_no_such_vm)
{
	int err = variant->type == SOCK_STREAM ? -ENODEV : -ESOCKTNOSUPPORT;

	EXPECT_EQ(err, connect_briefly(self->ns[variant->host], variant->type, CID,
				       vm_port(variant->type)));
	guest_turn(&self->vm.stack, 100);
	EXPECT_EQ(0, self->vm.stack.received[VIRTIO_VSOCK_OP_REQUEST]);
}

TEST_F(two_scopes, guest_is_reset_and_the_listener_sees_nothing)
{
	int listener = listen_in(self->ns[variant->host], variant->type, VMADDR_CID_ANY, PORT);
	struct guest_conn *conn;

	ASSERT_LE(0, listener);
	EXPECT_EQ(-ECONNRESET, guest_connect(&self->vm.stack, &conn, variant->type,
					     VMADDR_CID_HOST, PORT, VM_PATIENCE_MS));
	EXPECT_TRUE(quiet(listener));
	close(listener);
}

/* ---- one CID in several scopes ---- */

static const int scopes[] = { INIT, L0, L1 };

FIXTURE(same_cid)
{
	int ns[NS_COUNT];
	struct vm vms[ARRAY_SIZE(scopes)];
};

FIXTURE_SETUP(same_cid)
{
	unsigned int i;

	SKIP_IF(cannot_link_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	for (i = 0; i < ARRAY_SIZE(scopes); i++)
		ASSERT_EQ(0, vm_start(&self->vms[i], self->ns[scopes[i]], CID));
}

FIXTURE_TEARDOWN(same_cid)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(scopes); i++)
		vm_stop(&self->vms[i]);
	ns_close(self->ns);
}

TEST_F(same_cid, each_scope_reaches_its_own_vm)
{
	struct vm_link links[ARRAY_SIZE(scopes)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(scopes); i++)
		ASSERT_EQ(0, link_from_host(&links[i], &self->vms[i], self->ns[scopes[i]],
					    SOCK_STREAM));
	for (i = 0; i < ARRAY_SIZE(scopes); i++)
		EXPECT_EQ(0, link_talks(&links[i]));
}

/* All four CIDs and ports of the connections are equal, too. */
TEST_F(same_cid, each_vm_reaches_the_listener_of_its_scope)
{
	struct vm_link links[ARRAY_SIZE(scopes)];
	int listeners[ARRAY_SIZE(scopes)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(scopes); i++) {
		listeners[i] = listen_in(self->ns[scopes[i]], SOCK_STREAM,
					 VMADDR_CID_HOST, PORT);
		ASSERT_LE(0, listeners[i]);
	}
	for (i = 0; i < ARRAY_SIZE(scopes); i++)
		ASSERT_EQ(0, link_to_listener(&links[i], &self->vms[i], listeners[i],
					      SOCK_STREAM, PORT));
	ASSERT_EQ(links[0].conn->port, links[1].conn->port);
	for (i = 0; i < ARRAY_SIZE(scopes); i++)
		EXPECT_EQ(0, link_talks(&links[i]));
	link_close(&links[1]);
	EXPECT_EQ(0, link_talks(&links[0]));
	EXPECT_EQ(0, link_talks(&links[2]));
}

/* ---- a feature that the VM did not accept ---- */

FIXTURE(no_seqpacket)
{
	int ns[NS_COUNT];
	struct vm vm;
};

FIXTURE_VARIANT(no_seqpacket)
{
	int vm;
};

FIXTURE_VARIANT_ADD(no_seqpacket, vm_in_init) { .vm = INIT };
FIXTURE_VARIANT_ADD(no_seqpacket, vm_in_l0) { .vm = L0 };

FIXTURE_SETUP(no_seqpacket)
{
	const struct guest_options options = { .features = 1ull << VIRTIO_F_VERSION_1 };

	SKIP_IF(cannot_link_vms());
	ASSERT_EQ(0, ns_make(self->ns));
	ASSERT_EQ(0, vm_start_with(&self->vm, self->ns[variant->vm], CID, &options));
}

FIXTURE_TEARDOWN(no_seqpacket)
{
	vm_stop(&self->vm);
	ns_close(self->ns);
}

TEST_F(no_seqpacket, ends_with_esocktnosupport_and_streams_work)
{
	struct vm_link link;

	EXPECT_EQ(-ESOCKTNOSUPPORT, connect_in(self->ns[variant->vm], SOCK_SEQPACKET, CID,
					       vm_port(SOCK_SEQPACKET)));
	ASSERT_EQ(0, link_from_host(&link, &self->vm, self->ns[variant->vm], SOCK_STREAM));
	EXPECT_EQ(0, link_talks(&link));
	link_close(&link);
}

TEST_HARNESS_MAIN
