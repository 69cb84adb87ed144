// SPDX-License-Identifier: GPL-2.0
/*
 * vsockns vms: the VMs of this host, which share CIDs across local namespaces.
 */
#include <json-c/json.h>
#include <stdio.h>

#include "vsockns.h"

static struct json_object *json_vm(const struct vm *vm)
{
	const struct space *space = vm->space;
	struct json_object *object = json_object_new_object();

	json_put(object, "cid", json_number(vm->cid, vm->cid));
	json_put(object, "namespace", space->names ?
		 json_object_new_string(space->names->text) : NULL);
	json_put(object, "inode", json_object_new_int64(space->inode));
	json_put(object, "mode", json_mode(space->mode));
	json_put(object, "guess", json_object_new_boolean(vm->guess));
	json_put(object, "pid", json_object_new_int(vm->pid));
	json_put(object, "program", json_object_new_string(vm->program));
	return object;
}

static void vms_json(void)
{
	struct json_object *top = json_object_new_object(), *vms = json_object_new_array();
	const struct vm *vm;

	for (vm = found.vms; vm; vm = vm->next)
		json_object_array_add(vms, json_vm(vm));
	json_put(top, "vms", vms);
	json_print(top);
}

static bool vms_row(const struct vm *vm)
{
	const char *name = space_name(vm->space);
	char cid[32] = "?", space[512], pid[32];
	const char *cell[] = { cid, space, mode_name(vm->space->mode), pid, vm->program };

	if (vm->cid)
		snprintf(cid, sizeof(cid), "%u", vm->cid);
	if (name[0] == '-')
		snprintf(space, sizeof(space), "%lu%s", (unsigned long)vm->space->inode,
			 vm->guess ? " (guess)" : "");
	else
		snprintf(space, sizeof(space), "%s%s", name, vm->guess ? " (guess)" : "");
	snprintf(pid, sizeof(pid), "%d", vm->pid);
	table_row(cell, 5);
	return vm->guess;
}

static void vms_table(void)
{
	static const char *const head[] = { "CID", "NAMESPACE", "MODE", "PID", "PROGRAM" };
	bool guessed = false;
	const struct vm *vm;

	table_row(head, 5);
	for (vm = found.vms; vm; vm = vm->next)
		guessed |= vms_row(vm);
	table_print();
	if (guessed)
		warn("(guess): this kernel does not show the namespace: it is that of the process");
}

int cmd_vms(int argc, char **argv)
{
	bool json = only_json(argc, argv);

	scan_all();
	if (json)
		vms_json();
	else
		vms_table();
	warn_unseen();
	return finish(EXIT_OK);
}
