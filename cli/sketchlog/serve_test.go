package main

import "testing"

func TestParseMemory(t *testing.T) {
	const total = 8 << 30
	for text, want := range map[string]int64{
		"25%": 2 << 30, "100%": total, "0.5%": 42949672, "512MiB": 512 << 20, "1.5GiB": 3 << 29, "2 GB": 2_000_000_000, "16777216B": 16 << 20,
	} {
		if got, err := parseMemory(text, total); got != want || err != nil {
			t.Errorf("%q is %d, want %d; %v", text, got, want, err)
		}
	}
	for _, text := range []string{"", "lots", "512", "101%", "-1GiB", "0MiB", "1MiB", "NaN%", "1e99GiB", "%"} {
		if got, err := parseMemory(text, total); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}
