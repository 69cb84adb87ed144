# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # the variables are for the scripts that source this file
# Sourced by every script of the repo: directories, messages, options and locks.

TOP=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
DEFAULT_K=6.12
K=${K:-$DEFAULT_K}
BUILD=$TOP/build
OUT=$BUILD/$K
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/vsock-netns
REFERENCES="7.3"	# kernels that have the feature; with STOCK=1 they run as they are
export K

# note TEXT...: prints progress to stderr; stdout is for results.
note() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# die TEXT...: prints an error and exits. TEXT says what failed, on what object, and the remedy.
die() { printf '%s: error: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# pack DIR: prints the files of DIR as a cpio archive of root's files, for an initramfs. The same files give the same archive.
pack() { (cd "$1" && find . -mindepth 1 -print0 | sort -z | cpio -0 -o -H newc -R 0:0 --quiet); }

# run_child COMMAND...: runs COMMAND so that it is killed when this script exits, even by a signal.
run_child() { setpriv --pdeathsig TERM -- "$@"; }

# judge ARGUMENT...: counts TAP with tap.awk, line by line: mawk would wait for a full buffer.
judge() {
	local live=()
	! awk -W version 2>&1 </dev/null | grep -q '^mawk' || live=(-W interactive)
	awk "${live[@]}" -f "$TOP/tools/check/tap.awk" "$@"
}

# bases: prints the kernels that have patches here.
bases() { (cd "$TOP/patches" && printf '%s\n' */) 2>/dev/null | tr -d / ; }

# is_base: true if K has patches here.
is_base() { [ -d "$TOP/patches/$K" ]; }

# has_feature: true if kernel K has the feature without our patches.
has_feature() { [[ " $REFERENCES " == *" $K "* ]]; }

# need_k: exits unless K is a base or, with STOCK=1, a kernel version.
need_k() {
	local known
	known=$(bases | tr '\n' ' ')
	is_base || { [ "${STOCK:-}" = 1 ] && [[ $K =~ ^[0-9]+\.[0-9]+$ ]]; } ||
		die "unknown kernel K=$K: known are K=${known:-(no patches here) }and, with STOCK=1, K=$REFERENCES"
}

# kernel_dir: prints the directory with boot/ and lib/modules/ of the kernel to run: the kernel KERNEL of tools/kernel/build,
# with UNPATCHED=1 built from the base, or without KERNEL the stock kernel; with VM_ROOT the kernel of that root.
kernel_dir() {
	local dir=$OUT/stock
	[ -z "${VM_ROOT:-}" ] || dir=$VM_ROOT
	[ -z "${KERNEL:-}" ] || dir=$OUT/kernel-$KERNEL
	[ "${UNPATCHED:-}" != 1 ] || [ -z "${KERNEL:-}" ] || dir+=-base
	echo "$dir"
}

# own_modules: true if the kernel is run with the modules that came with it, instead of build/K/modules.
own_modules() { [ "${STOCK:-}" = 1 ] || [ -n "${KERNEL:-}" ]; }

# usage: prints the comment at the head of the script, from its second paragraph on.
usage() { sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0"; }

# scratch: creates the directory build/K/tmp.SCRIPT.PID for this run and sets TMP. The caller
# removes it at exit. Directories of runs that were killed are removed here.
scratch() {
	local d
	mkdir -p "$OUT" || die "cannot write to $OUT: check its owner and the free space"
	for d in "$OUT"/tmp.*; do
		[ ! -d "$d" ] || kill -0 "${d##*.}" 2>/dev/null || rm -rf "$d"
	done
	TMP=$OUT/tmp.${0##*/}.$$
	mkdir "$TMP" || die "cannot write to $OUT: check its owner and the free space"
}

# lock NAME: takes the lock NAME of this checkout, and waits for it. Released at exit.
lock() {
	mkdir -p "$BUILD" || die "cannot create $BUILD: check its owner and the free space"
	exec {LOCK_FD}>"$BUILD/.lock.$1"
	flock -n "$LOCK_FD" && return
	note "waiting for another run ($1)"
	flock "$LOCK_FD"
}
