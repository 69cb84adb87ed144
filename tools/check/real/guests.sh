# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced by the scenarios, which run in the emulated host: functions for namespaces,
# virtual machines, commands in them, and TAP.

set -uo pipefail

# Delete the namespaces of a scenario that was killed by its time limit.
ip -all netns del 2>/dev/null
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/check/tap.sh
. "$HERE/tap.sh"
cd "$(mktemp -d)" || exit 1
PATH=$PATH:$HERE
PATIENCE=${PATIENCE:-240}	# seconds until a guest answers: with nested emulation, on a shared machine
CMDLINE="console=ttyS0 loglevel=5 panic=-1 mitigations=off no_timer_check nokaslr rcupdate.rcu_expedited=1 rcupdate.rcu_cpu_stall_suppress=1"
# shellcheck disable=SC2054 # the commas are QEMU's
DEFAULT_QEMU=(-nodefaults -no-user-config -no-reboot -display none -machine pc -accel tcg,tb-size=64 -cpu qemu64,+rdrand -m 96M)
SMALL_GUEST=("${DEFAULT_QEMU[@]}" -kernel "$HERE/guest.vmlinux" -initrd "$HERE/guest.initrd" -append "$CMDLINE")
declare -A VM=() IN=() FROM=()
BOOTED=()

# --- TAP --------------------------------------------------------------------------

plan() { echo "TAP version 13"; echo "1..$1"; }

remark() { sed 's/^/# /'; }

# since TEXT: prints the seconds since the start as a remark.
since() { echo "# $1: $((SECONDS - BEGAN)) s"; }
BEGAN=$SECONDS

# --- namespaces -------------------------------------------------------------------

# locals NAME...: creates local namespaces with ip netns, from a namespace that chose local.
locals() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare --net bash -c 'sysctl -q -w net.vsock.child_ns_mode=local && for ns; do ip netns add "$ns" || exit; done' bash "$@"
	for_each_lo "$@"
}

globals() {
	local ns
	for ns; do ip netns add "$ns" || return; done
	for_each_lo "$@"
}

for_each_lo() {
	local ns
	for ns; do ip -n "$ns" link set lo up; done
}

# in_ns NS COMMAND...: runs the command in NS; init is the current namespace.
in_ns() {
	local ns=$1
	shift
	if [ "$ns" = init ]; then "$@"; else ip netns exec "$ns" "$@"; fi
}

# --- virtual machines ---------------------------------------------------------------

# words NS COMMAND...: sets WORDS to the command line that runs COMMAND in NS.
words() {
	WORDS=("${@:2}")
	[ "$1" = init ] || WORDS=(ip netns exec "$@")
}

# launch NAME COMMAND...: starts QEMU with a log, and a serial port for commands.
launch() {
	local name=$1 in from
	shift
	mkfifo "$name.in" "$name.out"
	# Open both pipes for reading and writing, so that neither side waits for the other.
	exec {in}<>"$name.in" {from}<>"$name.out"
	IN[$name]=$in FROM[$name]=$from
	"$@" -serial file:"$name.log" -chardev pipe,id=tell,path="$name" -serial chardev:tell \
		</dev/null >"$name.qemu" 2>&1 &
	VM[$name]=$!
}

# vm NAME NS CID [ARGUMENT...]: starts a VM with the small kernel, by a task in NS.
vm() {
	local name=$1 ns=$2 cid=$3
	shift 3
	words "$ns" qemu-system-x86_64 "${SMALL_GUEST[@]}" -device vhost-vsock-pci,guest-cid="$cid" "$@"
	launch "$name" "${WORDS[@]}"
}

alive() { kill -0 "${VM[$1]}" 2>/dev/null; }

# reads NAME SECONDS: reads the next line into LINE.
reads() {
	local part='' end=$((SECONDS + $2)) gone=
	LINE=
	while [ $SECONDS -lt "$end" ]; do
		if IFS= read -r -t 1 part <&"${FROM[$1]}"; then
			LINE+=${part%$'\r'}
			return 0
		fi
		LINE+=$part
		[ -z "$gone" ] || return 1
		alive "$1" || gone=1
	done
	return 1
}

# answer NAME SECONDS NUMBER: prints all lines up to the mark of command NUMBER, and returns its status.
answer() {
	local mark="#### $3 "
	while reads "$1" "$2"; do
		if [[ $LINE == *"$mark"* ]]; then
			# The last line of the output may have had no newline.
			[ -z "${LINE%%"$mark"*}" ] || printf '%s\n' "${LINE%%"$mark"*}"
			return "${LINE##*"$mark"}"
		fi
		printf '%s\n' "$LINE"
	done
	return 125
}

# show NAME: prints the end of the guest's kernel log and of QEMU's output.
show() {
	tail -n 15 "$1.log" 2>/dev/null | tr -d '\r' | remark
	tail -n 3 "$1.qemu" | remark
}

