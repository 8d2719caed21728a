package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chartwire/integration/servers"
)

// process is one running chartwire, in a folder of its own: its data is there,
// so that processes with the same configuration share nothing but servers.
type process struct {
	t    testing.TB
	name string // "capture-1"
	args []string
	dir  string
	http string
	env  []string
	bin  string

	cmd  *exec.Cmd
	done chan struct{}
	err  error
	// wanted says that its end is part of the test.
	wanted bool
}

// start starts `chartwire ARGS` under a name. env wins over the road's.
func (r *road) start(name string, args []string, env ...string) *process {
	r.t.Helper()
	port, err := servers.Port()
	if err != nil {
		r.t.Fatal(err)
	}
	p := &process{t: r.t, name: name, args: args, dir: filepath.Join(r.dir, name), http: fmt.Sprintf("127.0.0.1:%d", port), bin: binary(r.t)}
	p.env = append(append(os.Environ(), r.env...), env...)
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	r.procs = append(r.procs, p)
	p.launch()
	return p
}

// launch starts the process, again after its end; its log goes on.
func (p *process) launch() {
	p.t.Helper()
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	args := append(append([]string{}, p.args...), "--config", filepath.Join("..", configName), "--http", p.http)
	p.cmd = exec.Command(p.bin, args...)
	p.cmd.Dir, p.cmd.Env = p.dir, p.env
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.wanted, p.done = false, make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		p.err = cmd.Wait()
		close(done)
	}(p.cmd, p.done)
}

func (p *process) logFile() string { return filepath.Join(p.dir, "log") }

func (p *process) log() string {
	b, err := os.ReadFile(p.logFile())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Errorf("signalling %s: %v", p.name, err)
	}
}

// kill ends the process as a crash would.
func (p *process) kill() {
	p.wanted = true
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop ends it as an operator would, and says how long it took.
func (p *process) stop() time.Duration {
	began := time.Now()
	p.wanted = true
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		p.t.Errorf("%s does not end within a minute of SIGTERM", p.name)
		p.kill()
	}
	return time.Since(began)
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// report is what `/status` says of one stage, as far as the tests look.
type report struct {
	Stage, Name, Halted, Error, Ready string
	Status                            json.RawMessage
}

// holding reports whether the stage's lease is held.
func (r *report) holding() bool {
	var s struct{ Holding bool }
	return json.Unmarshal(r.Status, &s) == nil && s.Holding
}

// get reads one of the process's pages; "" when it does not answer.
func (p *process) get(path string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.http+path, nil)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

func (p *process) status() (reports []report) {
	_ = json.Unmarshal([]byte(p.get("/status")), &reports)
	return reports
}

// holds counts the stages that this process holds.
func (p *process) holds() int {
	n := 0
	for _, r := range p.status() {
		if r.holding() {
			n++
		}
	}
	return n
}

// halted gives the code with which a stage of the process halted, "" if none.
func (p *process) halted() string {
	for _, r := range p.status() {
		if r.Halted != "" {
			return r.Halted
		}
	}
	return ""
}

// worries are the lines of a log that a failed test should show.
func (p *process) worries(most int) string {
	var lines []string
	for _, l := range strings.Split(p.log(), "\n") {
		if strings.Contains(l, `"level":"WARN"`) || strings.Contains(l, `"level":"ERROR"`) || l != "" && !strings.HasPrefix(l, "{") {
			if len(l) > 600 {
				l = l[:600] + "…"
			}
			lines = append(lines, "  "+l)
		}
	}
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// chartwire runs a command to its end, and gives what it printed and its exit code.
func (r *road) chartwire(args ...string) (out string, code int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	return r.chartwireEnv(ctx, nil, args...)
}

func (r *road) chartwireEnv(ctx context.Context, env []string, args ...string) (out string, code int) {
	r.t.Helper()
	cmd := exec.CommandContext(ctx, binary(r.t), append(args, "--config", filepath.Join(r.dir, configName))...)
	cmd.Dir, cmd.Env = r.dir, append(append(os.Environ(), r.env...), env...)
	b, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		r.t.Fatalf("running chartwire %s: %v", args[0], err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}
