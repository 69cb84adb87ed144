/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vsock_stress: what its parts share.
 *
 *	main.c		options, workers, the table of works, the end
 *	spaces.c	namespaces and the model of their modes
 *	links.c		connections over loopback; every byte is known beforehand
 *	attempts.c	what must be refused: foreign scopes, taken ports
 *	vms.c		VMs (guest.h), connections to them
 *	watch.c		sock_diag and taps: who may see what
 *	modules.c	unloads and loads modules meanwhile
 *	util.c		dice, faults, failures
 *
 * A worker is a process with objects of its own. Each of its steps draws from
 * dice that are set anew by (seed, worker, step), so that what a step wants to do
 * does not hang on how earlier ones came out.
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

/* Serial numbers of links, for those who see ports only: taps. */
#define SERIALS 0x100000u
#define MARK_FORGED 0xffff

/* The buffer that a guest has for each connection. */
#define GUEST_ALLOC 65536u

/* What a step came to. */
enum result { DONE, REFUSED, SKIPPED };

/* What the modules' worker asks the others to let go of. */
enum { LEAVE_LOOPBACK = 1, LEAVE_VHOST = 2, LEAVE_DIAG = 4, LEAVE_ALL = 8 };

/*
 * struct counters - what one worker has done
 * @done: by kind of work, as are @refused, @skipped
 * @bytes: that arrived and were as expected
 * @links: connections that were closed with nothing lost
 * @lost: bytes that did not arrive though nobody broke the connection
 * @tapped: packets that a tap has shown
 * @faults: allocations that were made to fail
 * @failures: what should not have been
 * @step: number of the current one
 */
struct counters {
	uint64_t done[MAX_KINDS], refused[MAX_KINDS], skipped[MAX_KINDS];
	uint64_t bytes, links, lost, tapped, faults, failures, step;
};

/*
 * struct shared - between all processes of a run
 * @leave: LEAVE_ flags
 * @stop: everybody ends
 * @epoch: odd while a module may be missing
 * @unloads: modules unloaded while the workers ran; @held: they were in use
 * @counters: a worker each
 * @mark: scope_mark() of the connection with this serial number, 0 if there was
 *	none; or MARK_FORGED, if packets of another scope say that they are of it
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
 * struct space - a network namespace, and what its modes must be
 * @fd: -1 if there is none here
 * @id: its number; scopes of local namespaces go by it
 * @mode: global or local
 * @child: mode that its children get
 * @locked: @child has been chosen
 */
struct space {
	int fd;
	uint32_t id;
	enum mode mode, child;
	bool locked;
};

/*
 * struct end - one side of a connection
 * @fd: socket; -1 if a guest is on this side
 * @sent: bytes, likewise @received
 * @messages_out: for seqpacket, likewise @messages_in
 * @part: what a guest has of a message that is not complete yet
 * @buffer: its size, once it has been chosen
 * @shut: sends no more
 * @eof: has seen the end of what the other side sent
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
 * @used: there is one in this place
 * @type: SOCK_STREAM or SOCK_SEQPACKET
 * @scope: 0: global, else the id of the local namespace
 * @space: id of the namespace that its sockets are in
 * @key: what its bytes are made of
 * @end: client, server; where @vm is there, host and guest
 * @vm: VM at the other end
 * @host_port: with @guest_port, by which the guest knows it
 * @tx: bytes that the guest has sent
 * @acked: what the guest has told the host of those that it received
 * @peer_alloc: size of the host's buffer, @peer_fwd: how much it has read
 * @up: both sides are connected
 * @broken: somebody broke it: it may lose what is on the way
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
 * @used: there is one in this place
 * @space: the namespace that it was opened in; the fd is its own
 * @guest: the rings
 */
struct vm {
	bool used;
	struct space space;
	struct guest guest;
};

/*
 * struct tap - a vsockmon device and the socket that listens on it
 * @fd: the packet socket; -1 if there is none
 * @space: where the device is; the fd is its own
 */
struct tap {
	int fd;
	struct space space;
};

/*
 * struct worker - one process
 * @index: its number
 * @seed: of the run; @dice: their state
 * @serial: of the last link; @next_id: of the last namespace
 * @epoch: struct shared's at the start of the step
 * @home: the namespace that it runs in, init
 * @fail_nth: file that makes an allocation fail; -1 if there is none
 * @local_allowed: namespaces may choose local; @faults_allowed: likewise
 * @faulty: a fault has been asked for, and not yet looked after
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
