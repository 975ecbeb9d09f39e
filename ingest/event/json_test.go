package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNDJSON(t *testing.T) {
	runDecodeCases(t, Options{Format: FormatNDJSON}, []decodeCase{
		{"nothing", "", nil, nil},
		{"values", `{"s":"x","i":-12,"f":0.5,"t":true,"u":false,"n":null}`, []string{`s="x" i=-12 f=0.5 t=true u=false`}, nil},
		{"no fields", "{}", []string{""}, nil},
		{"lines", "{\"a\":1}\r\n\n  \t\r\n{\"a\":2}", []string{"a=1", "a=2"}, nil},
		{"white space", " { \"a\" : 1 ,\t\"b\" : [ 1 , 2 ] } \n", []string{`a=1 b="[1,2]"`}, nil},
		{"bad line between", "{\"a\":1}\n\n{broken\n{\"a\":2}\n", []string{"a=1", "a=2"}, []string{"1:3: at byte 1 of the line: \"b\", expected a field name"}},
		{"no object", "[1]\n1\n\"x\"\nnull\n{}", []string{""}, []string{"0:1: must be a JSON object", "1:2: must be", "2:3: must be", "3:4: must be"}},
		{"trailing", "{\"a\":1} x\n{\"a\":1}{\"a\":2}\n{\"a\":3},", nil, []string{"0:1: expected the end of the line", "1:2: expected the end", "2:3: expected the end"}},
		{"nested", `{"a":{"b":{"c":1},"d":2},"e":{},"f":{"g":[{"h":1}]}}`, []string{`a.b.c=1 a.d=2 f.g="[{\"h\":1}]"`}, nil},
		{"set twice", `{"a":1,"b":2,"a":"x","a.b":3,"a":{"b":4}}`, []string{`a="x" b=2 a.b=4`}, nil},
		{"escapes", `{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 tail","\u0062":1}`, []string{`a="\"\\/\u0008\u000c\n\r\té😀 tail" b=1`}, nil},
		{"eight levels", `{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":1}}}}}}}}`, []string{"a.b.c.d.e.f.g.h=1"}, nil},
		{"nine levels", `{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":1}}}}}}}}}`, nil, []string{"0:1: more than 8 levels"}},
		{"arrays", `{"a":[],"b":[1.0,"\u00e9\/",[null,true]," ",{"x y" : -0.0}]}`, []string{`a="[]" b="[1,\"é/\",[null,true],\" \",{\"x y\":0}]"`}, nil},
		{"deep array", `{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + "}\n{\"a\":" + strings.Repeat("[", 65) + strings.Repeat("]", 65) + "}",
			[]string{`a="` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `"`}, []string{"1:2: more than 64 levels"}},
		{"unclosed deep array", `{"a":` + strings.Repeat("[", 100000), nil, []string{"0:1: more than 64 levels"}},
		{"invalid UTF-8", "{\"a\":\"\xff\"}\n{\"a\":[\"\xff\"]}\n{\"a\":\"\xed\xa0\x80\"}", nil, []string{"0:1: not valid UTF-8", "1:2: not valid UTF-8", "2:3: not valid UTF-8"}},
	})
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "-0.0": "0", "1": "1", "1.0": "1", "10e-1": "1", "1e2": "100", "1E+2": "100", "0.1": "0.1", "-1.5e-3": "-0.0015",
		"9223372036854775807": "9223372036854775807", "-9223372036854775808": "-9223372036854775808", "123456789012345678": "123456789012345678",
		"9223372036854775808": "9223372036854776000", "100000000000000000000": "100000000000000000000", "123456789012345670000": "123456789012345670000",
		"1e400": "is beyond a 64-bit float", "-1e400": "is beyond", "1e-400": "0", "5e-324": "5e-324", "1.7976931348623157e308": "1.7976931348623157e+308",
		"18446744073709551615": "whose digits a float would lose", "12345678901234567890": "whose digits", "1" + strings.Repeat("0", 400): "is beyond",
	} {
		events, result := decodeAll(t, Options{Format: FormatNDJSON, Skip: true}, `{"a":`+text+`}`)
		switch {
		case len(result.Faults) == 1:
			if !strings.Contains(result.Faults[0].Detail, want) {
				t.Errorf("%s: %s; want %s", text, result.Faults[0].Detail, want)
			}
		case events[0] != "a="+want:
			t.Errorf("%s became %s; want %s", text, events[0], want)
		}
	}
}

// invalidJSON is what a strict reader must refuse, after the manner of the JSON test suites.
var invalidJSON = []string{
	`{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{"a":1,,"b":2}`, `{"a" 1}`, `{"a":1 "b":2}`, `{a:1}`, `{'a':1}`, `{1:1}`, `{"a":1}}`, `{"a"::1}`,
	`{"a":01}`, `{"a":-01}`, `{"a":1.}`, `{"a":.5}`, `{"a":+1}`, `{"a":-}`, `{"a":1e}`, `{"a":1e+}`, `{"a":1.e1}`, `{"a":0x1}`, `{"a":1_0}`, `{"a":--1}`, `{"a":1.5.5}`,
	`{"a":Infinity}`, `{"a":NaN}`, `{"a":nan}`, `{"a":-inf}`, `{"a":tru}`, `{"a":True}`, `{"a":nul}`, `{"a":truefalse}`, `{"a":undefined}`, `{"a":nullx}`,
	`{"a":"x}`, `{"a":"\"}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u12g4"}`, `{"a":"\U0041"}`, "{\"a\":\"x\ty\"}", "{\"a\":\"x\x00y\"}", "{\"a\":\"x\x1fy\"}", "{\"a\tb\":1}",
	`{"a":"\ud800"}`, `{"a":"\udc00"}`, `{"a":"\ud800\ud800"}`, `{"a":"\ud800x"}`, `{"a":"\ud800\n"}`, `{"a":"\udc00\ud800"}`, `{"a":["\ud800"]}`,
	`{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1 2]}`, `{"a":[1}`, `{"a":[1}]}`, `{"a":[01]}`, `{"a":[1.]}`, `{"a":[+1]}`, `{"a":[tru]}`, `{"a":[{"b"}]}`, `{"a":[{"b":1,}]}`, `{"a":[nulll]}`, `{"a":["x]}`, `{"a":["\x"]}`,
	"{\"a\":[\"x\ty\"]}", `{"a":[`, `{"a":[}`, `{"a":]`, `{"a":1}/**/`, `{/**/}`, "\x00{}", "{\"a\":1}\x00", "{\"a\":1\x0c}", "{\"a\":\u00a01}", `{"a":1};`,
}

func TestInvalidJSONIsRefused(t *testing.T) {
	for _, text := range invalidJSON {
		for _, format := range []Format{FormatNDJSON, FormatJSON} {
			events, result := decodeAll(t, Options{Format: format, Skip: true}, text)
			if len(events) > 0 && format == FormatNDJSON || len(result.Faults) == 0 {
				t.Errorf("%s: %q was taken as %q", format, text, events)
			}
		}
	}
}

func TestJSON(t *testing.T) {
	runDecodeCases(t, Options{Format: FormatJSON}, []decodeCase{
		{"one object", "\n {\"a\":1}\n", []string{"a=1"}, nil},
		{"empty array", " [ ] ", nil, nil},
		{"array", "[{\"a\":1},\n{\"a\":2} , {}]\n", []string{"a=1", "a=2", ""}, nil},
		{"nothing", "", nil, []string{"0:1: the end where an object or an array"}},
		{"scalar", "1", nil, []string{"0:1: \"1\" where an object"}},
		{"bad values are left out", "[{\"a\":1e400,\"b\":[{}]},\n{\"a\":2},\n7,\"x\",[{}],{\"\":1}, {\"a\":3}]", []string{"a=2", "a=3"},
			[]string{"0:1: is beyond", "2:3: must be an object", "3:3: must be an object", "4:3: must be an object", "5:3: is empty"}},
		{"breaks off", "[{\"a\":1},\n{\"a\":2},\n{\"a\":", []string{"a=1", "a=2"}, []string{"2:3: the end, expected a value; the rest"}},
		{"breaks between", "[{\"a\":1}\n{\"a\":2}]", []string{"a=1"}, []string{"1:2: where ',' or ']' should follow"}},
		{"trailing comma", "[{\"a\":1},]", []string{"a=1"}, []string{"1:1: expected an object"}},
		{"comma only", "[,]", nil, []string{"0:1: expected an object"}},
		{"unclosed", "[{\"a\":1}", []string{"a=1"}, []string{"1:1: the end where ',' or ']'"}},
		{"only a bracket", "[", nil, []string{"0:1: the end, expected an object"}},
		{"lines", "{\"a\":1}\n{\"a\":2}", []string{"a=1"}, []string{"1:2: application/x-ndjson"}},
		{"after the array", "[{\"a\":1}] x", []string{"a=1"}, []string{"1:1: after the end"}},
		{"bad event that is no JSON either", "[{\"a\":1e400,\"b\":tru},{\"a\":2}]", nil, []string{"0:1: nor is it valid JSON"}},
		{"very deep", "[{\"a\":" + strings.Repeat("[", 500) + strings.Repeat("]", 500) + "},{\"a\":2}]", []string{"a=2"}, []string{"0:1: more than 64 levels"}},
		{"too deep to pass", "[{\"a\":" + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + "},{\"a\":2}]", nil, []string{"0:1: the rest of the body was not read"}},
	})
}

// flatten is the dumb version of the reader: what encoding/json makes of an object, as fields.
func flatten(fields map[string]string, prefix string, object map[string]any) {
	for name, v := range object {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			flatten(fields, prefix+name+".", v)
		case json.Number:
			n, _ := wholeNumber([]byte(v))
			if n.whole {
				fields[prefix+name] = fmt.Sprint(n.i)
			} else {
				fields[prefix+name] = FloatValue(n.f).String()
			}
		case []any:
			var text bytes.Buffer
			encoder := json.NewEncoder(&text)
			encoder.SetEscapeHTML(false)
			_ = encoder.Encode(v)
			fields[prefix+name] = "array" + text.String()
		case string:
			fields[prefix+name] = StringValue(v).String()
		default:
			fields[prefix+name] = fmt.Sprint(v)
		}
	}
}

// sameAsStandard says in what the reader and encoding/json differ about one object, "" when they agree. An object in which
// no name is set twice is compared field by field, any other only as far as the two have the same idea of it.
func sameAsStandard(line []byte, unique bool) string {
	var b Batch
	result, err := Decode(&b, line, Options{Format: FormatJSON, Skip: true})
	if err != nil {
		return err.Error()
	}
	valid := json.Valid(line)
	if len(result.Faults) > 0 {
		if unique {
			return result.Faults[0].Detail
		}
		// Faults of valid JSON are about what an event may hold.
		if d := result.Faults[0].Detail; valid && strings.Contains(d, "invalid JSON") && !strings.Contains(d, "surrogates") {
			return "valid JSON was refused: " + d
		}
		return ""
	}
	if !valid {
		return "invalid JSON was accepted"
	}
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if decoder.Decode(&object) != nil || object == nil {
		return ""
	}
	want := map[string]string{}
	flatten(want, "", object)
	found := 0
	for i := range b.Columns {
		c := &b.Columns[i]
		if c.Kinds[0] == Null {
			continue
		}
		found++
		text, isArray := strings.CutPrefix(want[c.Name], "array")
		if same := isArray && sameJSON([]byte(text), c.String(0)) || text == c.Value(0).String(); !same && unique {
			return fmt.Sprintf("field %q is %s, want %s", c.Name, c.Value(0), want[c.Name])
		}
	}
	// encoding/json merges objects that are set twice and matches nothing to dotted names, so that it may find fewer.
	if found < len(want) || unique && found != len(want) {
		return fmt.Sprintf("%d fields, want %d: %v", found, len(want), want)
	}
	return ""
}

// sameJSON compares two texts as values, numbers as floats.
func sameJSON(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

func TestJSONAgreesWithStandardLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(random.IntN(2) == 0)
		if err := encoder.Encode(randomJSONObject(random, 3)); err != nil {
			t.Fatal(err)
		}
		if why := sameAsStandard(text.Bytes(), true); why != "" {
			t.Fatalf("%s: %s", text.Bytes(), why)
		}
		// Damage of one byte must be judged alike.
		damaged := slices.Clone(text.Bytes())
		damaged[random.IntN(len(damaged))] = byte(random.IntN(128))
		if why := sameAsStandard(damaged, false); why != "" {
			t.Fatalf("%s: %s", damaged, why)
		}
	}
}

func randomJSONObject(random *rand.Rand, depth int) map[string]any {
	object := map[string]any{}
	for i := range random.IntN(6) {
		object[fmt.Sprintf("%c%.*s", 'a'+i, random.IntN(4), "ß \\")] = randomJSON(random, depth)
	}
	return object
}

func randomJSONText(random *rand.Rand) string {
	alphabet := []rune("ab \"\\/\n\tüé😀<&\u2028\u007fxyz")
	text := make([]rune, random.IntN(12))
	for i := range text {
		text[i] = alphabet[random.IntN(len(alphabet))]
	}
	return string(text)
}

func randomJSON(random *rand.Rand, depth int) any {
	switch random.IntN(9) {
	case 0:
		return nil
	case 1:
		return random.IntN(2) == 0
	case 2:
		return random.Int64() - random.Int64()
	case 3:
		return math.Float64frombits(random.Uint64()>>12 | uint64(900+random.IntN(250))<<52)
	case 4:
		return random.IntN(100)
	case 5:
		list := make([]any, random.IntN(4))
		for i := range list {
			if depth > 0 {
				list[i] = randomJSON(random, depth-1)
			}
		}
		return list
	case 6:
		if depth > 0 {
			return randomJSONObject(random, depth-1)
		}
	}
	return randomJSONText(random)
}

// checkDecoded holds for every body of every format.
func checkDecoded(t *testing.T, format Format, body []byte) {
	t.Helper()
	for _, skip := range []bool{true, false} {
		var b Batch
		result, err := Decode(&b, body, Options{Format: format, Skip: skip, Time: "t", Arrival: arrival})
		if err != nil {
			return
		}
		if result.Accepted < 0 || result.Accepted+result.Rejected > len(body)+1 {
			t.Fatalf("%d accepted and %d rejected of %d bytes", result.Accepted, result.Rejected, len(body))
		}
		if skip && b.Rows() != result.Accepted || !skip && result.Rejected == 0 && b.Rows() != result.Accepted {
			t.Fatalf("%d rows, %d accepted", b.Rows(), result.Accepted)
		}
		if len(result.Faults) != min(result.Rejected, maxFaults) {
			t.Fatalf("%d faults for %d rejected", len(result.Faults), result.Rejected)
		}
		last := Fault{Index: -1}
		for _, f := range result.Faults {
			if f.Index <= last.Index || f.Line < last.Line || f.Index >= result.Accepted+result.Rejected || f.Detail == "" || !utf8.ValidString(f.Detail) || len(f.Detail) > 2000 {
				t.Fatalf("fault %+v after %+v", f, last)
			}
			last = f
		}
		for i := range b.Columns {
			c := &b.Columns[i]
			if len(c.Kinds) != b.Rows() || len(c.Bits) != b.Rows() || !utf8.ValidString(c.Name) || c.Name == "" {
				t.Fatalf("column %q of %d rows in a batch of %d", c.Name, len(c.Kinds), b.Rows())
			}
			for row := range c.Kinds {
				if !utf8.Valid(c.String(row)) {
					t.Fatalf("column %q, row %d: %q", c.Name, row, c.String(row))
				}
			}
		}
	}
}

func FuzzNDJSON(f *testing.F) {
	f.Add([]byte("{\"t\":1,\"a\":{\"b\":[1,\"\\u00e9\"]}}\r\n\n{broken\n{\"t\":\"2015-09-12T00:46:58.771Z\"}"))
	for _, text := range invalidJSON {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) { checkDecoded(t, FormatNDJSON, body) })
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`[{"t":1,"a":{"b":[1,"\u00e9"]}},{"t":2,"a":1e400},7]`))
	f.Add([]byte(`{"a":{"b":1},"a.b":2,"a":[{"b":[]}]}`))
	for _, text := range invalidJSON {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		checkDecoded(t, FormatJSON, body)
		if bytes.HasPrefix(body, []byte("{")) {
			if why := sameAsStandard(body, false); why != "" {
				t.Fatalf("%q: %s", body, why)
			}
		}
	})
}
