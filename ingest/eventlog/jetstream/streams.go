package jetstream

// This file makes, changes and removes streams: one JetStream stream a partition.

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sketchlog/ingest/eventlog"
)

// remembered is how long JetStream knows the id of an append.
const remembered = 2 * time.Minute

func streamName(stream string, number int) string {
	return "sketchlog_" + stream + "_" + strconv.Itoa(number)
}

func subjectOf(stream string, number int) string {
	return "sketchlog." + stream + "." + strconv.Itoa(number)
}

// numberOf is the inverse of streamName for the partitions of one stream.
func numberOf(stream, name string) (int, bool) {
	digits, ok := strings.CutPrefix(name, "sketchlog_"+stream+"_")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n >= 0 && strconv.Itoa(n) == digits
}

func configOf(stream string, number int, s eventlog.Settings) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:        streamName(stream, number),
		Subjects:    []string{subjectOf(stream, number)},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		Replicas:    max(1, s.Replicas),
		MaxAge:      s.Retention.Age,
		MaxBytes:    -1,
		MaxMsgs:     -1,
		MaxMsgSize:  -1,
		Duplicates:  remembered,
		AllowDirect: true, // reading is by direct gets
		// Batches are compact already; compressing the store again made
		// recovery twelve times slower.
		Compression: jetstream.NoCompression,
	}
	if s.Retention.Refuse {
		c.Discard = jetstream.DiscardNew
	}
	if s.Retention.Bytes > 0 {
		c.MaxBytes = max(1, s.Retention.Bytes/int64(s.Partitions))
	}
	if c.MaxAge > 0 {
		c.MaxAge = max(c.MaxAge, 100*time.Millisecond) // the least that JetStream takes
		c.Duplicates = min(c.Duplicates, c.MaxAge)
	}
	return c
}

// Ensure creates the partitions that are missing and adapts the others.
func (l *Log) Ensure(ctx context.Context, stream string, s eventlog.Settings) error {
	if err := s.Check(stream); err != nil {
		return err
	}
	for n := range s.Partitions {
		if err := l.ensure(ctx, configOf(stream, n, s)); err != nil {
			return fmt.Errorf("ensure stream %s partition %d: %w", stream, n, err)
		}
	}
	return nil
}

func (l *Log) ensure(ctx context.Context, want jetstream.StreamConfig) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	st, err := l.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if err := l.room(); err != nil {
			return err
		}
		_, err = l.js.CreateStream(ctx, want)
		return l.translate(err)
	}
	if err != nil {
		return l.translate(err)
	}
	if has := st.CachedInfo().Config; same(has, want) {
		return nil // an update, even of nothing, is written and synced
	}
	if err := l.room(); err != nil {
		return err
	}
	_, err = l.js.UpdateStream(ctx, want)
	return l.translate(err)
}

func same(a, b jetstream.StreamConfig) bool {
	return a.Replicas == b.Replicas && a.MaxAge == b.MaxAge && a.MaxBytes == b.MaxBytes && a.Discard == b.Discard &&
		a.Duplicates == b.Duplicates && a.AllowDirect == b.AllowDirect
}

// Delete removes all partitions of a stream.
func (l *Log) Delete(ctx context.Context, stream string) error {
	if !eventlog.ValidName(stream) {
		return fmt.Errorf("stream %q: %w", stream, eventlog.ErrUnknown)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	var found []string
	names := l.js.StreamNames(ctx, jetstream.WithStreamListSubject("sketchlog."+stream+".*"))
	for name := range names.Name() {
		if _, ok := numberOf(stream, name); ok {
			found = append(found, name)
		}
	}
	if err := names.Err(); err != nil {
		return fmt.Errorf("delete stream %s: %w", stream, l.translate(err))
	}
	if len(found) == 0 {
		return fmt.Errorf("stream %s: %w", stream, eventlog.ErrUnknown)
	}
	for _, name := range found {
		if err := l.js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("delete stream %s: %w", stream, l.translate(err))
		}
	}
	return nil
}

// Partition returns a partition that exists.
func (l *Log) Partition(ctx context.Context, stream string, number int) (eventlog.Partition, error) {
	st, err := l.find(ctx, stream, number)
	if err != nil {
		return nil, err
	}
	return &partition{log: l, stream: st, name: streamName(stream, number), subject: subjectOf(stream, number)}, nil
}

func (l *Log) find(ctx context.Context, stream string, number int) (jetstream.Stream, error) {
	if !eventlog.ValidName(stream) || number < 0 {
		return nil, fmt.Errorf("stream %q partition %d: %w", stream, number, eventlog.ErrUnknown)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	st, err := l.js.Stream(ctx, streamName(stream, number))
	if err != nil {
		return nil, fmt.Errorf("stream %s partition %d: %w", stream, number, l.translate(err))
	}
	return st, nil
}

// Leader names the server that leads a partition.
func (l *Log) Leader(ctx context.Context, stream string, number int) (string, error) {
	st, err := l.find(ctx, stream, number)
	if err != nil {
		return "", err
	}
	if c := st.CachedInfo().Cluster; c != nil {
		return c.Leader, nil
	}
	return l.nc.ConnectedServerName(), nil
}
