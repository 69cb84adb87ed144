# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # for the scripts that source this file
# The vsock module family, which is replaced as a whole, and the other modules of a guest.

# shellcheck source=packaging/host/modules.sh
. "$TOP/packaging/host/modules.sh"

# Copied to the initramfs with their dependencies, if the kernel has them as modules.
GUEST_MODULES=("${FAMILY[@]}" vhost vhost_iotlb vmw_vmci hv_vmbus vsockmon nlmon tun tap veth dummy
	af_packet virtio_pci virtio_console)

# Loaded before CMD unless MODULES names others.
DEFAULT_MODULES="vsock vsock_loopback vhost_vsock vsock_diag"

# kernel_types: prints the file with the type information (BTF) of the kernel of build/K/headers, if there is one.
kernel_types() { find -L "$OUT/headers/build/vmlinux" "$OUT"/headers/usr/src/*/vmlinux -maxdepth 0 -print -quit 2>/dev/null || true; }

# layout STRUCT FILE [OPTION...]: prints its members with offset and size, without the alignment
# attributes, which DWARF has and the kernel's type information does not.
layout() {
	pahole "${@:3}" -C "$1" "$2" 2>/dev/null |
		sed -E 's/ *__attribute__\(\([^)]*\)*//g; /^[[:space:]]*(\/\*.*\*\/)?[[:space:]]*$/d; s/[[:space:]]+/ /g'
}
