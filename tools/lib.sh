# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # the places are for those who source this
# Sourced by every script of the repo: names of places, messages, one way to end.

TOP=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
DEFAULT_K=6.12
K=${K:-$DEFAULT_K}
BUILD=$TOP/build
OUT=$BUILD/$K
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/vsock-netns
REFERENCES="7.3"	# kernels that have the feature: run with STOCK=1, never patched
export K

# note TEXT...: progress, on stderr, so that stdout stays for results.
note() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# die TEXT...: the one line that names cause and remedy.
die() { printf '%s: error: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# leash COMMAND...: it ends when this script does, however that ends.
leash() { setpriv --pdeathsig TERM -- "$@"; }

# bases: the kernels that have patches here, and the references that are only run.
bases() { (cd "$TOP/patches" && printf '%s\n' */) 2>/dev/null | tr -d / ; }

# is_base: K has patches here.
is_base() { [ -d "$TOP/patches/$K" ]; }

# need_k: ends where K is neither a base nor, with STOCK=1, a version to look for.
need_k() {
	local known
	known=$(bases | tr '\n' ' ')
	is_base || { [ "${STOCK:-}" = 1 ] && [[ $K =~ ^[0-9]+\.[0-9]+$ ]]; } ||
		die "unknown kernel K=$K: known are K=${known:-(no patches here) }and, with STOCK=1, K=$REFERENCES"
}

# kernel_dir: where the kernel to be run lies, boot/ and lib/modules/: KERNEL names one of tools/vm/kernel, UNPATCHED=1
# that of the base; without KERNEL it is the stock one.
kernel_dir() {
	local dir=$OUT/stock
	[ -z "${KERNEL:-}" ] || dir=$OUT/kernel-$KERNEL
	[ "${UNPATCHED:-}" != 1 ] || [ -z "${KERNEL:-}" ] || dir+=-base
	echo "$dir"
}

# own_modules: those that lie beside the kernel are used, not ours on top of a stock kernel.
own_modules() { [ "${STOCK:-}" = 1 ] || [ -n "${KERNEL:-}" ]; }

# usage: prints the comment at the head of the script, from its second paragraph on.
usage() { sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0"; }

# scratch: a directory of this run alone, build/K/tmp.SCRIPT.PID, in TMP. The script
# removes it when it ends; what killed ones left goes here.
scratch() {
	local d
	mkdir -p "$OUT" || die "cannot write to $OUT: check its owner and the free space"
	for d in "$OUT"/tmp.*; do
		[ ! -d "$d" ] || kill -0 "${d##*.}" 2>/dev/null || rm -rf "$d"
	done
	TMP=$OUT/tmp.${0##*/}.$$
	mkdir "$TMP" || die "cannot write to $OUT: check its owner and the free space"
}

# lock NAME: one at a time in this checkout; released when the script ends.
lock() {
	mkdir -p "$BUILD" || die "cannot make $BUILD: check its owner and the free space"
	exec {LOCK_FD}>"$BUILD/.lock.$1"
	flock -n "$LOCK_FD" && return
	note "waiting for another run ($1)"
	flock "$LOCK_FD"
}
