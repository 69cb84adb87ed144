#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests vsock_guest, a guest without a VM, against ncat on the host, in init and in a
# local namespace, and its error messages.
#
#	init			ncat, guest with CID 4242
#	 +-- (local children)
#	      +-- l		ncat, guest with CID 4242

PORT=1986946915
CID=4242
PROGRAM=$(cd "$(dirname "$0")" && pwd)/vsock_guest
L=vsock-guest-$$-l

# shellcheck source=/dev/null # of the kernel tree
. "$(dirname "$(readlink -f "$0")")/../kselftest/ktap_helpers.sh"

TMP=$(mktemp -d)
PIDS=()

skip_all() {
	ktap_skip_all "$*"
	exit "$KSFT_SKIP"
}

# result TEXT: reports the exit status of the previous command as test TEXT.
result() {
	local status=$?

	ktap_test_result "$1" [ $status = 0 ]
	[ $status = 0 ] || sed 's/^/# /' "$TMP/err" 2>/dev/null
	stop
}

# words NS COMMAND...: sets WORDS to a command that runs COMMAND in NS; "init" is the
# current namespace.
words() {
	local ns=$1

	shift
	WORDS=("$@")
	[ "$ns" = init ] || WORDS=(ip netns exec "$ns" "$@")
}

# background NS OUT COMMAND...: starts COMMAND in NS and sets PID.
background() {
	local out=$2

	words "$1" "${@:3}"
	"${WORDS[@]}" >"$out" 2>>"$TMP/err" </dev/null &
	PID=$!
	PIDS+=("$PID")
}

