// SPDX-License-Identifier: GPL-2.0
/*
 * Interpretation of the input bytes: see fuzz.h. The first two bytes choose the
 * features and how the device is started. Actions follow, each a byte for its
 * kind and its arguments.
 */
#include <endian.h>
#include <string.h>
#include <sys/resource.h>

#include "fuzz.h"

#define MOST_ACTIONS 64
#define MOST_PIECES 8

/* ---- bytes ---- */

uint8_t take8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->data++;
}

uint16_t take16(struct input *in)
{
	uint16_t low = take8(in);

	return low | take8(in) << 8;
}

uint32_t take32(struct input *in)
{
	uint32_t low = take16(in);

	return low | (uint32_t)take16(in) << 16;
}

uint64_t take64(struct input *in)
{
	uint64_t low = take32(in);

	return low | (uint64_t)take32(in) << 32;
}

/* ---- headers ---- */

static uint64_t some_cid(struct input *in, const struct rig *r)
{
	switch (take8(in) % 8) {
	case 0:
		return r->cid[r->cids - 1];
	case 1:
		return VICTIM_CID;
	case 2:
		return VMADDR_CID_HOST;
	case 3:
		return VMADDR_CID_LOCAL;
	case 4:
		return VMADDR_CID_ANY;
	case 5:
		return r->cid[0] | 1ull << 32;
	case 6:
		return 0;
	default:
		return take64(in);
	}
}

static uint32_t some_port(struct input *in)
{
	switch (take8(in) % 6) {
	case 0:
		return PORT;
	case 1:
		return PORT + 1;
	case 2:
		return GUEST_PORT;
	case 3:
		return victim_port();
	case 4:
		return VMADDR_PORT_ANY;
	default:
		return take32(in);
	}
}

static uint32_t some_size(struct input *in)
{
	static const uint32_t sizes[] = { 0, 1, 3, 100, 468, 4052, 8000 };
	uint8_t which = take8(in) % (ARRAY_SIZE(sizes) + 1);

	return which < ARRAY_SIZE(sizes) ? sizes[which] : take16(in);
}

enum {
	FORGE_SOURCE = 1, FORGE_DESTINATION = 2, FORGE_PORTS = 4, FORGE_TYPE = 8,
	FORGE_FLAGS = 16, FORGE_LENGTH = 32, FORGE_CREDIT = 64, FORGE_LAYOUT = 128,
};

/* Build a header on the connection of @last, modified as @forge says. */
static struct virtio_vsock_hdr header(struct rig *r, struct input *in, uint8_t forge, uint32_t len)
{
	struct virtio_vsock_hdr hdr = {
		.src_cid = htole64(r->cid[r->cids - 1]),
		.dst_cid = htole64(VMADDR_CID_HOST),
		.src_port = r->last.dst_port,
		.dst_port = r->last.src_port,
		.len = htole32(len),
		.type = r->last.type,
		.buf_alloc = htole32(262144),
	};
	uint8_t op = take8(in);

	hdr.op = htole16(op < 240 ? op % 9 : take16(in));
	if (le16toh(hdr.op) == VIRTIO_VSOCK_OP_SHUTDOWN)
		hdr.flags = htole32(3);
	if (forge & FORGE_SOURCE)
		hdr.src_cid = htole64(some_cid(in, r));
	if (forge & FORGE_DESTINATION)
		hdr.dst_cid = htole64(some_cid(in, r));
	if (forge & FORGE_PORTS) {
		hdr.src_port = htole32(some_port(in));
		hdr.dst_port = htole32(some_port(in));
	}
	if (forge & FORGE_TYPE)
		hdr.type = htole16(take16(in));
	if (forge & FORGE_FLAGS)
		hdr.flags = htole32(take32(in));
	if (forge & FORGE_LENGTH)
		hdr.len = htole32(take8(in) & 1 ? take32(in) : len + (int8_t)take8(in));
	if (forge & FORGE_CREDIT) {
		hdr.buf_alloc = htole32(take32(in));
		hdr.fwd_cnt = htole32(take32(in));
	}
	return hdr;
}

/* ---- descriptors ---- */

/* Split @len bytes at @at into pieces, in the ring or in an indirect table. */
static uint16_t chain(struct rig *r, struct input *in, uint32_t at, uint32_t len)
{
	uint8_t how = take8(in);
	unsigned int i, pieces = 1 + how % MOST_PIECES, head = r->avail[TX] % RING;
	bool indirect = how & 0x40;
	struct vring_desc *table = indirect ? (void *)(arena + INDIRECT_AT) : rig_desc(TX, 0);

	for (i = 0; i < pieces; i++) {
		unsigned int slot = indirect ? i : (head + i) % RING;
		unsigned int next = indirect ? i + 1 : (head + i + 1) % RING;
		uint32_t piece = i + 1 < pieces ? take8(in) : len;

		if (piece > len)
			piece = len;
		table[slot] = (struct vring_desc) {
			.addr = GPA + at, .len = piece, .next = next,
			.flags = i + 1 < pieces ? VRING_DESC_F_NEXT : 0,
		};
		at += piece;
		len -= piece;
	}
	if (indirect)
		*rig_desc(TX, head) = (struct vring_desc) {
			.addr = GPA + INDIRECT_AT, .flags = VRING_DESC_F_INDIRECT,
			.len = pieces * sizeof(*table) + (how & 0x80 ? take8(in) : 0),
		};
	return head;
}

