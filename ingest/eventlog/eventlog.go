package eventlog

// This file is the contract of a log: its interfaces, the values that they
// pass and the errors that callers branch on.

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

var (
	// ErrFull means that the record was refused, and not stored, because the
	// partition or the disk under it has no room for it.
	ErrFull = errors.New("the log is full")
	// ErrUnknown means that there is no such stream, partition or catalog entry.
	ErrUnknown = errors.New("not in the log")
	// ErrTooLarge means that the record is larger than the log takes; it was not stored.
	ErrTooLarge = errors.New("record too large for the log")
	// ErrClosed means that the log, the tail or the reader has been closed.
	ErrClosed = errors.New("the log is closed")
	// ErrUnavailable means that the log did not answer in time. Whether a
	// record that was being appended is stored is unknown.
	ErrUnavailable = errors.New("the log is not available")
)

// Record is one record of a partition.
type Record struct {
	Offset uint64 // from 1, consecutive
	Time   int64  // arrival in the log, Unix milliseconds
	Data   []byte // the reader's to keep, not to change
}

// Bounds says which records a partition holds. It is empty when First is Last+1.
type Bounds struct {
	First uint64 // least offset that is retained
	Last  uint64 // greatest offset ever given
	Bytes uint64 // bytes held, as the log counts them
}

// Gap reports the records First to Last, inclusive, which the log should hold
// and cannot give back. It is an error (as *Gap) so that no reader takes a
// damaged log for a complete one.
type Gap struct{ First, Last uint64 }

// Error says which offsets are missing.
func (g *Gap) Error() string {
	if g.First == g.Last {
		return fmt.Sprintf("the log has lost record %d", g.First)
	}
	return fmt.Sprintf("the log has lost records %d to %d", g.First, g.Last)
}

// Retention says how long a stream keeps its records; zero is for ever.
type Retention struct {
	Age    time.Duration // since arrival
	Bytes  int64         // of the whole stream, split evenly over its partitions
	Refuse bool          // at Bytes, refuse new records with ErrFull instead of dropping the oldest
}

// Settings are the properties of a stream that the log must know.
type Settings struct {
	Partitions int // at least 1; may grow, never shrinks
	Replicas   int // copies of every record; 0 is 1
	Retention  Retention
}

// Acks says what an append waits for.
type Acks int

// A log may do more than is asked, never less.
const (
	AcksNone   Acks = iota // nobody waits for the outcome: the record may be lost without a word
	AcksLeader             // the partition's leader has it
	AcksAll                // a quorum has it, synced to disk
)

// Partition is one ordered log of records. All methods may be called concurrently.
type Partition interface {
	// Append adds a record and returns its offset. Appending the same id again
	// within two minutes adds nothing and returns the first one's offset. The
	// record is the caller's again when Append returns. Errors: ErrFull,
	// ErrTooLarge, ErrUnknown and ErrClosed say that nothing was stored; after
	// ErrUnavailable and the context's errors the outcome is unknown.
	Append(ctx context.Context, id string, record []byte, acks Acks) (offset uint64, err error)

	// Read yields the records first to last, inclusive, in order; last 0 means
	// up to the end as it stands now. It starts at the first record that is
	// retained. A *Gap is yielded as an error, in its place, and reading goes
	// on after it; any other error ends it.
	Read(ctx context.Context, first, last uint64) iter.Seq2[Record, error]

	// Seek returns the offset of the first record that arrived at or after
	// time (Unix milliseconds), or Bounds.Last+1 when none did.
	Seek(ctx context.Context, time int64) (offset uint64, err error)

	// Bounds says what the partition holds at this moment.
	Bounds(ctx context.Context) (Bounds, error)

	// Trim removes the records below the offset given. Offsets go on as before.
	Trim(ctx context.Context, below uint64) error
}

// Log holds the partitions of all streams. All methods may be called concurrently.
type Log interface {
	// Ensure creates a stream or adapts it: partitions that are missing are
	// made, replicas and retention changed, records kept. It never removes a
	// partition.
	Ensure(ctx context.Context, stream string, s Settings) error

	// Delete removes a stream with all its records, or returns ErrUnknown.
	Delete(ctx context.Context, stream string) error

	// Partition returns a partition, numbered from 0, or ErrUnknown.
	Partition(ctx context.Context, stream string, number int) (Partition, error)

	// Catalog is where definitions are kept beside the log.
	Catalog() Catalog

	// Ready returns nil while the log answers, else why it does not.
	Ready(ctx context.Context) error

	// Leader names the server that leads a partition, or ErrUnknown.
	Leader(ctx context.Context, stream string, number int) (string, error)

	// Close releases the log; records stay.
	Close() error
}

// Catalog keeps definitions durably beside the log, by kind and name. Both
// match [A-Za-z0-9_-]{1,64}; values are at most 1 MiB.
type Catalog interface {
	Put(ctx context.Context, kind, name string, value []byte) error
	Get(ctx context.Context, kind, name string) ([]byte, error) // ErrUnknown
	Delete(ctx context.Context, kind, name string) error        // of nothing is no error
	List(ctx context.Context, kind string) (map[string][]byte, error)
}

// MaxDefinition is the largest value that a catalog takes, in bytes.
const MaxDefinition = 1 << 20

// ValidName says whether name can name a stream, or a kind or name in a catalog.
func ValidName(name string) bool {
	if len(name) == 0 || len(name) > 64 {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// CheckEntry says what is wrong with the kind and name of a catalog entry.
func CheckEntry(kind, name string) error {
	if !ValidName(kind) || !ValidName(name) {
		return fmt.Errorf("catalog entry %q %q: kinds and names are 1 to 64 of A-Z, a-z, 0-9, _ and -", kind, name)
	}
	return nil
}

// Check says what is wrong with the settings of a stream of that name, all at once.
func (s Settings) Check(stream string) error {
	var faults []error
	if !ValidName(stream) {
		faults = append(faults, fmt.Errorf("stream name %q: names are 1 to 64 of A-Z, a-z, 0-9, _ and -", stream))
	}
	if s.Partitions < 1 {
		faults = append(faults, fmt.Errorf("partitions is %d: it must be at least 1", s.Partitions))
	}
	if s.Replicas < 0 {
		faults = append(faults, fmt.Errorf("replicas is %d: it must be at least 1", s.Replicas))
	}
	if s.Retention.Age < 0 || s.Retention.Bytes < 0 {
		faults = append(faults, errors.New("retention is negative: 0 keeps records for ever"))
	}
	return errors.Join(faults...)
}
