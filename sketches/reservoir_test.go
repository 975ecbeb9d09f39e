package sketches

import (
	"fmt"
	"testing"

	"sketchlog/sketches/sketchtest"
)

// TestUniformity: the sample shows no preference for a place in the stream, a
// partition or an order of merging (χ² with 19 degrees of freedom; 1 in 10,000
// fair samplers exceeds 52).
func TestUniformity(t *testing.T) {
	const places, trials = 400, 1500
	var hits [20]float64
	for trial := range trials {
		parts := [3]*Reservoir{}
		for i := range parts {
			parts[i], _ = NewReservoir(10)
		}
		for i := range places {
			part := parts[min(2, i*7/places)] // unequal partitions
			part.Add(sketchtest.Mix(uint64(trial*places+i)), []byte{byte(i * 20 / places)})
		}
		for _, order := range []int{1, 2} {
			if err := parts[0].Merge(parts[order]); err != nil {
				t.Fatal(err)
			}
		}
		for _, item := range parts[0].Sample(10) {
			hits[item[0]]++
		}
	}
	want, chi := float64(trials)*10/20, 0.0
	for _, h := range hits {
		chi += (h - want) * (h - want) / want
	}
	if chi > 52 {
		t.Errorf("χ² is %.1f: %v", chi, hits)
	}
}

// TestReservoirTies: equal positions are told apart by their items, whatever the order.
func TestReservoirTies(t *testing.T) {
	want := ""
	for order := range 6 {
		r, _ := NewReservoir(2)
		for i := range 4 {
			r.Add(7, []byte{"dbca"[(i*(order%2*2+1)+order)%4]})
		}
		got := fmt.Sprintf("%s", r.Sample(2))
		if want == "" {
			want = got
		}
		if got != want || got != "[a b]" {
			t.Errorf("order %d: %s", order, got)
		}
	}
}
