package view

// This file finds when the events of a record were, by the panes of a view.

import (
	"math"

	"sketchlog/ingest/event"
)

// date finds the span of every selected row and whether it is late, and drops
// the rows that are not to be applied: repeats, those before the view's start,
// and those whose pane is gone. The watermark is the one just before each event.
func (s *Shard) date(b *event.Batch, kept []bool, t *tally) {
	if kept != nil || !s.dateAlike(b, t) {
		s.dateEach(b, kept, t)
	}
}

// dateAlike is date for a batch of which all rows lie in one span, as most do: it judges the
// batch by its least and greatest time, and looks at no row that is not selected unless some are late.
// False: it is not so, and nothing has changed.
func (s *Shard) dateAlike(b *event.Batch, t *tally) bool {
	w, l, n := &s.work, s.view.levels(), len(s.work.rows)
	if b.Rows() == 0 || s.view.counted() {
		return false
	}
	least, greatest := extremes(b.Times)
	before := b.Times[0] // the greatest time before each row
	if t.any {
		before = max(before, t.greatest)
	}
	// What is neither rolled up nor gone at the end of the batch is neither at any of its events.
	id, expired := l.place(least, max(before, greatest))
	if expired || least < s.view.since() || id.width != l.width() || id.width != 0 && greatest >= id.end() {
		return false
	}
	w.spans = append(w.spans[:0], id)
	w.spanOf, w.late = grown(w.spanOf, n), grown(w.late, n)
	clear(w.spanOf)
	if lateness := s.view.lateness(); least < max(before, greatest)-lateness {
		next := 0 // of the selected rows
		for row, time := range b.Times {
			if next < n && int(w.rows[next]) == row {
				late := time < before-lateness
				if w.late[next] = late; late {
					t.late++
				}
				next++
			}
			before = max(before, time)
		}
	} else {
		clear(w.late)
	}
	t.any, t.greatest = true, max(before, greatest)
	return true
}

// dateEach is date of any batch.
func (s *Shard) dateEach(b *event.Batch, kept []bool, t *tally) {
	w, l := &s.work, s.view.levels()
	lateness, since := s.view.lateness(), s.view.since()
	counted := s.view.counted()
	w.spans = w.spans[:0]
	w.spanOf, w.late = w.spanOf[:0], w.late[:0]
	selected := w.rows
	w.rows = w.rows[:0]
	var last spanID    // of the row before
	var from, to int64 // whose times this is the span of
	lastSpan := int32(-1)
	for row, time := range b.Times {
		chosen := len(selected) > 0 && int(selected[0]) == row
		if chosen {
			selected = selected[1:]
		}
		if kept != nil && !kept[row] {
			continue
		}
		late := t.any && time < t.greatest-lateness
		if !t.any || time > t.greatest {
			t.any, t.greatest = true, time
			if from < l.aging(time) {
				from, to = 0, 0
			}
		}
		if !chosen || time < since {
			continue
		}
		if lastSpan < 0 || time < from || time >= to {
			id, expired := l.place(time, t.greatest)
			if expired {
				t.expired++
				continue
			}
			if counted {
				id = spanID{}
			}
			from, to = id.start, id.end()
			if id.width == 0 {
				from, to = math.MinInt64, math.MaxInt64
			}
			if counted {
				from, to = 0, 0 // age is by event
			}
			if lastSpan < 0 || id != last {
				last, lastSpan = id, w.spanIndex(id)
			}
		}
		if late {
			t.late++
		}
		w.rows = append(w.rows, int32(row))
		w.spanOf = append(w.spanOf, lastSpan)
		w.late = append(w.late, late)
	}
}

// spanIndex returns the place of a span in the batch's list. A batch has few.
func (w *batchWork) spanIndex(id spanID) int32 {
	for i := len(w.spans) - 1; i >= 0; i-- {
		if w.spans[i] == id {
			return int32(i)
		}
	}
	w.spans = append(w.spans, id)
	return int32(len(w.spans) - 1)
}
