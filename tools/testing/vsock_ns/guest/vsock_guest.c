// SPDX-License-Identifier: GPL-2.0
/*
 * A guest without a VM as a program: see vsock_guest.8 and usage_text below.
 *
 * One thread waits for the device, standard input and signals at the same time.
 * No other function may wait for long, or SIGINT would be delayed. So the modes
 * send only as much as the host has buffer space for.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "vsock_guest.h"

#define RING 128
#define BUFFER 4096
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char usage_text[] =
"usage: vsock_guest [-c CID] [-s] [-w SECONDS] MODE [PORT]\n"
"\n"
"Act as a guest behind /dev/vhost-vsock, without a VM. The guest belongs to the\n"
"network namespace in which this program opens the device.\n"
"\n"
"  connect PORT   connect to PORT of the host; send standard input and write\n"
"                 received data to standard output\n"
"  listen PORT    the same with the first client that connects to PORT of the guest\n"
"  echo PORT      send received data back, for any number of clients, until SIGINT\n"
"  flood PORT     send as much as possible to PORT of the host; print the amount\n"
"  stat           print the features of the device; with -w, also count packets\n"
"\n"
"  -c CID      CID of the guest (3)\n"
"  -s          use SOCK_SEQPACKET, not a stream; an input line is a message\n"
"  -w SECONDS  connect, listen: time to wait for the peer (60)\n"
"              flood: time to send (10); stat: time to count packets (0)\n"
"  -n BYTES    flood: bytes to send, regardless of the time\n"
"  -q          print no progress\n"
"  -h, --help  print this help\n"
"\n"
"Exit status: 0 success; 1 not connected, or reset; 2 wrong usage; 3 the device\n"
"is missing or has refused a request.\n";

/* ---- the device ---- */

/* Say what to do about an errno that does not say so itself. */
static const char *device_advice(int err)
{
	switch (err) {
	case -ENOENT:
	case -ENODEV:
		return ": is the module vhost_vsock loaded?";
	case -EACCES:
	case -EPERM:
		return ": run as root or in the group kvm";
	case -EPROTONOSUPPORT:
		return ": the device does not offer virtio 1";
	}
	return "";
}

static const char *cid_advice(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return ": the CID is in use in the scope of this namespace";
	case -EINVAL:
		return ": use a CID from 3 to 4294967294";
	}
	return "";
}

void need(int err, const char *what)
{
	if (err < 0)
		errx(EXIT_DEVICE, "%s: %s%s", what, strerror(-err), device_advice(err));
}

static void start_guest(struct settings *s)
{
	const struct guest_options options = { .ring = RING, .buffer = BUFFER };
	int err;

	need(guest_open(&s->guest, &options), "/dev/vhost-vsock");
	need(guest_set_up(&s->guest), "setting up the device");
	err = guest_set_cid(&s->guest, s->cid);
	if (err)
		errx(EXIT_DEVICE, "CID %llu: %s%s", s->cid, strerror(-err), cid_advice(err));
	need(guest_run(&s->guest, 1), "starting the device");
	need(guest_stack_init(&s->stack, &s->guest), "connections");
	if (s->type == SOCK_SEQPACKET &&
	    !(s->guest.features & 1ull << VIRTIO_VSOCK_F_SEQPACKET))
		errx(EXIT_DEVICE, "the device does not support SOCK_SEQPACKET: omit -s");
}

static void block_signals(struct settings *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0)
		errx(EXIT_DEVICE, "signalfd: %s", strerror(errno));
}

bool turn(struct settings *s, int input, int milliseconds)
{
	struct guest_queue *q = s->guest.queues;
	struct pollfd p[] = {
		{ .fd = q[GUEST_RX].call, .events = POLLIN },
		{ .fd = q[GUEST_TX].call, .events = POLLIN },
		{ .fd = s->signals, .events = POLLIN },
		{ .fd = input, .events = POLLIN },
	};
	int count = guest_turn(&s->stack, 0), i;
	eventfd_t events;

	poll(p, 4, count ? 0 : milliseconds);
	for (i = 0; i < GUEST_QUEUES; i++)
		if (p[i].revents)
			eventfd_read(p[i].fd, &events);
	if (count >= 0)
		count = guest_turn(&s->stack, 0);
	if (count < 0)
		errx(EXIT_CONNECTION, "invalid packet from the host: %s", strerror(-count));
	return !p[2].revents;
}

/* ---- the command line ---- */

static const struct mode {
	const char *name;
	bool port;
	int (*run)(struct settings *s);
} modes[] = {
	{ "connect", true, mode_connect },
	{ "listen", true, mode_listen },
	{ "echo", true, mode_echo },
	{ "flood", true, mode_flood },
	{ "stat", false, mode_stat },
};

static unsigned long long number(const char *text, const char *what, unsigned long long most)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end || text[0] == '-' || value > most)
		errx(EXIT_USAGE, "%s: '%s' is not between 0 and %llu", what, text, most);
	return value;
}

static void options(struct settings *s, int argc, char **argv)
{
	static const struct option longs[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+c:sw:n:qh", longs, NULL)) != -1)
		switch (c) {
		case 'c':
			s->cid = number(optarg, "-c", UINT64_MAX);
			break;
		case 's':
			s->type = SOCK_SEQPACKET;
			break;
		case 'w':
			s->wait = number(optarg, "-w", 1000000);
			break;
		case 'n':
			s->bytes = number(optarg, "-n", INT64_MAX);
			break;
		case 'q':
			s->quiet = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		default:
			errx(EXIT_USAGE, "option %s: see vsock_guest --help", argv[optind - 1]);
		}
}

static const struct mode *mode_named(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	errx(EXIT_USAGE, "'%s' is no mode: use connect, listen, echo, flood or stat", name);
}

int main(int argc, char **argv)
{
	static struct settings s = { .cid = 3, .type = SOCK_STREAM, .wait = -1 };
	const struct mode *mode;
	int status;

	options(&s, argc, argv);
	argv += optind;
	argc -= optind;
	if (!argc)
		errx(EXIT_USAGE, "no mode: see vsock_guest --help");
	mode = mode_named(argv[0]);
	if (argc != 1 + mode->port)
		errx(EXIT_USAGE, "%s takes %s", mode->name, mode->port ? "a port" : "no port");
	if (mode->port)
		s.port = number(argv[1], "port", UINT32_MAX - 1);
	block_signals(&s);
	start_guest(&s);
	status = mode->run(&s);
	guest_flush(&s.guest, 1000);
	guest_stack_free(&s.stack);
	guest_stop(&s.guest);
	return status;
}
