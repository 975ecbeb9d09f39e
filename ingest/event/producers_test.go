package event

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"testing"
)

// dumbProducer remembers numbers in a map and sorts.
type dumbProducer map[uint64]int

func (d dumbProducer) note(number uint64, partitions int) (Verdict, int) {
	if placed, ok := d[number]; ok {
		return Repeat, placed
	}
	if len(d) >= rememberedNumbers {
		least := number
		for n := range d {
			least = min(least, n)
		}
		if least == number {
			return TooOld, 0
		}
		delete(d, least)
	}
	d[number] = partitions
	return Fresh, 0
}

func TestProducersMatchDumbVersion(t *testing.T) {
	for seed := range uint64(6) {
		r := random(seed)
		p, dumb := NewProducers(), dumbProducer{}
		next, partitions := uint64(r.IntN(3)), 1
		for i := range 14_000 {
			number := next
			switch r.IntN(8) {
			case 0: // a gap
				next += uint64(r.IntN(5))
				number = next
			case 1, 2: // a repeat or a late one
				if back := r.Uint64N(uint64(1 + r.IntN(14_000))); back < next {
					number = next - back
				}
			}
			next = max(next, number+1)
			if r.IntN(3000) == 0 {
				partitions++
			}
			if len(dumb) >= rememberedNumbers && i%16 != 0 {
				continue // the dumb version is slow when full
			}
			gotCheck, gotPlaced := p.Check("a", number)
			got := p.Note("a", number, partitions)
			want, placed := dumb.note(number, partitions)
			if got != want || gotCheck != want || gotPlaced != placed {
				t.Fatalf("seed %d, step %d, number %d: %v, checked %v placed %d; want %v placed %d", seed, i, number, got, gotCheck, gotPlaced, want, placed)
			}
		}
		checkProducers(t, p)
		back, err := DecodeProducers(p.AppendBinary(nil))
		if err != nil {
			t.Fatal(err)
		}
		for n := range next + 2 {
			got, gotPlaced := back.Check("a", n)
			want, placed := p.Check("a", n)
			if got != want || gotPlaced != placed {
				t.Fatalf("decoded: number %d: %v %d, want %v %d", n, got, gotPlaced, want, placed)
			}
		}
	}
}

// checkProducers checks what Note must keep true.
func checkProducers(t *testing.T, p *Producers) {
	t.Helper()
	total := 0
	for element := p.order.Front(); element != nil; element = element.Next() {
		known := element.Value.(*producer)
		count := uint64(0)
		for i, r := range known.runs {
			count += r.last - r.first + 1
			if r.last < r.first || i > 0 && r.first <= known.runs[i-1].last {
				t.Fatalf("%s: runs %v", known.name, known.runs)
			}
		}
		if count != known.count || count > rememberedNumbers || p.names[known.name] != element {
			t.Fatalf("%s: %d numbers, said to be %d", known.name, count, known.count)
		}
		total += len(known.runs)
	}
	if total != p.runs || p.order.Len() != len(p.names) || total > rememberedRuns || len(p.names) > rememberedNames {
		t.Fatalf("%d runs said to be %d, %d names", total, p.runs, len(p.names))
	}
}

func TestProducersExtremes(t *testing.T) {
	p := NewProducers()
	for _, number := range []uint64{math.MaxUint64, 0, math.MaxUint64 - 1, 1} {
		if v := p.Note("a", number, 3); v != Fresh {
			t.Errorf("%d: %v", number, v)
		}
		if v := p.Note("a", number, 3); v != Repeat {
			t.Errorf("%d again: %v", number, v)
		}
	}
	if known := p.names["a"].Value.(*producer); len(known.runs) != 2 {
		t.Errorf("runs %v", known.runs)
	}
	back, err := DecodeProducers(p.AppendBinary(nil))
	if err != nil {
		t.Fatal(err)
	}
	if v, placed := back.Check("a", math.MaxUint64); v != Repeat || placed != 3 {
		t.Errorf("%v under %d", v, placed)
	}
	for range 2 {
		if v := p.Note("", 1, 1); v != Fresh {
			t.Errorf("no name: %v", v)
		}
	}
	checkProducers(t, p)
}

