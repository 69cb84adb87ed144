/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vsockns: network namespaces of AF_VSOCK for administrators
 *
 * scan.c finds namespaces and VMs once; list, vms, default and check print what
 * they need of the result.
 */
#ifndef VSOCKNS_H
#define VSOCKNS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct json_object;
struct option;

/* Exit status of every command but exec and check. */
enum {
	EXIT_OK,
	EXIT_FAILED,
	EXIT_USAGE,
	EXIT_NO_FEATURE,
	EXIT_NOT_PERMITTED,
	EXIT_EXISTS,
};

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define NETNS_DIR "/run/netns"
#define NS_MODE_FILE "/proc/sys/net/vsock/ns_mode"
#define CHILD_MODE_FILE "/proc/sys/net/vsock/child_ns_mode"

/* MODE_UNKNOWN: the namespace cannot be entered. MODE_NONE: no such feature. */
enum mode { MODE_UNKNOWN, MODE_NONE, MODE_GLOBAL, MODE_LOCAL };

/**
 * struct name - a name of a network namespace
 * @next: the next name of the same namespace
 * @text: without control characters
 */
struct name {
	struct name *next;
	char *text;
};

/**
 * struct space - a network namespace
 * @next: in the order in which they were found
 * @chain: the next in the same bucket
 * @inode: its number in nsfs
 * @names: names below /run/netns, and paths of other mounts
 * @visited: it was open, so @mode and those below were read if possible
 * @mode: its own
 * @children: mode of the namespaces that its tasks create
 * @owner_known: @owner and @user_ns are valid
 * @owner: user ID of the owner of @user_ns
 * @user_ns: inode number of the user namespace that owns it
 * @sockets: AF_VSOCK sockets; -1 if that is not known
 * @vms: number of VMs
 * @guest_cid: CID of this machine there, if it has the transport to the host, or 0
 * @pid: the first process found in it, or 0
 * @program: the name of that process
 * @self: vsockns was started in it
 */
struct space {
	struct space *next;
	struct space *chain;
	ino_t inode;
	struct name *names;
	bool visited;
	enum mode mode;
	enum mode children;
	bool owner_known;
	uid_t owner;
	ino_t user_ns;
	long sockets;
	long vms;
	unsigned int guest_cid;
	pid_t pid;
	char program[64];
	bool self;
};

/**
 * struct vm - an open /dev/vhost-vsock
 * @next: in the order in which they were found
 * @chain: the next in the same bucket
 * @cid: 0 if none was assigned yet, or it is not known
 * @space: its namespace
 * @guess: the kernel does not tell @cid and @space; the process was asked
 * @pid: the first process found that holds the device
 * @program: the name of that process
 */
struct vm {
	struct vm *next;
	struct vm *chain;
	unsigned int cid;
	struct space *space;
	bool guess;
	pid_t pid;
	char program[64];
};

/**
 * struct scan - all that was found
 * @spaces: list of namespaces
 * @vms: list of VMs
 * @nr_spaces: number of namespaces
 * @nr_vms: number of VMs
 * @processes: number of processes that were looked at
 * @unseen: number of processes that the caller may not look at
 */
struct scan {
	struct space *spaces;
	struct vm *vms;
	long nr_spaces;
	long nr_vms;
	long processes;
	long unseen;
};

/* scan.c, space.c */
const struct scan *scan_all(void);
struct space *space_find(ino_t inode);
struct space *space_get(ino_t inode);
struct space *space_open(int dir, const char *path, ino_t inode);
struct vm *vm_add(struct space *space, unsigned int cid);
extern struct scan found;

/* mounts.c, process.c, listns.c: the sources of a scan */
void scan_mounts(void);
void scan_processes(void);
void scan_listns(void);

/* diag.c */
long count_sockets(void);

/* g2h.c */
unsigned int guest_cid(void);

/* progress.c */
void progress_begin(void);
void progress(void);
void progress_end(void);

/* mode.c */
const char *mode_name(enum mode mode);
bool parse_mode(const char *text, enum mode *mode);
enum mode read_mode(const char *path);
bool children_chosen(const struct space *space);
void need_feature(void);
void enter_new_space(enum mode mode);

/* output.c */
void table_row(const char *const *cells, int columns);
void table_print(void);
void clean(char *text);
void json_put(struct json_object *object, const char *key, struct json_object *value);
struct json_object *json_mode(enum mode mode);
struct json_object *json_number(long number, bool known);
void json_print(struct json_object *object);
void warn_unseen(void);
int finish(int status);

/* list.c */
const char *space_name(const struct space *space);
struct json_object *json_space(const struct space *space);

/* util.c */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void die(int status, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
int status_of(int error);
void *must_alloc(size_t size);
char *must_copy(const char *text);
char *join(char *list, char *item);
char *format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool leaves_directory(const char *name);
bool read_line(const char *path, char *line, size_t size);
extern int failure_status;

/* the commands */
int cmd_list(int argc, char **argv);
int cmd_vms(int argc, char **argv);
int cmd_add(int argc, char **argv);
int cmd_exec(int argc, char **argv);
int cmd_default(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_g2h(int argc, char **argv);

/* main.c: options */
bool one_flag(int argc, char **argv, const char *letters, const struct option *options);
bool only_json(int argc, char **argv);
void bad_option(char **argv, int result) __attribute__((noreturn));
enum mode need_mode(const char *text);

/* check.c, modules.c: in the order of the exit statuses of monitoring plugins */
enum severity { SEV_OK, SEV_WARNING, SEV_CRITICAL, SEV_UNKNOWN };
void problem(enum severity severity, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void check_modules(struct json_object *list);
void print_modules(void);

#endif
