// SPDX-License-Identifier: GPL-2.0
/*
 * Namespaces, the sysctls, other tasks: see vsock_ns_util.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/sockios.h>

#include "vsock_ns_util.h"

#define SYSCTL_DIR "/proc/sys/net/vsock/"
#define USER 1000

/* The tests that follow would give meaningless results. */
static void give_up(const char *what)
{
	fprintf(stderr, "# vsock_ns: %s: %s\n", what, strerror(errno));
	abort();
}

/* ---- modules ---- */

bool module_loaded(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !access(path, F_OK);
}

int module_load(const char *name)
{
	char command[128];

	snprintf(command, sizeof(command), "modprobe -q %s", name);
	return system(command);
}

int module_try_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

/* A socket closed just before may still hold the module. */
int module_unload(const char *name)
{
	int err, tries;

	for (tries = 0; tries < 2000; tries++) {
		err = module_try_unload(name);
		if (err != -EAGAIN)
			break;
		usleep(10000);
	}
	return err;
}

/* ---- prerequisites ---- */

/*
 * Lets KCSAN run the tests on a kernel without modes. All namespaces count as
 * global, and test results are ignored.
 */
static bool pretend_modes(void)
{
	return getenv("VSOCK_NS_PRETEND") && access(SYSCTL_DIR "ns_mode", F_OK);
}

const char *cannot_run(void)
{
	int here = ns_here();
	int err;

	/* The first socket loads the module where autoloading is allowed. */
	err = sock_in(here, SOCK_STREAM);
	if (err < 0)
		return "no AF_VSOCK: modprobe vsock";
	close(err);

	if (access(SYSCTL_DIR "ns_mode", F_OK) && !pretend_modes())
		return "kernel without vsock namespaces";
	if (geteuid())
		return "needs root";
	if (mode_of(here) != GLOBAL || child_mode_of(here) != GLOBAL)
		return "must start in a global namespace with global children";
	if (connect_in(here, SOCK_STREAM, VMADDR_CID_LOCAL, PORT) == -ENODEV)
		return "no loopback: modprobe vsock_loopback";
	close(here);
	return NULL;
}

const char *cannot_make_vms(void)
{
	/* The node may exist before the module is loaded, which open() does. */
	int device = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);

	if (device < 0)
		return "no /dev/vhost-vsock: modprobe vhost_vsock";
	close(device);
	return NULL;
}

/* CID 2 addresses this machine only if it is not a guest itself. */
const char *cannot_alias_the_host(void)
{
	if (module_loaded("vmw_vsock_virtio_transport") ||
	    module_loaded("vmw_vsock_vmci_transport") ||
	    module_loaded("hv_sock"))
		return "a guest-to-host transport is loaded";
	return NULL;
}

/* For loopback connections to @cid */
const char *cannot_use_cid(unsigned int cid)
{
	return cid == VMADDR_CID_HOST ? cannot_alias_the_host() : NULL;
}

const char *cannot_tap(void)
{
	return module_load("vsockmon") ? "this kernel has no vsockmon" : NULL;
}

/* ---- namespaces ---- */

int ns_here(void)
{
	int ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (ns < 0)
		give_up("opening the namespace of this task");
	return ns;
}

int ns_enter(int ns)
{
	return setns(ns, CLONE_NEWNET) ? -errno : 0;
}

static void ns_return(int ns)
{
	if (setns(ns, CLONE_NEWNET))
		give_up("returning to a namespace");
	close(ns);
}

/* Create a namespace as a task in @parent would. */
int ns_child_of(int parent)
{
	int back = ns_here();
	int child = ns_enter(parent);

	if (!child)
		child = unshare(CLONE_NEWNET) ? -errno : ns_here();
	ns_return(back);
	return child;
}

int ns_global(void)
{
	int here = ns_here();
	int child = ns_child_of(here);

	close(here);
	return child;
}

/* Use a parent of its own: the current namespace must not choose a mode. */
int ns_local(void)
{
	int parent = ns_global();
	int child = parent;

	if (parent < 0)
		return parent;
	child = choose_for_children(parent, LOCAL);
	if (!child)
		child = ns_child_of(parent);
	close(parent);
	return child;
}

int ns_make(int ns[NS_COUNT])
{
	int i;

	for (i = INIT; i < NS_COUNT; i++) {
		if (i == INIT)
			ns[i] = ns_here();
		else if (i == L0 || i == L1)
			ns[i] = ns_local();
		else
			ns[i] = ns_global();
		if (ns[i] < 0)
			return ns[i];
	}
	return 0;
}

void ns_close(int ns[NS_COUNT])
{
	int i;

	for (i = INIT; i < NS_COUNT; i++)
		close(ns[i]);
}

