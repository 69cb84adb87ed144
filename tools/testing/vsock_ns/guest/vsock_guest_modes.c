// SPDX-License-Identifier: GPL-2.0
/*
 * The modes of vsock_guest, a guest without a VM as a program.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vsock_guest.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define CLOSE_MS 10000

/* ---- connect, listen ---- */

/**
 * struct pipe - a connection joined to standard input and output
 * @conn: the connection
 * @input: file descriptor 0, or -1 after EOF
 * @ended: the peer has sent EOF
 * @line: input that is not sent yet
 * @len: bytes in @line
 */
struct pipe {
	struct guest_conn *conn;
	int input;
	bool ended;
	char line[32768];
	size_t len;
};

/*
 * Wait until the host has buffer space for @len bytes, or for one byte of a
 * stream. Returns false if it never will, or on a signal. Requests credit, as
 * the host may not advertise it by itself.
 */
static bool room(struct settings *s, struct guest_conn *conn, size_t len)
{
	size_t need = conn->type == VIRTIO_VSOCK_TYPE_STREAM ? 1 : len;

	while (guest_space(conn) < need) {
		if (conn->state != GUEST_CONNECTED || need > conn->peer_buf_alloc ||
		    conn->peer_shutdown & VIRTIO_VSOCK_SHUTDOWN_RCV || !turn(s, -1, 1000))
			return false;
		if (guest_space(conn) < need)
			guest_post_op(conn, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0, guest_now());
	}
	return true;
}

/* Returns the number of bytes sent, all or none of a message, or a negative errno. */
static ssize_t send_some(struct settings *s, struct guest_conn *conn, const char *data, size_t len)
{
	if (!room(s, conn, len))
		return conn->err ? conn->err : -EPIPE;
	if (conn->type == VIRTIO_VSOCK_TYPE_STREAM && len > guest_space(conn))
		len = guest_space(conn);
	return guest_write(conn, data, len, CLOSE_MS);
}

/* Returns false if the peer accepts no more data. */
static bool send_all(struct settings *s, struct guest_conn *conn, const char *data, size_t len)
{
	ssize_t done;

	for (; len; data += done, len -= done) {
		done = send_some(s, conn, data, len);
		if (done == -EPIPE)
			return false;
		if (done < 0)
			errx(EXIT_CONNECTION, "sending: %s", strerror(-done));
	}
	return true;
}

/* Returns the length of the first complete message; a stream has no boundaries. */
static size_t message(const struct pipe *pipe, bool end)
{
	const char *newline = memchr(pipe->line, '\n', pipe->len);

	if (pipe->conn->type == VIRTIO_VSOCK_TYPE_STREAM || end ||
	    (!newline && pipe->len == sizeof(pipe->line)))
		return pipe->len;
	return newline ? newline + 1 - pipe->line : 0;
}

static void take_input(struct settings *s, struct pipe *pipe)
{
	ssize_t len = read(pipe->input, pipe->line + pipe->len, sizeof(pipe->line) - pipe->len);
	bool wanted = true;
	size_t part;

	if (len < 0)
		errx(EXIT_CONNECTION, "standard input: %s", strerror(errno));
	pipe->len += len;
	while (wanted && pipe->len && (part = message(pipe, !len))) {
		wanted = send_all(s, pipe->conn, pipe->line, part);
		pipe->len -= part;
		memmove(pipe->line, pipe->line + part, pipe->len);
	}
	if (len && wanted)
		return;
	pipe->input = -1;
	guest_shutdown(pipe->conn, VIRTIO_VSOCK_SHUTDOWN_SEND);
}

static void give_output(struct pipe *pipe)
{
	static char data[65536];
	ssize_t len, done, part;

	while (!pipe->ended && guest_readable(pipe->conn)) {
		len = guest_read(pipe->conn, data, sizeof(data), NULL, 0);
		if (len < 0)
			errx(EXIT_CONNECTION, "receiving: %s", strerror(-len));
		pipe->ended = !len;
		for (done = 0; done < len; done += part) {
			part = write(STDOUT_FILENO, data + done, len - done);
			if (part < 0)
				errx(EXIT_CONNECTION, "standard output: %s", strerror(errno));
		}
	}
}

/* A peer that sends no more may still receive, as ncat --recv-only does. */
static bool done(const struct pipe *pipe)
{
	return pipe->ended && (pipe->input < 0 || pipe->conn->state == GUEST_RESET);
}

static int run_pipe(struct settings *s, struct guest_conn *conn)
{
	static struct pipe pipe;
	struct pollfd p;

	pipe.conn = conn;
	for (give_output(&pipe); !done(&pipe); give_output(&pipe)) {
		p = (struct pollfd) {
			.fd = guest_space(conn) ? pipe.input : -1, .events = POLLIN,
		};
		if (!turn(s, p.fd, 1000))
			break;
		if (poll(&p, 1, 0) > 0)
			take_input(s, &pipe);
	}
	guest_close(conn, CLOSE_MS);
	return 0;
}

static struct guest_conn *connect_to_host(struct settings *s, long seconds)
{
	struct guest_conn *conn;
	int err = guest_connect(&s->stack, &conn, s->type, VMADDR_CID_HOST, s->port,
				seconds * 1000);

	if (err)
		errx(EXIT_CONNECTION, "connecting to port %u of the host: %s%s", s->port,
		     strerror(-err), err == -ECONNRESET ? ": nobody listens in this scope" : "");
	return conn;
}

int mode_connect(struct settings *s)
{
	struct guest_conn *conn = connect_to_host(s, s->wait < 0 ? 60 : s->wait);

	note(s, "connected to port %u of the host", s->port);
	return run_pipe(s, conn);
}

