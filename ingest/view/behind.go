package view

// This file says how far behind the log shards are, in time and in bytes: for
// people, and for streams that refuse events rather than have views shed.

import "time"

// arrivedAt notes when the record arrived that has just been taken. It is for
// reporting only and reaches no state.
func (s *Shard) arrivedAt(ms int64) {
	if ms > 0 {
		s.arrival.Store(ms)
	}
}

// Behind says how far the shard is behind the end of its log: how long ago the
// oldest record arrived that it has not taken, and about how many bytes of
// records it has not. Both are 0 when it has read everything. Where the tail no
// longer keeps that record, the age is that of the record before it, or since
// the start.
func (s *Shard) Behind() (age time.Duration, bytes int64) {
	s.mu.RLock()
	unread, offset := s.unread(), s.tally.offset
	s.mu.RUnlock()
	if unread == 0 {
		return 0, 0
	}
	v := s.view.views
	since, known := s.tail.ArrivalAfter(offset)
	if !known {
		if since = s.arrival.Load(); since == 0 {
			since = v.began.UnixMilli()
		}
	}
	age = time.Duration(max(v.clock().UnixMilli()-since, 0)) * time.Millisecond
	if head := s.tail.Head(); head.Events > 0 {
		bytes = int64(float64(head.Bytes) / float64(head.Events) * float64(unread))
	}
	return age, bytes
}

// Behind says how far the slowest view of a stream is behind its log.
func (v *Views) Behind(stream string) (age time.Duration, bytes int64) {
	for _, view := range v.List() {
		if view.Definition().Stream != stream {
			continue
		}
		total := int64(0)
		for _, s := range view.Partitions() {
			a, b := s.Behind()
			age, total = max(age, a), total+b
		}
		bytes = max(bytes, total)
	}
	return age, bytes
}

// rejects tells whether the view's stream refuses events when views fall
// behind. Then they apply everything.
func (v *View) rejects() bool {
	rejects, err := v.views.streams.Rejects(v.definition.Load().Stream)
	return err == nil && rejects // a stream that is gone has nothing to apply
}
