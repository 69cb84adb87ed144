/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vsock_guest, a guest without a VM as a program: shared definitions.
 */
#ifndef VSOCK_GUEST_PROGRAM_H
#define VSOCK_GUEST_PROGRAM_H

#include "guest_conn.h"

enum { EXIT_CONNECTION = 1, EXIT_USAGE, EXIT_DEVICE };

/**
 * struct settings - the options and the state of the program
 * @cid: CID of the guest
 * @type: SOCK_STREAM or SOCK_SEQPACKET
 * @wait: seconds, -1: the default of the mode
 * @bytes: bytes that flood sends, 0: limited by time
 * @quiet: print no progress
 * @port: port argument of the mode
 * @signals: signalfd of the signals that end the program
 * @guest: the device
 * @stack: the connections of the guest
 */
struct settings {
	unsigned long long cid;
	int type;
	long wait;
	unsigned long long bytes;
	bool quiet;
	uint32_t port;
	int signals;
	struct guest guest;
	struct guest_stack stack;
};

/* Print progress to stderr. */
#define note(s, ...) ((s)->quiet ? (void)0 : warnx(__VA_ARGS__))

/* Exit with EXIT_DEVICE if @err is a negative errno. */
void need(int err, const char *what);

/*
 * Wait for the host, or for input on @input (-1: none), and process packets.
 * Returns false if a signal asks the program to exit.
 */
bool turn(struct settings *s, int input, int milliseconds);

int mode_connect(struct settings *s);
int mode_listen(struct settings *s);
int mode_echo(struct settings *s);
int mode_flood(struct settings *s);
int mode_stat(struct settings *s);

#endif
