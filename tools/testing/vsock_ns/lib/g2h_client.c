// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "g2h_client.h"

int connect_host(int ns, int type, unsigned int port)
{
	return connect_in(ns, type, VMADDR_CID_HOST, port + (type == SOCK_SEQPACKET));
}

bool echoes(int sock, const char *text)
{
	char back[64] = "";
	size_t len = strlen(text);

	return send(sock, text, len, MSG_NOSIGNAL) == (ssize_t)len &&
	       recv(sock, back, len, MSG_WAITALL) == (ssize_t)len && !strcmp(back, text);
}

bool reaches_host(int ns, int type)
{
	int sock = connect_host(ns, type, ECHO_PORT);
	bool ok = sock >= 0 && echoes(sock, "hello");

	close(sock);
	return ok;
}

int host_calls(int ns, int type, unsigned int port)
{
	struct callback call = { .port = port, .type = type };
	int sock = connect_in(ns, SOCK_STREAM, VMADDR_CID_HOST, CALL_PORT), err = -1;

	if (sock >= 0 && send(sock, &call, sizeof(call), MSG_NOSIGNAL) == sizeof(call) &&
	    recv(sock, &err, sizeof(err), MSG_WAITALL) != sizeof(err))
		err = -1;
	close(sock);
	return err;
}

int live_at_host(int ns)
{
	int sock = connect_in(ns, SOCK_STREAM, VMADDR_CID_HOST, LIVE_PORT), count = -1;

	if (sock >= 0 && recv(sock, &count, sizeof(count), MSG_WAITALL) != sizeof(count))
		count = -1;
	close(sock);
	return count;
}
