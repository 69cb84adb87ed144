// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network namespaces for AF_VSOCK: per-namespace state and its sysctls
 *
 * The state is reached by net_generic(), so struct net does not grow. The scope
 * of a namespace is set when the state is created and never changes: a holder
 * of the namespace may keep the scope as a plain pointer. A scope is either the
 * namespace itself or init_net, so it lives at least as long as the namespace.
 *
 * net.vsock.ns_mode	    mode of this namespace, read only
 * net.vsock.child_ns_mode  mode of namespaces that its tasks create; the first
 *			    accepted write is final
 *
 * child_ns_mode is one word, the mode and "decided" together. Its only change
 * is the cmpxchg in vsock_ns_set_child(). With two words, a second writer of the
 * same value could be told that it holds while a child still gets the old mode.
 *
 * A namespace that is local, or has chosen local for its children, holds a
 * reference on the module. Otherwise unloading would forget the modes, and the
 * next load would open what was closed.
 */
#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/nsproxy.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/sysctl.h>
#include <net/af_vsock.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/vsock_ns.h>

/* Bits of vsock_ns.child. A namespace that was never written to has its own
 * mode there, without VSOCK_NS_DECIDED.
 */
#define VSOCK_NS_LOCAL		BIT(0)
#define VSOCK_NS_DECIDED	BIT(1)

/* Longest accepted text is "global\n". */
#define VSOCK_NS_TEXT_MAX	sizeof("global\n")

/**
 * struct vsock_ns - the state of AF_VSOCK in a network namespace
 * @scope: the namespace whose CIDs and ports are used here, constant
 * @child: mode of namespaces made by tasks of this one, VSOCK_NS_* bits
 * @next_port: where the search for a free port goes on, 0 before the first
 * @loopback: queue of the loopback transport, if this namespace is a scope
 * @list: sockets of this namespace, NULL until the first one is created
 * @header: the registered sysctls
 * @table: their description; here, as it has to point back to this state
 */
struct vsock_ns {
	struct net *scope;
	unsigned int child;
	u32 next_port;
	struct vsock_loopback *loopback;
	struct vsock_list *list;
#ifdef CONFIG_SYSCTL
	struct ctl_table_header *header;
	struct ctl_table table[2];
#endif
};

static unsigned int vsock_ns_id __read_mostly;

/* Value of the module parameter, VSOCK_NS_* bits; 0 if it was not given. */
static unsigned int vsock_ns_param;

/* child_ns_mode= was invalid. Loading fails by itself; if built in, the kernel
 * only warns, so vsock_ns_register() must fail.
 */
static bool vsock_ns_param_bad;

/* The task that is registering the state. It runs .init for every namespace
 * that exists already, and is the parent of none of them. Other tasks may create
 * namespaces before the registration returns, so a flag would not do: it would
 * take those for old ones.
 */
static struct task_struct *vsock_ns_loader;

static struct vsock_ns *vsock_ns(const struct net *net)
{
	return net_generic(net, vsock_ns_id);
}

/**
 * vsock_ns_scope() - the scope of a network namespace
 * @net: a namespace that the caller keeps alive
 *
 * Context: any. The result is as good as the caller's hold on @net.
 * Return: @net if it is in local mode, init_net otherwise.
 */
struct net *vsock_ns_scope(const struct net *net)
{
	return vsock_ns(net)->scope;
}
EXPORT_SYMBOL_GPL(vsock_ns_scope);

/**
 * vsock_ns_loopback() - where the loopback transport keeps a namespace's queue
 * @net: a namespace that the caller keeps alive
 *
 * The pointer is here, as memory of the transport's own pernet_operations would
 * add some 900 instructions to the creation of a namespace. The transport frees
 * the queue in an .exit of its own, which is called before that of this file.
 *
 * Context: any.
 * Return: the place of a pointer, which is NULL at first.
 */
struct vsock_loopback **vsock_ns_loopback(const struct net *net)
{
	return &vsock_ns(net)->loopback;
}
EXPORT_SYMBOL_GPL(vsock_ns_loopback);

/**
 * vsock_ns_list() - where the list of a namespace's sockets is kept
 * @net: a namespace that the caller keeps alive
 *
 * As for vsock_ns_loopback(), the owner of the list frees it.
 *
 * Context: any.
 * Return: the place of a pointer, which is NULL at first.
 */
struct vsock_list **vsock_ns_list(const struct net *net)
{
	return &vsock_ns(net)->list;
}

/**
 * vsock_ns_check_transport() - check that a socket may use a transport
 * @vsk: the socket
 * @transport: the transport for its remote address, NULL if there is none
 *
 * A transport that does not keep scopes apart serves the shared one only.
 *
 * Context: any.
 * Return: 0, also if there is no transport; else an errno for connect().
 */
int vsock_ns_check_transport(const struct vsock_sock *vsk,
			     const struct vsock_transport *transport)
{
	if (!transport || transport->scoped ||
	    !vsock_scope_is_local(vsk->scope))
		return 0;

	switch (vsk->sk.sk_type) {
	case SOCK_STREAM:
		return -ENETUNREACH;
	case SOCK_SEQPACKET:
		return -ESOCKTNOSUPPORT;
	default:
		return -ENODEV;
	}
}

