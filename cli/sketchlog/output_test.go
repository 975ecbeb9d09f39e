package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// The tables of answers as the server gives them, hostile ones included.
func TestTables(t *testing.T) {
	coverage := func(more string) string {
		return `"confidence":0.95,"coverage":{"events":1200,"applied":1,"owed":0,"lost":0,"late":0,"overflow":false,"partitions":4,"missing":[]` + more + `},"watermark":"2024-05-05T11:58:59Z","final":false,"offsets":{"0":3},"elapsed_us":80`
	}
	var got bytes.Buffer
	for _, c := range []struct {
		title string
		table func(io.Writer, []byte) error
		raw   string
	}{
		{"distinct", answerTable, `{"view":"v","question":"distinct","sketch":"users","key":["a"],"from":"2024-05-05T10:00:00Z","to":"2024-05-05T12:00:00Z","estimate":4242.31,"low":4170.1,"high":4314.9,"exact":false,` + coverage("") + `}`},
		{"count, exact, no span", answerTable, `{"view":"v","question":"count","key":null,"from":null,"to":null,"estimate":1200,"low":1200,"high":1200,"exact":true,` + coverage("") + `}`},
		{"sum while events are owed", answerTable, `{"view":"v","question":"sum","key":null,"from":"2024-05-05T10:00:00Z","to":null,"estimate":0.00012345,"low":null,"high":null,"exact":false,"confidence":0.999,"coverage":{"events":1,"applied":0.5,"owed":1,"lost":2,"late":3,"overflow":true,"partitions":4,"missing":[1,3]},"watermark":null,"final":true,"offsets":{}}`},
		{"topk", answerTable, `{"view":"v","question":"topk","key":null,"from":null,"to":253402300800000,"items":[{"item":"host1","estimate":12.5,"low":10,"high":15},{"item":200,"estimate":7,"low":7,"high":7},{"item":"200","estimate":1e21,"low":0,"high":null}],"error_bound":5,"ignored":3,"exact":false,` + coverage("") + `}`},
		{"topk of nothing", answerTable, `{"view":"v","question":"topk","key":null,"from":null,"to":null,"items":[],"error_bound":0,"exact":true,` + coverage("") + `}`},
		{"contains", answerTable, `{"view":"v","question":"contains","key":null,"from":null,"to":null,"items":[{"item":"a","answer":"maybe","false_positive_rate":0.0102345},{"item":"b","answer":"maybe","false_positive_rate":0},{"item":["x",null],"answer":"no","false_positive_rate":0},{"item":"null","answer":"unknown","false_positive_rate":0}],"exact":false,` + coverage("") + `}`},
		{"hostile items", answerTable, `{"view":"v","question":"frequency","key":null,"from":null,"to":null,"items":[{"item":"\u001b[2Jgone","estimate":1,"low":1,"high":1},{"item":"a\tb\nc","estimate":1,"low":1,"high":1},{"item":"` + "\u202e" + `evil` + "\u009b" + `1m","estimate":1,"low":1,"high":1},{"item":["` + "\u0085\x7f" + `"],"estimate":1,"low":1,"high":1},{"item":"","estimate":1,"low":1,"high":1},{"item":" pad ","estimate":1,"low":1,"high":1},{"item":"\"q\"","estimate":1,"low":1,"high":1},{"item":"` + strings.Repeat("long ", 100) + `","estimate":1,"low":1,"high":1}],"exact":true,` + coverage("") + `}`},
		{"sample", answerTable, `{"view":"v","question":"sample","key":null,"from":null,"to":null,"items":["a",1,{"page":"p","n":null}],"population":90,"exact":false,` + coverage("") + `}`},
		{"series", seriesTable, `{"points":[{"question":"count","from":"2024-05-05T10:00:00Z","to":"2024-05-05T11:00:00Z","estimate":12,"low":12,"high":12,` + coverage("") + `},{"question":"count","from":"2024-05-05T11:00:00Z","to":"2024-05-05T12:00:00Z","estimate":0,"low":0,"high":1,` + coverage("") + `}]}`},
		{"series of items", seriesTable, `{"points":[{"question":"topk","from":"2024-05-05T10:00:00Z","to":"2024-05-05T11:00:00Z","items":[{"item":"a","estimate":1,"low":1,"high":1},{"item":5,"estimate":1,"low":1,"high":1}],` + coverage("") + `},{"question":"topk","from":"2024-05-05T11:00:00Z","to":"2024-05-05T12:00:00Z","items":[],` + coverage("") + `}]}`},
		{"series of nothing", seriesTable, `{"points":[]}`},
		{"keys", keysTable, `{"keys":[{"key":["/index.html",200],"events":70,"bytes":2048},{"key":["a\u0007",null],"events":2,"bytes":90},{"key":[],"events":1,"bytes":9}]}`},
		{"streams", streamsTable, `{"streams":[{"name":"web","partitions":4,"key":"path","time":"time"},{"name":"raw","partitions":1,"key":"a\u001bb"}]}`},
		{"views", viewsTable, `{"views":[{"name":"pages","stream":"web","by":["path","status"],"pane":"1m","sketches":{"visitors":{},"hosts":{}}},{"name":"all","stream":"web","by":[],"sketches":{}},{"name":"n","stream":"web","by":["x\u001b"],"pane":{"count":1000},"sketches":{"s":{}}}]}`},
		{"status", statusTable, `{"streams":[{"name":"web","partitions":4,"events":1000000,"bytes":123456789}],"views":[{"name":"pages","stream":"web","keys":12,"panes":400,"bytes":900,"owed":5,"lost":0}]}`},
		{"a definition", indented, `{"name":"web","key":"a` + "\u009b" + `b"}`},
	} {
		got.WriteString("# " + c.title + "\n")
		if err := c.table(&got, []byte(c.raw)); err != nil {
			t.Fatalf("%s: %v", c.title, err)
		}
		got.WriteString("\n")
	}
	for _, r := range got.String() {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("a table has the character %U", r)
		}
	}
	path := filepath.Join("testdata", "tables.golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("%s differs; run with -update if that is meant. Now:\n%s", path, got.String())
	}
}

