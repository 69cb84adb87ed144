// SPDX-License-Identifier: GPL-2.0
/*
 * Connections: see stress.h. The data depends on the connection's key and the
 * position in the stream. So lost, reordered and foreign bytes are detected at
 * once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

#include "stress.h"

#define MOST 16384		/* per call; the largest message */
#define PATIENCE_MS 60000

/* ---- data ---- */

static uint8_t byte_at(const struct link *l, int from, uint64_t at)
{
	return mix(l->key + from + (at / 8) * 2) >> (at % 8 * 8);
}

void link_fill(const struct link *l, int from, uint64_t at, void *data, size_t len)
{
	uint8_t *bytes = data;
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = byte_at(l, from, at + i);
}

void link_check(struct worker *w, struct link *l, int from, uint64_t at, const void *data,
		size_t len)
{
	const uint8_t *bytes = data;
	size_t i;

	for (i = 0; i < len; i++) {
		if (bytes[i] == byte_at(l, from, at + i))
			continue;
		w->counters->lost += len - i;
		wrong(w, "byte %llu from side %d of a %s link in scope %u: %02x, not %02x",
		      (unsigned long long)(at + i), from, l->vm ? "VM's" : "loopback",
		      l->scope, bytes[i], byte_at(l, from, at + i));
	}
	w->counters->bytes += len;
}

/* Both sides can compute the length of the n-th message. */
size_t message_len(const struct link *l, int from, uint32_t n)
{
	return 1 + mix(l->key ^ n ^ (uint64_t)from << 40) % (n % 8 ? 300 : MOST);
}

/* ---- selecting links, marks and ports ---- */

struct link *free_link(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < LINKS; i++)
		if (!w->links[i].used)
			return &w->links[i];
	return NULL;
}

/* Returns a working connection, over loopback or to a VM if @vm. */
struct link *any_link(struct worker *w, bool vm)
{
	unsigned int i, first = roll(w, LINKS);

	for (i = 0; i < LINKS; i++) {
		struct link *l = &w->links[(first + i) % LINKS];

		if (l->used && l->up && !!l->vm == vm)
			return l;
	}
	return NULL;
}

/* Distinguishes a scope from other scopes, and from the special marks. */
uint16_t scope_mark(uint32_t scope)
{
	return scope ? 2 + scope % 60000 : 1;
}

/* Unique per connection of the run, so that taps can identify the connection. */
uint32_t next_port(struct worker *w, uint32_t scope)
{
	uint32_t serial = w->serial++ % SERIALS;

	w->shared->mark[w->index][serial] = scope_mark(scope);
	return 0x40000000 | w->index << 20 | serial;
}

/* Equal in all scopes on purpose; differs between the workers in the global scope. */
uint32_t listen_port(const struct worker *w)
{
	return PORT + w->index;
}

void link_forget(struct link *l)
{
	int i;

	for (i = 0; i < 2; i++)
		if (l->end[i].fd >= 0)
			close(l->end[i].fd);
	memset(l, 0, sizeof(*l));
}

/* ---- one side of a connection ---- */

static void send_some(struct worker *w, struct link *l, int side, size_t most)
{
	struct end *e = &l->end[side];
	char data[MOST];
	size_t len = most;
	ssize_t n;

	if (l->type == SOCK_SEQPACKET) {
		len = message_len(l, side, e->messages_out);
		/* The kernel may send part of a message and return EAGAIN if
		 * credit runs out. The guest sends a credit update for each
		 * quarter of its buffer.
		 */
		if (l->vm && e->sent + len - l->end[1].received > GUEST_ALLOC / 2)
			return;
	}
	link_fill(l, side, e->sent, data, len);
	n = send(e->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0) {
		if (errno != EAGAIN && !l->broken)
			wrong(w, "send over an intact %s link of scope %u: %s",
			      l->vm ? "VM's" : "loopback", l->scope, strerror(errno));
		return;
	}
	if (l->type == SOCK_SEQPACKET && (size_t)n != len)
		wrong(w, "%zd of a message of %zu bytes were sent", n, len);
	e->messages_out++;
	e->sent += n;
}

