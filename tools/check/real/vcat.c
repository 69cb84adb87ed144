// SPDX-License-Identifier: GPL-2.0
/*
 * vcat - connect and listen like ncat --vsock, for nested emulation: the connect
 * timeout is a minute, not 2 s
 *
 *	vcat [-r] [-x NETNS] CID PORT	connects
 *	vcat [-x NETNS] [-b] -l PORT	listens on all CIDs, accepts one connection
 *	vcat [-b] -k TEXT PORT		listens, sends TEXT to each client
 *
 * Copies standard input to the peer and data from the peer to standard output,
 * until both have ended.
 *
 *	-x NETNS  enter this namespace (a path) after connect() or listen(), so that
 *		  no task is left in the namespace of the socket
 *	-b	  continue in the background after listen(), so that the next command
 *		  can connect
 *	-r	  do not send, and do not shut down: ncat may close the connection then
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <linux/vm_sockets.h>

#define PATIENCE 60

static const char *go_to;
static bool background;
static bool receive_only;

static void die(const char *what)
{
	fprintf(stderr, "vcat: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned int number(const char *text)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 0);
	if (errno || end == text || *end || value > 0xffffffffUL) {
		fprintf(stderr, "vcat: %s is not a number: give a CID or port of at most 4294967295\n", text);
		exit(2);
	}
	return value;
}

static struct sockaddr_vm address(unsigned int cid, unsigned int port)
{
	return (struct sockaddr_vm) {
		.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port,
	};
}

static int new_socket(void)
{
	int sock = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		die("socket");
	return sock;
}

static void leave(void)
{
	int ns;

	if (!go_to)
		return;
	ns = open(go_to, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET))
		die(go_to);
	close(ns);
}

static void go_on_behind(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		_exit(0);
}

static int connected(unsigned int cid, unsigned int port)
{
	struct sockaddr_vm addr = address(cid, port);
	struct timeval patience = { .tv_sec = PATIENCE };
	int sock = new_socket();

	if (setsockopt(sock, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof(patience)))
		die("SO_VM_SOCKETS_CONNECT_TIMEOUT");
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)))
		die("connect");
	leave();
	return sock;
}

static int listening(unsigned int port)
{
	struct sockaddr_vm addr = address(VMADDR_CID_ANY, port);
	int sock = new_socket();

	if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)))
		die("bind");
	if (listen(sock, 8))
		die("listen");
	leave();
	if (background)
		go_on_behind();
	return sock;
}

static int accepted(int listener)
{
	int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (sock < 0)
		die("accept");
	return sock;
}

static void write_all(int to, const char *data, size_t len)
{
	ssize_t n;

	for (; len; data += n, len -= n) {
		n = write(to, data, len);
		if (n < 0)
			die(to == STDOUT_FILENO ? "standard output" : "send");
	}
}

/* Copies data that is available; returns false at the end of @from. */
static bool pass(int from, int to)
{
	char data[65536];
	ssize_t n = read(from, data, sizeof(data));

	if (n < 0)
		die(from == STDIN_FILENO ? "standard input" : "receive");
	write_all(to, data, n);
	return n > 0;
}

static void relay(int sock)
{
	struct pollfd p[] = {
		{ .fd = receive_only ? -1 : STDIN_FILENO, .events = POLLIN },
		{ .fd = sock, .events = POLLIN },
	};

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 2, -1) < 0)
			die("poll");
		if (p[0].revents && !pass(STDIN_FILENO, sock)) {
			p[0].fd = -1;
			shutdown(sock, SHUT_WR);
		}
		if (p[1].revents && !pass(sock, STDOUT_FILENO))
			p[1].fd = -1;
	}
	close(sock);
}

static void greet(const char *text, int listener)
{
	int sock;

	for (;;) {
		sock = accepted(listener);
		write_all(sock, text, strlen(text));
		write_all(sock, "\n", 1);
		close(sock);
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: vcat [-r] [-x NETNS] CID PORT | [-x NETNS] [-b] -l PORT | [-b] -k TEXT PORT\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *text = NULL;
	bool server = false;
	int option;

	while ((option = getopt(argc, argv, "rx:lbk:")) != -1) {
		switch (option) {
		case 'r': receive_only = true; break;
		case 'x': go_to = optarg; break;
		case 'l': server = true; break;
		case 'b': background = true; break;
		case 'k': text = optarg; break;
		default: return usage();
		}
	}
	argv += optind;
	if (argc - optind != (server || text ? 1 : 2))
		return usage();
	if (text)
		greet(text, listening(number(argv[0])));
	else if (server)
		relay(accepted(listening(number(argv[0]))));
	else
		relay(connected(number(argv[0]), number(argv[1])));
	return 0;
}
