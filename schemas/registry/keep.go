package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"chartwire/cdc"
)

// awayFor is how long the registry is not asked for what is kept, when it did
// not answer: each question costs seconds where packets are lost.
const awayFor = 10 * time.Second

// Keep makes the client keep what the registry said in a folder, and answer out
// of that while it does not answer: a process that starts then goes on with every
// schema that was seen there. The folder is one registry's.
func (c *Client) Keep(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keeping schemas: %w", err)
	}
	c.dir = dir
	return nil
}

// idFile is where the id of a schema under a subject is kept, schemaFile the
// schema of an id.
func (c *Client) idFile(r registration) string {
	sum := sha256.Sum256([]byte(r.subject + "\x00" + r.avro))
	return "id-" + hex.EncodeToString(sum[:16])
}

func (c *Client) schemaFile(id int) string { return fmt.Sprintf("schema-%d", id) }

// kept gives what was kept, if the registry does not answer now: it did not a
// while ago, or that is what err says.
func (c *Client) kept(name string, err error) (text string, ok bool) {
	if c.dir == "" {
		return "", false
	}
	now := time.Now()
	c.mu.Lock()
	if err != nil && unanswered(err) {
		c.away = now.Add(awayFor)
	}
	away := now.Before(c.away)
	c.mu.Unlock()
	if !away || err != nil && !unanswered(err) {
		return "", false
	}
	b, rerr := os.ReadFile(filepath.Join(c.dir, name))
	return string(b), rerr == nil
}

// keep keeps it. Where that cannot be done the registry alone knows it, as
// everywhere else.
func (c *Client) keep(name, text string) {
	if c.dir == "" {
		return
	}
	path := filepath.Join(c.dir, name)
	f, err := os.CreateTemp(c.dir, "new-")
	if err != nil {
		return
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
}

// unanswered says that the registry could not be asked, or cannot answer now.
func unanswered(err error) bool {
	s := status(err)
	return cdc.HaltCode(err) == "" && (s == 0 || s >= 500)
}
