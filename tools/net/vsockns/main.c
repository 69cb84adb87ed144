// SPDX-License-Identifier: GPL-2.0
/*
 * vsockns: shows and makes network namespaces of AF_VSOCK. See vsockns(8).
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "vsockns.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "list", cmd_list },
	{ "vms", cmd_vms },
	{ "add", cmd_add },
	{ "exec", cmd_exec },
	{ "default", cmd_default },
	{ "g2h", cmd_g2h },
	{ "check", cmd_check },
};

static int help(void)
{
	fputs("usage: vsockns COMMAND\n"
	      "\n"
	      "Shows and makes network namespaces of AF_VSOCK. A namespace is global or local;\n"
	      "global ones share CIDs and ports, a local one has its own.\n"
	      "\n"
	      "  list [--json]                     all network namespaces, with mode and VMs\n"
	      "  vms [--json]                      all VMs, with CID and namespace\n"
	      "  add NAME --mode local|global      create a named namespace with a mode\n"
	      "  exec --mode local|global -- CMD   run CMD in a new namespace, also without root\n"
	      "  default [local|global] [--yes]    show or choose the mode of new namespaces\n"
	      "  g2h [NAME|--shared]               show or assign the transport to the host\n"
	      "  check [--json]                    look for mistakes; exit status as for monitoring\n"
	      "\n"
	      "Exit status: 0 success, 1 failed, 2 wrong usage, 3 no such feature, 4 not permitted,\n"
	      "5 exists already. exec: that of CMD, or 125, 126, 127. check: 0 OK, 1 warning,\n"
	      "2 critical, 3 unknown. See vsockns(8).\n", stdout);
	return finish(EXIT_OK);
}

/* @result is what getopt_long() returned of an option string that begins with ":". */
void bad_option(char **argv, int result)
{
	die(EXIT_USAGE, "%s: option %s %s", argv[0], argv[optind - 1],
	    result == ':' ? "needs a value" : "is not known: see vsockns --help");
}

/* For commands with one option, which takes no value: true if it is given. */
bool one_flag(int argc, char **argv, const char *letters, const struct option *options)
{
	bool given = false;
	int opt;

	while ((opt = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		if (opt != options->val)
			bad_option(argv, opt);
		given = true;
	}
	return given;
}

bool only_json(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
	bool json = one_flag(argc, argv, ":", options);

	if (optind < argc)
		die(EXIT_USAGE, "%s takes no argument '%s': see vsockns --help", argv[0],
		    argv[optind]);
	return json;
}

enum mode need_mode(const char *text)
{
	enum mode mode;

	if (!text)
		die(EXIT_USAGE, "the mode is missing: add --mode local or --mode global");
	if (!parse_mode(text, &mode))
		die(EXIT_USAGE, "'%s' is no mode: it is local or global", text);
	return mode;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2)
		die(EXIT_USAGE, "no command: see vsockns --help");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help();
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		if (argc > 2 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h")))
			return help();
		return commands[i].run(argc - 1, argv + 1);
	}
	die(EXIT_USAGE, "'%s' is no command: see vsockns --help", argv[1]);
}
