package view

// This file tests what is on disk.

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"sketchlog/shedding"
	"sketchlog/sketches"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func TestStoreFormat(t *testing.T) {
	dir := t.TempDir()
	store, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.db.Set([]byte{recordFormat}, []byte{storeFormat + 1}, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(dir); !errors.Is(err, ErrStoreFormat) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a newer store: %v", err)
	}
}

func TestTailCheckpoints(t *testing.T) {
	store, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if b, err := store.LoadTail("s", 1); b != nil || err != nil {
		t.Errorf("before any: %q, %v", b, err)
	}
	b := []byte("one")
	for partition, text := range []string{"zero", "one"} {
		if err := store.SaveTail("s", partition, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	copy(b, "xxx")
	if b, err := store.LoadTail("s", 1); string(b) != "one" || err != nil {
		t.Errorf("loaded %q, %v", b, err)
	}
	if b, err := store.LoadTail("s2", 1); b != nil || err != nil {
		t.Errorf("of another stream: %q, %v", b, err)
	}
	if g, err := store.generations(); len(g) != 0 || err != nil {
		t.Errorf("generations %v, %v", g, err)
	}
}

func TestGenerations(t *testing.T) {
	dir := t.TempDir()
	var got []uint64
	for range 2 {
		store, err := OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			g, err := store.nextGeneration()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, g)
		}
		if err := errors.Join(store.claim(1), store.claim(10), store.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []uint64{1, 2, 11, 12}) {
		t.Errorf("generations %v", got)
	}
}

// Keys order as spans and keys do, so that a scan visits panes by time.
func TestKeyOrder(t *testing.T) {
	r := newRecords(nil, 7, 3)
	var before []byte
	for _, id := range []spanID{{math.MinInt64, 0}, {-120_000, 60_000}, {-60_000, 60_000}, {0, 60_000}, {0, 3_600_000}, {60_000, 60_000}, {math.MaxInt64, 1}} {
		for _, key := range [][]byte{nil, {1}, {1, 0}, {1, 255}, {2}} {
			at := r.paneKey(nil, id, key)
			if bytes.Compare(before, at) >= 0 {
				t.Errorf("%v %v does not come after what is before it", id, key)
			}
			gotID, gotKey, err := r.spanOf(at)
			if gotID != id || !bytes.Equal(gotKey, key) || err != nil {
				t.Errorf("read %v %v, %v", gotID, gotKey, err)
			}
			before = at
		}
	}
	if _, _, err := r.spanOf([]byte("short")); !errors.Is(err, errCorrupt) {
		t.Errorf("a short key: %v", err)
	}
	for _, c := range []struct{ prefix, after []byte }{{[]byte{1}, []byte{2}}, {[]byte{1, 255}, []byte{2}}, {[]byte{255}, nil}} {
		if got := after(c.prefix); !bytes.Equal(got, c.after) {
			t.Errorf("after %v comes %v", c.prefix, got)
		}
	}
}

// The bytes of records are part of the store's format.
func TestRecordFormats(t *testing.T) {
	tl := tally{offset: 300, read: 70_000, applied: 60_000, lost: 2, late: 1, expired: 129, repeated: 5, any: true, greatest: -1_700_000_000_000}
	sp := span{keys: 1000, size: 1 << 20, overflow: true}
	r := newRecords(nil, 258, 3)
	got := fmt.Sprintf("tally %x\nspan  %x\nkey   %x\ntail  %x\n",
		tl.appendBinary(nil), sp.appendBinary(nil), r.paneKey(nil, spanID{start: 60_000, width: 60_000}, key("a", 1)), tailKey("s", 2))
	golden := filepath.Join("testdata", "records.txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the format has changed; if it may, raise storeFormat and run with -update:\n%s\nwas\n%s", got, want)
	}
	var tl2 tally
	if err := tl2.decode(tl.appendBinary(nil)); err != nil || tl2 != tl {
		t.Errorf("read %+v, %v", tl2, err)
	}
	var sp2 span
	if err := sp2.decode(sp.appendBinary(nil)); err != nil || sp2.keys != sp.keys || sp2.size != sp.size || !sp2.overflow {
		t.Errorf("read %+v, %v", &sp2, err)
	}
}

func FuzzDecodeRecords(f *testing.F) {
	tl := tally{offset: 300, any: true, greatest: 5}
	sp := span{keys: 3, size: 9}
	f.Add(tl.appendBinary(nil))
	f.Add(sp.appendBinary(nil))
	f.Add([]byte{})
	bad, _ := hex.DecodeString("01ffffffffffffffffffff01")
	f.Add(bad)
	f.Fuzz(func(t *testing.T, b []byte) {
		var tl tally
		if err := tl.decode(b); err == nil {
			var again tally
			if err := again.decode(tl.appendBinary(nil)); err != nil || again != tl {
				t.Errorf("%x was read as %+v and then as %+v, %v", b, tl, again, err)
			}
		} else if !errors.Is(err, errCorrupt) {
			t.Errorf("error %v", err)
		}
		var sp span
		if err := sp.decode(b); err == nil {
			var again span
			if err := again.decode(sp.appendBinary(nil)); err != nil || again.keys != sp.keys || again.size != sp.size || again.overflow != sp.overflow {
				t.Errorf("%x was read as %+v and then as %+v, %v", b, &sp, &again, err)
			}
		} else if !errors.Is(err, errCorrupt) {
			t.Errorf("error %v", err)
		}
	})
}

