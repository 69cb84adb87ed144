// SPDX-License-Identifier: GPL-2.0
/*
 * The host's side of g2h_guest and g2h_migrate: services for a guest (see g2h.h). Ends
 * when it is killed. Each client has a process of its own.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "g2h.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static int *live;	/* shared by all processes */

static void echo(int sock)
{
	static char data[65536];
	ssize_t len;

	__sync_fetch_and_add(live, 1);
	while ((len = recv(sock, data, sizeof(data), 0)) > 0)
		if (send(sock, data, len, MSG_NOSIGNAL) != len)
			break;
	__sync_fetch_and_sub(live, 1);
}

static void call(int sock)
{
	struct sockaddr_vm peer;
	socklen_t size = sizeof(peer);
	struct callback call;
	int back, err;

	if (recv(sock, &call, sizeof(call), MSG_WAITALL) != sizeof(call) ||
	    getpeername(sock, (struct sockaddr *)&peer, &size))
		return;
	back = sock_in(ns_here(), call.type);
	err = back < 0 ? -back : -connect_to(back, peer.svm_cid, call.port);
	send(sock, &err, sizeof(err), MSG_NOSIGNAL);
	if (!err)
		echo(back);
}

static void tell_live(int sock)
{
	int now = __sync_fetch_and_add(live, 0);

	send(sock, &now, sizeof(now), MSG_NOSIGNAL);
	recv(sock, &now, sizeof(now), 0);	/* until the client has read it */
}

static void idle(int sock)
{
	(void)sock;
	sleep(60);
}

static void move(int sock)
{
	(void)sock;
	puts("move");
	fflush(stdout);
}

static void serve(int listener, void (*fn)(int sock))
{
	int sock = accept(listener, NULL, NULL);

	if (sock < 0)
		return;
	if (!fork()) {
		/* Or a child that sleeps keeps the ports of the listeners. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fn(sock);
		_exit(0);
	}
	close(sock);
}

int main(void)
{
	static const struct {
		unsigned int port;
		int type;
		void (*fn)(int sock);
	} services[] = {
		{ ECHO_PORT, SOCK_STREAM, echo },
		{ ECHO_PORT + 1, SOCK_SEQPACKET, echo },
		{ CALL_PORT, SOCK_STREAM, call },
		{ LIVE_PORT, SOCK_STREAM, tell_live },
		{ IDLE_PORT, SOCK_STREAM, idle },
		{ IDLE_PORT + 1, SOCK_SEQPACKET, idle },
		{ MOVE_PORT, SOCK_STREAM, move },
	};
	struct pollfd polls[ARRAY_SIZE(services)];
	size_t i;

	signal(SIGCHLD, SIG_IGN);
	live = mmap(NULL, sizeof(*live), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);
	if (live == MAP_FAILED) {
		perror("g2h_host: mmap");
		return 1;
	}
	for (i = 0; i < ARRAY_SIZE(services); i++) {
		polls[i].fd = listen_in(ns_here(), services[i].type, VMADDR_CID_ANY,
					services[i].port);
		polls[i].events = POLLIN;
		if (polls[i].fd < 0) {
			fprintf(stderr, "g2h_host: cannot listen on port %u: error %d\n",
				services[i].port, -polls[i].fd);
			return 1;
		}
	}
	puts("ready");
	fflush(stdout);
	while (poll(polls, ARRAY_SIZE(services), -1) > 0)
		for (i = 0; i < ARRAY_SIZE(services); i++)
			if (polls[i].revents)
				serve(polls[i].fd, services[i].fn);
	return 1;
}
