package ingest

// What a Streams value is made from, with the reasons for its defaults.

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/turns"
)

// recordBytes is the most that goes into one record, as measured from its rows. It is a constant and not a setting because
// large numbered requests are cut by it, and a repeat must be cut like the first attempt.
const recordBytes = 4 << 20

// Config says how events are taken in. Zero values mean the defaults.
type Config struct {
	// Log keeps the events and the definitions. It stays the caller's to close, after Close.
	Log eventlog.Log
	// Checkpoints keeps what the tails know across restarts. A nil one makes each start read the whole log.
	Checkpoints eventlog.Checkpoints
	// Clock measures how long appends take. Default time.Now.
	Clock func() time.Time
	// Logger gets what nobody waits for: failed checkpoints and dropped events. Default: nothing is logged.
	Logger *slog.Logger
	// Observe is told of each append, on the goroutine of its partition: it must be quick. Default: nobody is.
	Observe func(Appended)

	// BatchBytes is how much a partition gathers into one record, about, as encoded. Default 512 KiB: there the sync of each
	// record costs next to nothing (335 MB/s on one partition; 64 KiB: 92), and larger ones only add latency.
	BatchBytes int
	// BatchEvents bounds a batch of small events. Default 65,536: views lock a shard for a batch.
	BatchEvents int
	// Linger is how long the first event waits for company when nothing is being appended. Default 2 ms, about the time of
	// a few syncs; negative: none.
	Linger time.Duration
	// QueueBytes bounds what waits to be appended, over all partitions. Default 128 MiB. One partition may take half of
	// it, so that a partition whose log is slow or away does not stop the others.
	QueueBytes int64
	// CacheBytes is what each partition keeps of its newest batches for its readers. Default: the tail's.
	CacheBytes int64
	// Caches bounds that over all partitions. Default: nothing does.
	Caches *eventlog.CacheBudget
	// Turns is in whose line placing and encoding of events wait. Default: one with a turn for each processor.
	Turns *turns.Queue
	// CheckpointEvery is how often what the tails know is saved. Default 5 s: a start after a crash reads that much again.
	CheckpointEvery time.Duration
	// DrainTimeout bounds how long closing goes on appending what was taken. Default 5 s, half of what stopping may take.
	DrainTimeout time.Duration
}

// Appended tells of one append to the log.
type Appended struct {
	Stream    string
	Partition int
	Events    int
	Requests  int           // how many requests, or pieces of large ones, shared it
	Took      time.Duration // from handing it to the log until it was acknowledged
	Err       error         // nil when it is in the log
}

// withDefaults fills in what is zero and names every fault at once.
func (c Config) withDefaults() (Config, error) {
	var faults []error
	if c.Log == nil {
		faults = append(faults, errors.New("ingest: Config.Log is missing"))
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(Appended) {}
	}
	if c.Turns == nil {
		c.Turns = turns.New(runtime.GOMAXPROCS(0))
	}
	if c.Checkpoints == nil {
		c.Checkpoints = noCheckpoints{}
	}
	setDefault(&c.BatchBytes, 512<<10)
	setDefault(&c.BatchEvents, 1<<16)
	setDefault(&c.Linger, 2*time.Millisecond)
	setDefault(&c.QueueBytes, 128<<20)
	setDefault(&c.CheckpointEvery, 5*time.Second)
	setDefault(&c.DrainTimeout, 5*time.Second)
	for _, f := range []struct {
		name               string
		value, least, most int64
	}{
		{"BatchBytes", int64(c.BatchBytes), 1, recordBytes},
		{"BatchEvents", int64(c.BatchEvents), 1, event.MaxRows},
		{"Linger", int64(c.Linger), -1 << 62, int64(time.Second)},
		{"QueueBytes", c.QueueBytes, 1, 1 << 40},
		{"CacheBytes", c.CacheBytes, 0, 1 << 40},
		{"CheckpointEvery", int64(c.CheckpointEvery), int64(time.Millisecond), int64(time.Hour)},
		{"DrainTimeout", int64(c.DrainTimeout), int64(time.Millisecond), int64(time.Hour)},
	} {
		if f.value < f.least || f.value > f.most {
			faults = append(faults, fmt.Errorf("ingest: Config.%s is %d: give %d to %d", f.name, f.value, f.least, f.most))
		}
	}
	return c, errors.Join(faults...)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// noCheckpoints keeps nothing.
type noCheckpoints struct{}

func (noCheckpoints) LoadTail(string, int) ([]byte, error) { return nil, nil }
func (noCheckpoints) SaveTail(string, int, []byte) error   { return nil }
