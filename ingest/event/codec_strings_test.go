package event

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// modelCodes is the dumb version of stringWriter.build, for a column of strings alone.
func modelCodes(c *Column) (codes []uint16, entries []string, built bool) {
	known := map[string]uint16{}
	check := firstCheck
	for row := range c.Kinds {
		text := string(c.String(row))
		code, found := known[text]
		if !found {
			if len(entries) == maxEntries {
				return nil, nil, false
			}
			code = uint16(len(entries))
			known[text], entries = code, append(entries, text)
		}
		if codes = append(codes, code); len(codes) == check {
			if 4*len(entries) > 3*check {
				return nil, nil, false
			}
			check *= 2
		}
	}
	return codes, entries, true
}

// TestDictionaryMatchesModel builds dictionaries of strings that differ in their length, in
// zeros at their ends, or in one byte anywhere, and of which any may stand last.
func TestDictionaryMatchesModel(t *testing.T) {
	var w stringWriter
	for seed := range uint64(300) {
		r := random(seed)
		longest, letters := 1+r.IntN(40), 1+r.IntN(3)
		text := func() []byte {
			s := []byte(strings.Repeat("\x00", r.IntN(longest+1)))
			for range min(letters, len(s)) {
				s[r.IntN(len(s))] = byte(r.IntN(3))
			}
			return s
		}
		checkDictionary(t, &w, r, 1+r.IntN(2000), text)
	}
}

// TestDictionaryOfTooMany has one entry more than a dictionary may, each of them twice, so that
// the share of new ones does not end it before.
func TestDictionaryOfTooMany(t *testing.T) {
	var w stringWriter
	for _, entries := range []int{maxEntries, maxEntries + 1} {
		next := 0
		text := func() []byte {
			n := next / 2
			if next++; next == 2*entries {
				n = 0 // what was entered first is found in a full table
			}
			return []byte{byte(n), byte(n >> 8), byte(n >> 16)}
		}
		checkDictionary(t, &w, random(1), 2*entries, text)
	}
}

func checkDictionary(t *testing.T, w *stringWriter, r *rand.Rand, n int, text func() []byte) {
	t.Helper()
	c := &Column{Name: "c"}
	for range n {
		if len(c.Bits) > 0 && r.IntN(8) == 0 {
			c.push(String, c.Bits[len(c.Bits)-1]) // the same reference, as a decoded dictionary has it
			continue
		}
		c.push(String, c.addText(text()))
	}
	codes, entries, want := modelCodes(c)
	if got := w.build(c, n); got != want {
		t.Fatalf("built: %v, want %v, of %d strings with %d entries", got, want, n, len(entries))
	}
	if !want {
		return
	}
	if !slices.Equal(w.codes, codes) {
		t.Fatalf("codes of %d strings differ from the model's", n)
	}
	for code, ref := range w.entries {
		if got := string(c.text(ref)); got != entries[code] {
			t.Fatalf("entry %d is %q, want %q", code, got, entries[code])
		}
	}
}
