package jetstream

// This file mends the log after a write of the embedded server failed. JetStream
// closes a stream to writing for ever then, as when the disk was full for a moment;
// it does not even answer whoever publishes. What heals it is a new server on the
// same directory: it cuts off what was written by half, and knows what it has.
//
//	suspect   a try without an answer asks the server whether a write has failed
//	mend      until the disk has room; then the server is started again
//
// Meanwhile appends are refused at once. What is read from the log while the server is
// started again fails as it does from one that is away; readers try again.

import (
	"context"
	"fmt"
	"sync"
	"time"

	"sketchlog/ingest/eventlog"
)

const (
	mendLeast = 500 * time.Millisecond // until the server is started again
	mendMost  = 30 * time.Second       // when that did not help
	mendFresh = 5 * time.Minute        // after which a failure is a new one
	lookMend  = 250 * time.Millisecond // between looks at the disk, and at the new server
)

// trouble is what a failed write has left.
type trouble struct {
	mu     sync.Mutex
	cause  error         // nil: nothing is wrong
	mended time.Time     // when it was last
	wait   time.Duration // until it is mended
	closed bool          // no mending begins any more
	work   sync.WaitGroup
}

// broken returns ErrFull with the reason while the log is not mended. A log
// that is not embedded is never broken: who runs its server mends it.
func (l *Log) broken() error {
	l.trouble.mu.Lock()
	defer l.trouble.mu.Unlock()
	if l.trouble.cause == nil {
		return nil
	}
	return fmt.Errorf("%w: a write of the log in %s failed (%w); it is opened again as soon as its disk has room: free some", eventlog.ErrFull, l.config.Dir, l.trouble.cause)
}

// room returns ErrFull unless definitions can be written.
func (l *Log) room() error {
	if err := l.broken(); err != nil {
		return err
	}
	return l.space.least()
}

// suspect asks the embedded server whether a write to a JetStream stream has failed, and
// if so begins to mend the log. It returns what broken does.
func (l *Log) suspect(stream string) error {
	if l.embedded == nil || l.isClosed() {
		return nil
	}
	if err := l.broken(); err != nil {
		return err
	}
	if cause := l.embedded.fault(stream); cause != nil {
		l.breakDown(cause)
	}
	return l.broken()
}

// breakDown begins to mend the log, unless that is under way.
func (l *Log) breakDown(cause error) {
	t := &l.trouble
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cause != nil || t.closed {
		return
	}
	if t.cause = cause; time.Since(t.mended) > mendFresh || t.wait == 0 {
		t.wait = mendLeast
	} else {
		t.wait = min(2*t.wait, mendMost)
	}
	l.logger.Error("a write of the log has failed: it refuses events until its disk has room and it is opened again", "error", cause, "again", t.wait)
	t.work.Add(1)
	go func() { // it ends with the log, or when the log is mended
		defer t.work.Done()
		l.mend(t.wait)
	}()
}

// mend opens the store again once its disk has room.
func (l *Log) mend(wait time.Duration) {
	began := time.Now()
	for l.sleep(wait) {
		if l.space.check(0) != nil {
			wait = lookMend
			continue
		}
		if err := l.reopen(); err != nil {
			wait = mendMost
			l.logger.Error("the log does not open again", "error", err, "again", wait)
			continue
		}
		l.trouble.mu.Lock()
		l.trouble.cause, l.trouble.mended = nil, time.Now()
		l.trouble.mu.Unlock()
		l.logger.Info("the log takes events again", "after", time.Since(began).Round(time.Millisecond))
		return
	}
}

// reopen starts the embedded server again and waits until it answers.
func (l *Log) reopen() error {
	l.embedded.stop()
	if err := l.embedded.start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	for {
		_, err := l.js.AccountInfo(ctx)
		if err == nil || ctx.Err() != nil || !l.sleep(lookMend) {
			return err
		}
	}
}

// close waits until nothing is being mended. Log.closed is closed.
func (t *trouble) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.work.Wait()
}

// sleep returns false when the log is closed.
func (l *Log) sleep(d time.Duration) bool {
	select {
	case <-l.closed:
		return false
	case <-time.After(d):
		return true
	}
}
