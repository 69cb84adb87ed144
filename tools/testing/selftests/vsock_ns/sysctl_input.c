// SPDX-License-Identifier: GPL-2.0
/*
 * Values that child_ns_mode accepts and refuses, and reads of both files.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "fixture.h"

FIXTURE(input)
{
	int ns;
};

FIXTURE_SETUP(input)
{
	SKIP_IF(cannot_run());
	self->ns = ns_global();
	ASSERT_LE(0, self->ns);
}

NO_TEARDOWN(input)

/* ---- refused ---- */

FIXTURE(bad_word)
{
	int open_ns;
	int locked_ns;
	int local_ns;
};

FIXTURE_VARIANT(bad_word)
{
	const char *word;
	size_t len;
};

#define BAD_WORD(name, text)						\
	FIXTURE_VARIANT_ADD(bad_word, name)				\
	{								\
		.word = (text), .len = sizeof(text) - 1			\
	}

BAD_WORD(foo, "foo");
BAD_WORD(capital_l, "Local");
BAD_WORD(capitals, "LOCAL");
BAD_WORD(locally, "locally");
BAD_WORD(globalx, "globalx");
BAD_WORD(both_words, "local global");
BAD_WORD(zero, "0");
BAD_WORD(one, "1");
BAD_WORD(space, " ");
BAD_WORD(newline, "\n");
BAD_WORD(one_letter, "l");
BAD_WORD(five_letters, "globa");
BAD_WORD(junk_after_a_nul, "local\0junk");
BAD_WORD(junk_after_a_newline, "local\njunk");
BAD_WORD(two_lines, "local\nglobal");
BAD_WORD(nul, "\0");
BAD_WORD(nul_inside, "loca\0l");
BAD_WORD(nul_before, "\0local");
BAD_WORD(newline_before, "\nlocal");
BAD_WORD(space_before, " local");
BAD_WORD(space_after, "local ");
BAD_WORD(carriage_return, "local\r\n");
BAD_WORD(two_newlines_after_global, "global\n\n");

/* write_bad_word() supplies the bytes. */
FIXTURE_VARIANT_ADD(bad_word, five_thousand_bytes)
{
	.word = NULL, .len = 5000,
};

FIXTURE_SETUP(bad_word)
{
	SKIP_IF(cannot_run());
	self->open_ns = ns_global();
	ASSERT_LE(0, self->open_ns);
	self->locked_ns = ns_global();
	ASSERT_LE(0, self->locked_ns);
	ASSERT_EQ(0, choose_for_children(self->locked_ns, LOCAL));
	self->local_ns = ns_child_of(self->locked_ns);
	ASSERT_LE(0, self->local_ns);
}

NO_TEARDOWN(bad_word)

static ssize_t write_bad_word(int ns, const char *word, size_t len)
{
	char bytes[5000];

	memset(bytes, 'l', sizeof(bytes));
	return sysctl_write(ns, "child_ns_mode", word ? word : bytes, len);
}

TEST_F(bad_word, is_einval_and_changes_neither_value_nor_lock)
{
	EXPECT_EQ(-EINVAL, write_bad_word(self->open_ns, variant->word,
					  variant->len));
	EXPECT_EQ(GLOBAL, child_mode_of(self->open_ns));
	EXPECT_EQ(0, choose_for_children(self->open_ns, LOCAL));
	EXPECT_EQ(LOCAL, child_mode_of(self->open_ns));
}

TEST_F(bad_word, is_einval_after_the_choice_too)
{
	EXPECT_EQ(-EINVAL, write_bad_word(self->locked_ns, variant->word,
					  variant->len));
	EXPECT_EQ(LOCAL, child_mode_of(self->locked_ns));
	EXPECT_EQ(-EBUSY, choose_for_children(self->locked_ns, GLOBAL));
}

TEST_F(bad_word, is_einval_in_a_local_namespace)
{
	EXPECT_EQ(-EINVAL, write_bad_word(self->local_ns, variant->word,
					  variant->len));
	EXPECT_EQ(LOCAL, child_mode_of(self->local_ns));
	EXPECT_EQ(0, choose_for_children(self->local_ns, LOCAL));
}

TEST_F(input, zero_length_write_returns_0_and_changes_nothing)
{
	EXPECT_EQ(0, sysctl_write(self->ns, "child_ns_mode", "local", 0));
	EXPECT_EQ(GLOBAL, child_mode_of(self->ns));
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
}

TEST_F(input, zero_length_write_after_the_choice_changes_nothing)
{
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
	EXPECT_EQ(0, sysctl_write(self->ns, "child_ns_mode", "global", 0));
	EXPECT_EQ(LOCAL, child_mode_of(self->ns));
}

TEST_F(input, write_at_an_offset_is_einval_and_changes_nothing)
{
	static const off_t offset[] = { 1, 5, 6, 7, 8, 4096 };
	int fd = sysctl_open(self->ns, "child_ns_mode", O_WRONLY);
	size_t i;

	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(offset); i++) {
		EXPECT_EQ(-1, pwrite(fd, "local", 5, offset[i]));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(-1, pwrite(fd, "cal", 3, 2));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(GLOBAL, child_mode_of(self->ns));
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
}

static int writes_strict(const char *value)
{
	int fd = open("/proc/sys/kernel/sysctl_writes_strict", O_WRONLY);
	int err = write(fd, value, strlen(value)) < 0 ? -errno : 0;

	close(fd);
	return err;
}

