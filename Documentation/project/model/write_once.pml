/* SPDX-License-Identifier: GPL-2.0 */
/*
 * child_ns_mode: written once, inherited, and not forgotten by an unload.
 *
 * tools/long/model checks every interleaving of:
 *
 *	writers	    tasks of namespace PARENT that write one value or the other
 *	a reader    reads the sysctl twice (not with NO_READER)
 *	a maker	    creates CHILD in PARENT, enters it, writes there, creates
 *		    GRANDCHILD, and ends both
 *	an unloader calls delete_module(2)
 *
 * Each step is atomic for other CPUs in the code, too. The functions are those of
 * net/vmw_vsock/vsock_ns.c. The model is sequentially consistent: cmpxchg() is
 * fully ordered, and so are the kernel's atomic operations on a module's reference
 * count that return a value.
 *
 * Without a definition the model is the code as it is. Each definition adds a
 * mistake, which must be found:
 *
 *	TWO_WORDS	lock and mode are two words; a cmpxchg takes the lock
 *	MODE_FIRST	the same, but the mode is written before the lock
 *	GET_AFTER	the module reference is taken after the value is visible
 *	NO_REFERENCE	no module reference is taken
 *	NO_OWN_MODE	a local namespace may write global
 */

#define NAMESPACES	3
#define PARENT		0
#define CHILD		1
#define GRANDCHILD	2

/* The bits of vsock_ns.child: VSOCK_NS_LOCAL and VSOCK_NS_DECIDED. */
#define GLOBAL		0
#define LOCAL		1
#define DECIDED		2
#define MODE(word)	((word) & LOCAL)

#define OK	0
#define EPERM	1
#define EBUSY	2
#define ENODEV	3

bit own[NAMESPACES];		/* vsock_scope_is_local(ns->scope) */
bit alive[NAMESPACES];
#if defined(TWO_WORDS) || defined(MODE_FIRST)
bit child[NAMESPACES];		/* the mode */
byte locked[NAMESPACES];	/* 0, or DECIDED and the value */
#else
byte child[NAMESPACES];		/* vsock_ns.child */
#endif

/* struct module: MODULE_REF_BASE is 1, and 0 means that the module is unloaded. */
byte references = 1;
bool registered = true;		/* pernet_operations and the sysctls are registered */
byte handlers;			/* writes in progress, and .init of new namespaces */

/* The value of a successful write: 0, or DECIDED and the value. Not in the code. */
byte promised[NAMESPACES];

/* True if the word has the value of a successful write. */
#define KEPT(ns, word)	(!promised[ns] || MODE(word) == MODE(promised[ns]))

/* try_module_get(): atomic_inc_not_zero(). */
inline try_module_get(ok)
{
	d_step {
		ok = references > 0;
		references = references + (references > 0 -> 1 : 0)
	}
}

inline module_put()
{
	d_step { assert(references > 0); references-- }
}

/* The cmpxchg of vsock_ns_set_child(), the only place that changes the word. */
inline compare_and_exchange(ns, mode)
{
#if defined(MODE_FIRST)
	old = (locked[ns] -> locked[ns] : own[ns]);
	if
	:: old == own[ns] ->
		d_step { child[ns] = mode; printf("%d has written the mode\n", _pid) }
		locked[ns] = mode | DECIDED
	:: else
	fi
#elif defined(TWO_WORDS)
	d_step {
		old = (locked[ns] -> locked[ns] : own[ns]);
		locked[ns] = (locked[ns] -> locked[ns] : mode | DECIDED);
		printf("%d has or finds the lock: %d\n", _pid, locked[ns])
	}
	if
	:: old == own[ns] -> child[ns] = mode
	:: else
	fi
#else
	d_step {
		old = child[ns];
		child[ns] = (old == own[ns] -> mode | DECIDED : old)
	}
#endif
}

/* vsock_ns_set_child(), in the order of its lines. */
inline set_child(ns, mode)
{
	d_step { gets = mode > own[ns]; got = true }
#ifndef NO_OWN_MODE
	if
	:: mode < own[ns] -> result = EPERM
	:: else ->
#endif
#if !defined(GET_AFTER) && !defined(NO_REFERENCE)
		if
		:: gets -> try_module_get(got)
		:: else
		fi;
#endif
		if
		:: !got -> result = ENODEV
		:: else ->
			compare_and_exchange(ns, mode);
#if defined(GET_AFTER)
			if
			:: gets && old == own[ns] -> try_module_get(got)
			:: else
			fi;
#elif !defined(NO_REFERENCE)
			if
			:: gets && old != own[ns] -> module_put()
			:: else
			fi;
#endif
			result = (!got -> ENODEV :
				  (old == own[ns] || old == (mode | DECIDED) -> OK : EBUSY))
		fi
#ifndef NO_OWN_MODE
	fi
#endif
}

