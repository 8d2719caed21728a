package pipeline

import "sync/atomic"

// trouble is what keeps a process from holding its stage and from standing by
// for it, such as a Kafka that does not answer: without it a process that can do
// nothing looks like one that has nothing to do.
type trouble struct{ text atomic.Pointer[string] }

func (t *trouble) is(err error) {
	if err == nil {
		t.text.Store(nil)
		return
	}
	text := err.Error()
	t.text.Store(&text)
}

// now is "" while all is well, and for the holder: it says itself what it is at.
func (t *trouble) now(holding bool) string {
	if s := t.text.Load(); s != nil && !holding {
		return *s
	}
	return ""
}
