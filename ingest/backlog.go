package ingest

// What happens when the views of a stream fall behind its log: they shed, or the stream refuses.

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sketchlog/ingest/event"
)

// BacklogPolicy says what happens to a stream whose views fall behind.
type BacklogPolicy string

// The two policies.
const (
	// Shed takes every event; the views sample what they cannot apply in time, and heal from the log afterwards.
	Shed BacklogPolicy = "shed"
	// Reject has the views apply every event, and refuses new ones while they are further behind than the limit.
	Reject BacklogPolicy = "reject"
)

// Backlog is a stream's policy and its limit.
type Backlog struct {
	Limit  BacklogLimit  `json:"limit"`
	Policy BacklogPolicy `json:"policy"`
}

// BacklogLimit is a time or a number of bytes: how far behind is too far. The zero value is no limit.
type BacklogLimit struct {
	Age   event.Duration // of the oldest event that a view has not read
	Bytes int64          // of the log that a view has not read
}

// defaultBacklogAge is what "reject" means without a limit: long enough for a burst, short enough for producers to notice.
const defaultBacklogAge = event.Duration(30 * time.Second)

// MarshalJSON writes a duration or a number of bytes.
func (l BacklogLimit) MarshalJSON() ([]byte, error) {
	if l.Bytes > 0 {
		return json.Marshal(l.Bytes)
	}
	return json.Marshal(l.Age)
}

// UnmarshalJSON reads a duration such as "30s" or a number of bytes.
func (l *BacklogLimit) UnmarshalJSON(b []byte) error {
	var next BacklogLimit
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &next.Age); err != nil {
			return err
		}
	} else if err := json.Unmarshal(b, &next.Bytes); err != nil {
		return errors.New("give a duration such as \"30s\" or a whole number of bytes")
	}
	*l = next
	return nil
}

// faults names what is wrong with a backlog.
func (b Backlog) faults(fault func(format string, a ...any)) {
	if b.Policy != Shed && b.Policy != Reject {
		fault("backlog.policy is %.40q: give %q or %q", b.Policy, Shed, Reject)
	}
	if b.Limit.Age < 0 || b.Limit.Bytes < 0 {
		fault("backlog.limit is negative: give a duration such as \"30s\", a number of bytes, or \"0\" for the default")
	}
}

// limit is the limit that holds.
func (b Backlog) limit() BacklogLimit {
	if b.Limit == (BacklogLimit{}) {
		return BacklogLimit{Age: defaultBacklogAge}
	}
	return b.Limit
}

// Behind is how far the slowest view of a stream is behind its log.
type Behind struct {
	Age   time.Duration // of the oldest event that it has not read
	Bytes int64         // of the log that it has not read
}

// ErrBehind marks a request to a stream that rejects while its views are too far behind. Nothing of it was taken; the
// error is a *BehindError.
var ErrBehind = errors.New("the stream's views are too far behind")

// BehindError is ErrBehind with what a client needs to know.
type BehindError struct {
	Stream     string
	Behind     Behind
	Limit      BacklogLimit
	RetryAfter time.Duration
}

// Error says how far behind the views are and what to do about it.
func (e *BehindError) Error() string {
	var how string
	if e.Limit.Bytes > 0 {
		how = fmt.Sprintf("%d bytes, and its backlog may be %d", e.Behind.Bytes, e.Limit.Bytes)
	} else {
		how = fmt.Sprintf("%v, and its backlog may be %v", e.Behind.Age.Round(time.Millisecond), time.Duration(e.Limit.Age))
	}
	return fmt.Sprintf("the views of stream %s are behind by %s: try again in %v, send less, or let the views shed with \"backlog\": {\"policy\": \"shed\"}", e.Stream, how, e.RetryAfter)
}

// Is makes errors.Is(err, ErrBehind) true.
func (e *BehindError) Is(target error) bool { return target == ErrBehind }

// WatchBacklog has streams that reject ask behind how far the views of a stream are. It is called before the streams are
// shared; without it nothing is rejected.
func (s *Streams) WatchBacklog(behind func(stream string) Behind) { s.behind = behind }

// Rejects tells whether a stream refuses events instead of having its views shed.
func (s *Streams) Rejects(name string) (bool, error) {
	d, err := s.Get(name)
	return d.Backlog.Policy == Reject, err
}

// admit refuses events while the views are too far behind. The caller holds st.mu for reading or does not share st.
func (s *Streams) admit(st *stream) error {
	if st.definition.Backlog.Policy != Reject || s.behind == nil {
		return nil
	}
	limit, behind := st.definition.Backlog.limit(), s.behind(st.name)
	if limit.Bytes > 0 && behind.Bytes <= limit.Bytes || limit.Bytes == 0 && behind.Age <= time.Duration(limit.Age) {
		return nil
	}
	s.counters.refused.Add(1)
	return &BehindError{Stream: st.name, Behind: behind, Limit: limit, RetryAfter: busyRetry}
}
