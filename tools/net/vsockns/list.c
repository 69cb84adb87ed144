// SPDX-License-Identifier: GPL-2.0
/*
 * vsockns list and vsockns vms.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vsockns.h"

#define CIDS_SHOWN 4

static struct json_object *json_names(const struct space *space)
{
	struct json_object *names = json_object_new_array();
	const struct name *name;

	for (name = space->names; name; name = name->next)
		json_object_array_add(names, json_object_new_string(name->text));
	return names;
}

static struct json_object *json_cids(const struct space *space)
{
	struct json_object *cids = json_object_new_array();
	const struct vm *vm;

	for (vm = space->vms ? found.vms : NULL; vm; vm = vm->next)
		if (vm->space == space)
			json_object_array_add(cids, json_number(vm->cid, vm->cid));
	return cids;
}

struct json_object *json_space(const struct space *space)
{
	struct json_object *object = json_object_new_object();

	json_put(object, "names", json_names(space));
	json_put(object, "inode", json_object_new_int64(space->inode));
	json_put(object, "self", json_object_new_boolean(space->self));
	json_put(object, "mode", json_mode(space->mode));
	json_put(object, "child_mode", json_mode(space->children));
	json_put(object, "child_mode_chosen", children_chosen(space) ?
		 json_object_new_boolean(true) : NULL);
	json_put(object, "owner_uid", json_number(space->owner, space->owner_known));
	json_put(object, "owner_user_ns", json_number(space->user_ns, space->owner_known));
	json_put(object, "sockets", json_number(space->sockets, space->sockets >= 0));
	json_put(object, "vms", json_cids(space));
	json_put(object, "guest_cid", json_number(space->guest_cid, space->guest_cid));
	json_put(object, "pid", json_number(space->pid, space->pid));
	json_put(object, "program", space->pid ? json_object_new_string(space->program) : NULL);
	return object;
}

static void list_json(void)
{
	struct json_object *top = json_object_new_object(), *spaces = json_object_new_array();
	const struct space *space;

	for (space = found.spaces; space; space = space->next)
		json_object_array_add(spaces, json_space(space));
	json_put(top, "namespaces", spaces);
	json_print(top);
}

/* The first CIDs of a namespace, with the number of the others. */
static void text_cids(const struct space *space, char *text, size_t size)
{
	const struct vm *vm;
	size_t used = 0;
	long shown = 0;

	for (vm = found.vms; vm && shown < space->vms && shown < CIDS_SHOWN; vm = vm->next) {
		if (vm->space != space)
			continue;
		if (vm->cid)
			used += snprintf(text + used, size - used, "%s%u", shown ? "," : "",
					 vm->cid);
		else
			used += snprintf(text + used, size - used, "%s?", shown ? "," : "");
		shown++;
	}
	if (!shown)
		snprintf(text, size, "-");
	else if (shown < space->vms)
		snprintf(text + used, size - used, ",+%ld", space->vms - shown);
}

const char *space_name(const struct space *space)
{
	if (space->names)
		return space->names->text;
	return space->self ? "(this)" : "-";
}

static void list_names(const struct space *space, const char **cell)
{
	const struct name *name = space->names;
	const char *row[10] = { NULL, "", "", "", "", "", "", "", "", "" };

	table_row(cell, 9);
	for (name = name ? name->next : NULL; name; name = name->next) {
		row[0] = name->text;
		row[1] = cell[1];
		row[8] = "(another name)";
		table_row(row, 9);
	}
}

static void list_row(const struct space *space)
{
	char inode[32], mode[32], children[32], owner[64] = "?", sockets[32] = "?", cids[128];
	char pid[32] = "-";
	const char *cell[] = { space_name(space), inode, mode, children,
			       owner, sockets, cids, pid,
			       space->pid ? space->program : "-" };

	snprintf(inode, sizeof(inode), "%lu", (unsigned long)space->inode);
	snprintf(mode, sizeof(mode), "%s%s", mode_name(space->mode),
		 space->mode == MODE_LOCAL && space->guest_cid ? ",g2h" : "");
	snprintf(children, sizeof(children), "%s%s", mode_name(space->children),
		 children_chosen(space) ? ",chosen" : "");
	if (space->owner_known && space->user_ns == found.spaces->user_ns)
		snprintf(owner, sizeof(owner), "%u", space->owner);
	else if (space->owner_known)
		snprintf(owner, sizeof(owner), "%u/%lu", space->owner,
			 (unsigned long)space->user_ns);
	if (space->sockets >= 0)
		snprintf(sockets, sizeof(sockets), "%ld", space->sockets);
	text_cids(space, cids, sizeof(cids));
	if (space->pid)
		snprintf(pid, sizeof(pid), "%d", space->pid);
	list_names(space, cell);
}

static void list_table(void)
{
	static const char *const head[] = { "NAME", "INODE", "MODE", "CHILDREN", "OWNER",
					    "SOCKETS", "VMS", "PID", "PROGRAM" };
	const struct space *space;

	table_row(head, 9);
	for (space = found.spaces; space; space = space->next)
		list_row(space);
	table_print();
}

int cmd_list(int argc, char **argv)
{
	bool json = only_json(argc, argv);

	scan_all();
	if (json)
		list_json();
	else
		list_table();
	warn_unseen();
	return finish(EXIT_OK);
}