func TestProducersForgetNames(t *testing.T) {
	p := NewProducers()
	for i := range rememberedNames {
		p.Note(fmt.Sprint(i), 1, 1)
	}
	p.Note("0", 1, 1) // a repeat is a sign of life too
	p.Note("new", 1, 1)
	if v, _ := p.Check("0", 1); v != Repeat {
		t.Error("the name noted last but one is forgotten")
	}
	if v, _ := p.Check("1", 1); v != Fresh || p.Len() != rememberedNames {
		t.Error("the name noted longest ago is remembered")
	}
	checkProducers(t, p)
}

func TestProducersBoundRuns(t *testing.T) {
	p := NewProducers()
	for name := range rememberedRuns/rememberedNumbers + 3 {
		for i := range uint64(rememberedNumbers) {
			p.Note(fmt.Sprint(name), 2*i, 1)
		}
	}
	checkProducers(t, p)
	if v, _ := p.Check("0", 0); v != Fresh {
		t.Error("the oldest name is remembered though runs are too many")
	}
	if v, _ := p.Check(fmt.Sprint(rememberedRuns/rememberedNumbers+2), 0); v != Repeat {
		t.Error("the newest name is forgotten")
	}
}

// TestProducersContinueAlike checks that a decoded memory goes on as the one that was encoded.
func TestProducersContinueAlike(t *testing.T) {
	r := random(20)
	p := NewProducers()
	for step := range 20_000 {
		p.Note(fmt.Sprint("p", r.IntN(50)), uint64(step/20+r.IntN(40)), 1+step/5000)
		if step%4000 == 0 {
			b := p.AppendBinary(nil)
			back, err := DecodeProducers(b)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(back.AppendBinary(nil), b) {
				t.Fatal("bytes are not canonical")
			}
			checkProducers(t, back)
			p = back
		}
	}
}

func sealProducers(body []byte) []byte {
	body = slices.Clip(body)
	return binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, castagnoli))
}

func goldenProducers() *Producers {
	p := NewProducers()
	for i := range uint64(300) {
		p.Note("loader", i, 4)
	}
	p.Note("sensor-7", 9, 4)
	p.Note("sensor-7", 12, 4)
	p.Note("sensor-7", 13, 8)
	p.Note("loader", 300, 8)
	return p
}

func TestProducersGolden(t *testing.T) {
	golden(t, "producers.bin", goldenProducers().AppendBinary(nil))
	golden(t, "producers-empty.bin", NewProducers().AppendBinary(nil))
}

func TestDecodeProducersRefuses(t *testing.T) {
	b := goldenProducers().AppendBinary(nil)
	for n := range b {
		if _, err := DecodeProducers(b[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("first %d bytes: %v", n, err)
		}
		damaged := bytes.Clone(b)
		damaged[n] ^= 4
		if _, err := DecodeProducers(damaged); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d flipped: %v", n, err)
		}
	}
	later := bytes.Clone(b[:len(b)-4])
	later[len(producersMagic)]++
	if _, err := DecodeProducers(sealProducers(later)); !errors.Is(err, ErrVersion) {
		t.Fatalf("later version: %v", err)
	}
	for name, rest := range map[string][]byte{
		"names":        {0xff, 0xff, 0xff, 0xff, 0x0f},
		"runs":         {1, 1, 'a', 0xff, 0xff, 0x03, 1, 1, 1},
		"no name":      {1, 0, 1, 1, 1, 1},
		"same name":    {2, 1, 'a', 1, 1, 1, 1, 1, 'a', 1, 1, 1, 1},
		"touching":     {1, 1, 'a', 2, 1, 0, 4, 0, 0, 4},
		"long varint":  {1, 1, 'a', 1, 0x81, 0, 0, 4},
		"past the end": {1, 1, 'a', 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 4, 0, 0, 5},
	} {
		if _, err := DecodeProducers(sealProducers(append([]byte("SKLP\x01"), rest...))); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeProducers(f *testing.F) {
	f.Add(goldenProducers().AppendBinary(nil))
	f.Add(NewProducers().AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= 4 { // past the checksum
			b = sealProducers(b[:len(b)-4])
		}
		p, err := DecodeProducers(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		checkProducers(t, p)
		if !bytes.Equal(p.AppendBinary(nil), b) {
			t.Fatalf("%x is accepted but not canonical", b)
		}
		p.Note("a", 7, 1)
		checkProducers(t, p)
	})
}
