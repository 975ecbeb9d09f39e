package eventlog

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestIndexAgainstDumb compares the sparse index with a full list.
func TestIndexAgainstDumb(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		x, head, full := newIndex(), Head{}, []uint64{0}
		lost := map[uint64]bool{}
		for range 5000 {
			first := head.Offset + 1
			if rng.IntN(200) == 0 {
				head.Offset += 1 + rng.Uint64N(600)
				for o := first; o <= head.Offset; o++ {
					full, lost[o] = append(full, head.Events), true
				}
				x.note(first, point{Offset: head.Offset, Events: head.Events}, true)
				continue
			}
			head.Offset++
			head.Events += rng.Uint64N(100)
			full = append(full, head.Events)
			x.note(first, point{Offset: head.Offset, Events: head.Events}, false)
		}
		before := uint64(0)
		for o := uint64(1); o <= head.Offset+1; o++ {
			got, exact := x.before(o, head)
			if got < before {
				t.Fatalf("events before %d are %d, fewer than %d before the offset before", o, got, before)
			}
			before = got
			if exact && got != full[o-1] {
				t.Fatalf("events before %d are %d, called exact, want %d", o, got, full[o-1])
			}
			for a := uint64(1); exact && a < o; a += 97 {
				if lost[a] {
					t.Fatalf("events before %d are called exact, but %d is lost", o, a)
				}
			}
		}
		for range 1000 {
			a := 1 + rng.Uint64N(head.Offset)
			b := a + rng.Uint64N(head.Offset-a+1)
			got, exact := x.between(a, b, head)
			if exact && got != full[b]-full[a-1] {
				t.Fatalf("events from %d to %d are %d, called exact, want %d", a, b, got, full[b]-full[a-1])
			}
		}
	}
}

func TestIndexIsBounded(t *testing.T) {
	x := newIndex()
	const records = 4 * indexPoints * indexStep
	for o := uint64(1); o <= records; o++ {
		x.note(o, point{Offset: o, Events: 3 * o}, false)
	}
	head := Head{Offset: records, Events: 3 * records}
	if len(x.points) > indexPoints || x.step < 4*indexStep {
		t.Fatalf("%d points, a step of %d", len(x.points), x.step)
	}
	for o := uint64(1); o < records; o += 12345 {
		got, exact := x.before(o, head)
		if got != 3*(o-1) || exact != ((o-1)%x.step == 0) {
			t.Fatalf("%d events before %d, exact %v", got, o, exact)
		}
	}
	for o := uint64(0); o < 10*indexHoles; o++ {
		x.lose(records+10*o, records+10*o+1)
	}
	if len(x.holes) > indexHoles || !x.missing(records+10*indexHoles, records+10*indexHoles) {
		t.Errorf("%d holes", len(x.holes))
	}
}

// TestCheckpointBytes holds the format: a checkpoint of an older build must be read.
func TestCheckpointBytes(t *testing.T) {
	s := newState()
	s.head, s.timed, s.summed, s.sum = Head{Offset: 700, Events: 3000, Bytes: 1 << 20, Greatest: 1_700_000_000_000}, true, true, 0xdeadbeef
	s.index.points = []point{{256, 1000, 1_699_999_999_000, -5}, {512, 2000, 1_700_000_000_000, 1_699_999_998_000}, {600, 2000, 1_700_000_000_000, noLeast}}
	s.index.least, s.known, s.repeats = 1_699_999_997_000, 300, []Repeat{{400, 0}, {400, 7}, {650, 1}}
	s.index.holes = []hole{{10, 12}, {600, 600}}
	golden := filepath.Join("testdata", "checkpoint.golden")
	got := s.appendBinary(nil)
	if *update {
		if err := os.WriteFile(golden, got, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("checkpoint is\n%x, want\n%x", got, want)
	}
	back, err := decodeState(want)
	if err != nil || back.head != s.head || back.sum != s.sum || !slices.Equal(back.index.points, s.index.points) || !slices.Equal(back.index.holes, s.index.holes) ||
		back.index.least != s.index.least || back.known != s.known || !slices.Equal(back.repeats, s.repeats) {
		t.Errorf("decoded %+v, %v", back, err)
	}
}

// TestCheckpointOfVersion1 reads what an older build wrote: what it did not
// know counts as not known.
func TestCheckpointOfVersion1(t *testing.T) {
	old, err := os.ReadFile(filepath.Join("testdata", "checkpoint_v1.golden"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := decodeState(old)
	if err != nil || s.head != (Head{Offset: 700, Events: 3000, Bytes: 1 << 20, Greatest: 1_700_000_000_000}) || s.known != 701 || len(s.index.points) != 2 {
		t.Fatalf("decoded %+v, %v", s, err)
	}
	again, err := decodeState(s.appendBinary(nil))
	if err != nil || again.known != 701 || !slices.Equal(again.index.points, s.index.points) {
		t.Errorf("decoded once more: %+v, %v", again, err)
	}
}

func FuzzCheckpoint(f *testing.F) {
	s := newState()
	s.note(Entry{First: 1, Offset: 300}, 0, 0)
	s.producers.Note("p", 3, 1)
	s.index.points = []point{{256, 10, 5, -5}}
	s.repeats = []Repeat{{260, 2}}
	s.head.Events, s.head.Greatest, s.timed = 20, -5, true
	f.Add(s.appendBinary(nil))
	f.Add([]byte("SLT\x01aaaaaaaaaaaa"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeState(b)
		if err != nil {
			return
		}
		again, err := decodeState(s.appendBinary(nil))
		if err != nil || again.head != s.head {
			t.Fatalf("%+v became %+v, %v", s.head, again.head, err)
		}
	})
}
