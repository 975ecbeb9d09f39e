package ingest

// What a stream is defined by: the fields, their defaults and their limits.

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
)

// Limits of a definition.
const (
	// MaxPartitions bounds a stream: a partition costs about 300 KB and a few goroutines even when it is idle.
	MaxPartitions = 256
	// MaxReplicas is what the log can replicate to.
	MaxReplicas = 5
	// MaxFieldName is the longest name of a field in bytes.
	MaxFieldName = 256
)

// Definition says how a stream takes and keeps its events. As JSON it is the body of PUT /v1/streams/{stream}.
type Definition struct {
	// Partitions is how many logs the stream has: the unit of order and of parallelism. It may grow.
	Partitions int `json:"partitions"`
	// Replicas is how many nodes keep each partition.
	Replicas int `json:"replicas"`
	// Key is the field that chooses the partition; "" places events round robin. It cannot change: equal keys would part.
	Key string `json:"key,omitempty"`
	// Time is the field that holds the event time; "" means arrival. It cannot change: two clocks would mix in one view.
	Time string `json:"time,omitempty"`
	// Lateness is how far behind the greatest event time seen an event may be without being called late.
	Lateness event.Duration `json:"lateness"`
	// Ahead is how far ahead of the server's clock an event may be; 0 means that it is not checked.
	Ahead event.Duration `json:"ahead"`
	// Retention says how long events are kept.
	Retention Retention `json:"retention"`
	// Backlog says what happens when views fall behind.
	Backlog Backlog `json:"backlog"`
}

// Retention says when events leave the log. 0 means without limit.
type Retention struct {
	Age      event.Duration `json:"age"`       // measured from arrival
	Bytes    int64          `json:"bytes"`     // of the whole stream
	WhenFull WhenFull       `json:"when_full"` // what happens at the limit of bytes
}

// WhenFull says what happens to events that come when the stream holds all the bytes it may.
type WhenFull string

// The two ways to be full.
const (
	DropOldest WhenFull = "drop-oldest"
	Refuse     WhenFull = "refuse"
)

// DefaultDefinition is what {} makes.
//
// Four partitions use the cores and overlap the syncs of a small machine (four synced logs write 444 MB/s where one writes
// 335), and cost nothing noticeable on a larger one. A minute of lateness covers clocks and retries. Seven days of log let a
// view of last week be made today; bytes have no limit of their own because the store as a whole has one. Ten minutes ahead
// is more than a clock drifts and less than what would move windows and retention.
func DefaultDefinition() Definition {
	return Definition{
		Partitions: 4,
		Replicas:   1,
		Lateness:   event.Duration(time.Minute),
		Ahead:      event.Duration(10 * time.Minute),
		Retention:  Retention{Age: event.Duration(7 * 24 * time.Hour), WhenFull: DropOldest},
		Backlog:    Backlog{Policy: Shed},
	}
}

// Validate names every fault of the definition at once, each wrapped in ErrInvalid; nil if there is none.
func (d Definition) Validate() error {
	var faults []error
	fault := func(format string, a ...any) {
		faults = append(faults, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, a...)...))
	}
	if d.Partitions < 1 || d.Partitions > MaxPartitions {
		fault("partitions is %d: give 1 to %d", d.Partitions, MaxPartitions)
	}
	if d.Replicas < 1 || d.Replicas > MaxReplicas {
		fault("replicas is %d: give 1 to %d", d.Replicas, MaxReplicas)
	}
	for _, f := range []struct{ what, name string }{{"key", d.Key}, {"time", d.Time}} {
		if why := badField(f.name); why != "" {
			fault("%s names the field %.80q, %s", f.what, f.name, why)
		}
	}
	for _, f := range []struct {
		what  string
		value event.Duration
	}{{"lateness", d.Lateness}, {"ahead", d.Ahead}, {"retention.age", d.Retention.Age}} {
		if f.value < 0 {
			fault("%s is negative: give a duration such as \"90s\" or \"7d\", or \"0\"", f.what)
		}
	}
	if d.Retention.Bytes < 0 {
		fault("retention.bytes is %d: give a number of bytes, or 0 for no limit", d.Retention.Bytes)
	}
	if d.Retention.Bytes > 0 && d.Partitions >= 1 && d.Retention.Bytes/int64(d.Partitions) < leastPartitionBytes {
		fault("retention.bytes is %d: %d partitions need at least %d, or 0 for no limit", d.Retention.Bytes, d.Partitions, int64(d.Partitions)*leastPartitionBytes)
	}
	d.Backlog.faults(fault)
	switch d.Retention.WhenFull {
	case DropOldest:
	case Refuse:
		if d.Retention.Bytes == 0 {
			fault("retention.when_full is %q without a limit: give retention.bytes as well", Refuse)
		}
	default:
		fault("retention.when_full is %.40q: give %q or %q", d.Retention.WhenFull, DropOldest, Refuse)
	}
	return errors.Join(faults...)
}

// leastPartitionBytes is room for a record with one modest event: a smaller log could hold nothing.
const leastPartitionBytes = 4 << 10

// badField says what is wrong with the name of a field, "" if nothing is. An empty name means that there is no such field.
func badField(name string) string {
	switch {
	case len(name) > MaxFieldName:
		return fmt.Sprintf("which is longer than %d bytes", MaxFieldName)
	case !utf8.ValidString(name):
		return "which is not UTF-8"
	case strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return "which contains control characters"
	}
	return ""
}

// change says which of the fields that cannot change do; nil if the stream can become next.
func (d Definition) change(next Definition) error {
	var faults []error
	fault := func(format string, a ...any) {
		faults = append(faults, fmt.Errorf("%w: "+format, append([]any{ErrConflict}, a...)...))
	}
	if next.Partitions < d.Partitions {
		fault("partitions may grow but not shrink, from %d to %d: keys would move and offsets would be lost; make a new stream", d.Partitions, next.Partitions)
	}
	if next.Key != d.Key {
		fault("key cannot change from %q to %q: equal keys would be on two partitions; make a new stream", d.Key, next.Key)
	}
	if next.Time != d.Time {
		fault("time cannot change from %q to %q: two kinds of time would mix in one view; make a new stream", d.Time, next.Time)
	}
	return errors.Join(faults...)
}

// Options gives what decoding a request body for this stream takes from its definition. The caller adds Format, Arrival,
// Skip and Limits.
func (d Definition) Options() event.Options {
	ahead := time.Duration(d.Ahead)
	if ahead == 0 {
		ahead = -1 // a definition's 0 is "not checked", which event.Options writes as a negative number
	}
	return event.Options{Time: d.Time, Ahead: ahead}
}

// settings gives what the log needs to know.
func (d Definition) settings() eventlog.Settings {
	return eventlog.Settings{
		Partitions: d.Partitions,
		Replicas:   d.Replicas,
		Retention: eventlog.Retention{
			Age:    time.Duration(d.Retention.Age),
			Bytes:  d.Retention.Bytes,
			Refuse: d.Retention.WhenFull == Refuse,
		},
	}
}

// checkName refuses what cannot name a stream or producer; what says which of them it is.
func checkName(what, name string) error {
	if eventlog.ValidName(name) {
		return nil
	}
	return fmt.Errorf("%w: %s %.80q: a name is 1 to 64 of A-Z, a-z, 0-9, _ and -", ErrInvalid, what, name)
}
