package view

// This file holds the views of a node: which there are, and their workers.
//
//	Open ── reads the catalog, loads every shard's last commit
//	Run  ── a worker a shard, until its context ends
//	Put, Delete, StreamChanged ── one at a time; they start and stop workers
//	                              while Run runs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/turns"
	"sketchlog/shedding"
)

// Streams is what views need to know of streams.
type Streams interface {
	// Tails returns the tails of a stream, by partition.
	Tails(stream string) ([]*eventlog.Tail, error)
	// Lateness returns how far behind the greatest event time an event may be
	// without being late.
	Lateness(stream string) (time.Duration, error)
	// Rejects tells whether a stream refuses events when views fall behind, so that
	// they need not and do not shed.
	Rejects(stream string) (bool, error)
}

// Config is what Views are made of.
type Config struct {
	Store   *Store           // where state is kept; closed by its owner after Run has returned
	Streams Streams          // what is read
	Catalog eventlog.Catalog // where definitions are kept

	// Clock measures how long commits take; nil: time.Now. It reaches no state.
	Clock func() time.Time
	// CommitEvery is how much work a worker does between commits, which is about what it
	// does again after a crash; 0: 1.5 s. Changes never wait longer than five times that.
	CommitEvery time.Duration
	// MemoryBytes is what the panes of all views may hold in memory, provisional
	// and hidden ones included; 0: a quarter of what the machine or its control
	// group has. Panes that were changed since the last commit cannot be dropped;
	// commits are made early when they take much of it, and when that does not
	// help, views shed.
	MemoryBytes int64
	// Processors is how many of the machine's the process may use; 0: as many as the
	// runtime schedules on.
	Processors int
	// Turns is in whose line workers wait; nil: one with a turn for each processor that
	// the runtime schedules on.
	Turns *turns.Queue
	// Control is how views shed; its Fresh is not used, for each view has its own.
	Control shedding.Config
	// Limits bound what a view owes in a partition.
	Limits shedding.Limits
	Logger *slog.Logger // nil: silent

	// Override changes a controller's decisions, so that tests can force a rate;
	// nil: they stand.
	Override func(s *Shard, d shedding.Decision) shedding.Decision

	slice int // bytes that a commit encodes at a time, for tests; 0: a default
}

// Validate names every fault at once.
func (c *Config) Validate() error {
	var faults []error
	if c.Store == nil || c.Streams == nil || c.Catalog == nil {
		faults = append(faults, errors.New("view: Store, Streams and Catalog are needed"))
	}
	if c.CommitEvery < 0 || c.MemoryBytes < 0 || c.Processors < 0 {
		faults = append(faults, errors.New("view: CommitEvery, MemoryBytes and Processors must not be negative"))
	}
	faults = append(faults, c.Control.Validate(), c.Limits.Validate())
	return errors.Join(faults...)
}

// defaultCut is how many events an entry of a ledger has at most: paying for one
// takes less than a second, and folding what it brought a few hundredths, for
// which queries wait.
const defaultCut = 1 << 18

const (
	defaultCommitEvery = 1500 * time.Millisecond
	defaultPeriod      = 100 * time.Millisecond // of control
)

// Views are the views of a node. They are safe for concurrent use.
type Views struct {
	store       *Store
	streams     Streams
	catalog     eventlog.Catalog
	clock       func() time.Time
	commitEvery time.Duration
	memory      int64
	control     shedding.Config
	limits      shedding.Limits
	override    func(s *Shard, d shedding.Decision) shedding.Decision
	logger      *slog.Logger

	began      time.Time
	progress   *progress
	strains    strains
	processors *processors
	turns      *turns.Queue
	held       atomic.Int64 // bytes of all panes in memory, provisional and hidden ones included
	dirty      parts        // those of panes that are not committed
	hidden     parts        // those of hidden ones
	relieving  sync.Mutex

	committing sync.Mutex    // held by the shard that commits while it runs
	slice      int           // bytes that a commit encodes at a time; 0: a default
	folding    chan struct{} // holds an element for each shard that folds, up to its capacity

	changing sync.Mutex // one change of views at a time; taken before mu

	mu      sync.RWMutex
	views   map[string]*View
	running context.Context // nil: Run has not begun
	ended   bool            // Run's context has ended
	workers sync.WaitGroup
	faults  []error // of workers that ended
}

// catalogKind is the kind of the catalog's entries of views.
const catalogKind = "view"

// entry is a view in the catalog. Where its shards begin stands beside the
// definition, so that not even a crash right after the creation moves it.
type entry struct {
	Generation uint64     `json:"generation"`
	Definition Definition `json:"-"`
	Starts     []Start    `json:"starts"`
}

type storedEntry struct {
	entry
	Text json.RawMessage `json:"definition"`
}

func (e *entry) marshal() ([]byte, error) {
	text, err := json.Marshal(&e.Definition)
	if err != nil {
		return nil, err
	}
	return json.Marshal(storedEntry{entry: *e, Text: text})
}

func unmarshalEntry(b []byte) (*entry, error) {
	var stored storedEntry
	if err := json.Unmarshal(b, &stored); err != nil {
		return nil, err
	}
	d, err := ParseDefinition(stored.Text)
	stored.entry.Definition = d
	return &stored.entry, err
}