func TestTablesRefuseWhatIsNoAnswer(t *testing.T) {
	for _, table := range []func(io.Writer, []byte) error{answerTable, seriesTable, keysTable, streamsTable, viewsTable, statusTable, indented} {
		for _, raw := range []string{``, `[`, `"x"`} {
			if err := table(io.Discard, []byte(raw)); err == nil && raw != `"x"` {
				t.Errorf("%q makes a table", raw)
			}
		}
	}
}

// What a table shows of a string can be given back as a key or an item.
func TestPlainText(t *testing.T) {
	for raw, want := range map[string]string{
		`"host1"`: `host1`, `"a b"`: `a b`, `"1"`: `"1"`, `1`: `1`, `"null"`: `"null"`, `null`: `null`, `"true"`: `"true"`, `""`: `""`,
		`" a"`: `" a"`, `"\"a\""`: `"\"a\""`, `"a\"b"`: `a"b`, `"é"`: `é`, `"\u001b[31m"`: `\x1b[31m`, `["a",1]`: `["a",1]`, `"C:\\x"`: `C:\x`,
	} {
		if got := plainText(json.RawMessage(raw)); got != want {
			t.Errorf("%s is shown as %s, want %s", raw, got, want)
		}
	}
	if got := printable("a\xff\ufffdb"); got != `a\xff`+"\ufffd"+`b` {
		t.Errorf("bytes that are no UTF-8 are shown as %q", got)
	}
	if got := []rune(plainText(json.RawMessage(`"` + strings.Repeat("ü", 1000) + `"`))); len(got) != mostShown+1 || got[mostShown] != '…' {
		t.Errorf("a long item takes %d characters", len(got))
	}
}

func TestFigures(t *testing.T) {
	for value, want := range map[float64]string{0: "0", 1: "1", -5: "-5", 1234567: "1234567", 0.5: "0.5", 0.000123456: "0.000123", 4242.31: "4242.3", 1e15: "1000000000000000", 1e300: "1e+300", -2.25: "-2.2"} {
		if got := figure(&value); got != want {
			t.Errorf("%v is shown as %s, want %s", value, got, want)
		}
	}
	if got := figure(nil); got != "unbounded" {
		t.Errorf("nothing is shown as %s", got)
	}
	for bytes, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 123456789: "117.7 MiB", math.MaxUint64: "16.0 EiB"} {
		if got := size(bytes); got != want {
			t.Errorf("%d bytes are shown as %s, want %s", bytes, got, want)
		}
	}
}
