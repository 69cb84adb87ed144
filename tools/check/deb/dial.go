// SPDX-License-Identifier: GPL-2.0

// dial NETNS CID PORT: enters the namespace in one thread, prints its mode, connects, and
// prints what it receives, as KubeVirt's virt-handler does for a Pod.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/mdlayher/vsock"
	"golang.org/x/sys/unix"
)

func fail(what string, err error) {
	if err != nil {
		fmt.Printf("%s: %v\n", what, err)
		os.Exit(1)
	}
}

func main() {
	runtime.LockOSThread()
	fd, err := unix.Open(os.Args[1], unix.O_RDONLY|unix.O_CLOEXEC, 0)
	fail("open", err)
	fail("setns", unix.Setns(fd, unix.CLONE_NEWNET))
	mode, err := os.ReadFile("/proc/sys/net/vsock/ns_mode")
	fail("ns_mode", err)
	fmt.Print(strings.TrimSpace(string(mode)), " ")
	cid, _ := strconv.Atoi(os.Args[2])
	port, _ := strconv.Atoi(os.Args[3])
	conn, err := vsock.Dial(uint32(cid), uint32(port), nil)
	fail("dial", err)
	_, err = conn.Write([]byte("hello\n"))
	fail("write", err)
	text := make([]byte, 100)
	n, err := conn.Read(text)
	fail("read", err)
	fmt.Print(string(text[:n]))
}
