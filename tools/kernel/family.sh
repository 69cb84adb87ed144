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
