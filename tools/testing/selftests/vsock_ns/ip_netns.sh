#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests vsock namespaces with ip netns, sysctl, ncat --vsock and ss --vsock.
#
#	init
#	 +-- g		ip netns add
#	 +-- (unshare --net, sysctl -w net.vsock.child_ns_mode=local)
#	      +-- l, m	ip netns add, inside

PORT=1986946915
PREFIX=vsock-ns-$$
G=$PREFIX-g L=$PREFIX-l M=$PREFIX-m

# shellcheck source=/dev/null # of the kernel tree
. "$(dirname "$(readlink -f "$0")")/../kselftest/ktap_helpers.sh"

TMP=$(mktemp -d)
SERVER=

skip_all() {
	ktap_skip_all "$*"
	exit "$KSFT_SKIP"
}

# result TEXT: reports the exit status of the previous command as test TEXT.
result() {
	ktap_test_result "$1" [ $? = 0 ]
}

# words NS COMMAND...: sets WORDS to a command that runs COMMAND in NS; "init"
# is the current namespace.
words() {
	local ns=$1

	shift
	WORDS=("$@")
	[ "$ns" = init ] || WORDS=(ip netns exec "$ns" "$@")
}

in_ns() {
	words "$@"
	"${WORDS[@]}"
}

value() {
	in_ns "$1" sysctl -n "net.vsock.$2"
}

listens() {
	in_ns "$1" ss --vsock -l -n 2>/dev/null | grep -q ":$PORT\b"
}

# serve NS: starts a listener in NS that writes received data to $TMP/got.
serve() {
	local i

	: >"$TMP/got"
	words "$1" ncat --vsock -l -p "$PORT" --recv-only
	"${WORDS[@]}" >"$TMP/got" 2>/dev/null &
	SERVER=$!
	for ((i = 0; i < 200; i++)); do
		listens "$1" && return
		kill -0 "$SERVER" 2>/dev/null || break
		sleep 0.1
	done
	ktap_print_msg "no listener in $1"
	return 1
}

stop() {
	[ -n "$SERVER" ] || return
	kill "$SERVER" 2>/dev/null
	wait "$SERVER" 2>/dev/null
	SERVER=
}

# say NS: sends a line to CID 1.
say() {
	echo "hello from $1" | in_ns "$1" ncat --vsock --send-only 1 "$PORT" 2>"$TMP/err"
}

# reaches FROM TO: checks that a line from FROM arrives in TO.
reaches() {
	local status=1

	if serve "$2" && say "$1" && wait "$SERVER"; then
		grep -qx "hello from $1" "$TMP/got" && status=0
	fi
	stop
	return $status
}

# is_cut_off FROM TO: checks that the client is reset and the listener receives
# nothing.
is_cut_off() {
	local status=1

	if serve "$2" && ! say "$1" && grep -qi reset "$TMP/err"; then
		[ ! -s "$TMP/got" ] && listens "$2" && status=0
	fi
	stop
	return $status
}

clean_up() {
	local ns

	stop
	for ns in "$G" "$L" "$M"; do
		ip netns del "$ns" 2>/dev/null
	done
	rm -rf "$TMP"
}
trap clean_up EXIT

[ "$(id -u)" = 0 ] || skip_all "needs root"
[ -e /proc/sys/net/vsock/ns_mode ] || modprobe -q vsock
[ -e /proc/sys/net/vsock/ns_mode ] || skip_all "kernel without vsock namespaces"
for tool in ip ss ncat sysctl unshare; do
	command -v $tool >/dev/null || skip_all "needs $tool"
done
ncat --help 2>&1 | grep -q -- --vsock || skip_all "needs an ncat with --vsock"
[ "$(value init child_ns_mode)" = global ] || skip_all "must start where children are global"

ktap_print_header
ktap_set_plan 14

ip netns add "$G" && [ "$(value "$G" ns_mode)" = global ]
result "ip netns add makes a global namespace"

# shellcheck disable=SC2016 # $1 and $2 are for the inner shell
unshare --net bash -c 'sysctl -q -w net.vsock.child_ns_mode=local &&
	ip netns add "$1" && ip netns add "$2" &&
	! sysctl -q -w net.vsock.child_ns_mode=global 2>/dev/null &&
	[ "$(sysctl -n net.vsock.child_ns_mode)" = local ]' bash "$L" "$M"
result "sysctl -w sets child_ns_mode=local once and for all"

[ "$(value "$L" ns_mode)" = local ] && [ "$(value "$M" ns_mode)" = local ]
result "ip netns add makes a local namespace where children are local"

[ "$(value init child_ns_mode)" = global ] && [ "$(value init ns_mode)" = global ]
result "init is untouched"

reaches init init
result "ncat in init reaches ncat in init"
reaches "$G" init
result "ncat in a global namespace reaches ncat in init"
reaches init "$G"
result "ncat in init reaches ncat in a global namespace"
reaches "$L" "$L"
result "ncat in a local namespace reaches ncat in the same one"

is_cut_off "$L" init
result "ncat in a local namespace does not reach ncat in init"
is_cut_off init "$L"
result "ncat in init does not reach ncat in a local namespace"
is_cut_off "$G" "$L"
result "ncat in a global namespace does not reach ncat in a local one"
is_cut_off "$M" "$L"
result "ncat in a local namespace does not reach ncat in another"

serve "$L" && listens "$L" && ! listens init && ! listens "$G" && ! listens "$M"
result "ss shows the listener of a local namespace there alone"
stop

serve "$L" && ip netns del "$L" && ip netns del "$M" && [ -d "/proc/$SERVER" ]
result "ip netns del takes the names, and leaves the server that runs inside"
stop

ktap_finished
