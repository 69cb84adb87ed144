// SPDX-License-Identifier: GPL-2.0
/*
 * Namespaces that a mount keeps: named ones, and the ones of container engines.
 * The mounts of process 1 are read too if they differ from the caller's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vsockns.h"

/* mountinfo has \040 for a space, and likewise tab, newline and backslash. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
			*to++ = (text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0';
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

static void add_name(struct space *space, const char *mount)
{
	struct name **end = &space->names;
	struct name *name = must_alloc(sizeof(*name));

	if (!strncmp(mount, NETNS_DIR "/", strlen(NETNS_DIR "/")))
		mount += strlen(NETNS_DIR "/");
	name->text = must_copy(mount);
	clean(name->text);
	for (; *end; end = &(*end)->next) {
		if (!strcmp((*end)->text, name->text)) {
			free(name->text);
			free(name);
			return;
		}
	}
	*end = name;
}

static void scan_mount(const char *line, const char *root)
{
	char *source = NULL, *mount = NULL, *path;
	unsigned long inode;
	struct space *space;

	if (sscanf(line, "%*s %*s %*s %ms %ms", &source, &mount) == 2 &&
	    sscanf(source, "net:[%lu]", &inode) == 1) {
		unescape(mount);
		path = format_text("%s%s", root, mount);
		space = space_open(AT_FDCWD, path, inode);
		if (space)
			add_name(space, mount);
		free(path);
	}
	free(source);
	free(mount);
}

static void scan_mountinfo(const char *path, const char *root)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (!file)
		return;
	while (getline(&line, &size, file) > 0) {
		if (strstr(line, " - nsfs "))
			scan_mount(line, root);
	}
	free(line);
	fclose(file);
}

void scan_mounts(void)
{
	struct stat own, init;

	scan_mountinfo("/proc/self/mountinfo", "");
	if (!stat("/proc/self/ns/mnt", &own) && !stat("/proc/1/ns/mnt", &init) &&
	    own.st_ino != init.st_ino)
		scan_mountinfo("/proc/1/mountinfo", "/proc/1/root");
}
