package shedding

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// sample is a ledger that has all there is in the format.
func sample(t testing.TB) *Ledger {
	l := must(NewLedger(Limits{Cut: 1000}))(t)
	ok := func(_ Change, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(l.Owe(Unread{First: 1, Last: 1000, Events: 1900, Least: EarliestTime, Greatest: 1_700_000_000_000, Points: []Point{{400, 950}}}))
	if err := l.Inform(2, true, 1_699_999_999_999, []Repeat{{401, 0}, {401, 2}, {999, 7}}); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(9) {
		r := at(2000+i, 3)
		r.Repeats = []uint32{uint32(i)}
		ok(l.Defer(r))
	}
	l.Gap(2003, 2004, 20)
	l.Gap(2006, 2006, 10)
	ok(l.Defer(Record{Offset: 3000, Rate: Coarsest, Events: 0}))
	ok(l.Defer(Record{Offset: 3001, Rate: 1, Events: 5, Least: -5, Greatest: 7}))
	if _, err := l.Seal(4); err != nil {
		t.Fatal(err)
	}
	l.Lose(11, nil)
	l.Gap(3002, 3003, 4)
	return l
}

func TestGolden(t *testing.T) {
	for name, l := range map[string]*Ledger{"ledger": sample(t), "ledger-empty": must(NewLedger(Limits{}))(t)} {
		got := l.AppendBinary(nil)
		path := filepath.Join("testdata", name+".hex")
		if *update {
			var text []byte
			for rest := got; len(rest) > 0; {
				n := min(32, len(rest))
				text = append(hex.AppendEncode(text, rest[:n]), '\n')
				rest = rest[n:]
			}
			if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, text, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v (write it with -update)", err)
		}
		want, err := hex.DecodeString(string(bytes.ReplaceAll(text, []byte("\n"), nil)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: encoding differs from the golden file (if the format was meant to change, raise its version and rewrite with -update)\n got %x\nwant %x", name, got, want)
		}
		back, err := DecodeLedger(want, l.limits)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, l) {
			t.Errorf("%s reads as\n%+v, want\n%+v", name, back, l)
		}
	}
}

func TestAppendBinaryKeepsWhatIsBefore(t *testing.T) {
	l := sample(t)
	if got := l.AppendBinary([]byte("before")); !bytes.Equal(got, append([]byte("before"), l.AppendBinary(nil)...)) {
		t.Errorf("got %q", got)
	}
}

func TestDecodeRefuses(t *testing.T) {
	whole := sample(t).AppendBinary(nil)
	for n := range whole {
		if _, err := DecodeLedger(whole[:n], Limits{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	if _, err := DecodeLedger(append(bytes.Clone(whole), 0), Limits{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a byte more: %v", err)
	}
	if _, err := DecodeLedger(append([]byte{9}, whole[1:]...), Limits{}); !errors.Is(err, ErrVersion) {
		t.Errorf("another version: %v", err)
	}
	if _, err := DecodeLedger(whole, Limits{Entries: 1}); !errors.Is(err, ErrInvalid) {
		t.Errorf("bad limits: %v", err)
	}
	// An entry: number, first, length, rate, flags, events, times, repeats, holes.
	entry := []byte{1, 0, 4, 1, flagJudged, 9, 2, 4, 0, 0}
	ledger := func(next byte, entries ...[]byte) []byte {
		b := []byte{codecVersion, next, byte(len(entries))}
		for _, e := range entries {
			b = append(b, e...)
		}
		return append(b, 0, 0)
	}
	if _, err := DecodeLedger(ledger(2, entry), Limits{}); err != nil {
		t.Fatalf("the entry to be spoilt: %v", err)
	}
	spoil := func(i int, c byte) []byte {
		e := bytes.Clone(entry)
		e[i] = c
		return e
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for name, b := range map[string][]byte{
		"next 0":                 {codecVersion, 0, 0, 0, 0},
		"number from the future": ledger(1, entry),
		"number 0":               ledger(2, spoil(0, 0)),
		"number twice":           ledger(2, entry, entry),
		"rate 1":                 ledger(2, spoil(3, 0)),
		"no rate":                ledger(2, spoil(3, 18)),
		"unknown flag":           ledger(2, spoil(4, 8|flagJudged)),
		"sample not judged":      ledger(2, spoil(4, 0)),
		"times":                  ledger(2, spoil(6, 6)),
		"long number":            ledger(2, join([]byte{0x81, 0}, entry[1:])),
		"repeat outside":         ledger(2, join(entry[:8], []byte{1, 5, 0, 0})),
		"repeat twice":           ledger(2, join(entry[:8], []byte{2, 1, 0, 0, 0, 0})),
		"repeat in a hole":       ledger(2, join(entry[:8], []byte{1, 1, 0, 1, 0, 0})),
		"hole at the end":        ledger(2, join(entry[:8], []byte{0, 1, 0, 3})),
		"holes too many":         ledger(2, join(entry[:8], []byte{0, 100})),
		"offsets past the end":   ledger(2, join([]byte{1}, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, entry[2:])),
		"many entries":           {codecVersion, 2, 0xff, 0xff, 0xff, 0xff, 0xf, 0, 0},
		"losses without events":  {codecVersion, 1, 0, 0, 1, 0, 0, 0},
		"losses do not add up":   {codecVersion, 1, 0, 3, 1, 2, 0, 0},
		"losses out of order":    {codecVersion, 1, 0, 4, 2, 2, 2, 2, 2, 0, 0},
	} {
		if l, err := DecodeLedger(b, Limits{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v %+v", name, err, l)
		}
	}
}

func FuzzDecodeLedger(f *testing.F) {
	f.Add(sample(f).AppendBinary(nil))
	f.Add(must(NewLedger(Limits{}))(f).AppendBinary(nil))
	f.Add([]byte{codecVersion, 2, 1, 1, 0, 4, 1, flagJudged, 9, 2, 4, 0, 0, 0, 0})
	f.Add([]byte{codecVersion, 0xff, 0xff, 3, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := DecodeLedger(b, Limits{Entries: 4, Cut: 50})
		if err != nil {
			return
		}
		if again := l.AppendBinary(nil); !bytes.Equal(b, again) {
			t.Fatalf("%x is not canonical: %x", b, again)
		}
		owed := l.Owed()
		// A ledger that was read works like any other.
		l.Gap(3, 9, 5)
		l.Lose(7, nil)
		if l.Owed() > owed {
			t.Fatalf("%d owed after losses, %d before", l.Owed(), owed)
		}
		end := uint64(0)
		if e, ok := l.Newest(); ok {
			end = e.Last
		}
		if end < 1<<60 {
			_, _ = l.Defer(at(end+1, 2))
			_, _ = l.Owe(Unread{First: end + 2, Last: end + 100, Events: 1000})
		}
		sum := uint64(0)
		for _, e := range l.Entries() {
			sum += e.Events
		}
		if sum != l.Owed() {
			t.Fatalf("entries owe %d, the ledger says %d", sum, l.Owed())
		}
		if _, err := DecodeLedger(l.AppendBinary(nil), Limits{}); err != nil {
			t.Fatal(err)
		}
	})
}