// A record that is damaged is an error that names it, not an empty view.
func TestCorruptRecords(t *testing.T) {
	n, v := single(t, `{"stream": "s", "by": ["k"], "pane": "1m"}`)
	n.streams.append("s", 0, at("a", 1, 2, 3))
	n.settle("s")
	n.stop()
	records := v.Partitions()[0].records
	for _, c := range []struct {
		what string
		key  []byte
	}{
		{"tallies", append(slices.Clone(records.prefix), recordMeta)},
		{"span", records.spanKey(nil, recordSpan, spanID{60_000, 60_000})},
	} {
		dir := filepath.Join(t.TempDir(), "copy")
		store, err := OpenStore(n.dir())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(store.db.Checkpoint(dir), store.Close()); err != nil {
			t.Fatal(err)
		}
		if store, err = OpenStore(dir); err != nil {
			t.Fatal(err)
		}
		if err := store.db.Set(c.key, []byte{99, 1}, pebble.Sync); err != nil {
			t.Fatal(err)
		}
		_, err = Open(context.Background(), Config{Store: store, Streams: n.streams, Catalog: n.streams.log.Catalog()})
		if !errors.Is(err, errCorrupt) || !strings.Contains(err.Error(), c.what) || !strings.Contains(err.Error(), "view v partition 0") {
			t.Errorf("damaged %s: %v", c.what, err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Panes that are not in memory are found by queries and by events alike, and
// what was used least goes first.
func TestEviction(t *testing.T) {
	n, v := single(t, `{"stream": "s", "by": ["k"], "pane": "1m", "sketches": {"d": {"kind": "hll", "of": "k"}}}`)
	var events []testEvent
	for m := range 3 {
		for k := range 100 {
			events = append(events, at(fmt.Sprintf("k%02d", k), float64(m))...)
		}
	}
	n.streams.append("s", 0, events)
	n.settle("s")
	want := raw(t, v)
	n.stop()
	n = start(t, n.dir(), n.streams, nil)
	v = n.view("v")
	if held := n.views.Held(); held != 0 {
		t.Errorf("%d bytes are in memory before anything was asked for", held)
	}
	s := v.Partitions()[0]
	compareMaps(t, raw(t, v), want) // all from the store
	n.streams.append("s", 0, at("k07", 1))
	n.settle("s")
	one := n.views.Held()
	if p := s.Position(); one == 0 || p.Panes != 300 || p.Bytes < 50*one || p.Keys != 100 {
		t.Errorf("%d bytes in memory, %+v", one, p)
	}
	found := 0
	position, err := s.Panes(nil, Span{All: true}, func(key []byte, from, _ int64, p *sketches.Pane) error {
		found++
		events := uint64(1)
		if keyText(t, key) == `["k07"]` && from == 60_000 {
			events = 2
		}
		if p.Events() != events {
			t.Errorf("%s@%d has %d events, want %d", keyText(t, key), from, p.Events(), events)
		}
		return nil
	})
	if found != 300 || err != nil || position.Panes != 300 {
		t.Errorf("%d panes, %+v, %v", found, position, err)
	}
	for _, k := range []string{"k07", "k08", "nobody"} {
		got := uint64(0)
		if _, err := s.Panes(key(k), Span{All: true}, func(_ []byte, _, _ int64, p *sketches.Pane) error {
			got += p.Events()
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if want := map[string]uint64{"k07": 4, "k08": 3}[k]; got != want {
			t.Errorf("%s has %d events, want %d", k, got, want)
		}
	}
	n.streams.append("s", 0, at("k08", 1))
	n.settle("s")
	n.stop() // all is clean now
	left := &s.spans[spanID{60_000, 60_000}].cells
	cellOf := func(k string) *cell { return left.find(keyHash(key(k)), string(key(k))) }
	for i, k := range []string{"k07", "k08"} {
		cellOf(k).used.Store(uint32(i))
	}
	s.evict(one)
	if left.len() != 1 || cellOf("k08") == nil || n.views.Held() > one {
		t.Errorf("%d are left, %d bytes", left.len(), n.views.Held())
	}
	s.evict(0)
	if held := n.views.Held(); held != 0 || s.names.len() != 0 {
		t.Errorf("%d bytes and %d keys are left", held, s.names.len())
	}
}

// BenchmarkPanes reads the 60 panes of one of 1,000 keys.
func BenchmarkPanes(b *testing.B) {
	streams := newTestStreams(&testing.T{})
	streams.make("s", 1)
	store, err := OpenStore(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	s := benchmarkShard(b, store, streams, `{"stream": "s", "by": ["k"], "pane": "1m", "sketches": {"d": {"kind": "hll", "of": "k"}}}`)
	var events []testEvent
	for m := range 60 {
		for k := range 1000 {
			events = append(events, at(fmt.Sprintf("k%03d", k), float64(m))...)
		}
	}
	if err := s.apply(entryOf(1, batchOf(b, events)), shedding.Full); err != nil {
		b.Fatal(err)
	}
	k := key("k500")
	b.ReportAllocs()
	for b.Loop() {
		panes := 0
		if _, err := s.Panes(k, Span{From: 0, To: 3_600_000}, func([]byte, int64, int64, *sketches.Pane) error {
			panes++
			return nil
		}); err != nil || panes != 60 {
			b.Fatal(panes, err)
		}
	}
}