/* Returns false if no data is available. */
static bool receive_some(struct worker *w, struct link *l, int side)
{
	struct end *e = &l->end[side];
	char data[MOST];
	ssize_t n = recv(e->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0) {
		if (errno == EAGAIN)
			return false;
		if (!l->broken)
			wrong(w, "recv from an intact %s link of scope %u: %s",
			      l->vm ? "VM's" : "loopback", l->scope, strerror(errno));
		e->eof = true;
		return false;
	}
	if (!n) {
		if (!l->end[!side].shut && !l->broken)
			wrong(w, "an unexpected EOF in scope %u", l->scope);
		e->eof = true;
		return false;
	}
	if (l->type == SOCK_SEQPACKET && (size_t)n != message_len(l, !side, e->messages_in))
		wrong(w, "message %u has %zd bytes, expected %zu", e->messages_in, n,
		      message_len(l, !side, e->messages_in));
	link_check(w, l, !side, e->received, data, n);
	e->received += n;
	e->messages_in++;
	return true;
}

void link_turn_socket(struct worker *w, struct link *l, int side, size_t most)
{
	struct end *e = &l->end[side];
	int i;

	if (e->fd < 0)
		return;
	if (most && !e->shut)
		send_some(w, l, side, most);
	for (i = 0; i < 8 && !e->eof && receive_some(w, l, side); i++)
		;
}

/* ---- opening and closing connections ---- */

/* Create a connected client in @space, or return a negative errno. */
static int client(struct worker *w, const struct space *space, int type, uint32_t port)
{
	int sock = worker_socket(w, space, type);
	bool bound = roll(w, 2), hit;
	uint32_t cid = roll(w, 4) ? VMADDR_CID_LOCAL : VMADDR_CID_HOST;
	int err = 0;

	if (sock < 0)
		return sock;
	if (bound)
		err = bind_to(sock, VMADDR_CID_ANY, next_port(w, scope_of(space)));
	if (roll(w, 2))
		no_waiting(sock);
	fault_begin(w);
	if (!err)
		err = connect_to(sock, cid, port);
	hit = fault_end(w);
	if (err == -EINPROGRESS) {
		struct pollfd p = { .fd = sock, .events = POLLOUT };
		socklen_t len = sizeof(err);

		poll(&p, 1, PATIENCE_MS);
		if (getsockopt(sock, SOL_SOCKET, SO_ERROR, &err, &len))
			err = errno;
		err = -err;
	}
	/* In the scope of the guest-to-host transport, CID 2 is not this machine. */
	if (cid == VMADDR_CID_HOST &&
	    (err == -ENODEV || err == -ENETUNREACH || err == -ESOCKTNOSUPPORT))
		hit = true;
	/* The failed allocation may have been the answer's. */
	if (hit || err) {
		close(sock);
		return hit ? -ENOMEM : err;
	}
	fcntl(sock, F_SETFL, 0);
	return sock;
}

/* Negative if memory or the module is missing; other errors are failures. */
int worker_listener(struct worker *w, const struct space *space, int type)
{
	int sock = worker_socket(w, space, type);
	int err;
	bool hit;

	if (sock < 0)
		return sock;
	fault_begin(w);
	err = bind_to(sock, VMADDR_CID_ANY, listen_port(w));
	if (!err && listen(sock, 8))
		err = -errno;
	hit = fault_end(w);
	if (!err)
		return sock;
	close(sock);
	if (hit && is_shortage(err))
		return -ENOMEM;
	wrong(w, "listening in scope %u: %s", scope_of(space), strerror(-err));
}

static enum result open_link(struct worker *w, struct link *l, const struct space *space)
{
	int type = roll(w, 3) ? SOCK_STREAM : SOCK_SEQPACKET;
	int listener = worker_listener(w, space, type);
	int sock, server;

	if (listener < 0)
		return REFUSED;
	sock = client(w, space, type, listen_port(w));
	server = sock < 0 ? sock : accept_one(listener);
	close(listener);
	if (server < 0) {
		if (sock >= 0)
			wrong(w, "accept: %s", strerror(-server));
		if (is_shortage(sock) || gone(w, sock))
			return REFUSED;
		wrong(w, "connect within scope %u: %s", scope_of(space), strerror(-sock));
	}
	*l = (struct link) {
		.used = true, .up = true, .type = type,
		.scope = scope_of(space), .space = space->id,
		.key = mix(w->seed ^ w->counters->step ^ (uint64_t)w->index << 56),
		.end = { { .fd = sock }, { .fd = server } },
	};
	return DONE;
}

enum result link_new(struct worker *w)
{
	struct link *l = free_link(w);
	struct space *space = any_space(w);