static void one_piece(struct rig *r, uint32_t at, uint32_t len)
{
	*rig_desc(TX, r->avail[TX] % RING) = (struct vring_desc) { .addr = GPA + at, .len = len };
}

static void packet(struct rig *r, struct input *in)
{
	uint8_t forge = take8(in);
	uint32_t len = some_size(in), at;
	struct virtio_vsock_hdr hdr = header(r, in, forge, len);

	if (len > TX_END - TX_AT - sizeof(hdr))
		len = TX_END - TX_AT - sizeof(hdr);
	if (r->tx_at + sizeof(hdr) + len > TX_END)
		r->tx_at = TX_AT;
	at = r->tx_at;
	r->tx_at += sizeof(hdr) + len;
	memcpy(arena + at, &hdr, sizeof(hdr));
	memset(arena + at + sizeof(hdr), GUEST_BYTE, len);
	if (forge & FORGE_LAYOUT)
		chain(r, in, at, sizeof(hdr) + len);
	else
		one_piece(r, at, sizeof(hdr) + len);
	rig_offer(r, TX, r->avail[TX] % RING);
	rig_kick(r, TX);
}

static uint64_t some_address(struct input *in)
{
	switch (take8(in) % 6) {
	case 0:
		return GPA + TX_AT;
	case 1:
		return GPA + take16(in);
	case 2:
		return GPA + ARENA - take8(in);
	case 3:
		return GPA - take8(in);
	case 4:
		return ~0ull - take8(in);
	default:
		return take64(in);
	}
}

/* From here on, the payload may be any part of the guest's memory. */
static void raw_descriptor(struct rig *r, struct input *in)
{
	unsigned int queue = take8(in) % QUEUES, slot = take8(in) % RING;
	uint64_t addr = some_address(in);

	r->plain = false;
	*rig_desc(queue, slot) = (struct vring_desc) {
		.addr = addr, .len = take8(in) & 1 ? take32(in) : take8(in),
		.flags = take8(in) & 7, .next = take8(in) % (RING + 4),
	};
}

static void raw_available(struct rig *r, struct input *in)
{
	unsigned int queue = take8(in) % QUEUES;
	uint8_t how = take8(in);

	r->plain = false;
	if (how & 1)
		rig_offer(r, queue, how & 2 ? take16(in) : take8(in) % RING);
	else
		rig_tell(r, queue, how & 2 ? take16(in) : r->avail[queue] + take8(in) % RING);
	rig_kick(r, queue);
}

/* ---- actions of a correct guest, to reach further states ---- */

static void request(struct rig *r, struct input *in)
{
	bool seqpacket = take8(in) & 1;
	static const uint8_t plain_request[] = { 0, 0, VIRTIO_VSOCK_OP_REQUEST };
	struct input bytes = { plain_request, sizeof(plain_request) };

	r->last.src_port = htole32(PORT + seqpacket);
	r->last.dst_port = htole32(GUEST_PORT + take8(in) % 4);
	r->last.type = htole16(seqpacket ? VIRTIO_VSOCK_TYPE_SEQPACKET : VIRTIO_VSOCK_TYPE_STREAM);
	packet(r, &bytes);
	rig_flush(r);
	host_accept(r);
	rig_drain(r);
}

static void act(struct rig *r, struct input *in)
{
	uint8_t kind = take8(in);

	switch (kind % 13) {
	case 0:
	case 1:
	case 2:
		packet(r, in);
		break;
	case 3:
		request(r, in);
		break;
	case 4:
		host_connect(r, in);
		break;
	case 5:
	case 6:
		host_acts(r, in);
		break;
	case 7:
		rig_flush(r);
		rig_drain(r);
		break;
	case 8:
		rig_post(r, 1 + take8(in) % RING, kind & 0x80 ? take8(in) : RX_BUFFER);
		break;
	case 9:
		raw_descriptor(r, in);
		break;
	case 10:
		raw_available(r, in);
		break;
	case 11:
		odd_ioctl(r, in);
		break;
	case 12:
		iotlb_message(r, in);
		break;
	}
}

/* ---- libFuzzer ---- */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct rlimit files = { 65536, 65536 };
	const char *why = cannot_run();

	(void)argc;
	(void)argv;
	if (!why)
		why = cannot_make_vms();
	if (why)
		cannot("%s", why);
	setrlimit(RLIMIT_NOFILE, &files);
	box_open();
	arena_make();
	victims_make();
	host_listen();
	cover_open();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct rig r;
	unsigned int i;
	uint8_t start, features;

	box_begin(data, size);
	cover_begin();
	start = take8(&in);
	features = take8(&in);
	rig_open(&r);
	if (start < 0xe0)
		rig_start(&r, features);
	for (i = 0; in.left && i < MOST_ACTIONS; i++)
		act(&r, &in);
	rig_flush(&r);
	rig_drain(&r);
	host_end(&r);
	rig_close(&r);
	cover_end();
	victims_check();
	box_end();
	return 0;
}
