// SPDX-License-Identifier: GPL-2.0
/*
 * Operations that must be refused and reach no other socket: see stress.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "g2h.h"
#include "stress.h"

#define BACKLOG 6
#define PATIENCE_MS 60000

/*
 * Connect from @space; returns 0 or -errno. Stores the local port in *@from if
 * not NULL.
 */
static int try_connect(struct worker *w, const struct space *space, uint32_t cid, uint32_t port,
		       long long *from)
{
	int sock = worker_socket(w, space, SOCK_STREAM);
	int err;

	if (sock < 0)
		return sock;
	if (roll(w, 2))
		bind_to(sock, VMADDR_CID_ANY, next_port(w, scope_of(space)));
	err = connect_to(sock, cid, port);
	if (from)
		*from = port_of(sock);
	close(sock);
	return err;
}

/* The silent @listener has accepted a connection: report the client. */
static void name_the_heard(struct worker *w, int listener, const struct space *space,
			   const struct space *other, long long from)
{
	struct sockaddr_vm peer = { 0 };
	socklen_t len = sizeof(peer);
	int sock = accept_one(listener);

	if (sock >= 0)
		getpeername(sock, (struct sockaddr *)&peer, &len);
	wrong(w, "a listener of scope %u accepted port %u; the client of scope %u had %lld",
	      scope_of(space), peer.svm_port, scope_of(other), from);
}

/* Connect to a listener of another scope. */
enum result attempt_foreign(struct worker *w)
{
	struct space *space = any_space(w), *other = other_scope(w, scope_of(space));
	long long from = -1;
	int listener, err;

	if (!other)
		return SKIPPED;
	listener = worker_listener(w, space, SOCK_STREAM);
	if (listener < 0)
		return REFUSED;
	err = try_connect(w, other, VMADDR_CID_LOCAL, listen_port(w), &from);
	if (err != -ECONNRESET && !is_shortage(err) && !gone(w, err))
		wrong(w, "from scope %u to a listener of scope %u: %s", scope_of(other),
		      scope_of(space), strerror(-err));
	if (!quiet(listener))
		name_the_heard(w, listener, space, other, from);
	close(listener);
	return err == -ECONNRESET ? DONE : REFUSED;
}

/* Connect from a local namespace to a port on which other workers listen. */
enum result attempt_neighbour(struct worker *w)
{
	struct space *space = any_space(w);
	uint32_t port = PORT + roll(w, MAX_WORKERS);
	int err;

	if (space->mode != LOCAL || port == listen_port(w))
		return SKIPPED;
	err = try_connect(w, space, VMADDR_CID_LOCAL, port, NULL);
	if (err != -ECONNRESET && !is_shortage(err) && !gone(w, err))
		wrong(w, "from scope %u to another worker's port: %s", scope_of(space),
		      strerror(-err));
	return err == -ECONNRESET ? DONE : REFUSED;
}

static void want_bind(struct worker *w, int sock, uint32_t port, int want)
{
	int err = bind_to(sock, VMADDR_CID_ANY, port);

	if (err != want)
		wrong(w, "bind to port %u: %s, expected %s", port, strerror(-err), strerror(-want));
}

/* A bound port is in use within its scope and free in other scopes. */
enum result attempt_bind(struct worker *w)
{
	struct space *space = any_space(w), *other = other_scope(w, scope_of(space));
	uint32_t port = 0x20000000 | w->index << 16 | roll(w, 1000);
	int first = worker_socket(w, space, SOCK_STREAM);
	int second = worker_socket(w, space, SOCK_SEQPACKET);
	int third = other ? worker_socket(w, other, SOCK_STREAM) : -1;

	if (first >= 0 && second >= 0) {
		want_bind(w, first, port, 0);
		want_bind(w, second, port, -EADDRINUSE);
		if (third >= 0)
			want_bind(w, third, port, 0);
	}
	if (third >= 0)
		close(third);
	if (second >= 0)
		close(second);
	if (first >= 0)
		close(first);
	return first >= 0 && second >= 0 ? DONE : REFUSED;
}

