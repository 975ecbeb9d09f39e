package memlog

// This file keeps definitions in a map.

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"sketchlog/ingest/eventlog"
)

type catalog struct {
	mu     sync.Mutex
	values map[string][]byte // kind.name
	ended  error
}

var _ eventlog.Catalog = (*catalog)(nil)

func (c *catalog) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = err
}

func (c *catalog) enter(ctx context.Context, kind, name string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	return kind + "." + name, eventlog.CheckEntry(kind, name)
}

// Put stores a copy of value.
func (c *catalog) Put(ctx context.Context, kind, name string, value []byte) error {
	key, err := c.enter(ctx, kind, name)
	if err != nil {
		return err
	}
	if len(value) > eventlog.MaxDefinition {
		return fmt.Errorf("%s %s has %d bytes, at most %d: %w", kind, name, len(value), eventlog.MaxDefinition, eventlog.ErrTooLarge)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return c.ended
	}
	c.values[key] = append([]byte{}, value...)
	return nil
}

// Get returns a copy.
func (c *catalog) Get(ctx context.Context, kind, name string) ([]byte, error) {
	key, err := c.enter(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return nil, c.ended
	}
	v, ok := c.values[key]
	if !ok {
		return nil, fmt.Errorf("%s %s: %w", kind, name, eventlog.ErrUnknown)
	}
	return append([]byte{}, v...), nil
}

// Delete removes an entry.
func (c *catalog) Delete(ctx context.Context, kind, name string) error {
	key, err := c.enter(ctx, kind, name)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return c.ended
	}
	delete(c.values, key)
	return nil
}

// List returns copies of all entries of a kind, by name.
func (c *catalog) List(ctx context.Context, kind string) (map[string][]byte, error) {
	prefix, err := c.enter(ctx, kind, "x")
	if err != nil {
		return nil, err
	}
	prefix = strings.TrimSuffix(prefix, "x")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return nil, c.ended
	}
	all := map[string][]byte{}
	for key, v := range c.values {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			all[name] = append([]byte{}, v...)
		}
	}
	return all, nil
}
