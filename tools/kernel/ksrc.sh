# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Uses a kernel tree of the user instead of Debian's packages. Sourced by fetch.

# ksrc_version: prints the version in its Makefile.
ksrc_version() {
	awk -F' *= *' '/^(VERSION|PATCHLEVEL|SUBLEVEL) *=/ { v[$1] = $2 }
	END { print v["VERSION"] "." v["PATCHLEVEL"] "." v["SUBLEVEL"] }' "$KSRC/Makefile"
}

ksrc_check() {
	if [ ! -f "$KSRC/net/vmw_vsock/af_vsock.c" ] || ! grep -qs '^PATCHLEVEL' "$KSRC/Makefile"; then
		die "KSRC=$KSRC is not a kernel source tree: give its top directory"
	fi
	if [ "${STOCK:-}" != 1 ] && ! has_feature && grep -rqs ns_mode "$KSRC/net/vmw_vsock"; then
		die "KSRC=$KSRC has vsock namespaces already: use a tree without them, or STOCK=1 to run it as it is"
	fi
}

ksrc_built() {
	local f
	for f in arch/x86/boot/bzImage Module.symvers include/config/kernel.release; do
		[ -f "$KSRC/$f" ] || die "KSRC=$KSRC is not built ($f is missing): run make -C $KSRC first"
	done
}

# A family that is built in cannot be replaced by modules.
ksrc_modular() {
	local o
	for o in VSOCKETS VSOCKETS_LOOPBACK VIRTIO_VSOCKETS_COMMON VHOST_VSOCK; do
		grep -qs "^CONFIG_$o=m" "$KSRC/.config" ||
			die "KSRC=$KSRC has no CONFIG_$o=m: set it in its .config and build it again"
	done
}

# ksrc_base: prints the lines of build/K/base. A rebuilt kernel is another base.
ksrc_base() {
	printf 'kind: ksrc\nversion: %s\npath: %s\n' "$(ksrc_version)" "$KSRC"
	if [ -f "$KSRC/Module.symvers" ]; then
		echo "release: $(cat "$KSRC/include/config/kernel.release" 2>/dev/null)"
		echo "built: $(stat -c %Y "$KSRC/arch/x86/boot/bzImage" "$KSRC/Module.symvers" 2>/dev/null | tr '\n' ' ')"
	fi
}

ksrc_stock() {
	local rel s=$TMP/stock
	rel=$(cat "$KSRC/include/config/kernel.release")
	note "copying image and modules from $KSRC ($rel)"
	mkdir -p "$s/boot" "$s/lib/modules/$rel"
	cp "$KSRC/arch/x86/boot/bzImage" "$s/boot/vmlinuz-$rel"
	cp "$KSRC/.config" "$s/boot/config-$rel"
	try "install the modules of $KSRC" make -s -C "$KSRC" modules_install INSTALL_MOD_PATH="$s" \
		INSTALL_MOD_STRIP=1 DEPMOD=true >/dev/null
	place stock
}

# from_ksrc PART...
from_ksrc() {
	local part
	[ -d "$KSRC" ] || die "KSRC=$KSRC does not exist: give the top directory of a kernel source tree"
	KSRC=$(realpath -- "$KSRC")
	ksrc_check
	ksrc_base >"$TMP/base"
	case " $* " in *" image "*|*" headers "*) ksrc_built ;; esac
	case " $* " in *" headers "*) ksrc_modular ;; esac
	same_base
	for part; do
		case $part in
		source)  [ -e "$OUT/src" ] || ln -s "$KSRC" "$OUT/src" ;;
		image)   [ -e "$OUT/stock" ] || ksrc_stock ;;
		headers) [ -e "$OUT/headers" ] || { mkdir "$TMP/headers"; ln -s "$KSRC" "$TMP/headers/build"; place headers; } ;;
		esac
	done
}
