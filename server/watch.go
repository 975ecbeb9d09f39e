package server

// Watching: a question answered again and again, as server-sent events.

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/query"
)

const (
	defaultEvery = time.Second
	leastEvery   = 100 * time.Millisecond
	mostEvery    = time.Hour
	// keepAlive is how often a comment is sent when answers are rarer: proxies
	// keep the connection, and a client that is gone is noticed.
	keepAlive = 15 * time.Second
	// watchWrite is how long a client may take to accept one event.
	watchWrite = 30 * time.Second
)

// watcher is one open event stream. fasthttp runs it on a goroutine of its own
// while it writes the answer; it ends when the client does, or the server.
type watcher struct {
	server   *Server
	question query.Question
	every    time.Duration
	conn     net.Conn
	out      *bufio.Writer
}

// getWatch answers the question once before it promises a stream, so that a
// question that is wrong gets a problem with its status.
func (s *Server) getWatch(r *request) error {
	q, every, err := watchOf(r)
	if err != nil {
		return s.unknownFirst(r.name, err)
	}
	ctx, cancel := r.context()
	defer cancel()
	if _, err := s.config.Queries.Answer(ctx, q); err != nil {
		return err
	}
	if !s.watchers.TryAcquire(1) {
		return errOverloaded("%d event streams are open and no more are allowed; ask less often instead", s.limits.Watchers)
	}
	w := &watcher{server: s, question: q, every: every, conn: r.ctx.Conn()}
	r.common()
	r.ctx.SetStatusCode(http.StatusOK)
	r.ctx.SetContentType("text/event-stream; charset=utf-8")
	if r.ctx.IsHead() {
		s.watchers.Release(1)
		return nil
	}
	s.watching.Add(1)
	r.ctx.SetBodyStreamWriter(func(out *bufio.Writer) {
		defer s.watching.Done()
		defer s.watchers.Release(1)
		w.out = out
		w.run(s.stopping)
	})
	return nil
}

// watchOf reads question and every; the rest belongs to the question.
func watchOf(r *request) (query.Question, time.Duration, error) {
	p, err := r.parameters()
	if err != nil {
		return query.Question{}, 0, err
	}
	every, question := defaultEvery, ""
	var faults []string
	for _, name := range []string{"every", "question"} {
		if len(p[name]) > 1 {
			faults = append(faults, fmt.Sprintf("%s is given %d times; give it once", name, len(p[name])))
		}
	}
	if text := p.Get("every"); p.Has("every") {
		if every, err = event.ParseDuration(text); err != nil || every < leastEvery || every > mostEvery {
			faults = append(faults, fmt.Sprintf("every=%q must be a duration from %v to %v, such as 1s", abridged(text), leastEvery, mostEvery))
		}
	}
	if question = p.Get("question"); question == "" {
		faults = append(faults, fmt.Sprintf("question is missing: one of %s", quoted(query.Names)))
	}
	if len(faults) > 0 {
		return query.Question{}, 0, errParameters(faults)
	}
	p.Del("every")
	p.Del("question")
	q, err := query.Params(r.name, question, p)
	return q, every, err
}

// run sends an answer every so often until stopping is closed or the client is gone.
func (w *watcher) run(stopping <-chan struct{}) {
	answers := time.NewTicker(w.every)
	defer answers.Stop()
	comments := time.NewTicker(keepAlive)
	defer comments.Stop()
	for gone := !w.answer(); !gone; {
		select {
		case <-stopping:
			return
		case <-answers.C:
			gone = !w.answer()
		case <-comments.C:
			gone = w.every > keepAlive && !w.send([]byte(": still here\n\n"))
		}
	}
}

// answer sends one answer, or the problem in its place: a view may be deleted
// while it is watched. It reports whether to go on.
func (w *watcher) answer() bool {
	ctx, cancel := context.WithTimeout(w.server.requests, w.server.limits.Request)
	defer cancel()
	a, err := w.server.config.Queries.Answer(ctx, w.question)
	if err != nil {
		text := append([]byte("event: problem\ndata: "), problemOf(err).appendTo(nil)...)
		w.send(append(text, "\n\n"...))
		return false
	}
	buffer := w.server.buffer()
	defer w.server.release(buffer)
	buffer.WriteString("event: answer\ndata: ")
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(a); err != nil { // Encode ends the line
		w.server.log.Error("answer cannot be written as JSON", "view", w.question.View, "error", err)
		return false
	}
	buffer.WriteByte('\n')
	return w.send(buffer.Bytes()) // copied on its way
}

// send writes one event out. The connection's own deadline is for answers that
// end; every event gets a new one.
func (w *watcher) send(text []byte) bool {
	if err := w.conn.SetWriteDeadline(time.Now().Add(watchWrite)); err != nil {
		return false
	}
	if _, err := w.out.Write(text); err != nil {
		return false
	}
	return w.out.Flush() == nil
}
