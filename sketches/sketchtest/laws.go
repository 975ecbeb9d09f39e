// Package sketchtest holds the laws that every sketch obeys, as property
// tests that a sketch joins with a small adapter: merging is commutative and associative, the empty
// sketch is its identity, splitting a stream changes nothing that is promised, answers
// keep their bounds, encodings are canonical and nothing keeps its input.
package sketchtest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

// Subject adapts a sketch, or a pane, to the laws.
type Subject[S any] struct {
	New    func() S
	Add    func(s S, events []Event)
	Merge  func(dst, src S) error
	Encode func(s S) []byte
	Decode func(b []byte) (S, error)

	// Canonical says that the same events give the same bytes in every order,
	// splitting and merging. Without it only the bounds are checked then.
	Canonical bool
	// Symmetric says that merging a with b and b with a gives the same bytes.
	Symmetric bool
	// Check fails the test if s does not answer for the events within its bounds.
	Check func(t testing.TB, s S, events []Event)
	// Corrupt and Mismatch are the errors that decoders wrap.
	Corrupt, Mismatch error
}

// build makes the sketch of events.
func (u *Subject[S]) build(events []Event) S {
	s := u.New()
	u.Add(s, events)
	return s
}

// merged makes the sketch of all parts.
func (u *Subject[S]) merged(t testing.TB, parts ...S) S {
	t.Helper()
	s := u.New()
	for _, p := range parts {
		u.merge(t, s, p)
	}
	return s
}

func (u *Subject[S]) merge(t testing.TB, dst, src S) {
	t.Helper()
	before := u.Encode(src)
	if err := u.Merge(dst, src); err != nil {
		t.Fatalf("merge: %v", err)
	}
	if !bytes.Equal(before, u.Encode(src)) {
		t.Fatal("merging changed the sketch that was merged")
	}
}

// Laws checks all laws over the streams.
func Laws[S any](t *testing.T, u Subject[S], streams []Stream) {
	for _, stream := range streams {
		t.Run(stream.Name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(Seed(stream.Name), 7))
			u.bounds(t, stream.Events)
			u.identity(t, stream.Events)
			u.symmetry(t, stream.Events, rng)
			u.splitting(t, stream.Events, rng)
			u.roundTrip(t, stream.Events)
			u.ownership(t, stream.Events)
		})
	}
	t.Run("damage", func(t *testing.T) { u.damage(t, streams[0].Events) })
}

// bounds: answers hold for every prefix of the stream.
func (u *Subject[S]) bounds(t *testing.T, events []Event) {
	t.Helper()
	s, done := u.New(), 0
	u.Check(t, s, nil)
	for _, n := range []int{1, 2, 10, 33, 34, 100, 1000, len(events)} {
		if n = min(n, len(events)); n > done {
			u.Add(s, events[done:n])
			done = n
			u.Check(t, s, events[:n])
		}
	}
}

// identity: merging with an empty sketch, either way, changes nothing.
func (u *Subject[S]) identity(t *testing.T, events []Event) {
	t.Helper()
	s := u.build(events)
	want := u.Encode(s)
	u.merge(t, s, u.New())
	if !bytes.Equal(want, u.Encode(s)) {
		t.Error("merging an empty sketch changed the state")
	}
	if !bytes.Equal(want, u.Encode(u.merged(t, s))) {
		t.Error("merging into an empty sketch gave another state")
	}
}

// symmetry: a+b is b+a, and (a+b)+c is a+(b+c), in bytes or else in bounds.
func (u *Subject[S]) symmetry(t *testing.T, events []Event, rng *rand.Rand) {
	t.Helper()
	parts := Split(events, 3, rng)
	a, b, c := u.build(parts[0]), u.build(parts[1]), u.build(parts[2])
	ab, ba := u.merged(t, a, b), u.merged(t, b, a)
	if u.Symmetric && !bytes.Equal(u.Encode(ab), u.Encode(ba)) {
		t.Error("a+b and b+a differ")
	}
	bc := u.merged(t, b, c)
	left, right := u.merged(t, ab, c), u.merged(t, a, bc)
	if u.Canonical && !bytes.Equal(u.Encode(left), u.Encode(right)) {
		t.Error("(a+b)+c and a+(b+c) differ")
	}
	u.Check(t, left, events)
	u.Check(t, right, events)
}

