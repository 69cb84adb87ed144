/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vsock_stress: shared definitions.
 *
 *	main.c		options, workers, the table of works, the report
 *	spaces.c	namespaces and the model of their modes
 *	links.c		connections over loopback with predictable data
 *	attempts.c	operations to refuse: foreign scopes, ports in use; assignment
 *	vms.c		VMs (guest.h) and connections to them
 *	watch.c		visibility in sock_diag and taps
 *	modules.c	unloading and loading of modules
 *	util.c		random numbers, faults, failures
 *
 * A worker is a process with its own objects. Each of its steps uses random
 * numbers seeded by (seed, worker, step). So the choices of a step do not
 * depend on the results of earlier steps.
 */
#ifndef VSOCK_STRESS_H
#define VSOCK_STRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "guest.h"
#include "vsock_ns_util.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define MAX_WORKERS 16
#define SPACES 8
#define LINKS 12
#define VMS 3
#define TAPS 2
#define MAX_KINDS 32

/* Serial numbers of links, for taps, which see only ports. */
#define SERIALS 0x100000u
#define MARK_FORGED 0xffff

/* Buffer size of a guest per connection. */
#define GUEST_ALLOC 65536u

/* The result of a step. */
enum result { DONE, REFUSED, SKIPPED };

/* Objects that the modules' worker asks the other workers to close. */
enum { LEAVE_LOOPBACK = 1, LEAVE_VHOST = 2, LEAVE_DIAG = 4, LEAVE_ALL = 8 };

/*
 * struct counters - statistics of one worker
 * @done: per kind of work, as are @refused and @skipped
 * @bytes: received bytes that were correct
 * @links: connections that were closed without loss
 * @lost: bytes missing from connections that were not broken on purpose
 * @tapped: packets seen on taps
 * @faults: injected allocation failures
 * @failures: failed checks
 * @step: number of the current step
 */
struct counters {
	uint64_t done[MAX_KINDS], refused[MAX_KINDS], skipped[MAX_KINDS];
	uint64_t bytes, links, lost, tapped, faults, failures, step;
};

/*
 * struct shared - memory shared by all processes of a run
 * @leave: LEAVE_ flags
 * @stop: all processes must exit
 * @epoch: odd while a module may be missing
 * @unloads: modules unloaded while the workers ran; @held: attempts while in use
 * @counters: one per worker
 * @mark: scope_mark() per serial number of a connection, 0 if there was none, or
 *	MARK_FORGED if packets of another scope forge its ports
 */
struct shared {
	int leave;
	int stop;
	uint32_t epoch;
	uint64_t unloads, held;
	struct counters counters[MAX_WORKERS];
	uint16_t mark[MAX_WORKERS][SERIALS];
};

/*
 * struct space - a network namespace and the model of its modes
 * @fd: -1 if the entry is unused
 * @id: its number, which is also its scope if it is local
 * @mode: global or local
 * @child: mode of its children
 * @locked: @child was chosen
 */
struct space {
	int fd;
	uint32_t id;
	enum mode mode, child;
	bool locked;
};

/*
 * struct end - one side of a connection
 * @fd: the socket, or -1 on the side of a guest
 * @sent: bytes sent; @received likewise
 * @messages_out: messages sent on seqpacket; @messages_in likewise
 * @part: received bytes of an incomplete message, in a guest
 * @buffer: buffer size, once chosen
 * @shut: this side sends no more
 * @eof: this side has seen the peer's EOF
 */
struct end {
	int fd;
	uint64_t sent, received;
	uint32_t messages_out, messages_in, part;
	uint64_t buffer;
	bool shut, eof;
};

/*
 * struct link - a connection
 * @used: the entry is in use
 * @type: SOCK_STREAM or SOCK_SEQPACKET
 * @scope: 0 for global, else the id of the local namespace
 * @space: id of the namespace of its sockets
 * @key: seed of its data
 * @end: client and server; if @vm is set, host and guest
 * @vm: the VM at the other end, or NULL
 * @host_port: identifies the connection in the guest, with @guest_port
 * @tx: bytes sent by the guest
 * @acked: received bytes that the guest has acknowledged
 * @peer_alloc: buffer size of the host; @peer_fwd: bytes that the host has read
 * @up: both sides are connected
 * @broken: broken on purpose, so queued data may be lost
 */
struct link {
	bool used;
	int type;
	uint32_t scope, space;
	uint64_t key;
	struct end end[2];
	struct vm *vm;
	uint32_t host_port, guest_port;
	uint32_t acked, peer_alloc, peer_fwd;
	bool up, broken;
};

