# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2119,SC2120
# Sourced by the tools of the series: converts patches/K and the repo's own files into git commits, and back.

# shellcheck source=tools/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"

PATCHES=$TOP/patches/$K
SRC=$OUT/src
TREE=$OUT/tree
MADE=refs/vsock-netns/made	# in TREE: the commits as they were last composed from, or written to, patches/K
AUTHOR='vsock-netns project'
EMAIL='vsock-netns@project.invalid'
TRAILER=
EPOCH=1735689600		# the date of all commits, so that the same input has the same hashes
# The files that a build of the module family needs.
FAMILY_FILES=(net/vmw_vsock drivers/vhost/Makefile drivers/vhost/Kconfig drivers/vhost/vsock.c drivers/vhost/vhost.h
	include/net/af_vsock.h include/net/vsock_addr.h include/linux/virtio_vsock.h include/uapi/linux/vm_sockets.h)

# Ignore the user's git settings: they may change hashes and diffs.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 LC_ALL=C

TMP=$(mktemp -d "${TMPDIR:-/tmp}/vsock-series.XXXXXX") || die "no room for a temporary directory: set TMPDIR"
trap 'rm -rf "$TMP"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A command that fails without an error message of its own is reported here, once.
die() {
	[ -e "$TMP/said" ] || printf '%s: error: %s\n' "${0##*/}" "$*" >&2
	: >"$TMP/said"
	exit 1
}
set -E
trap 'die "stopped at \"${BASH_COMMAND%%$'"'\n'"'*}\" ($(df -Pm "$BUILD" "$TMP" | awk "NR > 1 { print \$4 \" MB free on \" \$6 }" | sort -u | paste -sd, -)): fix the cause that the line above names, and run again"' ERR

gr() { git --git-dir="$REPO" "$@"; }

base_key() { [ ! -f "$PATCHES/BASE" ] || sed -n "s/^$1:[[:space:]]*//p" "$PATCHES/BASE"; }

# src_version [DIR]: prints the version of a source tree.
src_version() {
	awk -F' *= *' '$1 == "VERSION" { v = $2 } $1 == "PATCHLEVEL" { p = $2 } $1 == "SUBLEVEL" { s = $2 }
		/^EXTRAVERSION/ { e = $2; exit } END { print v "." p "." s e }' "${1:-$SRC}/Makefile"
}

# need_src: exits if K is unknown, and fetches its source.
need_src() {
	is_base || die "unknown base K=$K: patches are here for K=$(bases | tr '\n' ' ')"
	STOCK='' "$TOP/tools/kernel/fetch" source >&2 || exit 1
	VERSION=$(src_version)
}

# parts DIR: prints the parts of the patches in DIR, directories called NUMBER-NAME, in the order of application.
parts() { find "$1" -mindepth 2 -maxdepth 2 -name series -printf '%h\n' | sed -n 's,.*/\([0-9]*-[a-z0-9-]*\)$,\1,p' | sort -V; }

# chosen_parts: prints the part that PART names, as NUMBER-NAME or NAME; without PART all parts.
chosen_parts() {
	local part found=
	for part in $(parts "$PATCHES"); do
		case ${PART:-$part} in "$part" | "${part#*-}") echo "$part"; found=1 ;; esac
	done
	[ -n "$found" ] || [ -z "${PART:-}" ] ||
		die "unknown part PART=$PART: patches/$K has $(parts "$PATCHES" | paste -sd' ')"
}

# no_part: for tools that work on all parts at once.
no_part() { [ -z "${PART:-}" ] || die "PART=$PART is not possible here: unset it, the parts are written together"; }

# names DIR [PART]: prints the patch files that the parts in DIR list, as PART/NAME.
names() {
	local part
	for part in ${2:-$(parts "$1")}; do
		sed -e 's/[[:space:]]*#.*//' -e '/^[[:space:]]*$/d' -e "s|^|$part/|" "$1/$part/series"
	done
}

# overlay_of FILE: prints the new files that a patch adds.
overlay_of() { sed -n -e '/^diff --git /q' -e 's/^Overlay:[[:space:]]*//p' "$1" | tr -s '[:blank:]' '[\n*]'; }

hooked_by() { sed -n 's,^diff --git a/\(.*\) b/.*,\1,p' "$1"; }

