package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// tidyAt is the size above which the leader writes the journal anew.
const tidyAt = 1 << 20

// journal is a file of lines that several processes of one machine share.
// Each holds a lock on it while it writes, so that lines stay whole; who holds
// the lock of the file beside it leads.
type journal struct {
	path   string
	file   *os.File
	size   int64 // read so far
	leader *os.File
}

func openJournal(path string) (*journal, error) {
	j := &journal{path: path}
	// On a cluster nobody else makes the folder of local state.
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), j.reopen()); err != nil {
		return nil, fmt.Errorf("opening the journal of pages: %w", err)
	}
	return j, nil
}

func (j *journal) reopen() error {
	f, err := os.OpenFile(j.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if j.file != nil {
		j.file.Close()
	}
	j.file, j.size = f, 0
	return nil
}

func (j *journal) close() {
	j.file.Close()
	if j.leader != nil {
		j.leader.Close()
	}
}

// lead reports whether this process is the leader, and becomes it if no other
// is. The lock ends with the process.
func (j *journal) lead() bool {
	if j.leader != nil {
		return true
	}
	f, err := os.OpenFile(j.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		f.Close()
		return false
	}
	j.leader = f
	return true
}

// locked runs f while no other process writes, on the file that is now under
// the path: the leader may have replaced it.
func (j *journal) locked(f func() error) error {
	for {
		if err := j.lock(); err != nil {
			return err
		}
		ours, err := j.file.Stat()
		if err == nil {
			var there os.FileInfo
			if there, err = os.Stat(j.path); err == nil && os.SameFile(ours, there) {
				break
			}
		}
		if err := j.reopen(); err != nil { // closing the old file ends its lock
			return err
		}
	}
	err := f()
	return errors.Join(err, syscall.Flock(int(j.file.Fd()), syscall.LOCK_UN))
}

// lock waits a little for another process's line to be written. One that was
// stopped in the middle of it must not stop this one.
func (j *journal) lock() error {
	for end := time.Now().Add(300 * time.Millisecond); ; time.Sleep(5 * time.Millisecond) {
		err := syscall.Flock(int(j.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(end) {
			return errors.New("another process holds its lock")
		}
	}
}

// read gives f the lines written since the last call, by whomever.
func (j *journal) read(f func(line)) error {
	err := j.locked(func() error { return j.readLocked(f) })
	if err != nil {
		return fmt.Errorf("reading the journal of pages: %w", err)
	}
	return nil
}

func (j *journal) readLocked(f func(line)) error {
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < j.size {
		j.size = 0
	}
	text := make([]byte, info.Size()-j.size)
	if _, err := j.file.ReadAt(text, j.size); err != nil && err != io.EOF {
		return err
	}
	for {
		one, rest, whole := bytes.Cut(text, []byte{'\n'})
		if !whole {
			return nil // of a process that died; the next writer ends it
		}
		j.size += int64(len(one)) + 1
		text = rest
		var l line
		if json.Unmarshal(one, &l) == nil {
			f(l)
		}
	}
}

// add writes one line, and returns when it is on the disk.
func (j *journal) add(l line) error {
	text, err := json.Marshal(l)
	if err == nil {
		err = j.locked(func() error {
			if j.torn() {
				text = append([]byte{'\n'}, text...)
			}
			_, err := j.file.Write(append(text, '\n'))
			return errors.Join(err, j.file.Sync())
		})
	}
	if err != nil {
		return fmt.Errorf("writing the journal of pages: %w", err)
	}
	return nil
}

// torn reports whether the last line has no end: its writer died.
func (j *journal) torn() bool {
	info, err := j.file.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	last := make([]byte, 1)
	_, err = j.file.ReadAt(last, info.Size()-1)
	return err == nil && last[0] != '\n'
}

// replace puts a file with these lines in the journal's place at once, so that
// a process that dies meanwhile leaves the old or the new one. take gets what
// was written since the lines were made, which then stays in the old file: so
// nothing is replaced that was not read before.
func (j *journal) replace(lines []line, take func(line)) error {
	return j.locked(func() error {
		before := j.size
		if err := j.readLocked(take); err != nil || j.size != before {
			return err // another process wrote: the next time
		}
		f, err := os.CreateTemp(filepath.Dir(j.path), ".pages-*")
		if err != nil {
			return err
		}
		for _, l := range lines {
			var text []byte
			if text, err = json.Marshal(l); err == nil {
				_, err = f.Write(append(text, '\n'))
			}
			if err != nil {
				break
			}
		}
		if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
			err = os.Rename(f.Name(), j.path)
		}
		if err != nil {
			os.Remove(f.Name())
		}
		return err
	})
}
