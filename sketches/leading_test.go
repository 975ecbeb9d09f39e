package sketches

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestLeadingIsTheBeginningOfWhatSortingGives(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 9))
	for round := range 500 {
		es := make([]int, random.IntN(60))
		for i := range es {
			es[i] = random.IntN(1 + round%50)
		}
		k := random.IntN(70) - 3
		want := slices.Sorted(slices.Values(es))
		want = want[:max(0, min(k, len(want)))]
		if got := leading(slices.Clone(es), k, func(a, b *int) int { return cmp.Compare(*a, *b) }); !slices.Equal(got, want) {
			t.Fatalf("the %d leading ones of %v are %v, want %v", k, es, got, want)
		}
	}
}

func BenchmarkTopKOfATable(b *testing.B) {
	layout, err := NewLayout(1, 0, 0, []Spec{{Name: "hot", Kind: KindHotList, Weight: -1, Size: 256}, {Name: "hll", Kind: KindHLL, Weight: -1, Precision: 14}, {Name: "countmin", Kind: KindCountMin, Weight: -1, Width: 65536, Depth: 4, Confidence: 0.98}})
	if err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	const n = 3000
	items := make(textItems, n)
	rows := Rows{Hashes: [][]uint64{make([]uint64, n)}, Items: []Items{items}}
	for i := range n {
		items[i] = []byte{byte(i), byte(i >> 8), 'x'}
		rows.Index, rows.Times, rows.Positions = append(rows.Index, int32(i)), append(rows.Times, 1), append(rows.Positions, random.Uint64())
		rows.Hashes[0][i] = random.Uint64()
	}
	p := layout.NewPane()
	p.Apply(&rows)
	b.ReportAllocs()
	for b.Loop() {
		if top, _, exact := p.TopK(0, 10); len(top) != 10 || !exact {
			b.Fatal("it is not an exact table of that many")
		}
	}
}

type textItems [][]byte

func (t textItems) AppendItem(dst []byte, row int32) []byte { return append(dst, t[row]...) }

func (t textItems) AppendItems(dst []byte, rows, ends []int32, gap, _ int) []byte {
	for i, row := range rows {
		dst = t.AppendItem(append(dst, make([]byte, gap)...), row)
		ends[i] = int32(len(dst))
	}
	return dst
}
