package servers

import "syscall"

// dieWithParent makes the kernel end a server when the test binary ends,
// however it ends, so that a killed test leaves nothing behind.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
