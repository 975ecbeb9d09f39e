package turns

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAThreadThatHasATurnCanBeInterrupted(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	attributes := func() *unix.SchedAttr {
		a, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	before := attributes()
	q := New(1)
	for name, take := range map[string]func() bool{
		"Take": func() bool { return q.Take(t.Context(), Intake) == nil },
		"Try":  q.Try,
	} {
		if !take() {
			t.Fatalf("%s: no turn is free", name)
		}
		during := attributes()
		q.Done()
		after := attributes()
		// A system that does not know of slices says 0.
		if known := before.Runtime > 0; known && during.Runtime != uint64(slice) || !known && during.Runtime != 0 {
			t.Errorf("%s: the slice is %d ns with a turn and %d ns without", name, during.Runtime, before.Runtime)
		}
		if during.Nice != before.Nice || during.Policy != before.Policy || *after != *before {
			t.Errorf("%s: %+v before, %+v with a turn, %+v after", name, before, during, after)
		}
	}
}

func BenchmarkTurn(b *testing.B) {
	q := New(1)
	b.ReportAllocs()
	for b.Loop() {
		if err := q.Take(b.Context(), Records); err != nil {
			b.Fatal(err)
		}
		q.Done()
	}
}
