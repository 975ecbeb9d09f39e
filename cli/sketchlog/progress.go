package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress keeps one line of a terminal up to date while a file is sent.
type progress struct {
	out   io.Writer // nil: no terminal
	total int64     // bytes of the input; 0: nobody knows
	read  int64     // of them
	began time.Time
	last  time.Time
	shown bool
}

const (
	progressEvery = 200 * time.Millisecond
	progressWidth = 30
)

// counting counts what is read of the input.
type counting struct {
	in   io.Reader
	into *int64
}

func (c counting) Read(b []byte) (int, error) {
	n, err := c.in.Read(b)
	*c.into += int64(n)
	return n, err
}

// show writes the line, when the last is old enough.
func (p *progress) show(events int, now time.Time) {
	if p.out == nil || now.Sub(p.last) < progressEvery {
		return
	}
	p.last, p.shown = now, true
	fmt.Fprint(p.out, "\r"+p.line(events, now)+"\x1b[K")
}

func (p *progress) line(events int, now time.Time) string {
	var b strings.Builder
	if p.total > 0 {
		share := min(float64(p.read)/float64(p.total), 1)
		full := int(share * progressWidth)
		fmt.Fprintf(&b, "[%s%s] %3.0f%% · ", strings.Repeat("#", full), strings.Repeat(".", progressWidth-full), 100*share)
	}
	fmt.Fprintf(&b, "%d events", events)
	if took := now.Sub(p.began).Seconds(); took >= 1 {
		fmt.Fprintf(&b, " · %.0f a second", float64(events)/took)
	}
	return b.String()
}

// end leaves the last line where it is.
func (p *progress) end(events int, now time.Time) {
	if p.out == nil || !p.shown {
		return
	}
	fmt.Fprintln(p.out, "\r"+p.line(events, now)+"\x1b[K")
}