	if (!l || (leaving(w, LEAVE_LOOPBACK) && roll(w, 4)))
		return SKIPPED;
	return open_link(w, l, space);
}

static void turn(struct worker *w, struct link *l, size_t a, size_t b)
{
	link_turn_socket(w, l, 0, a);
	if (!l->vm) {
		link_turn_socket(w, l, 1, b);
		return;
	}
	vm_pump(w, l->vm);
	if (b && l->used && !l->end[1].shut)
		vm_send_some(w, l, b);
}

enum result link_turn(struct worker *w)
{
	struct link *l = any_link(w, roll(w, 3) == 0);
	unsigned int turns = 1 + roll(w, 16);
	size_t a = roll(w, MOST), b = roll(w, MOST);

	if (!l)
		return SKIPPED;
	while (turns--)
		turn(w, l, a, b);
	return DONE;
}

static void shut(struct worker *w, struct link *l, int side)
{
	struct end *e = &l->end[side];

	if (e->shut)
		return;
	e->shut = true;
	if (e->fd < 0)
		vm_shut(w, l, VIRTIO_VSOCK_OP_SHUTDOWN);
	else if (shutdown(e->fd, SHUT_WR) && !l->broken)
		wrong(w, "shutdown: %s", strerror(errno));
}

enum result link_half(struct worker *w)
{
	struct link *l = any_link(w, roll(w, 3) == 0);
	int side = roll(w, 2);

	if (!l)
		return SKIPPED;
	shut(w, l, side);
	return DONE;
}

/* Shut down both sides; all data that was sent must arrive. */
void link_finish_one(struct worker *w, struct link *l)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	int i;

	for (i = 0; i < 2; i++)
		shut(w, l, i);
	while (!(l->end[0].eof && l->end[1].eof)) {
		turn(w, l, 0, 0);
		if (now_ms() > end)
			break;
		if (!(l->end[0].eof && l->end[1].eof))
			poll(NULL, 0, 1);
	}
	for (i = 0; i < 2; i++) {
		uint64_t lost = l->end[!i].sent - l->end[i].received;

		if (l->broken || (!lost && l->end[i].eof))
			continue;
		w->counters->lost += lost;
		wrong(w, "side %d of a %s link in scope %u: %llu of %llu bytes are lost%s", i,
		      l->vm ? "VM's" : "loopback", l->scope, (unsigned long long)lost,
		      (unsigned long long)l->end[!i].sent, l->end[i].eof ? "" : ", no end");
	}
	w->counters->links++;
	link_forget(l);
}

enum result link_finish(struct worker *w)
{
	struct link *l = any_link(w, roll(w, 3) == 0);

	if (!l)
		return SKIPPED;
	link_finish_one(w, l);
	return DONE;
}

/* Data received before is intact, and EOF follows. */
void link_break(struct worker *w, struct link *l)
{
	uint64_t end = now_ms() + PATIENCE_MS;

	l->broken = true;
	while (l->end[0].fd >= 0 && !l->end[0].eof) {
		link_turn_socket(w, l, 0, 0);
		if (now_ms() > end)
			wrong(w, "a socket of scope %u that was not notified of its peer's end",
			      l->scope);
		if (!l->end[0].eof)
			poll(NULL, 0, 1);
	}
	link_forget(l);
}

/* Close one side with unread data, so that the other side is reset. */
enum result link_kill(struct worker *w)
{
	struct link *l = any_link(w, roll(w, 3) == 0);
	size_t len = 1 + roll(w, MOST);

	if (!l)
		return SKIPPED;
	if (!l->end[0].shut)
		send_some(w, l, 0, len);
	l->broken = true;
	if (l->vm) {
		vm_shut(w, l, VIRTIO_VSOCK_OP_RST);
	} else {
		close(l->end[1].fd);
		l->end[1].fd = -1;
	}
	link_break(w, l);
	return DONE;
}

/* Only enlarge it: the peer may use all of the advertised space. */
enum result link_buffer(struct worker *w)
{
	struct link *l = any_link(w, false);
	struct end *e = l ? &l->end[roll(w, 2)] : NULL;
	unsigned long long size = 262144ull * (2 + roll(w, 7));

	if (!l || size <= e->buffer)
		return SKIPPED;
	if (setsockopt(e->fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &size, sizeof(size)) ||
	    setsockopt(e->fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof(size)))
		wrong(w, "buffer of %llu bytes: %s", size, strerror(errno));
	e->buffer = size;
	return DONE;
}