// splitting: whatever the order, the parts and the tree of merges.
func (u *Subject[S]) splitting(t *testing.T, events []Event, rng *rand.Rand) {
	t.Helper()
	want := u.Encode(u.build(events))
	for _, n := range []int{1, 2, 5, 16} {
		var parts []S
		for _, part := range Split(Shuffled(events, rng), n, rng) {
			s := u.New()
			for len(part) > 0 { // in batches of any size
				k := min(len(part), 1+rng.IntN(200))
				u.Add(s, part[:k])
				part = part[k:]
			}
			parts = append(parts, s)
		}
		for len(parts) > 1 { // a random tree
			i := rng.IntN(len(parts) - 1)
			u.merge(t, parts[i], parts[i+1])
			parts = append(parts[:i+1], parts[i+2:]...)
		}
		if u.Canonical && !bytes.Equal(want, u.Encode(parts[0])) {
			t.Errorf("%d parts give another state", n)
		}
		u.Check(t, parts[0], events)
	}
}

// roundTrip: decoding gives the same state, which goes on to work the same.
func (u *Subject[S]) roundTrip(t *testing.T, events []Event) {
	t.Helper()
	for _, n := range []int{0, 1, 20, len(events) / 2, len(events)} {
		n = min(n, len(events))
		s := u.build(events[:n])
		b := u.Encode(s)
		d, err := u.Decode(b)
		if err != nil {
			t.Fatalf("decoding after %d events: %v", n, err)
		}
		if !bytes.Equal(b, u.Encode(d)) {
			t.Fatalf("after %d events decoding and encoding gives other bytes", n)
		}
		u.Check(t, d, events[:n])
		u.Add(d, events[n:])
		u.Check(t, d, events)
		if u.Canonical && !bytes.Equal(u.Encode(d), u.Encode(u.build(events))) {
			t.Fatalf("a sketch decoded after %d events went on otherwise", n)
		}
	}
}

// ownership: neither what is added nor what is decoded is kept.
func (u *Subject[S]) ownership(t *testing.T, events []Event) {
	t.Helper()
	mine := make([]Event, len(events))
	for i, e := range events {
		mine[i] = e
		mine[i].Item = bytes.Clone(e.Item)
	}
	s := u.build(mine)
	b := u.Encode(s)
	for i := range mine {
		clear(mine[i].Item)
	}
	if !bytes.Equal(b, u.Encode(s)) {
		t.Error("the sketch keeps the items it is given")
	}
	input := bytes.Clone(b)
	d, err := u.Decode(input)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	clear(input)
	if !bytes.Equal(b, u.Encode(d)) {
		t.Error("the decoder keeps its input")
	}
	dst := u.merged(t, d)
	u.Add(dst, events)
	if err := u.Merge(dst, dst); err != nil {
		t.Fatalf("merging a sketch with itself: %v", err)
	}
	if !bytes.Equal(b, u.Encode(d)) {
		t.Error("a merged sketch shares memory with the one it was merged from")
	}
}

// damage: a cut encoding is refused, any other damage is refused or decodes
// to a state that encodes to just those bytes.
func (u *Subject[S]) damage(t *testing.T, events []Event) {
	b := u.Encode(u.build(events[:min(len(events), 50)]))
	for n := range b {
		if _, err := u.Decode(b[:n]); !errors.Is(err, u.Corrupt) && !errors.Is(err, u.Mismatch) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(b), err)
		}
	}
	for i := range min(len(b), 2000) {
		for _, flip := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(b)
			bad[i] ^= flip
			u.Reject(t, bad)
		}
	}
}

// Reject decodes bytes that may be anything: for damage and fuzzing.
func (u *Subject[S]) Reject(t testing.TB, b []byte) {
	t.Helper()
	s, err := u.Decode(b)
	if err != nil {
		if !errors.Is(err, u.Corrupt) && !errors.Is(err, u.Mismatch) {
			t.Fatalf("the error wraps neither sentinel: %v", err)
		}
		return
	}
	if !bytes.Equal(b, u.Encode(s)) {
		t.Fatalf("not canonical:\n%x decodes to\n%x", b, u.Encode(s))
	}
}