# up NAME...: waits until the guests answer. Otherwise prints the end of the log and an error.
up() {
	local name
	for name; do
		if answer "$name" "$PATIENCE" 0 >/dev/null; then
			BOOTED+=("$name")
			continue
		fi
		show "$name"
		if alive "$name"; then echo "error: the guest $name printed no mark in $PATIENCE s: the end of its log is above"
		else echo "error: QEMU of the guest $name ended before the guest was up: its output is above"; fi
		return 1
	done
}

# tell NAME COMMAND: runs COMMAND in the guest; prints its output and returns its status.
tell() {
	local number=${EPOCHREALTIME/[.,]/}
	echo "$number $2" >&"${IN[$1]}"
	answer "$1" "${WAIT:-120}" "$number"
}

# down NAME...: kills QEMU without a shutdown of the guest.
down() {
	local name in from
	for name; do
		[ -n "${VM[$name]:-}" ] || continue
		in=${IN[$name]} from=${FROM[$name]}
		kill -KILL "${VM[$name]}" 2>/dev/null
		wait "${VM[$name]}" 2>/dev/null
		rm -f "$name".{in,out}
		exec {in}>&- {from}>&-
		unset "VM[$name]"
	done
}

# cid_of NAME: prints "CID NAMESPACE" of the device that this QEMU has open, from /proc.
cid_of() { awk '$1 == "guest_cid:" { cid = $2 } $1 == "net_ns:" { print cid, $2 }' /proc/"${VM[$1]}"/fdinfo/* 2>/dev/null; }

# inum NS: prints the inode number of the namespace.
inum() { in_ns "$1" readlink /proc/self/ns/net | tr -dc 0-9; }

# holds NAME CID NS: prints yes if QEMU gets the CID in time, by a device opened in NS, else QEMU's last line.
holds() {
	local want i
	want="$2 $(inum "$3")"
	for ((i = 0; i < 600; i++)); do
		[ "$(cid_of "$1")" != "$want" ] || { echo yes; return; }
		alive "$1" || break
		sleep 0.1
	done
	tail -n 1 "$1.qemu"
}

# paused NAME NS CID: starts a QEMU that holds the CID and does not run the guest.
paused() {
	words "$2" qemu-system-x86_64 "${DEFAULT_QEMU[@]}" -S -device vhost-vsock-pci,guest-cid="$3"
	launch "$1" "${WORDS[@]}"
	holds "$1" "$3" "$2"
}

# --- reachability -------------------------------------------------------------------

# says NS CID PORT: prints the greeting that a client in NS receives, or its error.
says() { in_ns "$1" vcat -r "$2" "$3" 2>&1 | tail -n 1; }

# listens NS PORT: waits until a socket listens there.
listens() {
	local i
	for ((i = 0; i < 300; i++)); do
		in_ns "$1" ss --vsock -l -n 2>/dev/null | grep -q ":$2\b" && return
		sleep 0.1
	done
	return 1
}

# serve NS PORT TEXT: starts a server with ncat.
serve() {
	words "$1" ncat --vsock -l -k -p "$2" -c "echo $3"
	"${WORDS[@]}" </dev/null >/dev/null 2>&1 &
	SERVERS+=($!)
	# A test that the server is not reachable would pass without a server, too.
	listens "$1" "$2" || is "in $1, ncat listens on port $2" no yes
}
SERVERS=()

# run_in GUEST PROGRAM: runs a test program in a guest. Each of its results is one here.
run_in() {
	local status
	WAIT=${WAIT:-600} tell "$1" "$2" >said
	status=$?
	report "$2" "$status" said
}

# report PROGRAM STATUS FILE: reports each result in FILE, which the program has printed.
report() {
	local before=$N line
	remark <"$3"
	while read -r line; do
		case $line in
		'ok '*'# SKIP'*) is "$1: ${line#ok * }" skipped "run" ;;
		'ok '*) is "$1: ${line#ok * }" ok ok ;;
		'not ok '*) is "$1: ${line#not ok * }" failed ok ;;
		esac
	done <"$3"
	is "$1 reported all of its tests" "1..$((N - before))" "$(grep -m 1 '^1\.\.' "$3")"
	is "its exit status says the same" "$2" 0
}

# --- the end ------------------------------------------------------------------------

# clean NAME: prints clean, or the complaints of the guest's kernel.
clean() { if "$HERE/vm/kernel-log" "$1.log" >"$1.complaints" 2>&1; then echo clean; else cat "$1.complaints"; fi; }

finish() {
	local name
	for name in "${BOOTED[@]}"; do is "the kernel log of guest $name is clean" "$(clean "$name")" clean; done
	down "${!VM[@]}"
	[ ${#SERVERS[@]} = 0 ] || kill "${SERVERS[@]}" 2>/dev/null
	ip -all netns del 2>/dev/null
	[ $FAILED = 0 ]
	exit
}