bool ns_same(int a, int b)
{
	struct stat sa, sb;

	if (fstat(a, &sa) || fstat(b, &sb))
		give_up("comparing namespaces");
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

int ns_of_socket(int sock)
{
	int ns = ioctl(sock, SIOCGSKNS);

	return ns < 0 ? -errno : ns;
}

/* ---- the sysctls ---- */

int sysctl_open(int ns, const char *name, int flags)
{
	int back = ns_here();
	int fd = ns_enter(ns);
	char path[64];

	snprintf(path, sizeof(path), SYSCTL_DIR "%s", name);
	if (!fd) {
		fd = open(path, flags | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	ns_return(back);
	return fd;
}

/* Terminates the text with a 0 byte. */
ssize_t sysctl_read(int ns, const char *name, char *text, size_t size)
{
	int fd = sysctl_open(ns, name, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return fd;
	len = read(fd, text, size - 1);
	if (len < 0)
		len = -errno;
	text[len < 0 ? 0 : len] = 0;
	close(fd);
	return len;
}

/*
 * Write from within @ns: a faulty kernel must not change the mode of the
 * namespace that the tests started in.
 */
ssize_t sysctl_write(int ns, const char *name, const void *data, size_t len)
{
	int fd = sysctl_open(ns, name, O_WRONLY);
	int back = ns_here();
	ssize_t written;

	if (fd < 0) {
		close(back);
		return fd;
	}
	ns_enter(ns);
	written = write(fd, data, len);
	if (written < 0)
		written = -errno;
	ns_return(back);
	close(fd);
	return written;
}

static int mode_in(int ns, const char *name)
{
	char text[16];
	ssize_t len;

	if (pretend_modes())
		return GLOBAL;
	len = sysctl_read(ns, name, text, sizeof(text));
	if (len < 0)
		return len;
	if (!strcmp(text, "global\n"))
		return GLOBAL;
	if (!strcmp(text, "local\n"))
		return LOCAL;
	return -EINVAL;
}

int mode_of(int ns)
{
	return mode_in(ns, "ns_mode");
}

int child_mode_of(int ns)
{
	return mode_in(ns, "child_ns_mode");
}

int choose_for_children(int ns, enum mode mode)
{
	const char *text = mode == LOCAL ? "local" : "global";
	ssize_t len;

	if (pretend_modes())
		return 0;
	len = sysctl_write(ns, "child_ns_mode", text, strlen(text));
	if (len < 0)
		return len;
	return (size_t)len == strlen(text) ? 0 : -EIO;
}

/* ---- other tasks ---- */

pid_t start(int (*fn)(void *arg), void *arg)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (!pid)
		_exit(fn(arg));
	return pid;
}

/* Returns the exit status, or -EINTR if a signal ended the task. */
int finish(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		give_up("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

int in_a_child(int (*fn)(void *arg), void *arg)
{
	return finish(start(fn, arg));
}

struct fd_message {
	char control[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec iov;
	struct msghdr msg;
};

static struct msghdr *fd_message(struct fd_message *m)
{
	memset(m, 0, sizeof(*m));
	m->iov.iov_base = &m->byte;
	m->iov.iov_len = 1;
	m->msg.msg_iov = &m->iov;
	m->msg.msg_iovlen = 1;
	m->msg.msg_control = m->control;
	m->msg.msg_controllen = sizeof(m->control);
	return &m->msg;
}

int send_fd(int channel, int fd)
{
	struct fd_message m;
	struct msghdr *msg = fd_message(&m);
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(channel, msg, 0) == 1 ? 0 : -errno;
}

int receive_fd(int channel)
{
	struct fd_message m;
	struct msghdr *msg = fd_message(&m);
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(channel, msg, MSG_CMSG_CLOEXEC) != 1)
		return -errno;
	cmsg = CMSG_FIRSTHDR(msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -ENOMSG;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

/* Permanent: call this in a child. */
int become_user(void)
{
	if (setgroups(0, NULL) || setresgid(USER, USER, USER) ||
	    setresuid(USER, USER, USER))
		return -errno;
	/* else its files in /proc still belong to root */
	return prctl(PR_SET_DUMPABLE, 1) ? -errno : 0;
}

/* Permanent. Affects this thread only, and keeps all other capabilities. */
int drop_capability(int capability)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[capability / 32].effective &= ~(1U << capability % 32);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

/* Permanent. @flags: namespaces to create along with the user namespace. */
int become_root_of_a_user_namespace(int flags)
{
	int err = become_user();
	char map[32];

	if (err)
		return err;
	if (unshare(CLONE_NEWUSER | flags))
		return -errno;
	snprintf(map, sizeof(map), "0 %d 1", USER);
	err = write_text("/proc/self/setgroups", "deny");
	if (!err)
		err = write_text("/proc/self/uid_map", map);
	if (!err)
		err = write_text("/proc/self/gid_map", map);
	return err;
}
