package event

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/zeebo/xxh3"
)

func TestItemRoundTrip(t *testing.T) {
	r := random(2)
	for range 3000 {
		v := modelValue(r, r.IntN(7))
		item := AppendItem(nil, v)
		got, err := DecodeItem(item)
		if err != nil || got.Tuple || got.Event != nil || len(got.Values) != 1 || got.Values[0] != v {
			t.Fatalf("%v: item %x decodes as %+v, %v", v, item, got, err)
		}
		vs := []Value{}
		for range r.IntN(4) {
			vs = append(vs, modelValue(r, 0))
		}
		tuple := AppendTuple(nil, vs)
		values, err := TupleValues(tuple)
		if err != nil || !slices.Equal(values, vs) {
			t.Fatalf("%v: tuple %x decodes as %v, %v", vs, tuple, values, err)
		}
	}
}

// TestHashTextsEqualsItems: of every length about those that have a path of their own.
func TestHashTextsEqualsItems(t *testing.T) {
	r := random(9)
	var text []byte
	var refs []uint64
	for i := range 4000 {
		at := len(text)
		for range i % 40 {
			text = append(text, byte(r.Uint32()))
		}
		refs = append(refs, uint64(at)<<32|uint64(len(text)-at))
		if i%5 == 0 {
			refs = append(refs, refs[len(refs)-1])
		}
	}
	hashes := make([]uint64, len(refs))
	HashTexts(hashes, text, refs)
	for i, ref := range refs {
		s := text[ref>>32:][:uint32(ref)]
		if want := xxh3.HashSeed(s, seeds[String]); hashes[i] != want || HashText(s) != want {
			t.Fatalf("%d bytes: %016x and %016x, want %016x", len(s), hashes[i], HashText(s), want)
		}
		if want := HashItem(AppendItem(nil, StringValue(string(s)))); hashes[i] != want {
			t.Fatalf("%d bytes: %016x, as an item %016x", len(s), hashes[i], want)
		}
	}
}

// TestAppendTexts: of every length about those that have a path of their own, and at the very
// end of the text.
func TestAppendTexts(t *testing.T) {
	text := []byte("a text of some fifty letters, out of which items are")
	for n := range len(text) {
		refs := []uint64{uint64(len(text)-n)<<32 | uint64(n), uint64(n)}
		ends := make([]int32, 2)
		got := AppendTexts(nil, []int32{0, 1}, ends, 3, 254, text[:len(text):len(text)], refs)
		first, second := AppendItem(nil, StringValue(string(text[len(text)-n:]))), AppendItem(nil, StringValue(string(text[:n])))
		if !bytes.Equal(got[3:ends[0]], first) || !bytes.Equal(got[ends[0]+3:ends[1]], second) || int(ends[1]) != len(got) {
			t.Fatalf("%d bytes: %q, which end at %d", n, got, ends)
		}
	}
}

// TestItemOrder checks that bytes order as values do, within a kind and within tuples.
func TestItemOrder(t *testing.T) {
	rising := [][]Value{
		{IntValue(math.MinInt64), IntValue(-256), IntValue(-1), IntValue(0), IntValue(1), IntValue(255), IntValue(256), IntValue(math.MaxInt64)},
		{FloatValue(-1e300), FloatValue(-0.5), FloatValue(-1e-300), FloatValue(1e-300), FloatValue(0.5), FloatValue(1.5), FloatValue(1e300)},
		{StringValue(""), StringValue("\x00"), StringValue("\x00\x00"), StringValue("\x01"), StringValue("a"), StringValue("a\x00"), StringValue("a\x00b"), StringValue("a\x01"), StringValue("ab"), StringValue("b")},
	}
	for _, values := range rising {
		for i := 1; i < len(values); i++ {
			x, y := values[i-1], values[i]
			if bytes.Compare(AppendItem(nil, x), AppendItem(nil, y)) >= 0 {
				t.Errorf("item %v does not come before %v", x, y)
			}
			if bytes.Compare(AppendTuple(nil, []Value{x, StringValue("z")}), AppendTuple(nil, []Value{y})) >= 0 {
				t.Errorf("tuple of %v does not come before one of %v", x, y)
			}
		}
	}
}

