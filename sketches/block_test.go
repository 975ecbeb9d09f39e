package sketches

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// blockLayouts are columns of every form that records can have.
func blockLayouts(t testing.TB) map[string]*Layout {
	hot := Spec{Name: "hot", Kind: KindHotList, Weight: -1, Size: 100}
	layouts := map[string][]Spec{
		"six": sixSpecs(-1), "weighted": sixSpecs(0), "no items": sixSpecs(-1)[:3], "no sample": {hot},
		"sample alone":   {{Name: "some", Kind: KindReservoir, Size: 300}},
		"nothing at all": {},
		"columns": {hot, {Name: "b", Kind: KindReservoir, Column: 1, Size: 40}, {Name: "c", Kind: KindHLL, Column: 2, Precision: 14},
			{Name: "d", Kind: KindHotList, Column: 2, Weight: 0, Size: 100}, {Name: "e", Kind: KindReservoir, Column: 2, Size: 90}},
	}
	many := make([]Spec, maxSketches) // sums alone fill a block
	for i := range many {
		many[i] = Spec{Name: fmt.Sprint(i), Kind: KindDecay, HalfLife: int64(i + 1)}
	}
	many[0] = hot
	layouts["no room"] = many
	out := map[string]*Layout{}
	for name, specs := range layouts {
		l, err := NewLayout(3, 1, 1, specs)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = l
		if out[name+", hashed"], err = NewHashedLayout(neighbour, 3, 1, 1, specs); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// blockEvents have items of all lengths about those that a block cannot hold.
func blockEvents(n, distinct int, seed uint64) []sketchtest.Event {
	rng := rand.New(rand.NewPCG(seed, 8))
	nulls := []int{20, 20, 20, 2}[seed%4] // one in so many
	events := make([]sketchtest.Event, n)
	for i := range events {
		e := &events[i]
		item := rng.IntN(distinct)
		e.Hash, e.Item = sketchtest.Item(item)
		e.Hash = e.Hash&^0xff | uint64(item%3) // neighbours in an index
		switch {
		case item%50 == 7:
			e.Item = []byte(strings.Repeat("x", 254+item%3))
		case item%11 == 3:
			e.Item = nil
		}
		if rng.IntN(nulls) == 0 {
			e.Hash, e.Item = 0, nil
		}
		e.Time, e.Position, e.Weight, e.Value = int64(rng.IntN(5000)), rng.Uint64(), int64(rng.IntN(9)-1), rng.Float64()
	}
	return events
}

// neighbour hashes items to neighbours in an index.
func neighbour(item []byte) uint64 { return sketchtest.Hash(item)&^0xff | uint64(len(item)%3) }

// hashed gives rows the hashes that their layout knows, if it does.
func hashed(l *Layout, r *Rows) *Rows {
	if l.hash == nil {
		return r
	}
	for c, hashes := range r.Hashes {
		for i := range hashes {
			if hashes[i] != 0 {
				hashes[i] = l.hash(r.Items[c].AppendItem(nil, r.Index[i]))
			}
		}
	}
	return r
}

// threeColumns makes rows of three item columns, each of other items of the events.
func threeColumns(events []sketchtest.Event) *Rows {
	r := rowsOf(events)
	shifted, backwards := make([]sketchtest.Event, len(events)), make([]sketchtest.Event, len(events))
	for i := range events {
		shifted[i], backwards[i] = events[(i+1)%len(events)], events[len(events)-1-i]
	}
	a, b := rowsOf(shifted), rowsOf(backwards)
	r.Hashes = append(r.Hashes, a.Hashes[0], b.Hashes[0])
	r.Items = append(r.Items, a.Items[0], b.Items[0])
	return r
}

// TestBlockEqualsWide: a pane in a block and one that never had a block go on
// alike, byte by byte, however events come; so does one that was stored and
// read in between, and one that was copied.
func TestBlockEqualsWide(t *testing.T) {
	for name, l := range blockLayouts(t) {
		for seed := range uint64(12) {
			events := blockEvents(150, []int{3, 30, 200}[seed%3], seed)
			block, plain := l.NewPane(), l.NewPane()
			plain.open()
			plain.widen()
			batched(events, seed, func(piece []sketchtest.Event) {
				block.Apply(hashed(l, threeColumns(piece)))
				plain.Apply(hashed(l, threeColumns(piece)))
				checkLog(t, block)
				got, want := block.AppendBinary(nil), plain.AppendBinary(nil)
				if !bytes.Equal(got, want) {
					t.Fatalf("%s, seed %d: in a block, the encoding is another", name, seed)
				}
				read, err := l.DecodePane(got)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if b := read.AppendBinary(nil); !bytes.Equal(b, got) {
					t.Fatalf("%s, seed %d: read again, the encoding is another", name, seed)
				}
				if seed%2 == 0 {
					block = read
				} else {
					block = block.Clone()
				}
			})
		}
	}
}

// TestBlockNeedsWholeSample: a pane whose sample was merged of fewer events than its
// table does not go into a block, which would count the sample's.
func TestBlockNeedsWholeSample(t *testing.T) {
	l := mustLayout(t, manyKeysSpecs()[:5])
	all := l.All()
	for i, s := range l.specs {
		if s.Kind == KindReservoir {
			all &^= Only(i)
		}
	}
	events := sketchtest.Streams(4, 2, 1)[5].Events
	p, later := l.NewPane(), l.NewPane()
	p.Apply(rowsOf(events[:2]))
	later.Apply(rowsOf(events[2:]))
	if err := p.Merge(later, all); err != nil {
		t.Fatal(err)
	}
	want := p.AppendBinary(nil)
	if p.Compact(); p.wide == nil || !bytes.Equal(p.AppendBinary(nil), want) {
		t.Errorf("compacted to a block: %v; encoding as before: %v", p.wide == nil, bytes.Equal(p.AppendBinary(nil), want))
	}
}

// TestBlockKeepsStrangeHashes: a pane that was stored with other hashes than its layout
// knows keeps them.
func TestBlockKeepsStrangeHashes(t *testing.T) {
	strange, l := mustLayout(t, manyKeysSpecs()[:5]), mustHashed(t, manyKeysSpecs()[:5])
	p := strange.NewPane()
	p.Apply(rowsOf([]sketchtest.Event{{Hash: 5, Item: []byte("item-1"), Position: 1}, {Hash: 6, Item: nil, Position: 2}}))
	want := p.AppendBinary(nil)
	q, err := l.DecodePane(want)
	if err != nil {
		t.Fatal(err)
	}
	if q.Compact(); !bytes.Equal(q.AppendBinary(nil), want) {
		t.Error("compacted, it has another encoding")
	}
}

// TestBlockCompacts: a small pane that was merged fits a block again, and the
// block has no byte too many.
func TestBlockCompacts(t *testing.T) {
	l := mustLayout(t, manyKeysSpecs()[:5]) // sums that were merged differ in the last bits
	events := sketchtest.Streams(10, 4, 1)[5].Events
	p, merged := l.NewPane(), l.NewPane()
	p.Apply(rowsOf(events))
	for i := range events {
		one := l.NewPane()
		one.Apply(rowsOf(events[i : i+1]))
		if err := merged.Merge(one, l.All()); err != nil {
			t.Fatal(err)
		}
	}
	merged.Compact()
	if merged.wide != nil || merged.Size() > p.Size() {
		t.Errorf("merged and compacted it takes %d bytes, filled %d; wide: %v", merged.Size(), p.Size(), merged.wide != nil)
	}
	if !bytes.Equal(merged.AppendBinary(nil), p.AppendBinary(nil)) {
		t.Error("merged and compacted, the encoding is another")
	}
	if merged.block.gap() != 0 {
		t.Errorf("%d bytes are free", merged.block.gap())
	}
}

// repeating are events of six items.
func repeating(n int) []sketchtest.Event {
	events := make([]sketchtest.Event, n)
	for i := range events {
		e := &events[i]
		e.Hash, e.Item = sketchtest.Item(i * i % 11)
		e.Weight, e.Position = int64(i%9-1), sketchtest.Mix(uint64(i))
	}
	return events
}

// TestBlockCombines: a few items stay in a small block however often they come, or with a
// reservoir as often as it has room for, one at a time or many, and are counted and
// sampled as the plain way does.
func TestBlockCombines(t *testing.T) {
	counted := []Spec{{Name: "hot", Kind: KindHotList, Weight: -1, Size: 100}, {Name: "weighed", Kind: KindHotList, Weight: 0, Size: 100},
		{Name: "other", Kind: KindHLL, Column: 1, Precision: 12}}
	some := Spec{Name: "some", Kind: KindReservoir, Size: 100}
	for _, test := range []struct {
		name         string
		specs        []Spec
		events, size int // as many of the least block that holds them
	}{
		{"counted", counted, 3000, blockLimit / 2},
		{"sampled", append(counted[:2:2], some), 100, 1152},
		{"both", append(counted[:3:3], some), 60, 1152},
	} {
		l, err := NewLayout(2, 1, 0, test.specs)
		if err != nil {
			t.Fatal(err)
		}
		for _, together := range []int{1, 2, 7, 200} {
			r := rowsOf(repeating(test.events))
			r.Hashes, r.Items = append(r.Hashes, r.Hashes[0]), append(r.Items, r.Items[0])
			block, plain := l.NewPane(), l.NewPane()
			plain.open()
			plain.widen()
			for from := 0; from < test.events; from += together {
				part := *r.between(from, min(from+together, test.events))
				block.Apply(&part)
				plain.Apply(&part)
				checkLog(t, block)
			}
			if !bytes.Equal(block.AppendBinary(nil), plain.AppendBinary(nil)) {
				t.Errorf("%s, %d at a time: another encoding", test.name, together)
			}
			if together < 10 && block.wide != nil {
				t.Errorf("%s, %d at a time: the pane is wide", test.name, together)
			}
			// A group that is larger than a block may be leaves it, and comes back.
			block.Compact()
			checkLog(t, block)
			if block.wide != nil || block.Size() > 64+test.size {
				t.Errorf("%s, %d at a time: six items take %d bytes; wide: %v", test.name, together, block.Size(), block.wide != nil)
			}
			if !bytes.Equal(block.AppendBinary(nil), plain.AppendBinary(nil)) {
				t.Errorf("%s, %d at a time: compacted, another encoding", test.name, together)
			}
		}
	}
}

// TestBlockGrows: before a block grows, the records of items that came several times become
// one; and where few items did, that is not tried.
func TestBlockGrows(t *testing.T) {
	plain, knowing := mustLayout(t, manyKeysSpecs()), mustHashed(t, manyKeysSpecs())
	for _, test := range []struct {
		l           *Layout
		items, size int
		combined    bool
	}{
		{plain, 3, 1024, true}, {plain, 12, 1024, true}, {plain, 40, blockLimit, false}, {plain, 60, blockLimit, false},
		{knowing, 3, 1024, true}, {knowing, 12, 1024, true}, {knowing, 40, 1024, false}, {knowing, 60, 1024, false},
	} {
		p, records := test.l.NewPane(), 0
		for i := range 60 {
			e := sketchtest.Event{Position: sketchtest.Mix(uint64(i))}
			e.Hash, e.Item = sketchtest.Item(i % test.items)
			p.Apply(rowsOf([]sketchtest.Event{e}))
		}
		for range p.records(0) {
			records++
		}
		if int(p.block.size) != test.size || (records < 60) != test.combined {
			t.Errorf("60 events of %d items, hashes known: %v: %d records in %d bytes, want %d bytes", test.items, test.l == knowing, records, p.block.size, test.size)
		}
	}
}

// TestBlockRepeats: a pane of a few long items that come again and again stays in its block, and
// has the sample of one that never had a block, also of items of the same hash; so it has merged,
// stored and read.
func TestBlockRepeats(t *testing.T) {
	layouts := blockLayouts(t)
	layouts["many keys"] = mustLayout(t, manyKeysSpecs()[:5])
	for name, l := range layouts {
		for seed := range uint64(20) {
			rng := rand.New(rand.NewPCG(seed, 9))
			collide := int(seed % 2)
			events := make([]sketchtest.Event, 20+rng.IntN(30))
			for i := range events {
				item := rng.IntN(1 + int(seed%5))
				events[i] = sketchtest.Event{Hash: uint64(1 + item>>collide), Item: bytes.Repeat([]byte{'a' + byte(item)}, 250/(1+item)),
					Position: rng.Uint64(), Weight: int64(rng.IntN(9))}
			}
			block, plain := l.NewPane(), l.NewPane()
			plain.open()
			plain.widen()
			batched(events, seed, func(piece []sketchtest.Event) {
				part := l.NewPane()
				into := block
				if rng.IntN(3) == 0 {
					into = part
				}
				into.Apply(hashed(l, threeColumns(piece)))
				plain.Apply(hashed(l, threeColumns(piece)))
				var err error
				if block, err = block.Merged(part, l.All()); err != nil {
					t.Fatal(err)
				}
				checkLog(t, block)
				if !bytes.Equal(block.AppendBinary(nil), plain.AppendBinary(nil)) {
					t.Fatalf("%s, seed %d: in a block, the encoding is another", name, seed)
				}
			})
			read, err := l.DecodePane(block.AppendBinary(nil))
			if err != nil || !bytes.Equal(read.AppendBinary(nil), plain.AppendBinary(nil)) {
				t.Fatalf("%s, seed %d: read again, the encoding is another (%v)", name, seed, err)
			}
			if name == "many keys" && collide == 0 && (block.wide != nil || read.wide != nil) {
				t.Errorf("seed %d: %d events have left the block: %v, read again: %v", seed, len(events), block.wide != nil, read.wide != nil)
			}
		}
	}
}

// TestBlockOfColumns: a pane stays in its block until the sample of one of its columns is
// full, whatever the others have, also if it is merged; and what leaves the block has room for as much
// again, not for what other columns have.
func TestBlockOfColumns(t *testing.T) {
	const size = 8
	for _, alone := range []bool{false, true} {
		specs := []Spec{{Name: "hot", Kind: KindHotList, Weight: -1, Size: 100}}
		for c := range 3 {
			if c > 0 || alone {
				specs = append(specs, Spec{Name: fmt.Sprint(c), Kind: KindReservoir, Column: c, Size: size})
			}
		}
		l, err := NewLayout(3, 1, 1, specs)
		if err != nil {
			t.Fatal(err)
		}
		events := sketchtest.Streams(size+1, 4, 1)[5].Events
		p, one, other := l.NewPane(), l.NewPane(), l.NewPane()
		for i := range size {
			p.Apply(threeColumns(events[i : i+1]))
		}
		one.Apply(threeColumns(events[:size/2]))
		other.Apply(threeColumns(events[size/2 : size]))
		merged, err := one.Merged(other, l.All())
		if err := errors.Join(err, one.Merge(other, l.All())); err != nil {
			t.Fatal(err)
		}
		for _, p := range []*Pane{p, one, merged} {
			if checkLog(t, p); p.wide != nil {
				t.Fatalf("%d reservoirs: %d events have left the block", len(specs)-1, size)
			}
			p.Apply(threeColumns(events[size:]))
			if p.wide == nil {
				t.Fatalf("%d reservoirs: %d events are in the block", len(specs)-1, size+1)
			}
		}
	}
	specs := make([]Spec, 10)
	for c := range specs {
		specs[c] = Spec{Name: fmt.Sprint(c), Kind: KindReservoir, Column: c % 3, Size: 100 + c}
	}
	l, err := NewLayout(3, 1, 1, specs)
	if err != nil {
		t.Fatal(err)
	}
	p := l.NewPane()
	p.Apply(threeColumns(sketchtest.Streams(10, 4, 1)[5].Events))
	p.widen()
	for i := range specs {
		if r := p.reservoir(i); cap(r.heap) > 2*len(r.heap) || cap(r.arena) > 2*len(r.arena) {
			t.Errorf("a sample of %d events has room for %d, and for %d bytes of items for %d", len(r.heap), cap(r.heap), len(r.arena), cap(r.arena))
		}
	}
}

// TestLayoutColumns: a record has a byte for its column.
func TestLayoutColumns(t *testing.T) {
	for _, n := range []int{blockColumns, blockColumns + 1} {
		l, err := NewLayout(n, 0, 0, []Spec{{Name: "a", Kind: KindHLL, Precision: 12}, {Name: "b", Kind: KindHLL, Column: n - 1, Precision: 12}})
		if (err == nil) != (n <= blockColumns) {
			t.Fatalf("%d columns: %v", n, err)
		}
		if err != nil {
			continue
		}
		r := rowsOf(sketchtest.Streams(5, 5, 1)[5].Events)
		for len(r.Hashes) < n {
			r.Hashes, r.Items = append(r.Hashes, r.Hashes[0]), append(r.Items, r.Items[0])
		}
		p := l.NewPane()
		p.Apply(r)
		if got := p.Distinct(1, 0.95); p.wide != nil || got.Value != p.Distinct(0, 0.95).Value || got.Value == 0 {
			t.Errorf("column %d has %v distinct items", n-1, got)
		}
	}
}
