package view

// This file holds the state store: one Pebble database a node, shared by all
// views and partitions, and by the checkpoints of the log's tails.
//
// The log is the truth. Commits are therefore not synced: after a crash the
// database is a consistent earlier state, and a worker resumes at the offset
// that it holds. Pebble checksums its blocks and its journal, so values carry
// no checksum of their own.
//
//	key                                                            value
//	'f'                                                            format version, 1 byte
//	'g'                                                            next generation, 8 bytes
//	't' stream 0x00 partition(4)                                   a tail's checkpoint
//	'v' generation(8) partition(4) 'm'                             tallies and offset of a shard
//	'v' generation(8) partition(4) 'q'                             producers' numbers
//	'v' generation(8) partition(4) 'l'                             what the shard owes
//	'v' generation(8) partition(4) 's' start(8) width(8)           a span: its keys and bytes
//	'v' generation(8) partition(4) 'p' start(8) width(8) key       a pane
//	'v' generation(8) partition(4) 'w' entry(8) start(8) width(8) key   a provisional pane
//
// Numbers are big-endian; a start has its sign bit flipped, so that spans
// order by time. A generation is one view from its creation to its deletion: a
// view that is made again under the same name finds nothing of the one before.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// storeFormat is the version of everything in the store.
const storeFormat = 1

const (
	recordFormat     = 'f'
	recordGeneration = 'g'
	recordTail       = 't'
	recordView       = 'v'

	recordMeta      = 'm'
	recordProducers = 'q'
	recordLedger    = 'l'
	recordSpan      = 's'
	recordPane      = 'p'
	recordSample    = 'w'
)

// ErrStoreFormat is a store that another version of the program wrote.
var ErrStoreFormat = errors.New("view: state store has another format")

// Store keeps the state of views across restarts. It is safe for concurrent
// use, and implements eventlog.Checkpoints.
type Store struct {
	db   *pebble.DB
	disk *disk
	mu   sync.Mutex // guards the generation counter
}

// DefaultStoreMemory is what the database takes for itself unless it is told.
const DefaultStoreMemory = 64 << 20

// OpenStore is OpenStoreIn with DefaultStoreMemory.
func OpenStore(dir string) (*Store, error) { return OpenStoreIn(dir, DefaultStoreMemory) }

// OpenStoreIn opens the state store in a directory, and creates it if need be.
// The database takes about memory bytes for its cache and memtables, outside Go's
// heap where there is a C library. Close it after everything that uses it has stopped.
// It fails with ErrNoRoom on a disk that takes no writes.
func OpenStoreIn(dir string, memory int64) (*Store, error) {
	return openStoreOn(vfs.Default, dir, memory)
}

