// SPDX-License-Identifier: GPL-2.0
/*
 * sock_diag and taps show a namespace only its own sockets and packets: see stress.h.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <linux/vm_sockets_diag.h>
#include <linux/vsockmon.h>

#include "netlink.h"
#include "stress.h"

/* ---- sock_diag ---- */

/* A socket of this worker, and the number of times a dump has shown it. */
struct own {
	const struct link *link;
	ino_t inode;
	unsigned int seen;
};

static unsigned int own_sockets(struct worker *w, struct own *own)
{
	unsigned int i, side, n = 0;
	struct stat st;

	for (i = 0; i < LINKS; i++)
		for (side = 0; side < 2; side++) {
			const struct link *l = &w->links[i];

			if (!l->used || l->end[side].fd < 0)
				continue;
			if (fstat(l->end[side].fd, &st))
				wrong(w, "fstat: %s", strerror(errno));
			own[n++] = (struct own) { .link = l, .inode = st.st_ino };
		}
	return n;
}

/* The argument of look_at(). */
struct sought {
	struct own *own;
	unsigned int count;
};

static void look_at(const struct vsock_diag_msg *found, void *arg)
{
	struct sought *sought = arg;
	unsigned int i;

	for (i = 0; i < sought->count; i++)
		sought->own[i].seen += sought->own[i].inode == found->vdiag_ino;
}

static int diag_in(struct worker *w, const struct space *space)
{
	int diag;

	if (ns_enter(space->fd))
		wrong(w, "cannot enter namespace %u", space->id);
	diag = netlink_open(NETLINK_SOCK_DIAG);
	if (ns_enter(w->home))
		wrong(w, "cannot return to init");
	if (diag < 0)
		wrong(w, "a socket for dumps: %s", strerror(-diag));
	return diag;
}

enum result dump_sockets(struct worker *w)
{
	struct space *space = any_space(w);
	struct own own[2 * LINKS];
	unsigned int i, count = own_sockets(w, own);
	struct sought sought = { .own = own, .count = count };
	int diag, err;

	if (leaving(w, LEAVE_DIAG) && roll(w, 4))
		return SKIPPED;
	diag = diag_in(w, space);
	err = diag_dump(diag, look_at, &sought);
	close(diag);
	if (err < 0 && gone(w, err))
		return REFUSED;
	if (err < 0)
		wrong(w, "a dump in namespace %u: %s", space->id, strerror(-err));
	for (i = 0; i < count; i++) {
		const struct link *l = own[i].link;
		bool here = l->space == space->id;
		bool whole = l->up && !l->end[0].eof && !l->end[1].eof;

		if (own[i].seen > here || (whole && own[i].seen != here))
			wrong(w, "a socket of namespace %u is %u times in a dump of %u",
			      l->space, own[i].seen, space->id);
	}
	return DONE;
}

/* ---- taps ---- */

static int run_in(struct worker *w, const struct space *space, const char *command)
{
	int status;

	if (ns_enter(space->fd))
		wrong(w, "cannot enter namespace %u", space->id);
	status = system(command);
	if (ns_enter(w->home))
		wrong(w, "cannot return to init");
	return status;
}

static void name_tap(struct worker *w, const struct tap *tap, char *name)
{
	snprintf(name, IFNAMSIZ, "tap%d_%d", w->index, (int)(tap - w->taps));
}

static int listen_on_tap(struct worker *w, const struct space *space, const char *name)
{
	int sock;

	if (ns_enter(space->fd))
		wrong(w, "cannot enter namespace %u", space->id);
	sock = tap_open(name);
	if (sock < 0)
		wrong(w, "listening on a tap: %s", strerror(-sock));
	if (ns_enter(w->home))
		wrong(w, "cannot return to init");
	return sock;
}

static void drop(struct worker *w, struct tap *tap)
{
	char name[IFNAMSIZ], command[64];

	close(tap->fd);
	name_tap(w, tap, name);
	snprintf(command, sizeof(command), "ip link del %s", name);
	if (run_in(w, &tap->space, command))
		wrong(w, "%s", command);
	close(tap->space.fd);
	tap->fd = -1;
}

void taps_drop(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < TAPS; i++)
		if (w->taps[i].fd >= 0)
			drop(w, &w->taps[i]);
}

/* An entry that is in use is deleted first. */
enum result tap_new(struct worker *w)
{
	struct tap *tap = &w->taps[roll(w, TAPS)];
	struct space *space = any_space(w);
	char name[IFNAMSIZ], command[128];

	if (leaving(w, 0))
		return SKIPPED;
	if (tap->fd >= 0) {
		drop(w, tap);
		return DONE;
	}
	name_tap(w, tap, name);
	snprintf(command, sizeof(command),
		 "ip link add %s type vsockmon && ip link set %s up", name, name);
	if (run_in(w, space, command))
		wrong(w, "%s", command);
	keep_space(w, &tap->space, space);
	tap->fd = listen_on_tap(w, space, name);
	return DONE;
}

/* A port that encodes a scope must match the scope of the tap. Other ports were
 * chosen by the kernel.
 */
static void may_see(struct worker *w, const struct tap *tap, uint32_t port)
{
	uint32_t scope = scope_of(&tap->space), index = (port & 0xfffffff) / SERIALS;
	uint16_t of;

	if ((port & 0xf0000000) != 0x40000000 || index >= MAX_WORKERS)
		return;
	of = w->shared->mark[index][port % SERIALS];
	if (!of || of == MARK_FORGED)
		return;
	if (of != scope_mark(scope) || (scope && index != (uint32_t)w->index))
		wrong(w, "a tap of scope %u saw port %#x, of another scope", scope, port);
}

enum result tap_read(struct worker *w)
{
	struct tap *tap = &w->taps[roll(w, TAPS)];
	struct af_vsockmon_hdr hdr;
	unsigned int i;

	if (tap->fd < 0)
		return SKIPPED;
	for (i = 0; i < 2000; i++) {
		if (recv(tap->fd, &hdr, sizeof(hdr), MSG_TRUNC) < (ssize_t)sizeof(hdr))
			break;
		may_see(w, tap, le32toh(hdr.src_port));
		may_see(w, tap, le32toh(hdr.dst_port));
		w->counters->tapped++;
	}
	return i ? DONE : SKIPPED;
}
