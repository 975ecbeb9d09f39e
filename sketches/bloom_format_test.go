package sketches

import (
	"bytes"
	"errors"
	"testing"
)

func TestBloomBinary(t *testing.T) {
	for _, p := range []*BloomParameters{bloomSized(t, 500, 0.01), bloomExact(t, 1024, 3)} {
		for _, n := range []int{0, 1, 20, 400, 5000} {
			b := NewBloom(p)
			b.AddHashes(randomHashes(uint64(n), n))
			data := b.AppendBinary([]byte("before"))[len("before"):]
			back, rest, err := DecodeBloom(append(bytes.Clone(data), "after"...), p)
			if err != nil || string(rest) != "after" {
				t.Fatalf("%v, %d items: rest %q, %v", p, n, rest, err)
			}
			if !bytes.Equal(back.AppendBinary(nil), data) {
				t.Errorf("%v, %d items: not what was encoded", p, n)
			}
			more := randomHashes(77, 900)
			b.AddHashes(more)
			back.AddHashes(more)
			if !bytes.Equal(back.AppendBinary(nil), b.AppendBinary(nil)) {
				t.Errorf("%v, %d items: goes on otherwise than what was encoded", p, n)
			}
			for cut := range min(len(data), 60) {
				if _, _, err := DecodeBloom(data[:cut], p); !errors.Is(err, ErrCorrupt) {
					t.Errorf("%v, %d items, cut to %d bytes: %v", p, n, cut, err)
				}
			}
		}
	}
}

func TestBloomCorrupt(t *testing.T) {
	p := bloomExact(t, 512, 3)
	header := []byte{1, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	dense := append([]byte{1, 0}, make([]byte, 64)...)
	for name, tail := range map[string][]byte{
		"no filter":         {0},
		"too many filters":  {25},
		"form":              {1, 2},
		"bit out of range":  {1, 1, 1, 0x80, 4},
		"count":             {1, 1, 0x81, 4, 0},
		"dense though few":  dense,
		"not at its limit":  {2, 1, 1, 5, 1, 1, 5},
		"last filter empty": append(append([]byte{2, 0}, bytes.Repeat([]byte{255}, 64)...), 1, 0),
	} {
		if _, _, err := DecodeBloom(append(bytes.Clone(header), tail...), p); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := DecodeBloom(append(bytes.Clone(header), 1, 1, 1, 5), p); err != nil {
		t.Errorf("one bit: %v", err)
	}
	header[len(header)-1] = 0x80 // an error of −0
	if _, _, err := DecodeBloom(append(bytes.Clone(header), 1, 1, 1, 5), p); !errors.Is(err, ErrMismatch) {
		t.Errorf("an error of -0: %v", err)
	}
}

func TestBloomGolden(t *testing.T) {
	b := NewBloom(bloomSized(t, 50, 0.01))
	b.AddHashes(randomHashes(1, 5))
	golden(t, "bloom_sparse", b.AppendBinary(nil))
	b.AddHashes(randomHashes(2, 120))
	golden(t, "bloom_chain", b.AppendBinary(nil))
	b = NewBloom(bloomExact(t, 1024, 11))
	b.AddHashes(randomHashes(3, 40))
	golden(t, "bloom_exact", b.AppendBinary(nil))
}

func FuzzDecodeBloom(f *testing.F) {
	p := bloomExact(f, 512, 3)
	for _, n := range []int{0, 3, 60, 500} {
		b := NewBloom(p)
		b.AddHashes(randomHashes(uint64(n), n))
		f.Add(b.AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, rest, err := DecodeBloom(data, p)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrMismatch) {
				t.Fatal(err)
			}
			return
		}
		if used := data[:len(data)-len(rest)]; !bytes.Equal(b.AppendBinary(nil), used) {
			t.Fatalf("%x is encoded as %x", used, b.AppendBinary(nil))
		}
		if b.Size() > 64*len(data)+1000 {
			t.Fatalf("%d bytes of memory from %d", b.Size(), len(data))
		}
		b.Add(1)
		if !b.Contains(1) {
			t.Fatal("an item added is missing")
		}
	})
}
