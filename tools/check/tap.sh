# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# TAP of the tests that are shell scripts, on this machine, in a VM or in a Debian root.
# Sourced by them.

N=0
FAILED=0

# result NAME [FINDINGS]: ok if there are no findings. Prints the first of them.
result() {
	N=$((N + 1))
	if [ -z "${2:-}" ]; then
		echo "ok $N $1"
	else
		FAILED=$((FAILED + 1))
		echo "not ok $N $1"
		printf '%s\n' "$2" | head -n 40 | sed 's/^/#   /'
	fi
}

# skip NAME REASON
skip() {
	N=$((N + 1))
	echo "ok $N $1 # SKIP $2"
}

# is NAME GOT WANTED: WANTED is a pattern.
is() {
	# shellcheck disable=SC2053 # a pattern
	if [[ $2 == $3 ]]; then result "$1"; else result "$1" "got: $2"$'\n'"wanted: $3"; fi
}

# succeeds NAME COMMAND...: shows the end of the command's output if it fails.
succeeds() {
	local name=$1 said rc=0
	shift
	said=$("$@" 2>&1 </dev/null) || rc=$?
	if [ "$rc" = 0 ]; then result "$name"; else result "$name" "exit status $rc of: $*"$'\n'"$(tail -n 15 <<<"$said")"; fi
}

# fails NAME PATTERN COMMAND...: the command fails, and a line of its output matches.
fails() {
	local name=$1 pattern=$2 said rc=0
	shift 2
	said=$("$@" 2>&1 </dev/null) || rc=$?
	if [ "$rc" != 0 ] && grep -qE -- "$pattern" <<<"$said"; then result "$name"
	else result "$name" "exit status $rc of: $*, wanted a failure with: $pattern"$'\n'"$(tail -n 15 <<<"$said")"; fi
}

# until_true COMMAND...: repeats the command, without its output, until it succeeds, for up to 30 s or PATIENCE.
until_true() {
	local i seconds=${PATIENCE:-30}
	for ((i = 0; i < seconds * 10; i++)); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
	echo "# not within $seconds s: $*"
	return 1
}

# modules_here: prints whose vsock modules are loaded: ours, which are built out of tree, or the stock ones.
modules_here() { if grep -q O /sys/module/vsock/taint; then echo ours; else echo stock; fi; }

# finish: false if anything failed. To be the last command of the script.
finish() {
	echo "1..$N"
	return $((FAILED > 0))
}
