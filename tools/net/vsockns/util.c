// SPDX-License-Identifier: GPL-2.0
/*
 * Messages and memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vsockns.h"

/* Set by exec, whose command may use all other values. */
int failure_status;

static void message(const char *format, va_list args)
{
	progress_end();
	fflush(stdout);
	fputs("vsockns: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	message(format, args);
	va_end(args);
}

void die(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	message(format, args);
	va_end(args);
	exit(failure_status ? failure_status : status);
}

int status_of(int error)
{
	switch (error) {
	case EPERM:
	case EACCES:
		return EXIT_NOT_PERMITTED;
	case EEXIST:
		return EXIT_EXISTS;
	default:
		return EXIT_FAILED;
	}
}

void *must_alloc(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		die(EXIT_FAILED, "out of memory");
	return memory;
}

char *must_copy(const char *text)
{
	return format_text("%s", text);
}

char *format_text(const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0)
		die(EXIT_FAILED, "out of memory");
	return text;
}

/* "@list, @item"; both are freed. */
char *join(char *list, char *item)
{
	char *both = format_text("%s%s%s", list, *list ? ", " : "", item);

	free(list);
	free(item);
	return both;
}

/* True if @name is no single component of a path below a directory. */
bool leaves_directory(const char *name)
{
	return strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..");
}

/* Reads the first line of a small file. Returns false with errno set. */
bool read_line(const char *path, char *line, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;
	int error;

	if (fd < 0)
		return false;
	len = read(fd, line, size - 1);
	error = errno;
	close(fd);
	errno = error;
	if (len < 0)
		return false;
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return true;
}
