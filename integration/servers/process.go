package servers

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// TB is the part of testing.TB that this package uses, so that the demo can
// start the same servers without linking the testing package.
type TB interface {
	Helper()
	Cleanup(func())
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skip(args ...any)
	TempDir() string
}

// Process is one server process that this program started.
type Process struct {
	cmd  *exec.Cmd
	log  *Tail
	done chan struct{}
	err  error
}

// start runs a command whose life is bound to this program's.
func start(name string, args ...string) (*Process, error) { return startIn("", name, args...) }

// startIn is start with a working directory.
func startIn(dir, name string, args ...string) (*Process, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	p := &Process{cmd: cmd, log: &Tail{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID is the process's number, for a look at what it uses.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is the end of what the process has printed.
func (p *Process) Log() string { return p.log.String() }

// Kill ends the process at once, as a crash would, and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Stop asks the process to end and waits; after the timeout it is killed.
func (p *Process) Stop(timeout time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(timeout):
		p.Kill()
	}
}

// wait polls ready until it gives nil, the process ends or the time is up.
func (p *Process) wait(timeout time.Duration, ready func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended (%v): %s", filepath.Base(p.cmd.Path), p.err, p.log)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %s: %w: %s", filepath.Base(p.cmd.Path), timeout, err, p.log)
		}
	}
}

// Tail keeps the end of what is written to it: the last Max bytes, 8 KiB if Max
// is 0. Any number may write.
type Tail struct {
	Max int

	mu  sync.Mutex
	buf []byte
}

func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	keep := t.Max
	if keep == 0 {
		keep = 8 << 10
	}
	if over := len(t.buf) - keep; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ToValidUTF8(bytes.TrimSpace(t.buf), nil))
}

// Port returns a port of 127.0.0.1 that was free a moment ago.
func Port() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Cache is the folder that install.sh fills.
func Cache() string {
	if dir := os.Getenv("CHARTWIRE_CACHE"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "chartwire-cache")
	}
	return filepath.Join(home, ".cache", "chartwire")
}

// missing says how to get a server that is not on this machine.
func missing(what string) error {
	return fmt.Errorf("%s is not installed here: run `make servers` (integration/servers/install.sh %s)", what, what)
}

// once makes dir by fill unless it is there, safe against other processes that
// want the same at the same time. What fill leaves half done is never seen.
func once(dir string, fill func(tmp string) error) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	lock, err := os.Create(dir + ".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	tmp := dir + ".part"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return err
	}
	if err := fill(tmp); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

// run runs a command to its end and gives its output with the error.
func run(stdin io.Reader, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdin = stdin
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("running %s: %w: %s", filepath.Base(name), err, bytes.TrimSpace(out))
	}
	return nil
}
