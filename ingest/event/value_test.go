package event

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"unicode/utf8"
)

func TestFloatNormalisation(t *testing.T) {
	cases := []struct {
		in   float64
		want Value
	}{
		{1, IntValue(1)},
		{math.Copysign(0, -1), IntValue(0)},
		{-0x1p63, IntValue(math.MinInt64)},
		{0x1p63, Value{Kind: Float, Bits: math.Float64bits(0x1p63)}},
		{math.Nextafter(0x1p63, 0), IntValue(9223372036854774784)},
		{1e300, Value{Kind: Float, Bits: math.Float64bits(1e300)}},
		{0.5, Value{Kind: Float, Bits: math.Float64bits(0.5)}},
		{math.NaN(), Value{}},
		{math.Inf(1), Value{}},
		{math.Inf(-1), Value{}},
	}
	for _, c := range cases {
		if got := FloatValue(c.in); got != c.want {
			t.Errorf("FloatValue(%v) = %+v, want %+v", c.in, got, c.want)
		}
	}
}

func TestParseValue(t *testing.T) {
	good := map[string]Value{
		"null": {}, " true ": BoolValue(true), "false": BoolValue(false), "1": IntValue(1), "1.0": IntValue(1),
		"-0": IntValue(0), "1e2": IntValue(100), "0.5": FloatValue(0.5), "9223372036854775808": FloatValue(0x1p63),
		`"1"`: StringValue("1"), `"a\u00e9\n"`: StringValue("aé\n"), `""`: StringValue(""),
	}
	for text, want := range good {
		if got, err := ParseValue(text); err != nil || got != want {
			t.Errorf("ParseValue(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", " ", "abc", "[1]", "{}", "01", "1 2", `"a`, "nul", "+1", "NaN", "\"\xff\""} {
		if _, err := ParseValue(text); !errors.Is(err, ErrNotScalar) {
			t.Errorf("ParseValue(%q): %v", text, err)
		}
	}
	for _, text := range []string{"1e400", "12345678901234567890", "18446744073709551615", `"\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`, `"a\\\ud83d"`} {
		if v, err := ParseValue(text); err == nil {
			t.Errorf("%s is taken for %v; no event can hold it, so it must be refused", text, v)
		}
	}
	for text, want := range map[string]string{`"\ud83d\ude00"`: "😀", `"\\ud83d"`: `\ud83d`, `"\ufffd"`: "\ufffd", `"\u0000"`: "\x00"} {
		if got, err := ParseValue(text); err != nil || got != StringValue(want) {
			t.Errorf("ParseValue(%s) = %v, %v; want %q", text, got, err, want)
		}
	}
}

func TestParseText(t *testing.T) {
	for text, want := range map[string]Value{
		"12345678901234567890": StringValue("12345678901234567890"), "1e400": StringValue("1e400"), " 7": StringValue(" 7"), "null ": StringValue("null "),
		"18446744073709552000": FloatValue(0x1p64), "9007199254740993": IntValue(9007199254740993),
		"null": {}, `"null"`: StringValue("null"), "42": IntValue(42), "abc": StringValue("abc"), "": StringValue(""), "[1]": StringValue("[1]"),
	} {
		if got := ParseText(text); got != want {
			t.Errorf("ParseText(%q) = %v, want %v", text, got, want)
		}
	}
}

// A field of CSV is found again when it is asked for as it was written.
func TestParseTextAgreesWithCSV(t *testing.T) {
	for _, text := range []string{"7", " 7", "7 ", "+7", "007", "-0", "1.0", "1e2", "12345678901234567890", "100000000000000000000", "1e999", "true", "True", "x"} {
		var b Batch
		if r, err := Decode(&b, []byte("f\n"+text+"\n"), Options{Format: FormatCSV, Arrival: 1}); err != nil || r.Accepted != 1 {
			t.Fatalf("%q: %+v, %v", text, r, err)
		}
		c := b.Column("f")
		got := Value{Kind: c.Kinds[0]}
		if got.Kind == String {
			got.Text = string(c.text(c.Bits[0]))
		} else {
			got.Bits = c.Bits[0]
		}
		if asked := ParseText(text); asked != got {
			t.Errorf("%q is %v in an event and %v in a question", text, got, asked)
		}
	}
}

func TestJSONNumbersAsEncodingJSON(t *testing.T) {
	r := random(1)
	values := []float64{0.5, 1e-6, 9.9e-7, 1e20, 1e21, 1e-9, 1e-10, 1.5e-300, math.MaxFloat64, math.SmallestNonzeroFloat64, -1e22}
	for range 2000 {
		if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			values = append(values, f)
		}
	}
	for _, f := range values {
		want, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendFloat(nil, f); string(got) != string(want) {
			t.Errorf("%g: %s, encoding/json writes %s", f, got, want)
		}
		if FloatValue(f).Kind == Int {
			continue // is written as an Int, with all its digits
		}
		v, err := ParseValue(string(want))
		if err != nil || v != FloatValue(f) {
			t.Errorf("%s reads back as %v, %v", want, v, err)
		}
	}
}

func FuzzQuoted(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\r\t\x00\x1f", "grüße 🎉", "\xff\xfe", "a\xe2\x82", "\xed\xa0\x80", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := appendQuoted(nil, s)
		if string(out) != string(appendQuoted(nil, []byte(s))) {
			t.Fatal("string and bytes differ")
		}
		var back string
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		want := string([]rune(s)) // invalid bytes become U+FFFD, one each
		if back != want || !utf8.Valid(out) {
			t.Fatalf("%q reads back as %q, want %q", out, back, want)
		}
	})
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want float64
		ok   bool
	}{{IntValue(-3), -3, true}, {FloatValue(0.5), 0.5, true}, {StringValue("1"), 0, false}, {BoolValue(true), 0, false}, {Value{}, 0, false}} {
		if got, ok := c.v.Number(); got != c.want || ok != c.ok {
			t.Errorf("%v: %v, %v", c.v, got, ok)
		}
	}
}