/*
 * Assign the guest-to-host transport, which has no device, to any namespace: it changes
 * what CID 2 means, and no connection over loopback.
 */
enum result assign(struct worker *w)
{
	struct space *space = any_space(w);
	int dev = dev_vsock_in(space->fd), err;

	if (dev < 0)
		return REFUSED;
	err = assign_by(dev);
	close(dev);
	if (gone(w, err))
		return REFUSED;
	if (err)
		wrong(w, "assigning to namespace %u: %s", space->id, strerror(-err));
	return DONE;
}

/* Connected sockets must see EOF, connecting ones an error. */
static void await_end(struct worker *w, int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	uint64_t end = now_ms() + PATIENCE_MS;
	char byte;

	for (;;) {
		if (poll(&p, 1, 1000) > 0) {
			ssize_t n = recv(sock, &byte, 1, MSG_DONTWAIT);

			if (n > 0)
				wrong(w, "a byte that was never sent");
			if (!n || errno != EAGAIN)
				return;
		}
		if (now_ms() > end)
			wrong(w, "a client that was not notified of the end of its listener");
	}
}

/*
 * Start to connect to the worker's listener. Negative if memory or the module
 * is missing.
 */
static int begin_to_connect(struct worker *w, const struct space *space, int type)
{
	int sock = worker_socket(w, space, type), err;

	if (sock < 0)
		return sock;
	no_waiting(sock);
	err = connect_to(sock, VMADDR_CID_LOCAL, listen_port(w));
	if (!err || err == -EINPROGRESS)
		return sock;
	if (!gone(w, err))
		wrong(w, "non-blocking connect: %s", strerror(-err));
	close(sock);
	return err;
}

/* Requests of closed clients may still be queued. Wait for the answer to a
 * later one, or the next listener would accept them.
 */
static void await_refusal(struct worker *w, const struct space *space)
{
	int err;

	for (;;) {
		err = try_connect(w, space, VMADDR_CID_LOCAL, listen_port(w), NULL);
		if (!is_shortage(err) || w->shared->stop)
			break;
		poll(NULL, 0, 1);
	}
	if (err != -ECONNRESET && !is_shortage(err) && !gone(w, err))
		wrong(w, "to a closed listener of scope %u: %s", scope_of(space),
		      strerror(-err));
}

/* Close a listener with pending connections. */
enum result attempt_backlog(struct worker *w)
{
	struct space *space = any_space(w);
	int type = roll(w, 2) ? SOCK_STREAM : SOCK_SEQPACKET;
	int listener = worker_listener(w, space, type);
	unsigned int i, count = 1 + roll(w, BACKLOG), wait = roll(w, 3);
	int sock[BACKLOG];

	if (listener < 0)
		return REFUSED;
	for (i = 0; i < count; i++)
		sock[i] = begin_to_connect(w, space, type);
	poll(NULL, 0, wait);
	close(listener);
	for (i = 0; i < count; i++) {
		if (sock[i] < 0)
			continue;
		if (roll(w, 4))
			await_end(w, sock[i]);
		close(sock[i]);
	}
	await_refusal(w, space);
	return DONE;
}

/* Connect to the CID of a VM from another scope without such a CID. */
enum result attempt_vm(struct worker *w)
{
	struct vm *vm = &w->vms[roll(w, VMS)];
	struct space *other;
	unsigned int i;
	int err;

	if (!vm->used)
		return SKIPPED;
	other = other_scope(w, scope_of(&vm->space));
	if (!other)
		return SKIPPED;
	for (i = 0; i < VMS; i++)
		if (w->vms[i].used && scope_of(&w->vms[i].space) == scope_of(other) &&
		    w->vms[i].guest.cid == vm->guest.cid)
			return SKIPPED;
	err = try_connect(w, other, vm->guest.cid, listen_port(w), NULL);
	if (err != -ENODEV && !is_shortage(err) && !gone(w, err))
		wrong(w, "from scope %u to a VM of scope %u: %s", scope_of(other),
		      scope_of(&vm->space), strerror(-err));
	return DONE;
}