int mode_listen(struct settings *s)
{
	long long until = guest_now() + (s->wait < 0 ? 60 : s->wait) * 1000;
	struct guest_conn *conn;

	guest_listen(&s->stack, s->type, s->port);
	note(s, "listening on port %u of CID %llu", s->port, s->cid);
	while (guest_accept(&s->stack, &conn, 0)) {
		if (guest_now() > until)
			errx(EXIT_CONNECTION, "nobody connected to port %u: see -w", s->port);
		if (!turn(s, -1, 1000))
			return 0;
	}
	note(s, "connected from port %u", conn->peer_port);
	return run_pipe(s, conn);
}

/* ---- echo ---- */

/* True if the next data must wait for buffer space; false if it can never fit. */
static bool must_wait(const struct guest_conn *conn)
{
	size_t need = conn->type == VIRTIO_VSOCK_TYPE_STREAM ? 1 : guest_message(conn);

	return conn->first && conn->state == GUEST_CONNECTED &&
	       guest_space(conn) < need && need <= conn->peer_buf_alloc;
}

/* Returns false at the end of the connection. */
static bool echo(struct guest_conn *conn)
{
	static char data[GUEST_BUF_ALLOC];
	size_t most;
	ssize_t len;

	while (guest_readable(conn) && !must_wait(conn)) {
		most = sizeof(data);
		if (conn->type == VIRTIO_VSOCK_TYPE_STREAM && conn->first &&
		    guest_space(conn) < most)
			most = guest_space(conn);
		len = guest_read(conn, data, most, NULL, 0);
		if (len <= 0 || guest_write(conn, data, len, CLOSE_MS) < 0)
			return false;
	}
	return true;
}

int mode_echo(struct settings *s)
{
	struct guest_conn *conn, *next;
	unsigned long clients = 0;

	guest_listen(&s->stack, s->type, s->port);
	note(s, "echoing on port %u of CID %llu, until SIGINT", s->port, s->cid);
	while (turn(s, -1, 1000)) {
		while (!guest_accept(&s->stack, &conn, 0))
			clients++;
		for (conn = s->stack.conns; conn; conn = next) {
			next = conn->next;
			if (!echo(conn))
				guest_close(conn, 1000);
		}
	}
	note(s, "%lu clients", clients);
	return 0;
}

/* ---- flood ---- */

int mode_flood(struct settings *s)
{
	static char data[32768];
	long seconds = s->wait < 0 ? 10 : s->wait;
	struct guest_conn *conn = connect_to_host(s, 60);
	long long begin = guest_now(), told = begin, now = begin;
	unsigned long long sent = 0;
	bool closed = false;
	size_t part;
	ssize_t len;

	while (s->bytes ? sent < s->bytes : now - begin < seconds * 1000) {
		part = sizeof(data);
		if (s->bytes && s->bytes - sent < part)
			part = s->bytes - sent;
		len = send_some(s, conn, data, part);
		closed = len == -EPIPE;
		if (closed)
			break;
		if (len < 0)
			errx(EXIT_CONNECTION, "after %llu bytes: %s", sent, strerror(-len));
		sent += len;
		now = guest_now();
		if (now - told > 5000) {
			note(s, "%llu MB so far", sent / 1000000);
			told = now;
		}
		if (!turn(s, -1, 0))
			break;
	}
	guest_close(conn, CLOSE_MS);
	now = guest_now() - begin;
	printf("%llu bytes in %.1f s: %.1f MB/s\n", sent, now / 1000.0,
	       now ? sent / 1000.0 / now : 0.0);
	if (closed && s->bytes)
		errx(EXIT_CONNECTION, "the host took %llu of %llu bytes", sent,
		     (unsigned long long)s->bytes);
	return 0;
}

/* ---- stat ---- */

static void print_features(const char *title, uint64_t features)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} names[] = {
		{ VIRTIO_VSOCK_F_SEQPACKET, "seqpacket" },
		{ VIRTIO_F_NOTIFY_ON_EMPTY, "notify-on-empty" },
		{ VIRTIO_F_ANY_LAYOUT, "any-layout" },
		{ VIRTIO_RING_F_INDIRECT_DESC, "indirect-descriptors" },
		{ VIRTIO_RING_F_EVENT_IDX, "event-index" },
		{ VIRTIO_F_VERSION_1, "version-1" },
		{ VIRTIO_F_ACCESS_PLATFORM, "access-platform" },
		{ 26, "log-all" },
	};
	unsigned int i;

	printf("%s: 0x%llx", title, (unsigned long long)features);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (features & 1ull << names[i].bit)
			printf(" %s", names[i].name);
	printf("\n");
}

int mode_stat(struct settings *s)
{
	static const char *const ops[GUEST_OPS] = {
		"other", "request", "response", "reset", "shutdown", "data",
		"credit-update", "credit-request",
	};
	long long until = guest_now() + (s->wait < 0 ? 0 : s->wait) * 1000;
	uint64_t offered;
	struct stat ns;
	int i;

	need(guest_offered(&s->guest, &offered), "asking for features");
	printf("cid: %llu\n", s->cid);
	if (!stat("/proc/self/ns/net", &ns))
		printf("namespace: net:[%llu]\n", (unsigned long long)ns.st_ino);
	print_features("offered", offered);
	print_features("accepted", s->guest.features);
	fflush(stdout);
	while (guest_now() < until && turn(s, -1, 100))
		;
	for (i = 0; s->wait > 0 && i < GUEST_OPS; i++)
		printf("received %s: %llu\n", ops[i], s->stack.received[i]);
	return 0;
}
