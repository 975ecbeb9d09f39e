package memlog

// This file holds the failures that a test can order.

import (
	"context"
	"sync"

	"sketchlog/ingest/eventlog"
)

// faults are what a partition has been told to do wrong.
type faults struct {
	mu      sync.Mutex
	appends []*appendFault
	read1   error         // ends the next Read
	gate    chan struct{} // appends wait until it is closed
}

type appendFault struct {
	stored bool
	err    error
}

func (f *faults) next() *appendFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.appends) == 0 {
		return nil
	}
	a := f.appends[0]
	f.appends = f.appends[1:]
	return a
}

func (f *faults) wait(ctx context.Context) error {
	f.mu.Lock()
	gate := f.gate
	f.mu.Unlock()
	if gate == nil {
		return ctx.Err()
	}
	select {
	case <-gate:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read returns the end of the partition as it stands, or the error ordered.
func (f *faults) read(p *partition) (uint64, error) {
	f.mu.Lock()
	err := f.read1
	f.read1 = nil
	f.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		err = p.ended
	}
	return p.first + uint64(len(p.records)) - 1, err
}

// FailAppend lets one append that is to come fail with err (nil: ErrUnavailable),
// after storing its record or without. Several calls queue up.
func (l *Log) FailAppend(stream string, number int, stored bool, err error) error {
	p, e := l.find(stream, number)
	if e != nil {
		return e
	}
	if err == nil {
		err = eventlog.ErrUnavailable
	}
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	p.faults.appends = append(p.faults.appends, &appendFault{stored: stored, err: err})
	return nil
}

// FailRead lets the next read of a partition end with err at once.
func (l *Log) FailRead(stream string, number int, err error) error {
	p, e := l.find(stream, number)
	if e != nil {
		return e
	}
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	p.faults.read1 = err
	return nil
}

// Hold makes appends to a partition wait until release is called, as behind a
// slow disk.
func (l *Log) Hold(stream string, number int) (release func(), err error) {
	p, err := l.find(stream, number)
	if err != nil {
		return nil, err
	}
	gate := make(chan struct{})
	p.faults.mu.Lock()
	defer p.faults.mu.Unlock()
	p.faults.gate = gate
	return sync.OnceFunc(func() {
		p.faults.mu.Lock()
		if p.faults.gate == gate {
			p.faults.gate = nil
		}
		p.faults.mu.Unlock()
		close(gate)
	}), nil
}

// Hole damages the records first to last: reads report them as a *Gap.
func (l *Log) Hole(stream string, number int, first, last uint64) error {
	p, err := l.find(stream, number)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.records {
		r := &p.records[i]
		if r.Offset >= first && r.Offset <= last {
			p.bytes -= uint64(len(r.Data))
			r.Data = nil
		}
	}
	return nil
}

// Cut removes the records after the offset, as a disk does that lost its last
// writes; their offsets are given again.
func (l *Log) Cut(stream string, number int, last uint64) error {
	p, err := l.find(stream, number)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.records) > 0 && p.records[len(p.records)-1].Offset > last {
		p.bytes -= uint64(len(p.records[len(p.records)-1].Data))
		p.records = p.records[:len(p.records)-1]
	}
	return nil
}