# touched: prints every path that the series changes or adds.
touched() {
	local name
	while read -r name; do
		[ -f "$PATCHES/$name" ] ||
			die "the series file of patches/$K/${name%/*} names ${name#*/}, which does not exist: restore the file, or remove the line"
		hooked_by "$PATCHES/$name"
		overlay_of "$PATCHES/$name"
	done < <(names "$PATCHES") | sort -u
}

# in_src: prints the touched paths that the source has.
in_src() {
	local path
	touched | while read -r path; do
		[ ! -f "$SRC/$path" ] || printf '%s\n' "$path"
	done
}

# added_lines FILE: prints the numbers of the lines that the series adds to FILE in TREE.
added_lines() {
	git -C "$TREE" diff -U0 base -- "$1" | sed -nE 's/^@@ -[0-9,]+ \+([0-9]+)(,([0-9]+))? @@.*/\1 \3/p' |
		awk '{ for (i = 0; i < ($2 == "" ? 1 : $2); i++) print $1 + i }'
}

# upstream_ignore: the top .gitignore without Debian's last lines, which ignore every new file.
upstream_ignore() { sed '/^# Debian packaging/,$d; \:^/\*$:d' "$SRC/.gitignore"; }

# src_files: prints the files of the source, NUL-terminated: tracked files of a git tree, else all files; of a user's tree
# without build products.
src_files() {
	local line args=(-x '!/*')
	if [ "$(git -C "$SRC" rev-parse --show-toplevel 2>/dev/null)" = "$(readlink -f "$SRC")" ]; then
		comm -z -23 <(git -C "$SRC" ls-files -z | sort -z) <(git -C "$SRC" ls-files -z --deleted | sort -z)
	elif [ -n "${KSRC:-}" ]; then
		while read -r line; do args+=(-x "$line"); done < <(upstream_ignore | grep -v '^#')
		git init -q "$TMP/list"
		(cd "$SRC" && git --git-dir="$TMP/list/.git" --work-tree=. ls-files -z --others "${args[@]}" --exclude-per-directory=.gitignore)
	else
		(cd "$SRC" && find . \( -type f -o -type l \) -printf '%P\0')
	fi | sort -z
}

# same_file A B: true if contents and executable bit are the same.
same_file() { cmp -s "$1" "$2" && [ "$(stat -c %A "$1" | tr -dc x)" = "$(stat -c %A "$2" | tr -dc x)" ]; }

# init_repo DIR: creates an empty repo for large imports. Its hunk headers show C functions only.
init_repo() {
	git init -q -b series "$1"
	REPO=$1/.git
	gr config user.name "$AUTHOR"
	gr config user.email "$EMAIL"
	gr config index.version 4
	gr config gc.auto 0
	printf '* !diff -text\n*.[ch] diff=cpp\n' >"$REPO/info/attributes"
}

commit() { # TREE N MESSAGE-FILE [PARENT]
	local date="@$((EPOCH + 60 * $2)) +0000"
	GIT_AUTHOR_NAME=$AUTHOR GIT_AUTHOR_EMAIL=$EMAIL GIT_AUTHOR_DATE=$date \
	GIT_COMMITTER_NAME=$AUTHOR GIT_COMMITTER_EMAIL=$EMAIL GIT_COMMITTER_DATE=$date \
		gr commit-tree "$1" -F "$3" ${4:+-p "$4"}
}

# tag_base: commits the index as `base`.
tag_base() {
	printf 'Linux %s\n' "$VERSION" >"$TMP/msg"
	gr tag -f base "$(commit "$(gr write-tree)" 0 "$TMP/msg")" >/dev/null
}

