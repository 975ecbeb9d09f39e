package memlog

// This file is one partition: a slice of records, the ids seen of late, and
// the faults that a test has ordered.

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
	"sync"
	"time"

	"sketchlog/ingest/eventlog"
)

// remembered is how long an id guards against a second append.
const remembered = 2 * time.Minute

type partition struct {
	clock func() time.Time

	mu      sync.Mutex
	ended   error // ErrClosed, ErrUnknown after a deletion, or nil
	first   uint64
	records []eventlog.Record // consecutive from first; Data nil: a hole
	bytes   uint64
	limit   uint64 // bytes; 0: none
	age     time.Duration
	refuse  bool
	ids     map[string]seen
	faults  faults
}

type seen struct {
	offset uint64
	at     time.Time
}

func newPartition(clock func() time.Time) *partition {
	return &partition{clock: clock, first: 1, ids: map[string]seen{}}
}

func (p *partition) adapt(s eventlog.Settings) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = 0
	if s.Retention.Bytes > 0 {
		p.limit = max(1, uint64(s.Retention.Bytes)/uint64(s.Partitions))
	}
	p.age, p.refuse = s.Retention.Age, s.Retention.Refuse
	p.retain()
}

func (p *partition) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = err
}

// Append stores a copy of the record.
func (p *partition) Append(ctx context.Context, id string, record []byte, _ eventlog.Acks) (uint64, error) {
	if err := p.faults.wait(ctx); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		return 0, p.ended
	}
	if len(record) > MaxRecord {
		return 0, fmt.Errorf("%d bytes, at most %d: %w", len(record), MaxRecord, eventlog.ErrTooLarge)
	}
	now := p.clock()
	if s, ok := p.ids[id]; ok && id != "" && now.Sub(s.at) < remembered {
		return s.offset, nil
	}
	fault := p.faults.next()
	if fault != nil && !fault.stored {
		return 0, fault.err
	}
	p.retain()
	if p.refuse && p.limit > 0 && p.bytes+uint64(len(record)) > p.limit {
		return 0, fmt.Errorf("partition holds %d of %d bytes: %w", p.bytes, p.limit, eventlog.ErrFull)
	}
	offset := p.first + uint64(len(p.records))
	data := append(make([]byte, 0, len(record)), record...)
	p.records = append(p.records, eventlog.Record{Offset: offset, Time: now.UnixMilli(), Data: data})
	p.bytes += uint64(len(record))
	p.remember(id, offset, now)
	p.retain()
	if fault != nil {
		return 0, fault.err
	}
	return offset, nil
}

func (p *partition) remember(id string, offset uint64, now time.Time) {
	if id == "" {
		return
	}
	if len(p.ids) >= 1<<16 {
		for k, s := range p.ids {
			if now.Sub(s.at) >= remembered {
				delete(p.ids, k)
			}
		}
	}
	p.ids[id] = seen{offset, now}
}

// retain drops the oldest records past the limits of bytes and age.
func (p *partition) retain() {
	drop := 0
	if p.limit > 0 && !p.refuse {
		for left := p.bytes; left > p.limit && drop < len(p.records); drop++ {
			left -= uint64(len(p.records[drop].Data))
		}
	}
	if p.age > 0 {
		oldest := p.clock().Add(-p.age).UnixMilli()
		for drop < len(p.records) && p.records[drop].Time < oldest {
			drop++
		}
	}
	p.drop(drop)
}

func (p *partition) drop(n int) {
	for _, r := range p.records[:n] {
		p.bytes -= uint64(len(r.Data))
	}
	p.first += uint64(n)
	p.records = slices.Delete(p.records, 0, n)
}

// Read yields copies of the record headers; Data is shared and never changed.
func (p *partition) Read(ctx context.Context, first, last uint64) iter.Seq2[eventlog.Record, error] {
	return func(yield func(eventlog.Record, error) bool) {
		end, err := p.faults.read(p)
		if err != nil {
			yield(eventlog.Record{}, err)
			return
		}
		if last == 0 || last > end {
			last = end
		}
		next := max(first, 1)
		for next <= last {
			r, hole, err := p.at(ctx, next, last)
			switch {
			case err != nil:
				yield(eventlog.Record{}, err)
				return
			case hole != nil:
				if !yield(eventlog.Record{}, hole) {
					return
				}
				next = hole.Last + 1
			case r.Offset == 0 || r.Offset > last:
				return
			default:
				if !yield(r, nil) {
					return
				}
				next = r.Offset + 1
			}
		}
	}
}

// at returns the record at offset, the first one retained after it, or the hole there.
func (p *partition) at(ctx context.Context, offset, last uint64) (eventlog.Record, *eventlog.Gap, error) {
	if err := ctx.Err(); err != nil {
		return eventlog.Record{}, nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		return eventlog.Record{}, nil, p.ended
	}
	offset = max(offset, p.first)
	i := int(offset - p.first)
	if i >= len(p.records) || offset > last {
		return eventlog.Record{}, nil, nil
	}
	if p.records[i].Data != nil {
		return p.records[i], nil, nil
	}
	hole := &eventlog.Gap{First: offset, Last: offset}
	for i++; i < len(p.records) && p.records[i].Data == nil && hole.Last < last; i++ {
		hole.Last++
	}
	return eventlog.Record{}, hole, nil
}

// Seek finds the first record that arrived at or after time.
func (p *partition) Seek(ctx context.Context, time int64) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		return 0, p.ended
	}
	i := sort.Search(len(p.records), func(i int) bool { return p.records[i].Time >= time })
	return p.first + uint64(i), nil
}

// Bounds says what is held now.
func (p *partition) Bounds(ctx context.Context) (eventlog.Bounds, error) {
	if err := ctx.Err(); err != nil {
		return eventlog.Bounds{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		return eventlog.Bounds{}, p.ended
	}
	p.retain()
	return eventlog.Bounds{First: p.first, Last: p.first + uint64(len(p.records)) - 1, Bytes: p.bytes}, nil
}

// Trim drops the records below the offset.
func (p *partition) Trim(ctx context.Context, below uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		return p.ended
	}
	if below > p.first {
		p.drop(min(int(below-p.first), len(p.records)))
	}
	return nil
}
