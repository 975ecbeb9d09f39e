package event

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstandard(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(b, nil)
}

func TestUnpack(t *testing.T) {
	body := []byte(strings.Repeat("{\"a\":1}\n", 1000))
	for encoding, packed := range map[string][]byte{
		"":         body,
		"identity": body,
		"gzip":     gzipped(t, body),
		"GZIP":     append(gzipped(t, body[:3000]), gzipped(t, body[3000:])...),
		"zstd":     append(zstandard(t, body[:3000]), zstandard(t, body[3000:])...),
	} {
		for _, limit := range []int{len(body), len(body) + 1, 1 << 20} {
			if got, err := Unpack(encoding, packed, limit); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%q within %d: %d bytes, %v", encoding, limit, len(got), err)
			}
		}
		for _, limit := range []int{0, 1, len(body) - 1} {
			if _, err := Unpack(encoding, packed, limit); !errors.Is(err, ErrTooLarge) {
				t.Errorf("%q within %d: %v, want ErrTooLarge", encoding, limit, err)
			}
		}
		if encoding == "" || encoding == "identity" {
			continue
		}
		for _, damaged := range [][]byte{nil, body, packed[:len(packed)-1], packed[:10], append(bytes.Clone(packed), "more"...)} {
			if _, err := Unpack(encoding, damaged, 1<<20); !errors.Is(err, ErrEncoding) {
				t.Errorf("%q, damaged to %d bytes: %v, want ErrEncoding", encoding, len(damaged), err)
			}
		}
	}
	if _, err := Unpack("br", body, 1<<20); !errors.Is(err, ErrEncoding) {
		t.Errorf("br: %v", err)
	}
}

// A bomb stops at the limit, and a window that would need gigabytes is refused before it is made.
func TestUnpackIsSafeFromBombs(t *testing.T) {
	zeros := make([]byte, 16<<20)
	for encoding, packed := range map[string][]byte{"gzip": gzipped(t, zeros), "zstd": zstandard(t, zeros)} {
		if len(packed) > 1<<17 {
			t.Fatalf("%s: a bomb of %d bytes is none", encoding, len(packed))
		}
		if _, err := Unpack(encoding, packed, 1<<20); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", encoding, err)
		}
	}
	hugeWindow := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 0x01, 0x00, 0x00}
	hugeSegment := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0x01, 0x00, 0x00}
	for _, packed := range [][]byte{hugeWindow, hugeSegment} {
		if _, err := Unpack("zstd", packed, 1<<20); !errors.Is(err, ErrEncoding) {
			t.Errorf("% x: %v", packed, err)
		}
	}
}

func TestUnpackConcurrently(t *testing.T) {
	var wait sync.WaitGroup
	for i := range 8 {
		body := []byte(strings.Repeat(string(rune('a'+i)), 10000))
		packed := map[string][]byte{"gzip": gzipped(t, body), "zstd": zstandard(t, body)}
		wait.Go(func() {
			for range 20 {
				for encoding, p := range packed {
					if got, err := Unpack(encoding, p, 1<<20); err != nil || !bytes.Equal(got, body) {
						t.Errorf("%s: %d bytes, %v", encoding, len(got), err)
					}
				}
			}
		})
	}
	wait.Wait()
}

func FuzzUnpack(f *testing.F) {
	f.Add(gzipped(f, []byte("hello")))
	f.Add(zstandard(f, []byte("hello")))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, encoding := range []string{"gzip", "zstd"} {
			if got, err := Unpack(encoding, body, 1<<16); err == nil && len(got) > 1<<16 {
				t.Fatalf("%s: %d bytes", encoding, len(got))
			}
		}
	})
}
