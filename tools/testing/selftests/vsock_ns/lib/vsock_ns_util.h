/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Namespaces, sockets and VMs for the vsock_ns tests.
 *
 *	init		where the test starts: global, with global children.
 *	 |		Only init_choice writes to it: a choice is permanent.
 *	 +-- g0, g1	global
 *	 +-- (a parent)	global, chose local for its children
 *	      +-- l0, l1   local
 *
 * Every function returns to the namespace that it was called in. Functions that
 * can fail return a negative errno, for tests to compare with:
 *
 *	EXPECT_EQ(-ECONNRESET, connect_in(ns[L0], SOCK_STREAM, 1, PORT));
 */
#ifndef VSOCK_NS_UTIL_H
#define VSOCK_NS_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <linux/types.h>
#include <linux/vm_sockets.h>

#ifndef VMADDR_CID_LOCAL
#define VMADDR_CID_LOCAL 1
#endif

/* An unused port, far from the start of the autobind range. */
#define PORT 0x76736f63

/* A CID without a VM, and the CIDs of the tests' VMs. */
#define NO_CID 77
#define CID 4242
#define OTHER_CID 4243

enum { INIT, G0, G1, L0, L1, NS_COUNT };

enum mode { GLOBAL, LOCAL };

/**
 * struct pair - a connected pair of sockets
 * @client: the connecting side
 * @server: the accepted side
 */
struct pair {
	int client;
	int server;
};

/* Returns NULL if the tests can run, else the reason. */
const char *cannot_run(void);
const char *cannot_make_vms(void);
const char *cannot_alias_the_host(void);
const char *cannot_use_cid(unsigned int cid);
const char *cannot_tap(void);

/*
 * Modules; module_load() returns the status of modprobe, the others a negative
 * errno or 0
 */
bool module_loaded(const char *name);
int module_load(const char *name);	/* or "name parameter=value" */
int module_try_unload(const char *name);
int module_unload(const char *name);

/* Files of /proc, /sys and the like */
int write_text(const char *path, const char *text);

/* Namespaces, as file descriptors */
int ns_make(int ns[NS_COUNT]);
void ns_close(int ns[NS_COUNT]);
int ns_here(void);
int ns_enter(int ns);
int ns_child_of(int parent);
int ns_global(void);
int ns_local(void);
bool ns_same(int a, int b);
int ns_of_socket(int sock);

/* The sysctls, accessed by a task in @ns */
int sysctl_open(int ns, const char *name, int flags);
ssize_t sysctl_read(int ns, const char *name, char *text, size_t size);
ssize_t sysctl_write(int ns, const char *name, const void *data, size_t len);
int mode_of(int ns);
int child_mode_of(int ns);
int choose_for_children(int ns, enum mode mode);

/* Sockets, created by a task in @ns */
int sock_in(int ns, int type);
int sock_set_patience(int sock, int seconds);	/* of send() and recv() */
int bind_to(int sock, unsigned int cid, unsigned int port);
int bind_in(int ns, unsigned int cid, unsigned int port);
int listen_on(int sock, unsigned int cid, unsigned int port);
int listen_in(int ns, int type, unsigned int cid, unsigned int port);
int connect_to(int sock, unsigned int cid, unsigned int port);
int connect_in(int ns, int type, unsigned int cid, unsigned int port);
int accept_one(int listener);
/* Waits for @events: minus the pending error, -EINPROGRESS if they do not come in time */
int sock_outcome(int sock, short events, int milliseconds);
int pair_in(struct pair *pair, int ns, int type, unsigned int cid);
int pair_with_buffers(struct pair *pair, int ns, int type, unsigned long long size);
int set_buffer_size(int sock, unsigned long long size);
long long port_of(int sock);

/* Data in both directions at the same time: 0 if all arrives in order */
int exchange(int a, int b, size_t bytes);
int talk(int a, int b);
bool quiet(int sock);
bool at_end(int sock);

/* VMs: no guest runs, but the CID is assigned */
int vm_in(int ns);
int vm_set_cid(int vm, __u64 cid);
int vm_with_cid(int ns, __u64 cid);

/* Other tasks: the return value of @fn is the child's exit status */
pid_t start(int (*fn)(void *arg), void *arg);
int finish(pid_t pid);
int in_a_child(int (*fn)(void *arg), void *arg);
int send_fd(int channel, int fd);
int receive_fd(int channel);
int become_user(void);
int drop_capability(int capability);
int become_root_of_a_user_namespace(int flags);

#endif