stop() {
	[ ${#PIDS[@]} = 0 ] || kill "${PIDS[@]}" 2>/dev/null
	wait
	PIDS=()
	: >"$TMP/err"
}

# until_true COMMAND...: repeats COMMAND until it succeeds, for at most 20 s.
until_true() {
	local i

	for ((i = 0; i < 200; i++)); do
		"$@" && return
		sleep 0.1
	done
	return 1
}

host_listens() { ip netns exec "$1" ss --vsock -l -n 2>/dev/null | grep -q ":$PORT\b"; }
init_listens() { ss --vsock -l -n 2>/dev/null | grep -q ":$PORT\b"; }
said() { grep -qe "$1" "$TMP/err"; }

# host_serves NS: starts ncat as a listener in NS, with its output in $TMP/got.
host_serves() {
	background "$1" "$TMP/got" ncat --vsock -l -p "$PORT" --recv-only
	if [ "$1" = init ]; then until_true init_listens; else until_true host_listens "$1"; fi
}

# guest NS ARGUMENT...: runs the guest, with output in $TMP/out, errors in $TMP/err.
guest() {
	words "$1" "$PROGRAM" -c $CID "${@:2}"
	"${WORDS[@]}" >"$TMP/out" 2>>"$TMP/err"
}

# refused STATUS TEXT NS ARGUMENT...: checks that the guest exits with STATUS and
# prints one line with TEXT.
refused() {
	local status

	guest "${@:3}" </dev/null
	status=$?
	[ $status = "$1" ] && [ "$(wc -l <"$TMP/err")" = 1 ] && said "$2"
}

# echoes FROM TO: checks that data from ncat in FROM to a guest in TO comes back.
echoes() {
	background "$2" /dev/null "$PROGRAM" -c $CID echo $PORT
	until_true said echoing || return
	words "$1" ncat --vsock $CID $PORT
	timeout 60 "${WORDS[@]}" <"$TMP/data" >"$TMP/got" 2>/dev/null
	cmp -s "$TMP/data" "$TMP/got"
}

clean_up() {
	stop
	ip netns del "$L" 2>/dev/null
	rm -rf "$TMP"
}
trap clean_up EXIT

[ "$(id -u)" = 0 ] || skip_all "needs root"
[ -e /proc/sys/net/vsock/ns_mode ] || skip_all "kernel without vsock namespaces"
[ -e /dev/vhost-vsock ] || skip_all "no /dev/vhost-vsock: modprobe vhost_vsock"
for tool in ip ss ncat sysctl unshare setpriv; do
	command -v $tool >/dev/null || skip_all "needs $tool"
done
ncat --help 2>&1 | grep -q -- --vsock || skip_all "needs an ncat with --vsock"
# shellcheck disable=SC2016 # $1 is for the inner shell
unshare --net bash -c 'sysctl -q -w net.vsock.child_ns_mode=local && ip netns add "$1"' bash "$L" ||
	skip_all "cannot create a local namespace"
head -c 200000 /dev/urandom >"$TMP/data"
: >"$TMP/err"

ktap_print_header
ktap_set_plan 20

"$PROGRAM" --help | grep -q '^usage: vsock_guest' && [ "$("$PROGRAM" -h | wc -l)" -gt 10 ]
result "--help tells the modes"

guest init stat && grep -q "^cid: $CID$" "$TMP/out" &&
	grep -qF "namespace: $(readlink /proc/self/ns/net)" "$TMP/out" &&
	grep -q '^offered: .*seqpacket.*version-1' "$TMP/out"
result "stat tells CID, namespace and features"

guest "$L" stat && grep -qF "namespace: $(ip netns exec "$L" readlink /proc/self/ns/net)" "$TMP/out"
result "stat in a local namespace tells that one"

host_serves init && echo "hello from the guest" | guest init connect $PORT && wait "$PID" &&
	grep -qx "hello from the guest" "$TMP/got"
result "connect brings its input to ncat on the host"

host_serves "$L" && echo "hello from the guest" | guest "$L" connect $PORT && wait "$PID" &&
	grep -qx "hello from the guest" "$TMP/got"
result "connect in a local namespace reaches ncat there"

host_serves init && refused 1 "Connection reset by peer" "$L" connect $PORT && [ ! -s "$TMP/got" ]
result "connect in a local namespace does not reach ncat in init"

background init "$TMP/got" "$PROGRAM" -c $CID listen $PORT
until_true said listening && timeout 60 ncat --vsock --send-only $CID $PORT <"$TMP/data" &&
	wait "$PID" && cmp "$TMP/data" "$TMP/got"
result "listen brings what ncat sends to its output"

echoes init "init"
result "echo sends 200 KB back"
echoes "$L" "$L"
result "echo in a local namespace sends 200 KB back there"
! echoes init "$L" && said echoing &&
	! ncat --vsock --recv-only $CID $PORT 2>"$TMP/out" && grep -q 'No such device' "$TMP/out"
result "echo in a local namespace is not reached from init"

background init /dev/null "$PROGRAM" -c $CID echo $PORT
until_true said echoing && kill -INT "$PID" && wait "$PID" && guest init stat
result "echo ends by SIGINT with status 0, and its CID is free"

host_serves init && guest init -n 1000000 flood $PORT && wait "$PID" &&
	[ "$(wc -c <"$TMP/got")" = 1000000 ] && grep -q '^1000000 bytes in .* MB/s$' "$TMP/out"
result "flood sends as much as it was told"

background init "$TMP/stat" "$PROGRAM" -q -c $CID -w 60 stat
until_true grep -qi '^cid' "$TMP/stat" && refused 3 "CID $CID: Address already in use" init stat
result "a CID that is taken is refused"
background init "$TMP/stat" "$PROGRAM" -q -c $CID -w 60 stat
until_true grep -qi '^cid' "$TMP/stat" && guest "$L" stat
result "a CID that is taken in init is free in a local namespace"

refused 3 "CID 2: Invalid argument" init -c 2 stat &&
	: >"$TMP/err" && refused 3 "CID 4294967295: Invalid argument" init -c 4294967295 stat
result "a CID that guests cannot have is refused"

refused 1 "Connection reset by peer: nobody listens" init connect $PORT
result "connect without a listener says so"
refused 1 "nobody connected to port $PORT" init -q -w 1 listen $PORT
result "listen that nobody connects to says so"
refused 2 "'toast' is no mode" init toast && : >"$TMP/err" && refused 2 "port" init echo &&
	: >"$TMP/err" && refused 2 "option -z" init -z &&
	: >"$TMP/err" && refused 2 "-w" init -w x stat
result "wrong usage is status 2 and one line"

mkdir "$TMP/dev"
unshare --mount bash -c "mount --bind $TMP/dev /dev && exec $PROGRAM stat" >/dev/null 2>"$TMP/err"
[ $? = 3 ] && said "/dev/vhost-vsock: No such file or directory: is the module"
result "a device that is not there is said so"

cp -a /dev/vhost-vsock "$TMP/dev/" && chmod 600 "$TMP/dev/vhost-vsock" && chmod 755 "$TMP"
unshare --mount bash -c "mount --bind $TMP/dev /dev &&
	exec setpriv --reuid 1000 --clear-groups $PROGRAM stat" >/dev/null 2>"$TMP/err"
[ $? = 3 ] && said "/dev/vhost-vsock: Permission denied"
result "a device that one may not open is said so"

ktap_finished