/**
 * vsock_ns_port_from() - the first port of the search for a free one
 * @port: any number
 *
 * Context: any.
 * Return: @port if it may be assigned, else the first unreserved port.
 */
u32 vsock_ns_port_from(u32 port)
{
	if (port <= LAST_RESERVED_PORT || port == VMADDR_PORT_ANY)
		return LAST_RESERVED_PORT + 1;

	return port;
}

/**
 * vsock_ns_next_port() - propose a port for a bind to VMADDR_PORT_ANY
 * @net: namespace of the socket
 *
 * Counts up from a random start, in each namespace for itself, so that the
 * ports that one namespace is given tell nothing about the binds of another.
 * Skips the reserved range and VMADDR_PORT_ANY, and wraps around.
 *
 * Context: any.
 * Return: a port that may or may not be free.
 */
u32 vsock_ns_next_port(const struct net *net)
{
	struct vsock_ns *ns = vsock_ns(net);
	u32 next = READ_ONCE(ns->next_port);
	u32 port;

	do {
		port = next ? : get_random_u32_above(LAST_RESERVED_PORT);
		port = vsock_ns_port_from(port);
	} while (!try_cmpxchg(&ns->next_port, &next, port + 1));

	return port;
}

/* Runs in .init: current is the creator, still in the parent namespace. */
static bool vsock_ns_born_local(const struct net *net)
{
	const struct net *parent = current->nsproxy->net_ns;

	if (net_eq(net, &init_net))
		return false;
	if (READ_ONCE(vsock_ns_loader) == current)
		return vsock_ns_param & VSOCK_NS_LOCAL;

	return READ_ONCE(vsock_ns(parent)->child) & VSOCK_NS_LOCAL;
}

/* A local namespace has VSOCK_NS_LOCAL in its child word from the start, so
 * this bit alone says whether there is a reference on the module.
 */
static void vsock_ns_put_module(const struct vsock_ns *ns)
{
	if (ns->child & VSOCK_NS_LOCAL)
		module_put(THIS_MODULE);
}

#ifdef CONFIG_SYSCTL
/* Fully ordered, so that a child made after it returned 0 finds the value. */
static int vsock_ns_set_child(struct vsock_ns *ns, bool local)
{
	bool is_local = vsock_scope_is_local(ns->scope);
	unsigned int undecided = is_local ? VSOCK_NS_LOCAL : 0;
	unsigned int decided = VSOCK_NS_DECIDED | (local ? VSOCK_NS_LOCAL : 0);
	bool pin = local && !is_local;
	unsigned int old;

	if (is_local && !local)
		return -EPERM;

	/* A local namespace has its reference. A global one needs it before
	 * "local" can be seen. Fails while the module is being unloaded, which
	 * would forget the choice.
	 */
	if (pin && !try_module_get(THIS_MODULE))
		return -ENODEV;

	old = cmpxchg(&ns->child, undecided, decided);
	if (pin && old != undecided)
		module_put(THIS_MODULE);
	if (old != undecided && old != decided)
		return -EBUSY;

	return 0;
}

static int vsock_ns_proc_text(const struct ctl_table *table, char *text,
			      int write, void *buffer, size_t *lenp,
			      loff_t *ppos)
{
	struct ctl_table field = {
		.procname	= table->procname, /* for a warning */
		.data		= text,
		.maxlen		= VSOCK_NS_TEXT_MAX,
	};

	return proc_dostring(&field, write, buffer, lenp, ppos);
}

static void vsock_ns_mode_text(char *text, bool local)
{
	strscpy(text, local ? "local" : "global", VSOCK_NS_TEXT_MAX);
}

static int vsock_ns_proc_mode(const struct ctl_table *table, int write,
			      void *buffer, size_t *lenp, loff_t *ppos)
{
	const struct vsock_ns *ns = table->data;
	char text[VSOCK_NS_TEXT_MAX];

	if (write)
		return -EPERM;

	vsock_ns_mode_text(text, vsock_scope_is_local(ns->scope));
	return vsock_ns_proc_text(table, text, write, buffer, lenp, ppos);
}

static int vsock_ns_proc_child_mode(const struct ctl_table *table, int write,
				    void *buffer, size_t *lenp, loff_t *ppos)
{
	struct vsock_ns *ns = table->data;
	char text[VSOCK_NS_TEXT_MAX] = "";
	int ret;

	if (!write)
		vsock_ns_mode_text(text,
				   READ_ONCE(ns->child) & VSOCK_NS_LOCAL);
	else if (!*lenp)
		return 0;
	else if (*lenp >= VSOCK_NS_TEXT_MAX)
		return -EINVAL;

	ret = vsock_ns_proc_text(table, text, write, buffer, lenp, ppos);
	if (ret || !write)
		return ret;

	if (!strcmp(text, "global"))
		return vsock_ns_set_child(ns, false);
	if (!strcmp(text, "local"))
		return vsock_ns_set_child(ns, true);
	return -EINVAL;
}

