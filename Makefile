# SPDX-License-Identifier: GPL-2.0
## vsock-netns: network namespaces for AF_VSOCK
##
##   make demo      show in a VM two tenants that cannot reach each other
##   make check     run every test, in VMs; the last line counts them
##   make check-vm  run scenarios with real guests: QEMU in the emulated host
##   make check-tree  run the selftests on a kernel built from the series, all built in
##
##   make check-debug  run the selftests on a kernel with KASAN, lockdep, kmemleak
##                  and failing allocations; its log must be clean
##   make check-kcsan  run the selftests on a kernel that finds data races;
##                  UNPATCHED=1: on the base, and list its races in tools/check/races-base
##
##   make modules   build the patched modules: build/K/modules/*.ko
##   make load      replace the vsock modules of the running kernel by these, as root;
##                  make unload loads the kernel's own modules again
##   make deb       build the Debian packages with DKMS and vsockns: build/deb/*.deb
##   make check-deb  install them in Debian 12 and 13, and boot these, as root
##   make vm        boot K with these modules and run CMD in it, as in
##                  make vm CMD='ss --vsock -a'
##   make vsockns   build the tool for administrators: build/vsockns/vsockns
##   make series    write the patches for git am: build/K/series/PART/*.patch
##   make tree      create a git work tree to edit in, one commit per patch: build/K/tree
##   make refresh   write the commits of build/K/tree back to patches/ and our files
##   make kunit     run the KUnit suites on User Mode Linux; SMP=1: with races, in QEMU
##   make model     check every interleaving of a write, a child and an unload with spin
##   make stress    run random operations on a debug kernel: MINUTES=, SEED=
##   make fuzz      send random input from a guest to a debug kernel: MINUTES=
##   make bench     measure stock, patched and mainline kernels: build/bench/
##   make nightly   run all checks that take too long for every change: hours
##   make lint      check the series, the C, the scripts and the English
##   make gates     run lint and all other checks of the series before it is sent:
##                  every commit, compiler and configuration; an hour or two
##   make clean     remove build/ (downloads stay in ~/.cache/vsock-netns)
##
## Variables:
##   K=6.12         the base kernel, 6.12 or 7.3; K=7.3 STOCK=1: mainline with its own modules
##   KSRC=/path     use this kernel tree instead of Debian's packages
##   STOCK=1        vm, check: use the kernel's own modules
##   CMD= MODULES=  vm: the command to run, the modules to load (tools/vm/run --help)
##   TESTS='a b'    check: run only these test programs
##   KERNEL=NAME    vm, check: use a kernel of tools/kernel/config, built from the series
##   GATES='a b'    gates: run only these (tools/series/gates --help)
##   GUESTS=1       demo: build the kernel of its two guests if missing; 0: no guests
##   SMP=1          kunit: two CPUs, with KASAN and lockdep
##   KCSAN=1        kunit: two CPUs, with KCSAN
##   MINUTES= SEED= stress, fuzz: the duration, and the seed of random choices
##   PART=NAME      series: only this part of patches/K; modules: up to its end
##   SIGNOFF='Name <mail>'  series: add this Signed-off-by

K ?= 6.12

# Take CMD literally: a $ in it is for the guest's shell.
override CMD := $(value CMD)
override SIGNOFF := $(value SIGNOFF)
export K KSRC STOCK KERNEL UNPATCHED CMD TESTS SMP KCSAN SIGNOFF PART MINUTES SEED GUESTS

# An empty MODULES= loads no modules; without MODULES the defaults are loaded.
ifneq ($(origin MODULES),undefined)
export MODULES
endif

# The kernel's make must not inherit the flags of this one.
MAKEOVERRIDES :=
unexport MAKEFLAGS MFLAGS MAKELEVEL

.PHONY: help demo check check-vm check-tree check-debug check-kcsan modules load unload vm vsockns deb check-deb series tree refresh kunit model stress fuzz bench nightly lint gates clean
help:    ; @sed -n 's/^## \{0,1\}//p' Makefile
demo:    ; @tools/demo/demo
check:   ; @tools/check/check
check-vm: ; @tools/check/check-vm
# Disable the virtio transport, which is built in, so that CID 2 is routed as on the stock kernel.
check-tree: ; @KERNEL=guest VM_APPEND=initcall_blacklist=virtio_vsock_init tools/check/check
check-debug: ; @LIMIT=1200 KERNEL=kasan tools/check/check
check-kcsan: ; @LIMIT=1800 KERNEL=kcsan VM_JUDGE=races tools/check/check
modules: ; @tools/kernel/modules
load:    ; @tools/kernel/load
unload:  ; @tools/kernel/load --unload
vm:      ; @tools/vm/run
deb:     ; @packaging/make-deb
check-deb: ; @tools/check/check-deb
vsockns: ; @tools/deps vsockns && make -s -C tools/net/vsockns
series:  ; @tools/series/series
tree:    ; @tools/series/tree
refresh: ; @tools/series/refresh
kunit:   ; @tools/long/kunit
model:   ; @tools/long/model
stress:  ; @tools/long/stress
fuzz:    ; @tools/long/fuzz
bench:   ; @tools/long/bench
nightly: ; @tools/long/nightly
lint:    ; @tools/series/lint
gates:   ; @tools/series/gates $(GATES)
clean:   ; rm -rf build
