// SPDX-License-Identifier: GPL-2.0
/*
 * Tables and JSON. Names come from tenants: control characters and invalid UTF-8
 * are replaced.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vsockns.h"

#define MAX_COLUMNS 10

static char **cells;
static size_t nr_cells, room;
static int nr_columns;

void table_row(const char *const *row, int columns)
{
	int i;

	nr_columns = columns;
	for (i = 0; i < columns; i++) {
		if (nr_cells == room) {
			room = room ? 2 * room : 256;
			cells = realloc(cells, room * sizeof(*cells));
			if (!cells)
				die(EXIT_FAILED, "out of memory");
		}
		cells[nr_cells++] = must_copy(row[i]);
	}
}

void table_print(void)
{
	int width[MAX_COLUMNS] = { 0 };
	size_t i;
	int last = nr_columns - 1;

	for (i = 0; i < nr_cells; i++) {
		int len = strlen(cells[i]);

		if (len > width[i % nr_columns])
			width[i % nr_columns] = len;
	}
	for (i = 0; i < nr_cells; i++) {
		if ((int)(i % nr_columns) == last)
			printf("%s\n", cells[i]);
		else
			printf("%-*s  ", width[i % nr_columns], cells[i]);
		free(cells[i]);
	}
	nr_cells = 0;
}

/* Length of the UTF-8 sequence at @text, or 0 if it is none, or a control character. */
static size_t printable(const unsigned char *text)
{
	size_t len, i;

	if (text[0] < 0x80)
		return text[0] >= ' ' && text[0] != 0x7f;
	len = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	if (text[0] < 0xc2 || text[0] > 0xf4 || (text[0] == 0xc2 && text[1] < 0xa0))
		return 0;
	for (i = 1; i < len; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void clean(char *text)
{
	size_t len;

	for (; *text; text += len) {
		len = printable((unsigned char *)text);
		if (!len) {
			*text = '?';
			len = 1;
		}
	}
}

void json_put(struct json_object *object, const char *key, struct json_object *value)
{
	json_object_object_add(object, key, value);
}

/* Unknown values are null. */
struct json_object *json_mode(enum mode mode)
{
	if (mode == MODE_UNKNOWN || mode == MODE_NONE)
		return NULL;
	return json_object_new_string(mode_name(mode));
}

struct json_object *json_number(long number, bool known)
{
	return known ? json_object_new_int64(number) : NULL;
}

/* Every result says how much of the machine it leaves out. */
void json_print(struct json_object *object)
{
	const int flags = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
			  JSON_C_TO_STRING_NOSLASHESCAPE;

	json_put(object, "processes_not_looked_at", json_object_new_int64(found.unseen));
	puts(json_object_to_json_string_ext(object, flags));
	json_object_put(object);
}

void warn_unseen(void)
{
	if (found.unseen)
		warn("no permission to look at %ld process%s: run vsockns as root",
		     found.unseen, found.unseen == 1 ? "" : "es");
}

/* A full disk must not look like a short list. */
int finish(int status)
{
	if (fflush(stdout) || ferror(stdout))
		die(EXIT_FAILED, "cannot write the output: %s", strerror(errno));
	return status;
}
