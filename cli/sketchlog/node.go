package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"sketchlog/ingest"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/eventlog/jetstream"
	"sketchlog/ingest/turns"
	"sketchlog/ingest/view"
	"sketchlog/query"
	"sketchlog/server"
)

// nodeConfig is what a server needs to know.
type nodeConfig struct {
	settings
	logger *slog.Logger
}

// A node is one server's components, in the order in which they are opened:
//
//	HTTP  ──►  server ──────────► query ──► panes
//	             │                            ▲
//	             ▼                            │
//	          streams ──► tails ──────────► views ──► store (Pebble)
//	             │          │                           ▲
//	             ▼          ▼                           │
//	          log (JetStream)      tails' checkpoints ──┘
//
// They stop in the opposite direction of the data: the server first, so that
// nothing new comes in; then the streams, which append what they accepted; then
// the views, which commit what they applied; last the store and the log.
type node struct {
	log     *jetstream.Log
	store   *view.Store
	streams *ingest.Streams
	views   *view.Views
	server  *server.Server

	profiles *profiles // nil: none are asked for
}

// openNode recovers everything before it returns: what a node answers after
// that is complete up to the end of its log.
func openNode(ctx context.Context, c nodeConfig) (n *node, err error) {
	n = &node{}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	total := view.TotalMemory() / 2
	if c.Memory != "" {
		if total, err = parseMemory(c.Memory, view.TotalMemory()); err != nil {
			return n, err
		}
	}
	memory := planMemory(total)
	memory.limitHeap()
	url := c.NATS
	if url == "embedded" {
		url = ""
	}
	if n.log, err = jetstream.Open(ctx, jetstream.Config{Dir: c.Data, URL: url, Logger: c.logger}); err != nil {
		return n, fmt.Errorf("opening the log: %w", err)
	}
	if n.store, err = view.OpenStoreIn(filepath.Join(c.Data, "state"), memory.store); err != nil {
		return n, fmt.Errorf("opening the state: %w", err)
	}
	turns.Prompt()
	line := turns.New(cores())
	if n.streams, err = ingest.Open(ctx, ingest.Config{
		Log: n.log, Checkpoints: n.store, Clock: time.Now, Logger: c.logger, QueueBytes: memory.queue, Caches: eventlog.NewCacheBudget(memory.tails), Turns: line}); err != nil {
		return n, fmt.Errorf("opening the streams: %w", err)
	}
	if n.views, err = view.Open(ctx, view.Config{Store: n.store, Streams: n.streams, Catalog: n.log.Catalog(), Clock: time.Now, MemoryBytes: memory.panes, Processors: cores(), Turns: line, Logger: c.logger}); err != nil {
		return n, fmt.Errorf("opening the views: %w", err)
	}
	n.streams.OnChange(n.views.StreamChanged)
	n.streams.WatchBacklog(func(stream string) ingest.Behind {
		age, bytes := n.views.Behind(stream)
		return ingest.Behind{Age: age, Bytes: bytes}
	})
	queries, err := query.New(query.Config{Views: n.views, CacheBytes: int(memory.cache)})
	if err != nil {
		return n, err
	}
	if c.Pprof != "" {
		if n.profiles, err = openProfiles(c.Pprof, c.logger); err != nil {
			return n, err
		}
	}
	n.server, err = server.New(server.Config{Listen: c.Listen, Streams: n.streams, Views: n.views, Queries: queries, Log: n.log, Turns: line, Limits: memory.limits(), Logger: c.logger})
	return n, err
}

// close releases what was opened and does not run.
func (n *node) close() error {
	var errs []error
	if n.profiles != nil {
		errs = append(errs, n.profiles.close())
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if n.log != nil {
		errs = append(errs, n.log.Close())
	}
	return errors.Join(errs...)
}

// stage is a component that runs until its context ends.
type stage struct {
	name string
	run  func(context.Context) error
}

// runNode opens a node, tells its address once it answers, and runs it until
// ctx ends or a component fails.
func runNode(ctx context.Context, c nodeConfig, ready func(address string)) error {
	n, err := openNode(ctx, c)
	if err != nil {
		return err
	}
	stages := []stage{{"views", n.views.Run}, {"streams", n.streams.Run}, {"server", n.server.Run}}
	if n.profiles != nil {
		stages = append([]stage{{"profiles", n.profiles.Run}}, stages...)
	}
	err = runStages(ctx, stages, func() { ready(n.server.Addr()) })
	return errors.Join(err, n.close())
}

// runStages starts stages in order and stops them in the opposite order, each
// before the next, when ctx ends or one of them does.
func runStages(ctx context.Context, stages []stage, started func()) error {
	type running struct {
		stop context.CancelFunc
		done chan error
	}
	ended := make(chan struct{}, len(stages))
	runs := make([]running, len(stages))
	for i, s := range stages {
		own, stop := context.WithCancel(context.WithoutCancel(ctx))
		runs[i] = running{stop: stop, done: make(chan error, 1)}
		go func() { // awaited below
			runs[i].done <- s.run(own)
			ended <- struct{}{}
		}()
	}
	started()
	select {
	case <-ctx.Done():
	case <-ended:
	}
	var errs []error
	for i := len(stages) - 1; i >= 0; i-- {
		runs[i].stop()
		if err := <-runs[i].done; err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, fmt.Errorf("%s: %w", stages[i].name, err))
		}
	}
	return errors.Join(errs...)
}
