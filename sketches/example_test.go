package sketches_test

import (
	"fmt"
	"hash/fnv"

	"sketchlog/sketches"
)

// words are the items of a batch, by row.
type words []string

func (w words) AppendItem(dst []byte, row int32) []byte { return append(dst, w[row]...) }

func (w words) AppendItems(dst []byte, rows, ends []int32, gap, _ int) []byte {
	for i, row := range rows {
		dst = w.AppendItem(append(dst, make([]byte, gap)...), row)
		ends[i] = int32(len(dst))
	}
	return dst
}

// rows makes the columns that a pane takes of one batch.
func rows(batch words) *sketches.Rows {
	r := &sketches.Rows{Hashes: make([][]uint64, 1), Items: []sketches.Items{batch}}
	for i, w := range batch {
		r.Index = append(r.Index, int32(i))
		r.Times = append(r.Times, int64(1000*i))
		r.Positions = append(r.Positions, hash(fmt.Sprint("position ", i)))
		r.Hashes[0] = append(r.Hashes[0], hash(w))
	}
	return r
}

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

func Example() {
	layout, err := sketches.NewLayout(1, 0, 0, []sketches.Spec{
		{Name: "editors", Kind: sketches.KindHLL, Precision: 14},
		{Name: "hot", Kind: sketches.KindHotList, Weight: -1, Size: 100},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	morning, evening := layout.NewPane(), layout.NewPane()
	morning.Apply(rows(words{"ann", "bob", "ann"}))
	evening.Apply(rows(words{"ann", "cid"}))

	day := layout.NewPane()
	for _, pane := range []*sketches.Pane{morning, evening} {
		if err := day.Merge(pane, layout.All()); err != nil {
			fmt.Println(err)
			return
		}
	}
	distinct := day.Distinct(0, 0.95)
	fmt.Println(day.Events(), "events of", distinct.Value, "editors; exact:", distinct.Exact)
	top, _, _ := day.TopK(1, 2)
	for _, c := range top {
		fmt.Printf("%s %v\n", c.Item, c.Value)
	}
	// Output:
	// 5 events of 3 editors; exact: true
	// ann 3
	// bob 1
}

// A large pane answers with an interval, and only what a question needs is merged.
func ExamplePane_Merge() {
	layout, err := sketches.NewLayout(1, 0, 0, []sketches.Spec{
		{Name: "editors", Kind: sketches.KindHLL, Precision: 8},
		{Name: "edits", Kind: sketches.KindCountMin, Weight: -1, Width: 64, Depth: 4},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var many words
	for i := range 10000 {
		many = append(many, fmt.Sprint("editor ", i*i))
	}
	pane, answer := layout.NewPane(), layout.NewPane()
	pane.Apply(rows(many))
	if err := answer.Merge(pane, sketches.Only(0)); err != nil {
		fmt.Println(err)
		return
	}
	d := answer.Distinct(0, 0.999)
	fmt.Println("exact:", d.Exact, "within the interval:", d.Low < 10000 && 10000 < d.High)
	// Output:
	// exact: false within the interval: true
}
