package event

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// pack writes what msgp can write of a value; names of maps are in order, so that columns are too.
func pack(t testing.TB, v any) []byte {
	t.Helper()
	b, err := msgp.AppendIntf(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// packMap writes a map of names and packed values in the order given.
func packMap(fields ...any) []byte {
	b := msgp.AppendMapHeader(nil, uint32(len(fields)/2))
	for i := 0; i < len(fields); i += 2 {
		b = msgp.AppendString(b, fields[i].(string))
		switch v := fields[i+1].(type) {
		case []byte:
			b = append(b, v...)
		case int:
			b = msgp.AppendInt(b, v)
		case string:
			b = msgp.AppendString(b, v)
		}
	}
	return b
}

func packArray(elements ...[]byte) []byte {
	return append(msgp.AppendArrayHeader(nil, uint32(len(elements))), bytes.Join(elements, nil)...)
}

func TestMsgpack(t *testing.T) {
	at := time.Date(2015, 9, 12, 0, 46, 58, 771000000, time.UTC)
	extension := msgp.AppendTimeExt(nil, at)
	foreign := []byte{0xd4, 9, 1}
	ownTime := msgp.AppendTime(nil, at)
	big := packMap("a", msgp.AppendUint64(nil, math.MaxUint64))
	runCases := []decodeCase{
		{"nothing", "", nil, nil},
		{"one map", string(packMap("a", 1)), []string{"a=1"}, nil},
		{"maps in a row", string(packMap("a", 1)) + string(packMap("a", 2)), []string{"a=1", "a=2"}, nil},
		{"array", string(packArray(packMap("a", 1), packMap(), packMap("a", "x"))), []string{"a=1", "", `a="x"`}, nil},
		{"empty array", "\x90", nil, nil},
		{"values", string(packMap("i", -5, "u", msgp.AppendUint64(nil, 1<<40), "f", msgp.AppendFloat64(nil, 0.5), "g", msgp.AppendFloat32(nil, 0.25), "w", msgp.AppendFloat64(nil, 3),
			"t", msgp.AppendBool(nil, true), "n", msgp.AppendNil(nil), "b", msgp.AppendBytes(nil, []byte("é")), "z", extension)),
			[]string{`i=-5 u=1099511627776 f=0.5 g=0.25 w=3 t=true b="é" z="2015-09-12T00:46:58.771Z"`}, nil},
		{"whole seconds", string(packMap("a", []byte{0xd6, 0xff, 0, 0, 0, 1}, "b", []byte{0xd7, 0xff, 0, 0, 0, 0, 0, 0, 0, 2})), []string{`a="1970-01-01T00:00:01Z" b="1970-01-01T00:00:02Z"`}, nil},
		{"nested", string(packMap("a", packMap("b", packMap("c", 1), "d", 2))), []string{"a.b.c=1 a.d=2"}, nil},
		{"arrays", string(packMap("a", packArray(msgp.AppendFloat64(nil, 1), msgp.AppendString(nil, "é\"/"), packArray(msgp.AppendNil(nil)), packMap("x", extension)))),
			[]string{`a="[1,\"é\\\"/\",[null],{\"x\":\"2015-09-12T00:46:58.771Z\"}]"`}, nil},
		{"big integers", string(packArray(packMap("a", msgp.AppendUint64(nil, 1<<63)), big)), []string{"a=9223372036854776000"}, []string{"1:0: whose digits a float would lose"}},
		{"not finite", string(packArray(packMap("a", msgp.AppendFloat64(nil, math.NaN())), packMap("a", msgp.AppendFloat32(nil, float32(math.Inf(1)))), packMap("a", packArray(msgp.AppendFloat64(nil, math.Inf(-1)))), packMap("a", 1))),
			[]string{"a=1"}, []string{"0:0: is NaN", "1:0: is +Inf", "2:0: is -Inf"}},
		{"extensions", string(packArray(packMap("a", foreign), packMap("a", ownTime), packMap("a", packArray(foreign)), packMap("a", 1))), []string{"a=1"},
			[]string{"0:0: only timestamps (-1) are known", "1:0: only timestamps (-1) are known", "2:0: only timestamps"}},
		{"bad timestamps", string(packArray(packMap("a", []byte{0xd7, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}), packMap("a", append([]byte{0xc7, 12, 0xff, 0, 0, 0, 0, 0x7f}, make([]byte, 7)...)), packMap("a", 1))),
			[]string{"a=1"}, []string{"0:0: invalid msgpack", "1:0: the years 1 to 9999"}},
		{"names", string(packArray(append([]byte{0x81, 1}, 2), append([]byte{0x81, 0xc4, 1, 'k'}, 2), packMap("", 1), packMap("_index", 1), packMap("a", packMap("", 1)))),
			[]string{"k=2"}, []string{"0:0: it must be a string", "2:0: is empty", "3:0: rename it", "4:0: is empty"}},
		{"no map", string(packArray(pack(t, 1), pack(t, "x"), packMap("a", 1), packArray(packMap("a", 1)))), []string{"a=1"}, []string{"0:0: must be a map", "1:0: must be a map", "3:0: must be a map"}},
		{"names within arrays", string(packArray(packMap("a", packArray([]byte{0x81, 1, 2})), packMap("a", packArray(packMap("x", 1))))), []string{`a="[{\"x\":1}]"`}, []string{"0:0: holds a map with a name that is"}},
		{"long array", string(packMap("a", append(msgp.AppendArrayHeader(nil, 1<<18), make([]byte, 1<<18)...))) + string(packMap("a", append(msgp.AppendArrayHeader(nil, 1<<20), make([]byte, 1<<20)...))) + string(packMap("b", 1)),
			[]string{`a="[0` + strings.Repeat(",0", 1<<18-1) + `]"`, "b=1"}, []string{"1:0: more than 1048576 bytes of JSON"}},
		{"a scalar", "\x01", nil, []string{"0:0: must be a map"}},
		{"invalid UTF-8", string(packArray(packMap("a", "\xff"), packMap("a", msgp.AppendBytes(nil, []byte{0xff})), packMap("a", packArray(pack(t, "\xff"))))), nil,
			[]string{"0:0: not valid UTF-8", "1:0: not valid UTF-8", "2:0: not valid UTF-8"}},
		{"breaks off", string(packArray(packMap("a", 1), packMap("a", "xyz")))[:9], []string{"a=1"}, []string{"1:0: the rest of the body was not read"}},
		{"too few", "\x92" + string(packMap("a", 1)), []string{"a=1"}, []string{"1:0: ends before the array does"}},
		{"too many", "\x91" + string(packMap("a", 1)) + "\xc0", []string{"a=1"}, []string{"1:0: 1 bytes after"}},
		{"claims fields", "\x81\xa1a\xdf\xff\xff\xff\xff", nil, []string{"0:0: claims 4294967295 fields, but only 0 bytes follow"}},
		{"claims elements", "\x81\xa1a\xdd\xff\xff\xff\xff\x01\x02", nil, []string{"0:0: claims 4294967295 elements, but only 2 bytes follow"}},
		{"claims text", "\x81\xa1a\xdb\xff\xff\xff\xffab", nil, []string{"0:0: invalid msgpack"}},
		{"unused prefix", "\x81\xa1a\xc1", nil, []string{"0:0: invalid msgpack"}},
		{"deep maps", strings.Repeat("\x81\xa1a", 9) + "\x01" + string(packMap("a", 1)), []string{"a=1"}, []string{"0:0: more than 8 levels"}},
		{"deep array", "\x81\xa1a" + strings.Repeat("\x91", 70) + "\x01" + string(packMap("a", 1)), []string{"a=1"}, []string{"0:0: more than 64 levels"}},
		{"endless array", "\x81\xa1a" + strings.Repeat("\x91", 1000000), nil, []string{"0:0: more than 64 levels"}},
	}
	runDecodeCases(t, Options{Format: FormatMsgpack}, runCases)
}

func TestMsgpackArrayThatClaimsTooMuch(t *testing.T) {
	_, err := Decode(new(Batch), []byte("\xdd\xff\xff\xff\xff\x80"), Options{Format: FormatMsgpack})
	if !errors.Is(err, ErrBody) {
		t.Errorf("error %v, want ErrBody", err)
	}
}

// One array written in JSON and in msgpack is one item.
func TestArraysAreOneItemInJSONAndMsgpack(t *testing.T) {
	var a, b Batch
	if _, err := Decode(&a, []byte(`{"a":[1.0, "\u00e9\u2028<", 0.1, 1e21, {"k" : [true, null]}]}`), Options{Format: FormatNDJSON}); err != nil {
		t.Fatal(err)
	}
	packed := packMap("a", pack(t, []any{1, "é\u2028<", 0.1, 1e21, map[string]any{"k": []any{true, nil}}}))
	if _, err := Decode(&b, packed, Options{Format: FormatMsgpack}); err != nil {
		t.Fatal(err)
	}
	if x, y := rowText(&a, 0), rowText(&b, 0); x != y {
		t.Errorf("%s\n%s", x, y)
	}
}

func FuzzMsgpack(f *testing.F) {
	f.Add(packArray(packMap("t", 1, "a", packMap("b", packArray(pack(f, "x"), pack(f, 1.5)))), packMap("t", msgp.AppendTimeExt(nil, time.Unix(1, 2)))))
	f.Add([]byte("\xdd\xff\xff\xff\xff\x80"))
	f.Add([]byte("\x81\xa1a\xdb\xff\xff\xff\xffab"))
	f.Add([]byte(strings.Repeat("\x81\xa1a", 12)))
	f.Add(append(packMap("a", []byte{0xd4, 9, 1}), packMap("a", 1)...))
	f.Fuzz(func(t *testing.T, body []byte) { checkDecoded(t, FormatMsgpack, body) })
}