# small_repo DIR [PATH...]: creates a repo whose base has only the files that the series touches, and PATHs.
small_repo() {
	init_repo "$1"
	shift
	export GIT_INDEX_FILE=$TMP/index
	{
		in_src
		[ $# = 0 ] || (cd "$SRC" && find "$@" -type f \( -name '*.[ch]' -o -name Kconfig -o -name Makefile \))
	} | gr --work-tree="$SRC" update-index --add --stdin
	tag_base
}

# why_not PATCH LOG: exits with one line that sums up the errors of git apply.
why_not() {
	local file line
	IFS=: read -r file line < <(sed -n 's/^error: patch failed: //p' "$2") || :
	[ -n "$file" ] || IFS=: read -r file line < <(sed -n 's/^error: //p' "$2") || :
	die "patches/$K/$1 does not apply to $file of $VERSION (at ${line:-its start}): use the version in" \
		"patches/$K/BASE ($(base_key version)), or mend the hunk there (make tree, edit, make refresh)"
}

# add_overlay PATCH OVERLAY: adds the patch's new files to the index.
add_overlay() {
	local path mode
	while read -r path; do
		[ -f "$2/$path" ] || die "patches/$K/$1 names $path, which is not in the repo: add the file, or remove it from Overlay:"
		[ -z "$(gr ls-files -- "$path")" ] ||
			die "$path of patches/$K/$1 is upstream's or an earlier patch's file: give the new file a name of its own"
		mode=100644
		[ ! -x "$2/$path" ] || mode=100755
		gr update-index --add --cacheinfo "$mode,$(gr hash-object -w --no-filters "$2/$path"),$path"
	done < <(overlay_of "$TMP/diff")
}

# commit_patch DIR OVERLAY PATCH N PARENT: commits the patch and prints the hash.
commit_patch() {
	gr mailinfo "$TMP/body" "$TMP/diff" <"$1/$3" >"$TMP/info" 2>/dev/null ||
		die "patches/$K/$3 is not a patch in mail format: write it with make refresh"
	{ sed -n 's/^Subject: //p' "$TMP/info"; echo; cat "$TMP/body"; } | git stripspace >"$TMP/msg"
	[ -z "$TRAILER" ] || git interpret-trailers --in-place --trailer "$TRAILER" "$TMP/msg"
	if grep -q '^diff --git ' "$TMP/diff"; then
		if gr apply --summary "$TMP/diff" | grep -q .; then
			die "patches/$K/$3 does more than change upstream's files: name new files in Overlay:, and delete, rename or chmod none"
		fi
		gr apply --cached --whitespace=nowarn "$TMP/diff" 2>"$TMP/log" || why_not "$3" "$TMP/log"
	fi
	add_overlay "$3" "$2"
	commit "$(gr write-tree)" "$4" "$TMP/msg" "$5"
}

# marker PART COMMIT: creates an empty commit on top of COMMIT. The commits of a work tree after it belong to PART.
marker() {
	printf 'part: %s\n' "$1" >"$TMP/msg"
	commit "$(gr rev-parse "$2^{tree}")" "$n" "$TMP/msg" "$2"
}

# compose [DIR OVERLAY]: creates a commit per patch of DIR on top of base, up to the end of PART. Sets COMPOSED to the last
# commit, START[part] to the commit before a part and END[part] to its last one. MARK=1 adds the markers of the parts.
declare -A START END
compose() {
	local dir=${1:-$PATCHES} overlay=${2:-$TOP} n=0 name part last
	last=$(chosen_parts | tail -n 1)
	export GIT_INDEX_FILE=$TMP/index
	gr read-tree base
	COMPOSED=$(gr rev-parse 'base^{commit}')
	START=() END=()
	for part in $(parts "$dir"); do
		[ -z "${MARK:-}" ] || COMPOSED=$(marker "$part" "$COMPOSED")
		START[$part]=$COMPOSED
		while read -r name; do
			[ -f "$dir/$name" ] ||
				die "the series file of patches/$K/$part names ${name#*/}, which does not exist: restore the file, or remove the line"
			n=$((n + 1))
			COMPOSED=$(commit_patch "$dir" "$overlay" "$name" "$n" "$COMPOSED")
		done < <(names "$dir" "$part")
		END[$part]=$COMPOSED
		[ -z "${PART:-}" ] || [ "$part" != "$last" ] || break
	done
	unset GIT_INDEX_FILE
}

# write_out COMMIT DEST: writes the files of COMMIT to a directory. Files with the same contents are not written again, so
# that they keep their time. Files of an earlier run that COMMIT does not have are removed; other files stay.
write_out() {
	local path new=$2.tmp
	rm -rf "$new"
	mkdir -p "$new"
	GIT_INDEX_FILE=$TMP/out gr read-tree "$1"
	GIT_INDEX_FILE=$TMP/out gr --work-tree="$new" checkout-index -q -a --prefix="$new/"
	(cd "$new" && find . -type f -printf '%P\n') >"$TMP/files"
	mkdir -p "$2"
	touch "$2/.files"
	while read -r path; do
		[ -e "$new/$path" ] || rm -f "$2/$path"
	done <"$2/.files"
	while read -r path; do
		same_file "$new/$path" "$2/$path" && continue
		mkdir -p "$(dirname "$2/$path")"
		mv "$new/$path" "$2/$path"
	done <"$TMP/files"
	mv "$TMP/files" "$2/.files"
	rm -rf "$new"
}
