# SPDX-License-Identifier: GPL-2.0
## vsock-netns: network namespaces for AF_VSOCK
##
##   make demo      two tenants that cannot see each other, shown in a VM
##   make check     every test, in VMs; the last line counts them
##   make check-vm  scenarios with real guests, QEMU in the emulated host
##   make check-tree  the selftests on a kernel built from the series, no modules
##
##   make check-debug  the selftests on a kernel with KASAN, lockdep, kmemleak
##                  and failing allocations: its log has to be clean
##   make check-kcsan  the selftests on a kernel that finds data races; UNPATCHED=1:
##                  on the base, whose own go to the list tools/vm/races-base
##
##   make modules   the patched module family: build/K/modules/*.ko
##   make load      replaces the vsock modules of this machine's kernel by them, as
##                  root; make unload puts the kernel's own back
##   make vm        boots K with these modules and runs CMD in it, as in
##                  make vm CMD='ss --vsock -a'
##   make series    patches for git am: build/K/series/PART/*.patch
##   make tree      a git work tree, a commit a patch, to edit in: build/K/tree
##   make refresh   writes what was changed there back to patches/ and our files
##   make kunit     the KUnit suites, on User Mode Linux; SMP=1: races, in QEMU
##   make model     every interleaving of a write, a child and an unload, with spin
##   make stress    everything at random, on a kernel with checkers: MINUTES=, SEED=
##   make fuzz      a guest that sends anything, on such a kernel: MINUTES=
##   make bench     instructions and times on stock, ours and mainline: build/bench/
##   make nightly   all that is too long for every change: hours
##   make lint      looks over the series, the C and the scripts
##   make gates     lint and all that has to hold before the series is sent:
##                  every commit, compiler and configuration; an hour or two
##   make clean     removes build/ (downloads stay in ~/.cache/vsock-netns)
##
## Variables:
##   K=6.12         the base kernel; K=7.3 STOCK=1 is mainline's own version
##   KSRC=/path     a kernel tree of yours in the place of Debian's packages
##   STOCK=1        vm, check: the kernel's own modules
##   CMD= MODULES=  vm: what to run, and what to load before (tools/vm/vm --help)
##   TESTS='a b'    check: only these test programs
##   KERNEL=NAME    vm, check: a kernel of tools/vm/kernel.d, built from the series
##   GATES='a b'    gates: only these (tools/gates --help)
##   GUESTS=1       demo: builds the kernel of its two guests, if need be; 0: without
##   SMP=1          kunit: two CPUs, with KASAN and lockdep
##   KCSAN=1        kunit: two CPUs, with KCSAN
##   MINUTES= SEED= stress, fuzz: how long, and which decisions
##   PART=NAME      series, modules: that part of patches/K; up to its end
##   SIGNOFF='Name <mail>'  series: signs the patches off

K ?= 6.12

# As given: what looks like a make variable in CMD is the guest shell's business.
override CMD := $(value CMD)
override SIGNOFF := $(value SIGNOFF)
export K KSRC STOCK KERNEL UNPATCHED CMD TESTS SMP KCSAN SIGNOFF PART MINUTES SEED GUESTS

# MODULES= (none at all) is not the same as no MODULES.
ifneq ($(origin MODULES),undefined)
export MODULES
endif

# Nothing of this make is for the kernel's.
MAKEOVERRIDES :=
unexport MAKEFLAGS MFLAGS MAKELEVEL

.PHONY: help demo check check-vm check-tree check-debug check-kcsan modules load unload vm series tree refresh kunit model stress fuzz bench nightly lint gates clean
help:    ; @sed -n 's/^## \{0,1\}//p' Makefile
demo:    ; @tools/vm/demo
check:   ; @tools/vm/check
check-vm: ; @tools/vm/check-vm
# Built in, the virtio transport is there from the start; without it CID 2 is as everywhere.
check-tree: ; @KERNEL=guest VM_APPEND=initcall_blacklist=virtio_vsock_init tools/vm/check
check-debug: ; @LIMIT=1200 KERNEL=kasan tools/vm/check
check-kcsan: ; @LIMIT=1800 KERNEL=kcsan VM_JUDGE=kcsan tools/vm/check
modules: ; @tools/vm/modules
load:    ; @tools/vm/load
unload:  ; @tools/vm/load --unload
vm:      ; @tools/vm/vm
series:  ; @tools/series/series
tree:    ; @tools/series/tree
refresh: ; @tools/series/refresh
kunit:   ; @tools/vm/kunit
model:   ; @tools/model
stress:  ; @tools/vm/stress
fuzz:    ; @tools/vm/fuzz
bench:   ; @tools/vm/bench
nightly: ; @tools/nightly
lint:    ; @tools/lint
gates:   ; @tools/gates $(GATES)
clean:   ; rm -rf build
