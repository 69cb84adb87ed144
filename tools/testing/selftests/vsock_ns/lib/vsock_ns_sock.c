// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets, data and VMs: see vsock_ns_util.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>
#include <linux/vhost.h>

#include "vsock_ns_util.h"

/* Long, as the machine may be emulated; only a failing test waits for it. */
#define PATIENCE_S 20

#define MESSAGE 4096

static int made_in(int ns, int (*make)(int arg), int arg)
{
	int back = ns_here();
	int fd = ns_enter(ns);

	if (!fd)
		fd = make(arg);
	if (ns_enter(back))
		abort();
	close(back);
	return fd;
}

/* ---- sockets ---- */

int sock_set_patience(int sock, int seconds)
{
	const struct timeval patience = { .tv_sec = seconds };

	return setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
	       setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ?
	       -errno : 0;
}

static int make_socket(int type)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int sock = socket(AF_VSOCK, type | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return -errno;
	setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT,
		   &patience, sizeof(patience));
	sock_set_patience(sock, PATIENCE_S);
	return sock;
}

int sock_in(int ns, int type)
{
	return made_in(ns, make_socket, type);
}

/* Returns @sock on success, else closes it and returns the errno. */
static int sock_or_error(int sock, int err)
{
	if (!err)
		return sock;
	close(sock);
	return err;
}

static struct sockaddr_vm address(unsigned int cid, unsigned int port)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = cid,
		.svm_port = port,
	};

	return addr;
}

