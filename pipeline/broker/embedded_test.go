package broker_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/lease"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// childDir makes the test binary an embedded broker with a writer, to be killed.
const childDir = "CHARTWIRE_TEST_EMBEDDED"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child writes pairs of records, each in one transaction, and says which are
// acknowledged.
func child(dir string) error {
	ctx := context.Background()
	e, err := broker.OpenEmbedded(ctx, broker.EmbeddedOptions{Dir: dir})
	if err != nil {
		return err
	}
	if err := ensure(ctx, e.Config(), "a", "b"); err != nil {
		return err
	}
	o := lease.Options{Connection: e.Config(), Topics: schemas.Topics{Prefix: "t"}, Stage: "s", Name: "n"}
	return lease.Run(ctx, o, func(ctx context.Context, p *lease.Producer) error {
		n := len(values(ctx, e.Config(), "a"))
		fmt.Println("begin", n)
		for ; ; n++ {
			v := []byte(fmt.Sprint(n))
			p.Produce(&kgo.Record{Topic: "a", Key: v, Value: v}, &kgo.Record{Topic: "b", Key: v, Value: v})
			if err := p.Commit(ctx); err != nil {
				return err
			}
			fmt.Println("committed", n)
		}
	})
}

func ensure(ctx context.Context, c broker.Config, topics ...string) error {
	cl, err := c.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	for _, topic := range topics {
		if err := broker.EnsureTopics(ctx, cl, c, broker.Compacted(topic)); err != nil {
			return err
		}
	}
	return nil
}

func values(ctx context.Context, c broker.Config, topic string) (got []string) {
	_, err := broker.Scan(ctx, c, func(r *kgo.Record) error { got = append(got, string(r.Value)); return nil }, topic)
	if err != nil {
		return []string{err.Error()}
	}
	return got
}

// killed runs the child on the directory, kills it after some commits and gives
// the last that it was told of.
func killed(t *testing.T, dir string, commits int) (acked int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begin, lines := -1, bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "error") {
			t.Fatal(lines.Text())
		}
		if _, err := fmt.Sscanf(lines.Text(), "committed %d", &acked); err != nil {
			continue
		}
		if begin < 0 {
			begin = acked
		}
		if acked-begin >= commits {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	return acked
}

// TestEmbeddedKilled kills the process of an embedded broker at any moment, and
// wants all that was acknowledged, both halves of it, and a gapless rest.
func TestEmbeddedKilled(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		killed(t, dir, 20) // nobody closes the directory in between
		acked := killed(t, dir, 20)

		e, err := broker.OpenEmbedded(t.Context(), broker.EmbeddedOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		// The killed holder's transaction is open until a successor ends it.
		o := lease.Options{Connection: e.Config(), Topics: schemas.Topics{Prefix: "t"}, Stage: "s", Name: "n"}
		if err := lease.Run(t.Context(), o, func(context.Context, *lease.Producer) error { return nil }); err != nil {
			t.Fatal(err)
		}
		a, b := values(t.Context(), e.Config(), "a"), values(t.Context(), e.Config(), "b")
		if len(a) <= acked || strings.Join(a, " ") != strings.Join(b, " ") {
			t.Errorf("acknowledged %d, found %d and %d", acked+1, len(a), len(b))
		}
		for n, v := range a {
			if v != fmt.Sprint(n) {
				t.Fatalf("record %d is %s", n, v)
			}
		}
		e.Close()
	}
}

func TestEmbeddedAttach(t *testing.T) {
	o := broker.EmbeddedOptions{Dir: filepath.Join(t.TempDir(), "kafka")}
	first, err := broker.OpenEmbedded(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	second, err := broker.OpenEmbedded(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if first.Attached() || !second.Attached() || first.Config().Brokers[0] != second.Config().Brokers[0] {
		t.Errorf("first %v at %v, second %v at %v", first.Attached(), first.Config(), second.Attached(), second.Config())
	}
	if err := ensure(t.Context(), second.Config(), "x"); err != nil {
		t.Error(err)
	}
	second.Close()
	first.Close()
	third, err := broker.OpenEmbedded(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if third.Attached() || third.Config().Brokers[0] != first.Config().Brokers[0] {
		t.Errorf("after a restart: attached %v, at %v instead of %v", third.Attached(), third.Config(), first.Config())
	}
}

func TestEmbeddedFull(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "some"), make([]byte, 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := broker.OpenEmbedded(t.Context(), broker.EmbeddedOptions{Dir: dir, Limit: 1000})
	if cdc.HaltCode(err) != "embedded-full" {
		t.Errorf("got %v", err)
	}
	e, err := broker.OpenEmbedded(t.Context(), broker.EmbeddedOptions{Dir: dir, Limit: 5000})
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
}

func TestEmbeddedLockWithoutBroker(t *testing.T) {
	o := broker.EmbeddedOptions{Dir: t.TempDir()}
	first, err := broker.OpenEmbedded(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := os.WriteFile(filepath.Join(o.Dir, "address"), []byte("127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if e, err := broker.OpenEmbedded(ctx, o); err == nil {
		t.Errorf("attached to %v", e.Config())
	}
}
