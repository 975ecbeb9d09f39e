package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/tinylib/msgp/msgp"
)

func bodies(t *testing.T, format, input string, batch int) (out []string, counts []int) {
	t.Helper()
	s, err := newSplitter(format, strings.NewReader(input), batch)
	if err != nil {
		t.Fatal(err)
	}
	for {
		body, n, err := s.next()
		if errors.Is(err, io.EOF) {
			return out, counts
		}
		if err != nil {
			t.Fatal(err)
		}
		out, counts = append(out, string(body)), append(counts, n)
	}
}

func TestSplittersCutAtEvents(t *testing.T) {
	packed := func(array bool, keys ...string) string {
		var b []byte
		if array {
			b = msgp.AppendArrayHeader(b, uint32(len(keys)))
		}
		for _, k := range keys {
			b = msgp.AppendInt(msgp.AppendString(msgp.AppendMapHeader(b, 1), k), 1)
		}
		return string(b)
	}
	for _, c := range []struct {
		name, format, input string
		want                []string
		counts              []int
	}{
		{"lines", "ndjson", "{\"a\":1}\n\n{\"a\":2}\r\n{\"a\":3}", []string{"{\"a\":1}\n\n{\"a\":2}\r\n", "{\"a\":3}"}, []int{2, 1}},
		{"no lines", "ndjson", "\n\n", nil, nil},
		{"log", "accesslog", "x\ny\nz\n", []string{"x\ny\n", "z\n"}, []int{2, 1}},
		{"JSON array", "json", ` [ {"a": 1}, {"a":[2, 3]},{"b":{}} ]`, []string{"{\"a\":1}\n{\"a\":[2,3]}\n", "{\"b\":{}}\n"}, []int{2, 1}},
		{"JSON object", "json", "{\n \"a\": \"x\\ny\"}", []string{"{\"a\":\"x\\ny\"}\n"}, []int{1}},
		{"empty JSON array", "json", "[]", nil, nil},
		{"CSV", "csv", "a,b\n1,\"x\ny\"\n2,\"\"\"\"\n3,\n", []string{"a,b\n1,\"x\ny\"\n2,\"\"\"\"\n", "a,b\n3,\n"}, []int{2, 1}},
		{"msgpack array", "msgpack", packed(true, "a", "b", "c"), []string{packed(false, "a", "b"), packed(false, "c")}, []int{2, 1}},
		{"msgpack maps", "msgpack", packed(false, "a", "b", "c"), []string{packed(false, "a", "b"), packed(false, "c")}, []int{2, 1}},
	} {
		got, counts := bodies(t, c.format, c.input, 2)
		if strings.Join(got, "|") != strings.Join(c.want, "|") || len(counts) != len(c.counts) {
			t.Errorf("%s: bodies %q of %v events, want %q of %v", c.name, got, counts, c.want, c.counts)
			continue
		}
		for i := range counts {
			if counts[i] != c.counts[i] {
				t.Errorf("%s: body %d has %d events, want %d", c.name, i, counts[i], c.counts[i])
			}
		}
	}
}

func TestFormatComesFromTheSuffix(t *testing.T) {
	for name, want := range map[string]string{
		"a.ndjson": "ndjson", "a.jsonl.gz": "ndjson", "a.json": "json", "x.csv.zst": "csv", "a.msgpack": "msgpack",
		"nasa.access.log.gz": "accesslog", "plain": "ndjson", "-": "ndjson",
	} {
		if got := formatOf(name); got != want {
			t.Errorf("format of %q is %s, want %s", name, got, want)
		}
	}
}

func TestPackedFilesAreReadAsTheyAre(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte("{}\n"))
	z.Close()
	r, err := unpacked("a.ndjson.gz", &packed)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != "{}\n" {
		t.Fatalf("read %q, %v", b, err)
	}
}

// An input that ends within an event is an error, not a shorter input.
func TestSplittersNoticeATruncatedInput(t *testing.T) {
	event := msgp.AppendInt(msgp.AppendString(msgp.AppendMapHeader(nil, 1), "a"), 1)
	array := append(msgp.AppendArrayHeader(nil, 2), event...)
	for _, c := range []struct{ name, format, input string }{
		{"JSON array that is not closed", "json", `[{"a":1}`},
		{"JSON array that goes on", "json", `[{"a":1},`},
		{"JSON object in an array", "json", `[{"a":1},{"b"`},
		{"JSON object", "json", `{"a":1`},
		{"what follows a JSON array", "json", `[{"a":1}] {"b":2}`},
		{"what follows an empty JSON array", "json", `[]x`},
		{"msgpack array", "msgpack", string(array)},
		{"msgpack array within an event", "msgpack", string(array) + "\x81\xa1"},
		{"msgpack map", "msgpack", string(event) + "\x81\xa1"},
		{"msgpack map after its key", "msgpack", string(event[:len(event)-1])},
		{"what follows a msgpack array", "msgpack", string(array) + string(event) + "\x80"},
		{"CSV quotes", "csv", "a,b\n1,\"x"},
		{"CSV without header", "csv", ""},
	} {
		s, err := newSplitter(c.format, strings.NewReader(c.input), 10)
		for n := 0; err == nil && n < 5; n++ {
			_, _, err = s.next()
		}
		if err == nil || err == io.EOF {
			t.Errorf("%s ends without an error", c.name)
		}
	}
}
