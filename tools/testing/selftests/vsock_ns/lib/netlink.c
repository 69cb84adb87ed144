// SPDX-License-Identifier: GPL-2.0
/*
 * Requests to the kernel over netlink: see netlink.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <net/if.h>
#include <sys/socket.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/vm_sockets_diag.h>

#include "netlink.h"

/**
 * struct request - a request and its attributes
 * @header: netlink header, with the total length
 * @link: family header of requests for devices
 * @room: space for attributes
 */
struct request {
	struct nlmsghdr header;
	struct ifinfomsg link;
	char room[128];
};

int netlink_open(int protocol)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	return sock < 0 ? -errno : sock;
}

static struct rtattr *attribute(struct request *request, int type, const char *text)
{
	struct rtattr *rta = (void *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));
	size_t len = text ? strlen(text) + 1 : 0;

	rta->rta_type = type;
	rta->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(rta), text, len);
	request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) +
				    RTA_ALIGN(rta->rta_len);
	return rta;
}

int netlink_answer(int sock)
{
	char answer[1024];
	struct nlmsghdr *header = (void *)answer;
	ssize_t len = recv(sock, answer, sizeof(answer), MSG_DONTWAIT);

	if (len < 0)
		return -errno;
	if (!NLMSG_OK(header, len) || header->nlmsg_type != NLMSG_ERROR)
		return -EBADMSG;
	return ((struct nlmsgerr *)NLMSG_DATA(header))->error;
}

static int acknowledged(int sock, struct request *request)
{
	request->header.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (send(sock, request, request->header.nlmsg_len, 0) < 0)
		return -errno;
	return netlink_answer(sock);
}

int tap_create(int route, const char *name)
{
	struct request request = {
		.header = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(request.link)),
			.nlmsg_type = RTM_NEWLINK,
			.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL,
		},
		.link = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP },
	};
	struct rtattr *info;

	attribute(&request, IFLA_IFNAME, name);
	info = attribute(&request, IFLA_LINKINFO, NULL);
	attribute(&request, IFLA_INFO_KIND, "vsockmon");
	info->rta_len = (char *)&request + request.header.nlmsg_len - (char *)info;
	return acknowledged(route, &request);
}

int tap_delete(int route, const char *name)
{
	struct request request = {
		.header = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(request.link)),
			.nlmsg_type = RTM_DELLINK,
		},
	};

	attribute(&request, IFLA_IFNAME, name);
	return acknowledged(route, &request);
}

int tap_open(const char *name)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(name),
	};
	int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (sock < 0)
		return -errno;
	err = bind(sock, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
	if (err)
		close(sock);
	return err ? err : sock;
}

/**
 * struct id_request - a request for the id of a namespace
 * @header: netlink header, with the total length
 * @gen: family header of requests for ids
 * @id: id of the namespace
 * @fd: file descriptor of a namespace without an id
 */
struct id_request {
	struct nlmsghdr header;
	struct rtgenmsg gen;
	struct id_attribute {
		struct rtattr rta __attribute__((aligned(NLMSG_ALIGNTO)));
		int value;
	} id, fd;
};

static struct id_attribute id_attribute(int type, int value)
{
	return (struct id_attribute) {
		.rta = { .rta_len = RTA_LENGTH(sizeof(value)), .rta_type = type },
		.value = value,
	};
}

int namespace_set_id(int route, int ns, int id)
{
	struct id_request request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_NEWNSID,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		},
		.id = id_attribute(NETNSA_NSID, id),
		.fd = id_attribute(NETNSA_FD, ns),
	};

	if (send(route, &request, sizeof(request), 0) < 0)
		return -errno;
	return netlink_answer(route);
}

int namespace_lives(int route, int id)
{
	struct id_request request = {
		.header = {
			.nlmsg_len = offsetof(struct id_request, fd),
			.nlmsg_type = RTM_GETNSID,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.id = id_attribute(NETNSA_NSID, id),
	};
	int err;

	if (send(route, &request, request.header.nlmsg_len, 0) < 0)
		return -errno;
	/* The kernel answers with the id or with an error. */
	err = netlink_answer(route);
	return err == -EBADMSG ? 0 : err;
}

int diag_ask(int diag, int type, int flags)
{
	struct {
		struct nlmsghdr header;
		struct vsock_diag_req diag;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = type,
			.nlmsg_flags = NLM_F_REQUEST | flags,
		},
		.diag = { .sdiag_family = AF_VSOCK, .vdiag_states = ~0U },
	};

	return send(diag, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

/* Returns the number of sockets in a part of the dump; sets *done on the last part. */
static int see_part(const struct nlmsghdr *header, ssize_t len, int *done, see_socket *see,
		    void *arg)
{
	int count = 0;

	for (; NLMSG_OK(header, len); header = NLMSG_NEXT(header, len)) {
		if (header->nlmsg_type == NLMSG_ERROR)
			return ((struct nlmsgerr *)NLMSG_DATA(header))->error ?: -EBADMSG;
		if (header->nlmsg_type == NLMSG_DONE) {
			int error = *(int *)NLMSG_DATA(header);

			*done = 1;
			return error < 0 ? error : count;
		}
		if (see)
			see(NLMSG_DATA(header), arg);
		count++;
	}
	return count;
}

int diag_dump(int diag, see_socket *see, void *arg)
{
	union {
		struct nlmsghdr header; /* aligned like a message */
		char bytes[32768];
	} part;
	int count = 0, done = 0;
	int err = diag_ask(diag, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);

	while (!err && !done) {
		ssize_t len = recv(diag, &part, sizeof(part), MSG_DONTWAIT);
		int found = len < 0 ? -errno : see_part(&part.header, len, &done, see, arg);

		if (found < 0)
			err = found;
		else
			count += found;
	}
	return err ?: count;
}
