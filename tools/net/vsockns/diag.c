// SPDX-License-Identifier: GPL-2.0
/*
 * AF_VSOCK sockets of a namespace, counted by sock_diag.
 */
#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <linux/vm_sockets_diag.h>
#include <sys/socket.h>

#include "vsockns.h"

static int count_one(const struct nlmsghdr *header, void *data)
{
	(void)header;
	++*(long *)data;
	return MNL_CB_OK;
}

static bool ask(struct mnl_socket *sock, char *buffer)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct vsock_diag_req *request;

	header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
	request->sdiag_family = AF_VSOCK;
	request->vdiag_states = ~0U;

	return mnl_socket_sendto(sock, header, header->nlmsg_len) >= 0;
}

/* Counts in the namespace that the calling thread is in; -1 if it cannot. */
long count_sockets(void)
{
	static char buffer[32768];
	struct mnl_socket *sock = mnl_socket_open(NETLINK_SOCK_DIAG);
	long count = 0;
	ssize_t len;
	int more = MNL_CB_ERROR;

	if (!sock)
		return -1;
	if (!mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) && ask(sock, buffer)) {
		do {
			len = mnl_socket_recvfrom(sock, buffer, sizeof(buffer));
			more = len < 0 ? MNL_CB_ERROR :
			       mnl_cb_run(buffer, len, 0, mnl_socket_get_portid(sock), count_one,
					  &count);
		} while (more > MNL_CB_STOP);
	}
	mnl_socket_close(sock);
	return more == MNL_CB_ERROR ? -1 : count;
}
