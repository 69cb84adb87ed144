// SPDX-License-Identifier: GPL-2.0
/*
 * The namespaces and VMs found so far, and a look into a namespace.
 */
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vsockns.h"

#define BUCKETS 4096

struct scan found;

static struct space *space_buckets[BUCKETS], **space_end = &found.spaces;
static struct vm *vm_buckets[BUCKETS], **vm_end = &found.vms;

struct space *space_find(ino_t inode)
{
	struct space *space = space_buckets[inode % BUCKETS];

	while (space && space->inode != inode)
		space = space->chain;
	return space;
}

/* The entry of a namespace, a new one if need be. */
struct space *space_get(ino_t inode)
{
	struct space *space = space_find(inode);

	if (space)
		return space;
	space = must_alloc(sizeof(*space));
	space->inode = inode;
	space->sockets = -1;
	space->chain = space_buckets[inode % BUCKETS];
	space_buckets[inode % BUCKETS] = space;
	*space_end = space;
	space_end = &space->next;
	found.nr_spaces++;
	progress();
	return space;
}

/* Adds a VM. NULL if it is known: several processes can hold its device. */
struct vm *vm_add(struct space *space, unsigned int cid)
{
	struct vm **bucket = &vm_buckets[(space->inode + cid) % BUCKETS];
	struct vm *vm;

	for (vm = *bucket; vm && cid; vm = vm->chain)
		if (vm->space == space && vm->cid == cid)
			return NULL;
	vm = must_alloc(sizeof(*vm));
	vm->space = space;
	vm->cid = cid;
	vm->chain = *bucket;
	*bucket = vm;
	*vm_end = vm;
	vm_end = &vm->next;
	found.nr_vms++;
	space->vms++;
	progress();
	return vm;
}

static void find_owner(struct space *space, int fd)
{
	int user = ioctl(fd, NS_GET_USERNS);
	struct stat st;

	if (user < 0)
		return;
	if (!ioctl(user, NS_GET_OWNER_UID, &space->owner) && !fstat(user, &st)) {
		space->user_ns = st.st_ino;
		space->owner_known = true;
	}
	close(user);
}

/*
 * Reads modes and sockets, which only a task in the namespace can do. The calling
 * thread stays there: it may lack the right to return, and enters the next one.
 */
static void visit(struct space *space, int fd)
{
	space->visited = true;
	find_owner(space, fd);
	if (!space->self && setns(fd, CLONE_NEWNET))
		return;
	space->mode = read_mode(NS_MODE_FILE);
	space->children = read_mode(CHILD_MODE_FILE);
	space->sockets = count_sockets();
	space->guest_cid = guest_cid();
}

/*
 * The entry of the namespace that @path leads to, which is visited if it was not
 * yet. NULL if @path is gone, or leads to another namespace by now.
 */
struct space *space_open(int dir, const char *path, ino_t inode)
{
	struct space *space = space_find(inode);
	struct stat st;
	int fd;

	if (space && space->visited)
		return space;
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	space = NULL;
	if (!fstat(fd, &st) && st.st_ino == inode) {
		space = space_get(inode);
		space->self = found.nr_spaces == 1;
		visit(space, fd);
	}
	close(fd);
	return space;
}
