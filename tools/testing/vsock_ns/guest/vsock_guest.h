/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vsock_guest, a guest without a VM as a program: what its modes share.
 */
#ifndef VSOCK_GUEST_PROGRAM_H
#define VSOCK_GUEST_PROGRAM_H

#include "guest_conn.h"

enum { EXIT_CONNECTION = 1, EXIT_USAGE, EXIT_DEVICE };

/**
 * struct settings - what was asked for
 * @cid: of the guest
 * @type: SOCK_STREAM or SOCK_SEQPACKET
 * @wait: seconds, -1: the mode's own
 * @bytes: of flood, 0: by time
 * @quiet: tells no progress
 * @port: the mode's
 * @signals: signalfd: to end
 * @guest: the device
 * @stack: its connections
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

/* Progress. */
#define note(s, ...) ((s)->quiet ? (void)0 : warnx(__VA_ARGS__))

/* Ends with EXIT_DEVICE if @err is an errno. */
void need(int err, const char *what);

/*
 * Turns when there is something from the host, or when @input (-1: none) can be
 * read. False: a signal asks to end.
 */
bool turn(struct settings *s, int input, int milliseconds);

int mode_connect(struct settings *s);
int mode_listen(struct settings *s);
int mode_echo(struct settings *s);
int mode_flood(struct settings *s);
int mode_stat(struct settings *s);

#endif