func TestItemJSON(t *testing.T) {
	cases := []struct {
		item []byte
		want string
	}{
		{AppendItem(nil, Value{}), `null`},
		{AppendItem(nil, StringValue("a\"b")), `"a\"b"`},
		{AppendItem(nil, FloatValue(2)), `2`},
		{AppendTuple(nil, nil), `[]`},
		{AppendTuple(nil, []Value{StringValue("x"), {}, IntValue(-3), FloatValue(0.1)}), `["x",null,-3,0.1]`},
		{append([]byte{tagEvent}, `{"a":1}`...), `{"a":1}`},
	}
	for _, c := range cases {
		if got, err := ItemJSON(nil, c.item); err != nil || string(got) != c.want {
			t.Errorf("%x: %s, %v; want %s", c.item, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "08", "0000", "03", "030000000000000000ff", "06ff", "060561", "0603", "07", "075b5d", "077b", "04bff0000000000000", "ff"} {
		item, _ := hex.DecodeString(bad)
		if _, err := ItemJSON(nil, item); !errors.Is(err, ErrCorrupt) {
			t.Errorf("item %s: %v", bad, err)
		}
	}
}

func TestHashNulls(t *testing.T) {
	for _, item := range [][]byte{nil, AppendItem(nil, Value{}), AppendTuple(nil, nil), AppendTuple(nil, make([]Value, 3))} {
		if h := HashItem(item); h != 0 {
			t.Errorf("item %x hashes to %x, want 0", item, h)
		}
	}
	seen := map[uint64][]byte{}
	for _, item := range [][]byte{
		AppendItem(nil, IntValue(1)), AppendItem(nil, StringValue("1")), AppendItem(nil, BoolValue(true)), AppendItem(nil, BoolValue(false)),
		AppendItem(nil, StringValue("")), AppendTuple(nil, []Value{IntValue(1)}), AppendTuple(nil, []Value{{}, IntValue(1)}), AppendItem(nil, FloatValue(0.5)),
	} {
		h := HashItem(item)
		if h == 0 || seen[h] != nil {
			t.Errorf("item %x hashes to %x as %x does", item, h, seen[h])
		}
		seen[h] = item
	}
}

// TestItemGolden fixes canonical bytes and hashes: sketches on disk hold both.
func TestItemGolden(t *testing.T) {
	var out bytes.Buffer
	write := func(item []byte) {
		text, err := ItemJSON(nil, item)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%x %016x %s\n", item, HashItem(item), text)
	}
	for _, v := range []Value{
		{}, BoolValue(false), BoolValue(true), IntValue(0), IntValue(-1), IntValue(200), IntValue(math.MaxInt64),
		FloatValue(0.5), FloatValue(-0.5), FloatValue(1e300), StringValue(""), StringValue("a"), StringValue("a\x00b"),
		StringValue("#en.wikipedia"), StringValue(string(bytes.Repeat([]byte("long "), 60))),
	} {
		write(AppendItem(nil, v))
		write(AppendTuple(nil, []Value{v}))
	}
	write(AppendTuple(nil, nil))
	write(AppendTuple(nil, []Value{StringValue("x"), {}, IntValue(7)}))
	write(append([]byte{tagEvent}, `{"added":7,"user":"x"}`...))
	golden(t, "items.txt", out.Bytes())
}

func FuzzItem(f *testing.F) {
	for _, v := range []Value{{}, BoolValue(true), IntValue(-5), FloatValue(2.5), StringValue("a\x00b")} {
		f.Add(AppendItem(nil, v))
		f.Add(AppendTuple(nil, []Value{v, v}))
	}
	f.Add([]byte("\x07{\"a\":[1]}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		HashItem(b)
		v, err := DecodeItem(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		// What is accepted is canonical.
		var again []byte
		switch {
		case v.Event != nil:
			again = append([]byte{tagEvent}, v.Event...)
		case v.Tuple:
			again = AppendTuple(nil, v.Values)
		default:
			again = AppendItem(nil, v.Values[0])
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("%x decodes, but encodes as %x", b, again)
		}
		if text, err := ItemJSON(nil, b); err != nil || len(text) == 0 {
			t.Fatalf("JSON of %x: %s, %v", b, text, err)
		}
	})
}
