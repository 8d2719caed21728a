package demo

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"chartwire/integration/servers"
)

// process is one running chartwire.
type process struct {
	kind string
	cmd  *exec.Cmd
	done chan struct{}
	err  error
	// killed says that its end is wanted.
	killed bool
}

// command runs a chartwire command to its end and gives what it printed.
func (s *stage) command(ctx context.Context, binary string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, binary, append(args, "--config", s.config)...)
	cmd.Env = append(os.Environ(), s.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// launch starts `chartwire KIND`, its log in a file, its status on a port.
func (s *stage) launch(binary, kind string) error {
	if s.http[kind] == "" {
		port, err := servers.Port()
		if err != nil {
			return err
		}
		s.http[kind] = fmt.Sprintf("127.0.0.1:%d", port)
	}
	log, err := os.OpenFile(filepath.Join(s.dir, kind+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p := &process{kind: kind, done: make(chan struct{})}
	p.cmd = exec.Command(binary, kind, "--config", s.config, "--http", s.http[kind])
	p.cmd.Env = append(os.Environ(), s.env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// Ctrl-C is for the demo: it ends them itself, in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	s.procs[kind] = p
	return nil
}

// stop ends a process as an operator would.
func (p *process) stop() {
	p.killed = true
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.kill()
	}
}

// kill ends a process as a crash would.
func (p *process) kill() {
	p.killed = true
	_ = p.cmd.Process.Kill()
	<-p.done
}

// broken says whether a process ended by itself.
func (s *stage) broken() error {
	for _, p := range s.procs {
		select {
		case <-p.done:
			if !p.killed {
				return fmt.Errorf("chartwire %s ended by itself (%v); the end of its log:\n%s", p.kind, p.err, s.tail(p.kind))
			}
		default:
		}
	}
	return nil
}

// tail gives the last lines of a process's log.
func (s *stage) tail(kind string) string {
	b, err := os.ReadFile(filepath.Join(s.dir, kind+".log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// firstField is the first word of the second line of a table.
func firstField(table string) string {
	_, rest, _ := strings.Cut(table, "\n")
	id, _, _ := strings.Cut(rest, " ")
	return id
}
