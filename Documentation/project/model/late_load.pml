/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module is loaded late: namespaces exist already, and others are created at
 * the same time.
 *
 * tools/long/model checks every interleaving of:
 *
 *	the loader  registers the state: .init for OLD, which exists before
 *	a writer    chooses local in OLD as soon as its sysctl exists
 *	a maker	    creates a namespace in OLD at any time
 *
 * The functions are those of net/vmw_vsock/vsock_ns.c. PARAMETER is the value of the
 * module parameter. The loader of the module is a task; tasks have numbers.
 *
 * Without a definition the model is the code as it is. With FLAG, vsock_ns_register()
 * sets a flag for all tasks instead of the number of its own: a mistake, which must be
 * found.
 */

#define GLOBAL	0
#define LOCAL	1

#define LOADER	1
#define MAKER	2

#define OLD	0
#define NEW	1

bool lock;		/* pernet_ops_rwsem */
bool listed;		/* in the list of pernet_operations */
bool there[2];		/* in the list of namespaces */
bool state[2];		/* has struct vsock_ns, and the sysctls */
bit mode[2];
bit child[2];
byte loader;		/* vsock_ns_loader */
bool chosen;		/* a write of local in OLD has succeeded */

/* vsock_ns_init_net(), vsock_ns_born_local() */
inline init_net(ns, current)
{
#ifdef FLAG
	old = loader != 0;
#else
	old = loader == current;
#endif
	if
	:: old -> mode[ns] = PARAMETER
	:: else -> mode[ns] = child[OLD]
	fi;
	d_step {
		printf("%d makes namespace %d: %d\n", _pid, ns, mode[ns]);
		child[ns] = mode[ns]; state[ns] = true; old = 0
	}
}

/* vsock_ns_register(). Tasks that create namespaces wait for the semaphore. */
proctype registering()
{
	bool old;

	loader = LOADER;
	atomic { !lock; lock = true }
	listed = true;
	init_net(OLD, LOADER);
	if
	:: there[NEW] ->
		init_net(NEW, LOADER);
		/* An existing namespace has the mode of the parameter, not of its parent. */
		assert(mode[NEW] == PARAMETER)
	:: else
	fi;
	lock = false;
	loader = 0;
	assert(mode[OLD] == PARAMETER && state[OLD])
}

proctype writer()
{
	state[OLD];
	d_step {
		printf("%d writes %d to namespace %d: 0\n", _pid, LOCAL, OLD);
		child[OLD] = LOCAL; chosen = true
	}
}

proctype maker()
{
	bool old, before;

	atomic { !lock; lock = true; before = chosen }
	if
	:: listed ->
		init_net(NEW, MAKER);
		/* A new namespace has its parent's choice, even before the loader returns. */
		assert(!before || mode[NEW] == LOCAL)
	:: else
	fi;
	there[NEW] = true;
	lock = false
}

init {
	atomic {
		there[OLD] = true;
		run registering();
		run writer();
		run maker()
	}
	_nr_pr == 1;
	assert(state[OLD] && state[NEW])
}