/* The kernel warns only once. */
TEST_F(input, write_at_an_offset_is_logged_by_the_name_of_the_file)
{
	int fd = sysctl_open(self->ns, "child_ns_mode", O_WRONLY);
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	char line[1024];
	ssize_t len;

	ASSERT_LE(0, fd);
	if (log < 0 || lseek(log, 0, SEEK_END) < 0)
		SKIP(return, "no log to read");
	ASSERT_EQ(0, writes_strict("0"));
	EXPECT_EQ(-1, pwrite(fd, "none", 4, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, writes_strict("1"));
	while ((len = read(log, line, sizeof(line) - 1)) > 0) {
		line[len] = 0;
		EXPECT_EQ(NULL, strstr(line, "wrote to (null)"));
	}
	close(log);
}

TEST_F(input, word_in_two_writes_is_no_word)
{
	int fd = sysctl_open(self->ns, "child_ns_mode", O_WRONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, write(fd, "lo", 2));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(fd, "cal", 3));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(GLOBAL, child_mode_of(self->ns));
}

TEST_F(input, bad_address_changes_nothing)
{
	EXPECT_EQ(-EFAULT, sysctl_write(self->ns, "child_ns_mode", NULL, 5));
	EXPECT_EQ(GLOBAL, child_mode_of(self->ns));
	EXPECT_EQ(0, choose_for_children(self->ns, LOCAL));
}

/* ---- accepted ---- */

FIXTURE(good_word)
{
	int ns;
};

FIXTURE_VARIANT(good_word)
{
	const char *word;
	size_t len;
	enum mode mode;
};

#define GOOD_WORD(name, text, means)					\
	FIXTURE_VARIANT_ADD(good_word, name)				\
	{								\
		.word = (text), .len = sizeof(text) - 1,		\
		.mode = (means),					\
	}

GOOD_WORD(local, "local", LOCAL);
GOOD_WORD(local_and_newline, "local\n", LOCAL);
GOOD_WORD(local_and_two_newlines, "local\n\n", LOCAL);
GOOD_WORD(local_and_nul, "local\0", LOCAL);
GOOD_WORD(global, "global", GLOBAL);
GOOD_WORD(global_and_newline, "global\n", GLOBAL);
GOOD_WORD(global_and_nul, "global\0", GLOBAL);

FIXTURE_SETUP(good_word)
{
	SKIP_IF(cannot_run());
	self->ns = ns_global();
	ASSERT_LE(0, self->ns);
}

NO_TEARDOWN(good_word)

TEST_F(good_word, is_taken_as_a_whole_and_locks)
{
	EXPECT_EQ((ssize_t)variant->len,
		  sysctl_write(self->ns, "child_ns_mode", variant->word,
			       variant->len));
	EXPECT_EQ(variant->mode, (enum mode)child_mode_of(self->ns));
	EXPECT_EQ(-EBUSY, choose_for_children(self->ns, !variant->mode));
	EXPECT_EQ(0, choose_for_children(self->ns, variant->mode));
}

/* ---- reading ---- */

FIXTURE(file)
{
	int ns;
};

FIXTURE_VARIANT(file)
{
	const char *name;
	mode_t mode;
};

FIXTURE_VARIANT_ADD(file, ns_mode)
{
	.name = "ns_mode", .mode = 0444,
};

FIXTURE_VARIANT_ADD(file, child_ns_mode)
{
	.name = "child_ns_mode", .mode = 0644,
};

FIXTURE_SETUP(file)
{
	SKIP_IF(cannot_run());
	self->ns = ns_global();
	ASSERT_LE(0, self->ns);
}

NO_TEARDOWN(file)

TEST_F(file, has_its_mode_and_is_a_file_of_root)
{
	int fd = sysctl_open(self->ns, variant->name, O_RDONLY);
	struct stat st;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fstat(fd, &st));
	EXPECT_EQ(S_IFREG | variant->mode, st.st_mode);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0, st.st_gid);
}

TEST_F(file, reads_as_global_and_a_newline)
{
	char text[64];

	EXPECT_EQ(7, sysctl_read(self->ns, variant->name, text, sizeof(text)));
	EXPECT_STREQ("global\n", text);
}

TEST_F(file, reads_as_local_and_a_newline)
{
	int local = ns_local();
	char text[64];

	ASSERT_LE(0, local);
	EXPECT_EQ(6, sysctl_read(local, variant->name, text, sizeof(text)));
	EXPECT_STREQ("local\n", text);
}

TEST_F(file, reads_the_same_byte_by_byte)
{
	int fd = sysctl_open(self->ns, variant->name, O_RDONLY);
	char text[64] = "";
	size_t len = 0;

	ASSERT_LE(0, fd);
	while (len < sizeof(text) - 1 && read(fd, text + len, 1) == 1)
		len++;
	EXPECT_STREQ("global\n", text);
}

TEST_F(file, reads_from_an_offset_and_ends)
{
	int fd = sysctl_open(self->ns, variant->name, O_RDONLY);
	char text[64] = "";

	ASSERT_LE(0, fd);
	EXPECT_EQ(4, pread(fd, text, sizeof(text), 3));
	EXPECT_STREQ("bal\n", text);
	EXPECT_EQ(0, pread(fd, text, sizeof(text), 7));
	EXPECT_EQ(0, pread(fd, text, sizeof(text), 4096));
}

TEST_F(file, reads_zero_bytes_as_zero_bytes)
{
	int fd = sysctl_open(self->ns, variant->name, O_RDONLY);
	char text[4] = "abc";

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, read(fd, text, 0));
	EXPECT_STREQ("abc", text);
}

TEST_HARNESS_MAIN
