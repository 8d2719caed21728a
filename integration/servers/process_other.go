//go:build !linux

package servers

import "syscall"

// dieWithParent can only keep the terminal's Ctrl-C away here: a test binary
// that is killed leaves its servers behind.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