static int vsock_ns_sysctl_register(struct net *net, struct vsock_ns *ns)
{
	ns->table[0] = (struct ctl_table) {
		.procname	= "ns_mode",
		.data		= ns,
		.mode		= 0444,
		.proc_handler	= vsock_ns_proc_mode,
	};
	ns->table[1] = (struct ctl_table) {
		.procname	= "child_ns_mode",
		.data		= ns,
		.mode		= 0644,
		.proc_handler	= vsock_ns_proc_child_mode,
	};

	ns->header = register_net_sysctl_sz(net, "net/vsock", ns->table,
					    ARRAY_SIZE(ns->table));
	return ns->header ? 0 : -ENOMEM;
}

static void vsock_ns_sysctl_unregister(struct vsock_ns *ns)
{
	unregister_net_sysctl_table(ns->header);
}
#else
static int vsock_ns_sysctl_register(struct net *net, struct vsock_ns *ns)
{
	return 0;
}

static void vsock_ns_sysctl_unregister(struct vsock_ns *ns)
{
}
#endif /* CONFIG_SYSCTL */

static int __net_init vsock_ns_init_net(struct net *net)
{
	struct vsock_ns *ns = vsock_ns(net);
	bool local = vsock_ns_born_local(net);
	int ret;

	ns->scope = local ? net : &init_net;
	ns->child = net_eq(net, &init_net) ? vsock_ns_param :
		    local ? VSOCK_NS_LOCAL : 0;

	/* Cannot come too late: the parent has a reference, or this is the
	 * module's own initialization.
	 */
	if (ns->child & VSOCK_NS_LOCAL)
		__module_get(THIS_MODULE);

	ret = vsock_ns_sysctl_register(net, ns);
	if (ret)
		vsock_ns_put_module(ns);

	return ret;
}

/* Unregistering waits for this to return, so the module stays until then. */
static void __net_exit vsock_ns_exit_net(struct net *net)
{
	struct vsock_ns *ns = vsock_ns(net);

	vsock_ns_sysctl_unregister(ns);
	vsock_ns_put_module(ns);
}

static struct pernet_operations vsock_ns_ops = {
	.init	= vsock_ns_init_net,
	.exit	= vsock_ns_exit_net,
	.id	= &vsock_ns_id,
	.size	= sizeof(struct vsock_ns),
};

/**
 * vsock_ns_register() - make the state for all namespaces, present and future
 *
 * To be called before anything that can create a socket or a VM.
 * Namespaces that exist already are global, or what the module parameter says.
 *
 * Context: process context, may sleep; module initialization only.
 * Return: 0 or a negative errno, and then no state is left.
 */
int __init vsock_ns_register(void)
{
	int ret;

	if (vsock_ns_param_bad)
		return -EINVAL;

	WRITE_ONCE(vsock_ns_loader, current);
	ret = register_pernet_subsys(&vsock_ns_ops);
	WRITE_ONCE(vsock_ns_loader, NULL);

	return ret;
}

/**
 * vsock_ns_unregister() - drop the state of all namespaces
 *
 * To be called when no socket and no VM is left.
 *
 * Context: process context, may sleep.
 */
void vsock_ns_unregister(void)
{
	unregister_pernet_subsys(&vsock_ns_ops);
}

/* Takes the words of the sysctl. Anything else, or both of them, leaves the
 * kernel without AF_VSOCK. @text is NULL if there is no value.
 */
static int vsock_ns_param_set(const char *text, const struct kernel_param *kp)
{
	unsigned int param = 0;

	if (text && !strcmp(text, "local"))
		param = VSOCK_NS_DECIDED | VSOCK_NS_LOCAL;
	else if (text && !strcmp(text, "global"))
		param = VSOCK_NS_DECIDED;

	if (!param || (vsock_ns_param && vsock_ns_param != param))
		vsock_ns_param_bad = true;
	vsock_ns_param = param;

	return vsock_ns_param_bad ? -EINVAL : 0;
}

static int vsock_ns_param_get(char *text, const struct kernel_param *kp)
{
	if (!vsock_ns_param)
		return sysfs_emit(text, "\n");

	return sysfs_emit(text, "%s\n",
			  vsock_ns_param & VSOCK_NS_LOCAL ? "local" : "global");
}

static const struct kernel_param_ops vsock_ns_param_ops = {
	.flags	= KERNEL_PARAM_OPS_FL_NOARG, /* .set is called without a value, too */
	.set	= vsock_ns_param_set,
	.get	= vsock_ns_param_get,
};
module_param_cb(child_ns_mode, &vsock_ns_param_ops, NULL, 0444);
MODULE_PARM_DESC(child_ns_mode,
		 "net.vsock.child_ns_mode of the initial network namespace, for good; \"local\" also makes all others that exist local");

/* Lets user space see that the module has scopes before it is loaded. */
MODULE_INFO(netns, "Y");