/*
 * struct vm - a guest without a VM
 * @used: the entry is in use
 * @space: namespace of the device; owns its fd
 * @guest: the device
 */
struct vm {
	bool used;
	struct space space;
	struct guest guest;
};

/*
 * struct tap - a vsockmon device and a packet socket on it
 * @fd: the packet socket; -1 if there is none
 * @space: namespace of the device; owns its fd
 */
struct tap {
	int fd;
	struct space space;
};

/*
 * struct worker - one process
 * @index: number of the worker
 * @seed: seed of the run; @dice: state of the random numbers
 * @serial: serial number of the last link; @next_id: id of the last namespace
 * @epoch: epoch of struct shared at the start of the step
 * @home: the namespace of the process, init
 * @fail_nth: the file that injects a fault, or -1 if not supported
 * @local_allowed: namespaces may choose local; @faults_allowed: faults may be injected
 * @faulty: a fault is armed
 */
struct worker {
	int index;
	uint64_t seed, dice;
	uint32_t serial, next_id, epoch;
	int home;
	int fail_nth;
	bool local_allowed, faults_allowed, faulty;
	struct shared *shared;
	struct counters *counters;
	struct space spaces[SPACES];
	struct link links[LINKS];
	struct vm vms[VMS];
	struct tap taps[TAPS];
};

/* util.c */
uint64_t mix(uint64_t x);
uint32_t roll(struct worker *w, uint32_t sides);
void faults_open(struct worker *w);
void fault_begin(struct worker *w);
bool fault_end(struct worker *w);
bool is_shortage(int err);
uint64_t now_ms(void);
#define wrong(w, fmt, ...) \
	wrong_at(w, __func__, fmt, ##__VA_ARGS__)
void wrong_at(struct worker *w, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));
int leaving(const struct worker *w, int what);
uint32_t epoch_now(const struct worker *w);
bool gone(const struct worker *w, int err);
int worker_socket(struct worker *w, const struct space *space, int type);
void no_waiting(int sock);
void keep_space(struct worker *w, struct space *copy, const struct space *space);

/* spaces.c */
uint32_t scope_of(const struct space *space);
struct space *any_space(struct worker *w);
struct space *other_scope(struct worker *w, uint32_t scope);
enum result space_new(struct worker *w);
enum result space_drop(struct worker *w);
enum result mode_write(struct worker *w);

/* links.c */
struct link *free_link(struct worker *w);
struct link *any_link(struct worker *w, bool vm);
uint32_t next_port(struct worker *w, uint32_t scope);
uint16_t scope_mark(uint32_t scope);
uint32_t listen_port(const struct worker *w);
int worker_listener(struct worker *w, const struct space *space, int type);
void link_check(struct worker *w, struct link *l, int from, uint64_t at, const void *data,
		size_t len);
size_t message_len(const struct link *l, int from, uint32_t n);
void link_fill(const struct link *l, int from, uint64_t at, void *data, size_t len);
void link_turn_socket(struct worker *w, struct link *l, int side, size_t most);
void link_finish_one(struct worker *w, struct link *l);
void link_break(struct worker *w, struct link *l);
void link_forget(struct link *l);
enum result link_new(struct worker *w);
enum result link_turn(struct worker *w);
enum result link_half(struct worker *w);
enum result link_finish(struct worker *w);
enum result link_kill(struct worker *w);
enum result link_buffer(struct worker *w);

/* attempts.c */
enum result attempt_foreign(struct worker *w);
enum result attempt_neighbour(struct worker *w);
enum result attempt_bind(struct worker *w);
enum result attempt_backlog(struct worker *w);
enum result attempt_vm(struct worker *w);
enum result assign(struct worker *w);

/* vms.c */
enum result vm_new(struct worker *w);
enum result vm_close(struct worker *w);
enum result vm_cid(struct worker *w);
enum result vm_link(struct worker *w);
enum result vm_forge(struct worker *w);
void vm_pump(struct worker *w, struct vm *vm);
void vm_send_some(struct worker *w, struct link *l, size_t most);
void vm_shut(struct worker *w, struct link *l, uint16_t op);
void vm_end(struct worker *w, struct vm *vm);

/* watch.c */
enum result dump_sockets(struct worker *w);
enum result tap_new(struct worker *w);
enum result tap_read(struct worker *w);
void taps_drop(struct worker *w);

/* modules.c */
int modules_worker(struct shared *shared, uint64_t seed, bool all);

#endif