// Open reads the views from the catalog and brings each to its last commit.
// State of views that are not in the catalog any more is removed.
func Open(ctx context.Context, c Config) (*Views, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	v := &Views{
		store: c.Store, streams: c.Streams, catalog: c.Catalog, clock: c.Clock,
		commitEvery: c.CommitEvery, memory: c.MemoryBytes, logger: c.Logger,
		control: c.Control, limits: c.Limits, override: c.Override, slice: c.slice,
		progress: newProgress(), processors: newProcessors(c.Processors), turns: cmp.Or(c.Turns, turns.New(runtime.GOMAXPROCS(0))), views: map[string]*View{},
		folding: make(chan struct{}, cmp.Or(c.Processors, runtime.GOMAXPROCS(0))),
	}
	if v.clock == nil {
		v.clock = time.Now
	}
	v.began = v.clock()
	if v.commitEvery == 0 {
		v.commitEvery = defaultCommitEvery
	}
	if v.memory == 0 {
		v.memory = DefaultMemory()
	}
	v.control.Period = cmp.Or(v.control.Period, defaultPeriod)
	v.strains.period = v.control.Period
	v.limits.Cut = cmp.Or(v.limits.Cut, defaultCut)
	if v.logger == nil {
		v.logger = slog.New(slog.DiscardHandler)
	}
	entries, err := v.catalog.List(ctx, catalogKind)
	if err != nil {
		return nil, fmt.Errorf("list views: %w", err)
	}
	living := map[uint64]bool{}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		e, err := unmarshalEntry(entries[name])
		if err != nil {
			return nil, fmt.Errorf("read the catalog's view %s: %w", name, err)
		}
		living[e.Generation] = true
		if err := v.recover(ctx, name, e); err != nil {
			return nil, err
		}
	}
	return v, v.sweepStore(living)
}

// recover brings back one view.
func (v *Views) recover(ctx context.Context, name string, e *entry) error {
	if err := v.store.claim(e.Generation); err != nil {
		return fmt.Errorf("view %s: %w", name, err)
	}
	view, err := newView(v, name, e)
	if err != nil {
		return fmt.Errorf("view %s: %w", name, err)
	}
	v.views[name] = view
	tails, err := v.streams.Tails(e.Definition.Stream)
	if err != nil {
		v.logger.Error("a view has no stream", "view", name, "stream", e.Definition.Stream, "error", err)
		return nil
	}
	return v.extend(ctx, view, tails, e.Starts)
}

// extend gives a view the shards that it lacks. A partition that has no start
// was made after the view: the view reads all of it.
func (v *Views) extend(ctx context.Context, view *View, tails []*eventlog.Tail, starts []Start) error {
	shards := slices.Clone(view.Partitions())
	for i := len(shards); i < len(tails); i++ {
		var begin Start
		if i < len(starts) {
			begin = starts[i]
		}
		s := newShard(view, i, tails[i], begin)
		found, err := s.load()
		if err == nil && !found && begin.Past > 0 {
			// The view is known and its state is not, as when the store was lost:
			// it owes everything, and is live at once.
			err = s.establish(ctx)
		}
		if err != nil {
			return err
		}
		shards = append(shards, s)
	}
	before := len(view.Partitions())
	view.shards.Store(&shards)
	for _, s := range shards[before:] {
		v.start(s)
	}
	return nil
}

// sweepStore removes the state of views that were deleted while a crash kept
// it from being removed.
func (v *Views) sweepStore(living map[uint64]bool) error {
	generations, err := v.store.generations()
	if err != nil {
		return err
	}
	for _, g := range generations {
		if !living[g] {
			if err := v.store.drop(g); err != nil {
				return err
			}
		}
	}
	return nil
}

// Run runs the workers until ctx ends, and returns when all have committed and
// ended. It is called once.
func (v *Views) Run(ctx context.Context) error {
	v.changing.Lock()
	v.mu.Lock()
	v.running = ctx
	v.mu.Unlock()
	for _, view := range v.List() {
		for _, s := range view.Partitions() {
			v.start(s)
		}
	}
	v.changing.Unlock()

	<-ctx.Done()
	v.mu.Lock()
	v.ended = true
	v.mu.Unlock()
	v.workers.Wait()
	v.progress.tell()
	v.mu.RLock()
	defer v.mu.RUnlock()
	return errors.Join(v.faults...)
}

// start gives a shard its worker, if Run runs. Its end is worker.stop, or the
// end of Run's context.
func (v *Views) start(s *Shard) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.running == nil || v.ended || s.worker != nil {
		return
	}
	ctx, cancel := context.WithCancel(v.running)
	w := &worker{cancel: cancel, done: make(chan struct{})}
	s.worker = w
	v.workers.Add(1)
	go func() {
		defer v.workers.Done()
		defer close(w.done)
		defer cancel()
		if err := s.run(ctx); err != nil {
			v.mu.Lock()
			v.faults = append(v.faults, err)
			v.mu.Unlock()
		}
	}()
}

func (v *Views) stopped() bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.ended
}

// Get returns a view, or ErrUnknownView.
func (v *Views) Get(name string) (*View, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if view := v.views[name]; view != nil {
		return view, nil
	}
	return nil, fmt.Errorf("%w: %.100q", ErrUnknownView, name)
}

// List returns the views in the order of their names.
func (v *Views) List() []*View {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return slices.SortedFunc(maps.Values(v.views), func(a, b *View) int { return strings.Compare(a.name, b.name) })
}

// Reads returns the names of the views of a stream, in order.
func (v *Views) Reads(stream string) []string {
	var names []string
	for _, view := range v.List() {
		if view.Definition().Stream == stream {
			names = append(names, view.name)
		}
	}
	return names
}

// Held returns how many bytes the panes of all views hold in memory, about.
func (v *Views) Held() int64 { return v.held.Load() }

// Stalled returns nil while views can commit, else ErrNoRoom with the reason. Views go on
// meanwhile: what they apply is not lost but applied again after a restart.
func (v *Views) Stalled() error { return v.store.disk.fault() }
