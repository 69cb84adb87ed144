# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # for the scripts that source this file
# The vsock module family, and how to replace it in the running kernel. Sourced by
# tools/kernel/load and by the installed scripts of vsock-netns-dkms. Functions that fail set WHY.

# Users come after the modules that they use.
FAMILY=(vsock vsock_diag vmw_vsock_virtio_transport_common vmw_vsock_virtio_transport
	vsock_loopback vhost_vsock vmw_vsock_vmci_transport hv_sock)
WHY=

is_loaded() { grep -qs "^$1 " /proc/modules; }

# is_foreign MODULE: true if the loaded module was built out of tree, so is not the kernel's own.
is_foreign() { grep -qs O "/sys/module/$1/taint"; }

# loaded: prints the modules of the family that are loaded.
loaded() {
	local m
	for m in "${FAMILY[@]}"; do ! is_loaded "$m" || echo "$m"; done
}

# first_line TEXT: of the message of a tool, without its name.
first_line() { sed '1!d; s/^[a-z]*: \(ERROR\|FATAL\): //' <<<"$1"; }

# openers: processes that have /dev/vhost-vsock open.
openers() {
	# shellcheck disable=SC2012 # the targets of links are what is looked for
	ls -l /proc/[0-9]*/fd 2>/dev/null |
		awk -F/ '/^\/proc\// { pid = $3 } / -> \/dev\/vhost-vsock$/ && !seen[pid]++ { printf "%s%s", n++ ? " " : "", pid }'
}

# module_in_use MODULE REFERENCES USERS: of a line of /proc/modules. Each module that uses it has one reference.
module_in_use() {
	local user users=() pids
	[ "$3" = - ] || IFS=, read -ra users <<<"$3"
	for user in "${users[@]}"; do
		[[ " ${FAMILY[*]} " == *" $user "* ]] || { WHY="module $user uses $1: run rmmod $user first"; return 0; }
	done
	[ "$2" -gt ${#users[@]} ] || return 1
	pids=$(openers) || :
	if [ "$1" = vhost_vsock ] && [ -n "$pids" ]; then
		WHY="a VM uses vhost_vsock (process $pids): shut it down first"
	elif is_foreign "$1"; then
		WHY="$1 is in use: close its sockets (ss --vsock -a) and delete local namespaces; if init chose local for its children, reboot; closed connections go after 8 s"
	else
		WHY="$1 is in use: close its sockets (ss --vsock -a, in each network namespace); closed connections go after 8 s"
	fi
}

# in_use: true if something outside of the family uses it. Users come before the modules that they use.
in_use() {
	local i name refs users
	for ((i = ${#FAMILY[@]} - 1; i >= 0; i--)); do
		while read -r name _ refs users _; do
			[ "$name" = "${FAMILY[i]}" ] || continue
			! module_in_use "$name" "$refs" "$users" || return 0
		done </proc/modules
	done
	return 1
}

# remove_all: removes the family from the kernel.
remove_all() {
	local i m
	for ((i = ${#FAMILY[@]} - 1; i >= 0; i--)); do
		m=${FAMILY[i]}
		! is_loaded "$m" || WHY=$(rmmod "$m" 2>&1) || { WHY=$(first_line "$WHY"); return 1; }
	done
}

# insert_installed MODULE...: loads the modules that are installed for this kernel.
insert_installed() {
	local m
	for m; do
		WHY=$(modprobe "$m" 2>&1) || { WHY="$m: $(first_line "$WHY")"; return 1; }
	done
}
