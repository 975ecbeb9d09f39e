package sketches

import (
	"bytes"
	"encoding/hex"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// golden compares an encoding with testdata/name.hex, which holds it in
// hexadecimal, 32 bytes a line.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".hex")
	if *update {
		var text []byte
		for rest := got; len(rest) > 0; {
			n := min(32, len(rest))
			text = append(hex.AppendEncode(text, rest[:n]), '\n')
			rest = rest[n:]
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (rewrite with -update)", err)
	}
	want, err := hex.DecodeString(string(bytes.ReplaceAll(text, []byte("\n"), nil)))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: encoding differs from the golden file (if the format was meant to change, raise its version and rewrite with -update)\n got %x\nwant %x", name, got, want)
	}
}

// randomHashes gives n hashes, none of which is zero, that depend on seed only.
func randomHashes(seed uint64, n int) []uint64 {
	r := rand.New(rand.NewPCG(seed, 1))
	hashes := make([]uint64, n)
	for i := range hashes {
		hashes[i] = r.Uint64() | 1<<r.IntN(64)
	}
	return hashes
}
