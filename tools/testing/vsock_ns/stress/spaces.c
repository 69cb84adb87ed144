// SPDX-License-Identifier: GPL-2.0
/*
 * Namespaces and the expected results of child_ns_mode: see stress.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "stress.h"

/* 0 is the scope shared by all global namespaces. */
uint32_t scope_of(const struct space *space)
{
	return space->mode == LOCAL ? space->id : 0;
}

/* The first namespace is init, which always exists. */
struct space *any_space(struct worker *w)
{
	struct space *space = &w->spaces[roll(w, SPACES)];

	return space->fd < 0 ? &w->spaces[0] : space;
}

/* Returns a namespace that must not reach @scope, or NULL if there is none. */
struct space *other_scope(struct worker *w, uint32_t scope)
{
	unsigned int i, first = roll(w, SPACES);

	for (i = 0; i < SPACES; i++) {
		struct space *space = &w->spaces[(first + i) % SPACES];

		if (space->fd >= 0 && scope_of(space) != scope)
			return space;
	}
	return NULL;
}

/* Compare the sysctls with the model. */
static void compare(struct worker *w, const struct space *space)
{
	int mode = mode_of(space->fd), child = child_mode_of(space->fd);

	if (gone(w, mode) || gone(w, child))
		return;
	if (mode != (int)space->mode)
		wrong(w, "ns_mode of namespace %u is %d, not %d", space->id, mode, space->mode);
	if (child != (int)space->child)
		wrong(w, "child_ns_mode of namespace %u is %d, not %d", space->id, child,
		      space->child);
}

/* Other subsystems report a lack of memory by other errnos, too. */
static bool is_shortage_of_some(int err)
{
	return is_shortage(err) || err == -EEXIST || err == -ENODEV || err == -EINVAL;
}

/*
 * Create a child of @parent, possibly with a failing allocation; returns -errno
 * on failure.
 */
static int unshare_in(struct worker *w, const struct space *parent)
{
	int child, err = ns_enter(parent->fd);
	bool hit;

	if (err)
		return err;
	fault_begin(w);
	err = unshare(CLONE_NEWNET) ? -errno : 0;
	hit = fault_end(w);
	if (err && !(hit && is_shortage_of_some(err)))
		wrong(w, "unshare: %s", strerror(-err));
	child = err ? err : ns_here();
	if (ns_enter(w->home))
		wrong(w, "cannot return to init");
	return child;
}

enum result space_new(struct worker *w)
{
	struct space *parent = any_space(w), *space = NULL;
	unsigned int i;
	int fd;

	for (i = 1; i < SPACES && !space; i++)
		if (w->spaces[i].fd < 0)
			space = &w->spaces[i];
	if (!space)
		return SKIPPED;
	fd = unshare_in(w, parent);
	if (fd < 0)
		return REFUSED;
	*space = (struct space) {
		.fd = fd,
		.id = (w->index + 1) << 24 | ++w->next_id,
		.mode = parent->child,
		.child = parent->child,
	};
	compare(w, space);
	return DONE;
}

/* Drop a name; sockets and VMs keep the namespace alive. */
enum result space_drop(struct worker *w)
{
	struct space *space = &w->spaces[1 + roll(w, SPACES - 1)];

	if (space->fd < 0)
		return SKIPPED;
	close(space->fd);
	space->fd = -1;
	return DONE;
}

static int expected(const struct space *space, enum mode mode)
{
	if (space->mode == LOCAL && mode == GLOBAL)
		return -EPERM;
	if (space->locked && space->child != mode)
		return -EBUSY;
	return 0;
}

/* Never in init: it is shared with other workers, and a choice is permanent. */
enum result mode_write(struct worker *w)
{
	struct space *space = any_space(w);
	enum mode mode = roll(w, 3) ? LOCAL : GLOBAL;
	int err, want;

	if (space == &w->spaces[0] || (mode == LOCAL && !w->local_allowed))
		return SKIPPED;
	want = expected(space, mode);
	err = choose_for_children(space->fd, mode);
	if (gone(w, err))
		return REFUSED;
	if (err != want)
		wrong(w, "%s into child_ns_mode of namespace %u: %s, expected %s",
		      mode == LOCAL ? "local" : "global", space->id, strerror(-err),
		      strerror(-want));
	if (!err) {
		space->child = mode;
		space->locked = true;
	}
	compare(w, space);
	return err ? REFUSED : DONE;
}
