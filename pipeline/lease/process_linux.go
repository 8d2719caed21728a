package lease

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// processOf names a process so that others that see the same processes can tell
// whether it is still there: since which start of the machine, in which
// namespaces, by which number, since when. "" if that cannot be told: as where
// /proc is that of other processes than we see.
func processOf(pid int) string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return ""
	}
	clock, _ := os.Readlink("/proc/self/ns/time") // by which it says since when; older kernels have one
	started, _, err := startOf(pid)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s/%s%s/%d/%s", bytes.TrimSpace(boot), namespace, clock, pid, started)
}

// gone reports that the process of that name has ended for certain. One of
// another machine, or of another container, is not known to.
func gone(name string) bool {
	part := strings.Split(name, "/")
	if len(part) != 4 {
		return false
	}
	pid, err := strconv.Atoi(part[2])
	if err != nil || pid <= 0 {
		return false
	}
	me := strings.Split(processOf(os.Getpid()), "/")
	if len(me) != 4 || me[0] != part[0] || me[1] != part[1] {
		return false
	}
	// A signal that is none asks whether there is such a process, whoever's it
	// is; /proc may hide those of others.
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return true
	}
	started, dead, err := startOf(pid)
	return err == nil && (dead || started != part[3])
}

// startOf gives when a process started, in the kernel's count, and whether
// nothing is left of it but that its parent has not asked how it ended.
func startOf(pid int) (started string, dead bool, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false, err
	}
	// The name, in parentheses, may hold anything.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 20 {
		return "", false, fmt.Errorf("reading /proc/%d/stat: %d fields", pid, len(f))
	}
	threads, err := strconv.Atoi(f[17])
	return f[19], f[0] == "Z" && threads <= 1, err
}