func openStoreOn(fs vfs.FS, dir string, memory int64) (*Store, error) {
	s := &Store{disk: newDisk(dir, slog.Default())}
	err := s.disk.do(func() (err error) {
		o := storeOptions(memory)
		o.FS = patientFS{fs, s.disk}
		if s.db, err = pebble.Open(dir, o); err != nil {
			return err
		}
		if err = s.checkFormat(dir); err != nil {
			return errors.Join(err, s.db.Close())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open state store %s: %w", dir, err)
	}
	return s, nil
}

// storeOptions are for millions of small panes, of which those that are not in
// memory are looked up one by one.
//
// Panes are cached as panes, above the database, so its block cache only has to
// hold filters and indexes: 10 bits and about 20 bits a pane. What a look-up brings
// into the cache must not push these out, hence small tables: the filter of one
// is 16 KiB or so, read and forgotten cheaply, where that of a table of 64 MiB is half
// a megabyte; and its index is a single block.
func storeOptions(memory int64) *pebble.Options {
	o := &pebble.Options{
		CacheSize:                   memory, // out of which the database reserves its memtables
		MemTableSize:                uint64(memory / 6),
		MemTableStopWritesThreshold: 2,
		FormatMajorVersion:          pebble.FormatNewest,
		Logger:                      storeLogger{},
	}
	o.Levels[0].FilterPolicy = bloom.FilterPolicy(10)
	o.Levels[0].IndexBlockSize = 256 << 10
	o.Levels[0].BlockSize = 2 << 10
	for i := range len(o.Levels) - 1 { // what is rewritten soon is not worth compressing
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	o.Levels[len(o.Levels)-1].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	o.L0CompactionThreshold = 8
	for i := range o.TargetFileSizes {
		o.TargetFileSizes[i] = storeTable
	}
	return o
}

// storeTable is about how large the database's tables are.
const storeTable = 4 << 20

func (s *Store) checkFormat(dir string) error {
	found, err := s.get([]byte{recordFormat})
	switch {
	case err != nil:
		return err
	case found == nil:
		return s.db.Set([]byte{recordFormat}, []byte{storeFormat}, pebble.Sync)
	case len(found) != 1 || found[0] != storeFormat:
		return fmt.Errorf("%w: %s holds version %d and this program reads version %d: run the program that wrote it, or move the directory away to have the views rebuilt from the log", ErrStoreFormat, dir, found[0], storeFormat)
	}
	return nil
}

// Close closes the database. On a disk that takes no writes it fails with ErrNoRoom
// and leaves the database open: it is as after a crash then.
func (s *Store) Close() error { return s.disk.do(s.db.Close) }

// set writes one record.
func (s *Store) set(key, value []byte, sync *pebble.WriteOptions) error {
	value = append([]byte{}, value...) // it is the caller's again before a write that waits for the disk
	return s.disk.do(func() error { return s.db.Set(key, value, sync) })
}

// get returns a copy of a value, nil when there is none.
func (s *Store) get(key []byte) ([]byte, error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := append([]byte{}, value...)
	return out, closer.Close()
}

func tailKey(stream string, partition int) []byte {
	key := append([]byte{recordTail}, stream...)
	return binary.BigEndian.AppendUint32(append(key, 0), uint32(partition))
}

// LoadTail implements eventlog.Checkpoints.
func (s *Store) LoadTail(stream string, partition int) ([]byte, error) {
	return s.get(tailKey(stream, partition))
}

// SaveTail implements eventlog.Checkpoints.
func (s *Store) SaveTail(stream string, partition int, b []byte) error {
	return s.set(tailKey(stream, partition), b, pebble.NoSync)
}

// nextGeneration returns a number that no view had before. It is on disk when
// this returns, so that not even a crash gives it to another view.
func (s *Store) nextGeneration() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := []byte{recordGeneration}
	found, err := s.get(key)
	if err != nil {
		return 0, fmt.Errorf("read view generation: %w", err)
	}
	next := uint64(1)
	if len(found) == 8 {
		next = binary.BigEndian.Uint64(found)
	}
	if err := s.set(key, binary.BigEndian.AppendUint64(nil, next+1), pebble.Sync); err != nil {
		return 0, fmt.Errorf("write view generation: %w", err)
	}
	return next, nil
}

// claim makes sure that a generation that another node gave is not given again.
func (s *Store) claim(generation uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := []byte{recordGeneration}
	found, err := s.get(key)
	if err != nil {
		return err
	}
	if len(found) == 8 && binary.BigEndian.Uint64(found) > generation || generation == math.MaxUint64 {
		return nil
	}
	return s.set(key, binary.BigEndian.AppendUint64(nil, generation+1), pebble.Sync)
}

func generationKey(generation uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{recordView}, generation)
}

// generations lists the views that the store holds anything of.
func (s *Store) generations() ([]uint64, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{recordView}, UpperBound: []byte{recordView + 1}})
	if err != nil {
		return nil, err
	}
	var out []uint64
	for valid := it.First(); valid; {
		if len(it.Key()) < 9 {
			return nil, errors.Join(fmt.Errorf("%w: key %x", errCorrupt, it.Key()), it.Close())
		}
		g := binary.BigEndian.Uint64(it.Key()[1:])
		out = append(out, g)
		if g == math.MaxUint64 {
			break
		}
		valid = it.SeekGE(generationKey(g + 1))
	}
	return out, errors.Join(it.Error(), it.Close())
}

// drop removes everything of a view.
func (s *Store) drop(generation uint64) error {
	from := generationKey(generation)
	if err := s.disk.do(func() error { return s.db.DeleteRange(from, after(from), pebble.NoSync) }); err != nil {
		return fmt.Errorf("remove state of view generation %d: %w", generation, err)
	}
	return nil
}

// after returns the least key that is greater than every key that begins with prefix.
func after(prefix []byte) []byte {
	end := append([]byte{}, prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// storeLogger drops what Pebble tells about its housekeeping and passes on
// what is wrong.
type storeLogger struct{}

func (storeLogger) Infof(string, ...any) {}

func (storeLogger) Errorf(format string, args ...any) {
	slog.Error("state store: " + fmt.Sprintf(format, args...))
}

// Fatalf is called when Pebble cannot go on, and must not return.
func (storeLogger) Fatalf(format string, args ...any) {
	panic("state store: " + fmt.Sprintf(format, args...))
}
