// SPDX-License-Identifier: GPL-2.0
/*
 * VMs and their connections in tests: see vm_link.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "vm_link.h"

#define MESSAGE 3000

/* ---- VMs ---- */

const char *cannot_link_vms(void)
{
	const char *why = cannot_run();

	if (!why)
		why = cannot_make_vms();

	return why ? why : cannot_alias_the_host();
}

unsigned int vm_port(int type)
{
	return VM_PORT + (type == SOCK_SEQPACKET);
}

int vm_start_with(struct vm *vm, int ns, uint64_t cid, const struct guest_options *options)
{
	int here = ns_here();
	int err = ns_enter(ns);

	memset(vm, 0, sizeof(*vm));
	if (!err)
		err = guest_start_with(&vm->guest, cid, options);
	if (ns_enter(here))
		abort();
	close(here);
	if (err)
		return err;
	err = guest_stack_init(&vm->stack, &vm->guest);
	if (!err)
		err = guest_listen(&vm->stack, SOCK_STREAM, vm_port(SOCK_STREAM));
	if (!err)
		err = guest_listen(&vm->stack, SOCK_SEQPACKET, vm_port(SOCK_SEQPACKET));
	if (err)
		vm_stop(vm);
	return err;
}

int vm_start(struct vm *vm, int ns, uint64_t cid)
{
	const struct guest_options options = { .ring = 16, .buffer = 2048 };

	return vm_start_with(vm, ns, cid, &options);
}

void vm_stop(struct vm *vm)
{
	if (!vm->guest.memory)
		return;
	guest_stack_free(&vm->stack);
	guest_stop(&vm->guest);
}

/* ---- connections ---- */

int link_from_sock(struct vm_link *link, struct vm *vm, int sock, int type)
{
	int err;

	*link = (struct vm_link) { .sock = sock };
	if (sock < 0)
		return sock;
	fcntl(sock, F_SETFL, O_NONBLOCK);
	err = connect_to(sock, vm->guest.cid, vm_port(type));
	if (err == -EINPROGRESS)
		err = guest_accept(&vm->stack, &link->conn, VM_PATIENCE_MS);
	if (!err)
		err = sock_outcome(sock, POLLOUT, VM_PATIENCE_MS);
	fcntl(sock, F_SETFL, 0);
	return err;
}

int link_from_host(struct vm_link *link, struct vm *vm, int ns, int type)
{
	int err = link_from_sock(link, vm, sock_in(ns, type), type);

	if (err && link->sock >= 0) {
		close(link->sock);
		link->sock = -1;
	}
	return err;
}

int link_to_listener(struct vm_link *link, struct vm *vm, int listener, int type,
		     unsigned int port)
{
	int err;

	link->sock = -1;
	err = guest_connect(&vm->stack, &link->conn, type, VMADDR_CID_HOST, port,
			    VM_PATIENCE_MS);
	if (err)
		return err;
	link->sock = accept_one(listener);
	return link->sock < 0 ? link->sock : 0;
}

int link_from_guest(struct vm_link *link, struct vm *vm, int ns, int type, unsigned int port)
{
	int listener = listen_in(ns, type, VMADDR_CID_ANY, port);
	int err;

	if (listener < 0)
		return listener;
	err = link_to_listener(link, vm, listener, type, port);
	close(listener);
	return err;
}

/* The host keeps its socket for 8 s unless the guest answers the shutdown. */
void link_close(struct vm_link *link)
{
	struct guest_stack *stack = link->conn->stack;

	close(link->sock);
	while (link->conn->state != GUEST_RESET && guest_turn(stack, VM_PATIENCE_MS) >= 0)
		;
	guest_abort(link->conn);
}

int connect_briefly(int ns, int type, unsigned int cid, unsigned int port)
{
	struct timeval patience = { .tv_usec = 300000 };
	int sock = sock_in(ns, type);
	int err;

	if (sock < 0)
		return sock;
	setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof(patience));
	err = connect_to(sock, cid, port);
	close(sock);
	return err;
}

int link_reset(const struct vm_link *link, int milliseconds)
{
	int err = sock_outcome(link->sock, POLLIN, milliseconds);

	return err == -EINPROGRESS ? 0 : err;
}

/* ---- data ---- */

/**
 * struct flow - data in one direction
 * @sent: bytes sent
 * @received: bytes received
 * @seed: makes the data of the two directions differ
 */
struct flow {
	size_t sent;
	size_t received;
	unsigned char seed;
};

static size_t prepare(const struct flow *flow, char *data, size_t bytes, size_t most)
{
	size_t len = bytes - flow->sent, i;

	if (len > most)
		len = most;
	for (i = 0; i < len; i++)
		data[i] = (flow->sent + i) * 167 + (flow->sent + i) / 256 * 13 + flow->seed;
	return len;
}

static int check(struct flow *flow, const char *data, ssize_t len)
{
	ssize_t i;

	for (i = 0; i < len; i++, flow->received++)
		if (data[i] != (char)(flow->received * 167 + flow->received / 256 * 13 +
				      flow->seed))
			return -EBADMSG;
	return 0;
}

static int host_turn(struct vm_link *link, struct flow *out, struct flow *in, size_t bytes)
{
	char data[MESSAGE];
	size_t len = prepare(out, data, bytes, sizeof(data));
	ssize_t done = 0;

	if (len)
		done = send(link->sock, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (done < 0 && errno != EAGAIN)
		return -errno;
	if (done > 0)
		out->sent += done;
	if (in->received == bytes)
		return 0;
	done = recv(link->sock, data, sizeof(data), MSG_DONTWAIT);
	if (done < 0)
		return errno == EAGAIN ? 0 : -errno;
	return done ? check(in, data, done) : -EPIPE;
}

static int guest_does(struct vm_link *link, struct flow *out, struct flow *in, size_t bytes)
{
	size_t space = guest_space(link->conn);
	char data[MESSAGE];
	size_t len = prepare(out, data, bytes, space < sizeof(data) ? space : sizeof(data));
	ssize_t done = 0;

	if (len)
		done = guest_write(link->conn, data, len, VM_PATIENCE_MS);
	if (done < 0)
		return done;
	out->sent += done;
	if (!guest_readable(link->conn))
		return 0;
	done = guest_read(link->conn, data, sizeof(data), NULL, 0);
	if (done <= 0)
		return done ? done : -EPIPE;
	return check(in, data, done);
}

int link_carries(struct vm_link *link, size_t bytes)
{
	struct flow down = { .seed = 1 }, up = { .seed = 100 };
	long long since = guest_now();
	size_t before, now = 0;
	int err;

	while (down.received < bytes || up.received < bytes) {
		before = now;
		err = host_turn(link, &down, &up, bytes);
		if (!err)
			err = guest_does(link, &up, &down, bytes);
		now = down.sent + down.received + up.sent + up.received;
		if (now != before)
			since = guest_now();
		else if (guest_now() - since > VM_PATIENCE_MS)
			err = -ETIMEDOUT;
		if (err)
			return err;
		err = guest_turn(link->conn->stack, now == before ? 10 : 0);
		if (err < 0 && err != -ETIMEDOUT)
			return err;
	}
	return 0;
}

int link_talks(struct vm_link *link)
{
	return link_carries(link, 1000);
}
