package server

// That msgpack says what JSON says.

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// unpack decodes msgpack into what encoding/json would make of the same.
func unpack(t *testing.T, packed []byte) any {
	t.Helper()
	d := msgpack.NewDecoder(bytes.NewReader(packed))
	d.UseLooseInterfaceDecoding(true)
	v, err := d.DecodeInterface()
	must(t, err)
	if rest, _ := d.PeekCode(); rest != 0 {
		t.Fatalf("something follows the value: code %x", rest)
	}
	text, err := json.Marshal(v)
	must(t, err)
	var out any
	must(t, json.Unmarshal(text, &out))
	return out
}

func TestMsgpackEqualsJSON(t *testing.T) {
	for _, text := range []string{
		`null`, `true`, `""`, `0`, `-1`, `9007199254740991`, `1.5e300`, `[]`, `{}`, `[[],{"a":null}]`,
		`{"view":"wiki","estimate":4242.5,"exact":false,"key":["#en",null,1],"coverage":{"missing":[]},"text":"\"\u00fc\n\\"}`,
		`[` + strings.Repeat(`{"a":1},`, 70000) + `{}]`,
	} {
		packed, err := appendMsgpack([]byte("kept"), []byte(text))
		must(t, err)
		if !bytes.HasPrefix(packed, []byte("kept")) {
			t.Fatal("what was in dst is gone")
		}
		var want any
		must(t, json.Unmarshal([]byte(text), &want))
		if got := unpack(t, packed[4:]); !reflect.DeepEqual(got, want) {
			t.Errorf("%.80s became %v", text, got)
		}
	}
}

func TestMsgpackKeepsWholeNumbersWhole(t *testing.T) {
	for text, want := range map[string]any{
		`18446744073709551615`: uint64(1<<64 - 1), `-9223372036854775808`: int64(-1 << 63), `9007199254740993`: uint64(9007199254740993), `1.0`: 1.0,
	} {
		packed, err := appendMsgpack(nil, []byte(text))
		must(t, err)
		d := msgpack.NewDecoder(bytes.NewReader(packed))
		d.UseLooseInterfaceDecoding(true)
		got, err := d.DecodeInterface()
		must(t, err)
		if got != want {
			t.Errorf("%s became %v (%T)", text, got, got)
		}
	}
	if _, err := appendMsgpack(nil, []byte(`{"a":`)); err == nil {
		t.Error("broken JSON became msgpack")
	}
}
