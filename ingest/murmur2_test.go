package ingest

import "testing"

// The vectors are those of Kafka's own test of its murmur2.
func TestMurmur2IsKafkas(t *testing.T) {
	for _, c := range []struct {
		key  string
		want int32
	}{
		{"21", -973932308},
		{"foobar", -790332482},
		{"a-little-bit-long-string", -985981536},
		{"a-little-bit-longer-string", -1486304829},
		{"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
		{"abc", 479470107},
	} {
		if got := int32(murmur2([]byte(c.key))); got != c.want {
			t.Errorf("murmur2(%q) = %d, Kafka has %d", c.key, got, c.want)
		}
	}
}

func TestPartitionIsPositiveModulo(t *testing.T) {
	for _, c := range []struct {
		key  string
		n    int
		want int
	}{
		{"21", 1, 0},
		// Kafka clears the sign bit and does not take the absolute value: -973932308 & 0x7fffffff = 1173551340.
		{"21", 1000, 340},
		{"foobar", 1 << 30, (-790332482 & 0x7fffffff) % (1 << 30)},
		{"abc", 7, 479470107 % 7},
	} {
		if got := Partition([]byte(c.key), c.n); got != c.want {
			t.Errorf("Partition(%q, %d) = %d, want %d", c.key, c.n, got, c.want)
		}
	}
	if got := Partition(nil, 5); got < 0 || got > 4 {
		t.Errorf("Partition of an empty key = %d", got)
	}
}
