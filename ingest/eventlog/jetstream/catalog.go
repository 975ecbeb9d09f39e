package jetstream

// This file keeps definitions in a key-value bucket of JetStream.

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"sketchlog/ingest/eventlog"
)

const bucket = "sketchlog_catalog"

type catalog struct {
	log *Log
	kv  jetstream.KeyValue
}

var _ eventlog.Catalog = (*catalog)(nil)

// openCatalog opens the bucket, or makes one. An existing bucket is left as it
// is: its replicas are the operator's to set.
func openCatalog(ctx context.Context, l *Log) (catalog, error) {
	js := l.js
	kv, err := js.KeyValue(ctx, bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: bucket, Description: "definitions of sketchlog", History: 1, Storage: jetstream.FileStorage,
		})
		if errors.Is(err, jetstream.ErrBucketExists) { // another node was quicker
			kv, err = js.KeyValue(ctx, bucket)
		}
	}
	return catalog{log: l, kv: kv}, l.translate(err)
}

// change makes a change, unless the disk has no room for it.
func (c *catalog) change(doing, kind, name string, change func() error) error {
	if err := c.log.room(); err != nil {
		return c.fault(doing, kind, name, err)
	}
	err := change()
	if err == nil {
		return nil
	}
	if broken := c.log.suspect("KV_" + bucket); broken != nil {
		err = fmt.Errorf("%v: %w", broken, eventlog.ErrUnavailable)
	}
	return c.fault(doing, kind, name, err)
}

func (c *catalog) fault(doing, kind, name string, err error) error {
	return fmt.Errorf("%s %s %s: %w", doing, kind, name, c.log.translate(err))
}

// Put stores a definition; it is on disk when Put returns.
func (c *catalog) Put(ctx context.Context, kind, name string, value []byte) error {
	if err := eventlog.CheckEntry(kind, name); err != nil {
		return err
	}
	if len(value) > eventlog.MaxDefinition {
		return fmt.Errorf("%s %s has %d bytes, at most %d: %w", kind, name, len(value), eventlog.MaxDefinition, eventlog.ErrTooLarge)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	return c.change("store", kind, name, func() error {
		_, err := c.kv.Put(ctx, kind+"."+name, value)
		return err
	})
}

// Get returns a definition, or ErrUnknown.
func (c *catalog) Get(ctx context.Context, kind, name string) ([]byte, error) {
	if err := eventlog.CheckEntry(kind, name); err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	e, err := c.kv.Get(ctx, kind+"."+name)
	if err != nil {
		return nil, c.fault("read", kind, name, err)
	}
	return e.Value(), nil
}

// Delete removes a definition with its history.
func (c *catalog) Delete(ctx context.Context, kind, name string) error {
	if err := eventlog.CheckEntry(kind, name); err != nil {
		return err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	return c.change("delete", kind, name, func() error { return c.kv.Purge(ctx, kind+"."+name) })
}

// List returns all definitions of a kind, by name.
func (c *catalog) List(ctx context.Context, kind string) (map[string][]byte, error) {
	if err := eventlog.CheckEntry(kind, "x"); err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	w, err := c.kv.Watch(ctx, kind+".*", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, c.fault("list", kind, "", err)
	}
	all := map[string][]byte{}
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return nil, fmt.Errorf("list %s: the watch ended early: %w", kind, eventlog.ErrUnavailable)
			}
			if e == nil { // all of what was there has come
				return all, w.Stop()
			}
			all[e.Key()[len(kind)+1:]] = e.Value()
		case <-ctx.Done():
			return nil, errors.Join(c.fault("list", kind, "", ctx.Err()), w.Stop())
		}
	}
}