int bind_to(int sock, unsigned int cid, unsigned int port)
{
	struct sockaddr_vm addr = address(cid, port);

	return bind(sock, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
}

int bind_in(int ns, unsigned int cid, unsigned int port)
{
	int sock = sock_in(ns, SOCK_STREAM);

	return sock < 0 ? sock : sock_or_error(sock, bind_to(sock, cid, port));
}

int listen_on(int sock, unsigned int cid, unsigned int port)
{
	int err = bind_to(sock, cid, port);

	if (err)
		return err;
	return listen(sock, 64) ? -errno : 0;
}

int listen_in(int ns, int type, unsigned int cid, unsigned int port)
{
	int sock = sock_in(ns, type);

	return sock < 0 ? sock : sock_or_error(sock, listen_on(sock, cid, port));
}

int connect_to(int sock, unsigned int cid, unsigned int port)
{
	struct sockaddr_vm addr = address(cid, port);

	return connect(sock, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
}

int connect_in(int ns, int type, unsigned int cid, unsigned int port)
{
	int sock = sock_in(ns, type);

	return sock < 0 ? sock : sock_or_error(sock, connect_to(sock, cid, port));
}

static bool ready(int sock, short events, int milliseconds)
{
	struct pollfd p = { .fd = sock, .events = events };

	return poll(&p, 1, milliseconds) > 0;
}

int accept_one(int listener)
{
	int sock;

	if (!ready(listener, POLLIN, PATIENCE_S * 1000))
		return -ETIMEDOUT;
	sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return sock < 0 ? -errno : sock;
}

int sock_outcome(int sock, short events, int milliseconds)
{
	struct pollfd p = { .fd = sock, .events = events };
	socklen_t len = sizeof(int);
	int err = 0;

	if (poll(&p, 1, milliseconds) != 1)
		return -EINPROGRESS;
	if (getsockopt(sock, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return -err;
}

int set_buffer_size(int sock, unsigned long long size)
{
	if (setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MIN_SIZE, &size, sizeof(size)) ||
	    setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &size, sizeof(size)) ||
	    setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof(size)))
		return -errno;
	return 0;
}

/* Like pair_in() to CID 1, with buffers of @size bytes. */
int pair_with_buffers(struct pair *pair, int ns, int type, unsigned long long size)
{
	int listener = listen_in(ns, type, VMADDR_CID_ANY, PORT);
	int err = set_buffer_size(listener, size);

	pair->client = sock_in(ns, type);
	if (!err)
		err = set_buffer_size(pair->client, size);
	if (!err)
		err = connect_to(pair->client, VMADDR_CID_LOCAL, PORT);
	pair->server = err ? -1 : accept_one(listener);
	close(listener);
	return err ? : pair->server < 0 ? pair->server : 0;
}

/* Create a connection within @ns and close its listener. */
int pair_in(struct pair *pair, int ns, int type, unsigned int cid)
{
	int listener = listen_in(ns, type, VMADDR_CID_ANY, PORT);

	if (listener < 0)
		return listener;
	pair->client = connect_in(ns, type, cid, PORT);
	if (pair->client < 0)
		return sock_or_error(listener, pair->client);
	pair->server = accept_one(listener);
	close(listener);
	return pair->server < 0 ? pair->server : 0;
}

long long port_of(int sock)
{
	struct sockaddr_vm addr;
	socklen_t len = sizeof(addr);

	if (getsockname(sock, (struct sockaddr *)&addr, &len))
		return -errno;
	return addr.svm_port;
}

/* ---- data ---- */

struct flow {
	int from;
	int to;
	size_t sent;
	size_t received;
	unsigned char seed;
};

/* The data depends on the offset and the direction, so a swap or a loss is detected. */
static unsigned char byte_at(const struct flow *flow, size_t place)
{
	return place * 167 + (place >> 8) * 13 + flow->seed;
}

static int flow_send(struct flow *flow, size_t bytes)
{
	unsigned char data[MESSAGE];
	size_t len = bytes - flow->sent;
	ssize_t done;
	size_t i;

	if (len > sizeof(data))
		len = sizeof(data);
	for (i = 0; i < len; i++)
		data[i] = byte_at(flow, flow->sent + i);
	done = send(flow->from, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (done < 0)
		return errno == EAGAIN ? 0 : -errno;
	flow->sent += done;
	return 0;
}

static int flow_receive(struct flow *flow)
{
	unsigned char data[MESSAGE];
	ssize_t done = recv(flow->to, data, sizeof(data), MSG_DONTWAIT);
	ssize_t i;

	if (done < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (!done)
		return -EPIPE;
	for (i = 0; i < done; i++, flow->received++)
		if (data[i] != byte_at(flow, flow->received))
			return -EBADMSG;
	return 0;
}

/* Send and receive on @sock without waiting, as far as @out and @in have bytes left. */
static int flow_turn(short events, struct flow *out, struct flow *in,
		     size_t bytes)
{
	int err = 0;

	if (events & POLLOUT && out->sent < bytes)
		err = flow_send(out, bytes);
	if (!err && events & POLLIN)
		err = flow_receive(in);
	return err;
}

/* Send @bytes from @a to @b and from @b to @a at the same time. */
int exchange(int a, int b, size_t bytes)
{
	struct flow ab = { .from = a, .to = b, .seed = 1 };
	struct flow ba = { .from = b, .to = a, .seed = 100 };
	int err = 0;

	while (!err && (ab.received < bytes || ba.received < bytes)) {
		struct pollfd p[] = {
			{ a, POLLIN | (ab.sent < bytes ? POLLOUT : 0), 0 },
			{ b, POLLIN | (ba.sent < bytes ? POLLOUT : 0), 0 },
		};

		if (poll(p, 2, PATIENCE_S * 1000) <= 0)
			return -ETIMEDOUT;
		if ((p[0].revents | p[1].revents) & (POLLERR | POLLNVAL))
			return -EIO;
		err = flow_turn(p[0].revents, &ab, &ba, bytes);
		if (!err)
			err = flow_turn(p[1].revents, &ba, &ab, bytes);
	}
	return err;
}

int talk(int a, int b)
{
	return exchange(a, b, 1000);
}

/* No connection to accept, no data and no EOF. */
bool quiet(int sock)
{
	return !ready(sock, POLLIN, 0);
}

/* The peer has closed and all data is read. */
bool at_end(int sock)
{
	char byte;

	return ready(sock, POLLIN, PATIENCE_S * 1000) &&
	       recv(sock, &byte, 1, MSG_DONTWAIT) == 0;
}

/* ---- VMs ---- */

static int open_vhost(int flags)
{
	int vm = open("/dev/vhost-vsock", flags);

	return vm < 0 ? -errno : vm;
}

int vm_in(int ns)
{
	return made_in(ns, open_vhost, O_RDWR | O_CLOEXEC);
}

int vm_set_cid(int vm, __u64 cid)
{
	return ioctl(vm, VHOST_VSOCK_SET_GUEST_CID, &cid) ? -errno : 0;
}

int vm_with_cid(int ns, __u64 cid)
{
	int vm = vm_in(ns);

	return vm < 0 ? vm : sock_or_error(vm, vm_set_cid(vm, cid));
}
