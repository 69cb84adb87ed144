// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that hold the locks of sockets: see lock_holder.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lock_holder.h"
#include "vsock_ns_util.h"

/* Only a failing test waits this long. */
#define PATIENCE_MS 20000
#define STACK 65536

struct held_lock {
	const struct lock_holder *holder;
	pthread_t thread;
	int sock;
};

static int open_userfaultfd(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

const char *cannot_hold_locks(void)
{
	int fd = open_userfaultfd();

	if (fd < 0)
		return "no userfaultfd for kernel faults: needs CONFIG_USERFAULTFD and root";
	close(fd);
	return NULL;
}

static int watch_page(struct lock_holder *holder)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	holder->size = sysconf(_SC_PAGESIZE);
	holder->uffd = open_userfaultfd();
	if (holder->uffd < 0)
		return holder->uffd;
	holder->page = mmap(NULL, holder->size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (holder->page == MAP_FAILED)
		return -errno;
	range.range.start = (uintptr_t)holder->page;
	range.range.len = holder->size;
	if (ioctl(holder->uffd, UFFDIO_API, &api) ||
	    ioctl(holder->uffd, UFFDIO_REGISTER, &range))
		return -errno;
	return 0;
}

/* setsockopt() reads the option under the lock. The value 0 is raised to the minimum. */
static void *hold(void *arg)
{
	struct held_lock *held = arg;

	setsockopt(held->sock, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, held->holder->page,
		   sizeof(uint64_t));
	return NULL;
}

static int start_thread(struct held_lock *held)
{
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	err = pthread_create(&held->thread, &attr, hold, held);
	pthread_attr_destroy(&attr);
	return -err;
}

/* Wait for one message per thread that faults on the page. */
static int wait_for_faults(const struct lock_holder *holder)
{
	struct pollfd p = { .fd = holder->uffd, .events = POLLIN };
	struct uffd_msg msg;
	unsigned int faults = 0;

	while (faults < holder->count) {
		if (poll(&p, 1, PATIENCE_MS) != 1)
			return -ETIMEDOUT;
		if (read(holder->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
		    msg.event == UFFD_EVENT_PAGEFAULT)
			faults++;
	}
	return 0;
}

int locks_hold(struct lock_holder *holder, const int *socks, unsigned int count)
{
	unsigned int i;
	int err;

	*holder = (struct lock_holder) { .uffd = -1, .page = MAP_FAILED };
	if (count > MAX_HELD)
		return -E2BIG;
	holder->threads = calloc(count, sizeof(*holder->threads));
	err = holder->threads ? watch_page(holder) : -ENOMEM;
	for (i = 0; i < count && !err; i++) {
		struct held_lock *held = &holder->threads[i];

		held->holder = holder;
		held->sock = socks[i];
		err = start_thread(held);
		holder->count += !err;
	}
	if (!err)
		err = wait_for_faults(holder);
	if (err)
		locks_release(holder);
	return err;
}

void locks_release(struct lock_holder *holder)
{
	struct uffdio_zeropage zero = { .mode = 0 };
	unsigned int i;

	if (holder->count) {
		zero.range.start = (uintptr_t)holder->page;
		zero.range.len = holder->size;
		ioctl(holder->uffd, UFFDIO_ZEROPAGE, &zero);
	}
	for (i = 0; i < holder->count; i++)
		pthread_join(holder->threads[i].thread, NULL);
	if (holder->page != MAP_FAILED)
		munmap(holder->page, holder->size);
	if (holder->uffd >= 0)
		close(holder->uffd);
	free(holder->threads);
	*holder = (struct lock_holder) { .uffd = -1, .page = MAP_FAILED };
}