/* One write(2) to the file. Unregistering the sysctls waits for writes in progress. */
inline write_file(ns, mode)
{
	atomic {
		if
		:: registered -> handlers++; inside = true
		:: else -> inside = false
		fi
	}
	if
	:: inside ->
		set_child(ns, mode);
		d_step {
			printf("%d writes %d to namespace %d: %d\n", _pid, mode, ns, result);
			if
			:: result == OK ->
				/* No write of the other value succeeded. */
				assert(!promised[ns] || promised[ns] == (mode | DECIDED));
				/* A local namespace has no global children. */
				assert(mode >= own[ns]);
				promised[ns] = mode | DECIDED
			:: result == EBUSY ->
				/* The other value was decided. */
				assert(promised[ns] != (mode | DECIDED))
			:: else
			fi;
			handlers--; result = 0; old = 0; gets = 0; got = 0; inside = 0
		}
	:: else
	fi
}

/* vsock_ns_init_net() of a new namespace, called by a task of @parent. pernet_ops_rwsem
 * excludes unregistering. Only writes that succeeded before it begins are promised.
 */
inline make(parent, ns)
{
	atomic {
		if
		:: registered -> handlers++; inside = true; before = promised[parent]
		:: else -> inside = false
		fi
	}
	if
	:: inside ->
		old = child[parent];		/* vsock_ns_born_local() */
		d_step {
			printf("%d makes namespace %d: %d\n", _pid, ns, MODE(old));
			/* The promise: a child created after the write has the mode. */
			assert(!before || MODE(old) == MODE(before));
			/* Children of a local namespace are local. */
			assert(MODE(old) >= own[parent])
		}
		own[ns] = MODE(old);
		child[ns] = MODE(old);
		alive[ns] = true;
#ifndef NO_REFERENCE
		if
		:: MODE(old) ->			/* __module_get() */
			d_step { assert(references > 0); references++ }
		:: else
		fi;
#endif
		d_step { handlers--; old = 0; before = 0 }
	:: else
	fi
}

/* vsock_ns_exit_net(): unregisters the sysctls, then puts the reference. */
inline end(ns)
{
	atomic {
		alive[ns] = false;
		if
#ifndef NO_REFERENCE
		:: registered && MODE(child[ns]) -> module_put()
#endif
		:: else
		fi;
		promised[ns] = 0; child[ns] = 0; own[ns] = 0
#if defined(TWO_WORDS) || defined(MODE_FIRST)
		; locked[ns] = 0
#endif
	}
}

proctype writer()
{
	byte old, result;
	bit gets, got, inside, value;

	if
	:: value = LOCAL
	:: value = GLOBAL
	fi;
	write_file(PARENT, value)
}

proctype reader()
{
	byte first, second;

	d_step {
		first = child[PARENT];
		printf("%d reads %d\n", _pid, MODE(first));
		assert(!registered || KEPT(PARENT, first))
	}
	d_step {
		second = child[PARENT];
		printf("%d reads %d, then %d\n", _pid, MODE(first), MODE(second));
		assert(!registered || KEPT(PARENT, second));
		/* The initial global may become local; local stays. */
		assert(MODE(second) >= MODE(first));
		first = 0; second = 0
	}
}

proctype maker()
{
	byte old, result, before;
	bit gets, got, inside, value;

	make(PARENT, CHILD);
	if
	:: alive[CHILD] ->
		if
		:: value = LOCAL
		:: value = GLOBAL
		fi;
		write_file(CHILD, value);
		make(CHILD, GRANDCHILD);
		if
		:: alive[GRANDCHILD] -> end(GRANDCHILD)
		:: else
		fi;
		end(CHILD)
	:: else
	fi
}

/* try_release_module_ref(), then the module's exit function. */
proctype unloader()
{
	bool going;

	d_step { references--; going = references == 0 }
	if
	:: !going ->
		d_step {
			going = references == 0;	/* atomic_add_unless(.., 0) */
			references = references + (going -> 0 : 1)
		}
	:: else
	fi;
	if
	:: going ->
		d_step { printf("%d unloads\n", _pid) }
		/* unregister_pernet_subsys() and the sysctls wait for calls in progress. */
		atomic {
			handlers == 0;
			registered = false;
			/* No state of a local namespace is lost by the unload. */
			assert(!alive[PARENT] || !MODE(promised[PARENT]));
			assert(!alive[CHILD] || !(own[CHILD] || MODE(promised[CHILD])));
			assert(!alive[GRANDCHILD] || !own[GRANDCHILD])
		}
	:: else
	fi
}

init {
	atomic {
		alive[PARENT] = true;
		run writer(); run writer(); run writer();
#ifndef NO_READER
		run reader();
#endif
		run maker();
		run unloader()
	}
	_nr_pr == 1;
	atomic {
		/* One reference for each local namespace and each choice of local. */
		assert(!registered || references == 1 + MODE(child[PARENT]));
		end(PARENT)
	}
	assert(references == (registered -> 1 : 0))
}
