package event

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// arrival is when the requests of these tests came in: 2026-01-02T03:04:05Z.
const arrival int64 = 1767323045000

// decodeAll decodes a body, lenient about bad events, and gives the good ones as text and the faults as they are.
func decodeAll(t *testing.T, o Options, body string) ([]string, Result) {
	t.Helper()
	var b Batch
	o.Arrival = arrival
	result, err := Decode(&b, []byte(body), o)
	if err != nil {
		t.Fatalf("Decode: %v", err)
	}
	if o.Skip && b.Rows() != result.Accepted {
		t.Fatalf("%d rows, but %d accepted", b.Rows(), result.Accepted)
	}
	var events []string
	for row := range b.Rows() {
		events = append(events, rowText(&b, row))
	}
	return events, result
}

// rowText writes a row as name=value pairs in the order of the columns, nulls left out.
func rowText(b *Batch, row int) string {
	var out []string
	for i := range b.Columns {
		c := &b.Columns[i]
		if c.Kinds[row] != Null {
			out = append(out, c.Name+"="+c.Value(row).String())
		}
	}
	return strings.Join(out, " ")
}

// decodeCase is a body, the events that it holds, and for each fault "index:line: words of the detail".
type decodeCase struct {
	name   string
	body   string
	events []string
	faults []string
}

func runDecodeCases(t *testing.T, o Options, cases []decodeCase) {
	t.Helper()
	o.Skip = true
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			events, result := decodeAll(t, o, c.body)
			if got, want := strings.Join(events, "\n"), strings.Join(c.events, "\n"); got != want {
				t.Errorf("events:\n%s\nwant:\n%s", got, want)
			}
			checkFaults(t, result, c.faults)
		})
	}
}

func checkFaults(t *testing.T, result Result, want []string) {
	t.Helper()
	if len(result.Faults) != len(want) || result.Rejected != len(want) {
		t.Fatalf("%d rejected, faults %+v; want %q", result.Rejected, result.Faults, want)
	}
	for i, f := range result.Faults {
		place, words, _ := strings.Cut(want[i], ": ")
		if got := fmt.Sprintf("%d:%d", f.Index, f.Line); got != place || !strings.Contains(f.Detail, words) {
			t.Errorf("fault %s: %s; want %s", got, f.Detail, want[i])
		}
	}
}

func TestFormatOf(t *testing.T) {
	for contentType, want := range map[string]Format{
		"application/x-ndjson":                FormatNDJSON,
		"application/json":                    FormatJSON,
		"Application/JSON; charset=UTF-8":     FormatJSON,
		"application/msgpack":                 FormatMsgpack,
		"application/x-msgpack":               FormatMsgpack,
		"text/csv; header=present":            FormatCSV,
		"text/x-access-log":                   FormatAccessLog,
		"text/csv; charset=iso-8859-1":        "",
		"image/png":                           "",
		"":                                    "",
		"application/json; charset=\"utf-8\"": FormatJSON,
	} {
		got, ok := FormatOf(contentType)
		if got != want || ok != (want != "") {
			t.Errorf("FormatOf(%q) = %q, %v; want %q", contentType, got, ok, want)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	if _, err := Decode(new(Batch), []byte("x"), Options{Format: "xml"}); !errors.Is(err, ErrFormat) {
		t.Errorf("error %v, want ErrFormat", err)
	}
}

func TestEventTime(t *testing.T) {
	future := time.UnixMilli(arrival).Add(11 * time.Minute).UTC().Format(time.RFC3339)
	for _, c := range []struct {
		name, body string
		o          Options
		want       int64
		fault      string
	}{
		{name: "arrival", body: `{"t":5}`, want: arrival},
		{name: "millis", body: `{"t":5}`, o: Options{Time: "t"}, want: 5},
		{name: "millis before 1970", body: `{"t":-5}`, o: Options{Time: "t"}, want: -5},
		{name: "whole float", body: `{"t":1.5e3}`, o: Options{Time: "t"}, want: 1500},
		{name: "millis as text", body: `{"t":"1500"}`, o: Options{Time: "t"}, want: 1500},
		{name: "RFC 3339", body: `{"t":"1970-01-01T01:00:00.5+01:00"}`, o: Options{Time: "t"}, want: 500},
		{name: "access log", body: `{"t":"01/Jan/1970:00:00:01 +0000"}`, o: Options{Time: "t"}, want: 1000},
		{name: "nested", body: `{"a":{"t":7}}`, o: Options{Time: "a.t"}, want: 7},
		{name: "last of two", body: `{"t":"x","t":7}`, o: Options{Time: "t"}, want: 7},
		{name: "missing", body: `{"u":7}`, o: Options{Time: "t"}, fault: `time field "t" is missing`},
		{name: "null", body: `{"t":null}`, o: Options{Time: "t"}, fault: `time field "t" is missing`},
		{name: "taken back", body: `{"t":7,"t":null}`, o: Options{Time: "t"}, fault: `time field "t" is missing`},
		{name: "text", body: `{"t":"not a time"}`, o: Options{Time: "t"}, fault: `time field "t" holds "not a time"`},
		{name: "fraction", body: `{"t":1.5}`, o: Options{Time: "t"}, fault: `holds "1.5"`},
		{name: "boolean", body: `{"t":true}`, o: Options{Time: "t"}, fault: `holds "true"`},
		{name: "year 10000", body: `{"t":253402300800000}`, o: Options{Time: "t"}, fault: `holds "253402300800000"`},
		{name: "too far ahead", body: `{"t":"` + future + `"}`, o: Options{Time: "t"}, fault: `11m ahead of the server's clock`},
		{name: "far ahead is allowed", body: `{"t":"` + future + `"}`, o: Options{Time: "t", Ahead: time.Hour}, want: arrival + 660000},
		{name: "ahead without limit", body: `{"t":"2099-01-01T00:00:00Z"}`, o: Options{Time: "t", Ahead: -1}, want: 4070908800000},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b Batch
			c.o.Format, c.o.Arrival, c.o.Skip = FormatNDJSON, arrival, true
			result, err := Decode(&b, []byte(c.body), c.o)
			if err != nil {
				t.Fatal(err)
			}
			if c.fault != "" {
				checkFaults(t, result, []string{"0:1: " + c.fault})
			} else if len(result.Faults) > 0 || b.Times[0] != c.want {
				t.Errorf("time %v, faults %v; want %d", b.Times, result.Faults, c.want)
			}
		})
	}
}

func TestRejectListsFaultsAndAppendsNothingMore(t *testing.T) {
	body := strings.Repeat("{\"a\":1}\n", 3) + strings.Repeat("{\"a\":1}\nbad\n", 200)
	var b Batch
	result, err := Decode(&b, []byte(body), Options{Format: FormatNDJSON})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Faults) != 100 || result.Rejected != 100 || b.Rows() != 4 {
		t.Errorf("%d faults, %d rejected, %d rows", len(result.Faults), result.Rejected, b.Rows())
	}
	if f := result.Faults[99]; f.Index != 3+199 || f.Line != 3+200 {
		t.Errorf("last fault %+v", f)
	}
	b.Reset()
	result, err = Decode(&b, []byte(body), Options{Format: FormatNDJSON, Skip: true})
	if err != nil || len(result.Faults) != 100 || result.Rejected != 200 || result.Accepted != 203 || b.Rows() != 203 {
		t.Errorf("skip: %v, %d faults, %d rejected, %d accepted, %d rows", err, len(result.Faults), result.Rejected, result.Accepted, b.Rows())
	}
}

func TestLimits(t *testing.T) {
	runDecodeCases(t, Options{Format: FormatNDJSON, Limits: Limits{Fields: 2, NameBytes: 5, StringBytes: 4, Depth: 2}}, []decodeCase{
		{"fields", `{"a":1,"b":2}` + "\n" + `{"a":1,"b":2,"c":3}`, []string{"a=1 b=2"}, []string{"1:2: more than 2 fields"}},
		{"name", `{"abcde":1}` + "\n" + `{"abcdef":1}`, []string{"abcde=1"}, []string{"1:2: has 6 bytes, at most 5"}},
		{"dotted name", `{"ab":{"cd":1}}` + "\n" + `{"ab":{"cde":1}}`, []string{"ab.cd=1"}, []string{"1:2: has 6 bytes"}},
		{"string", `{"a":"1234"}` + "\n" + `{"a":"12345"}`, []string{`a="1234"`}, []string{"1:2: holds 5 bytes, at most 4"}},
		{"array", `{"a":[12]}` + "\n" + `{"a":[123]}`, []string{`a="[12]"`}, []string{"1:2: holds 5 bytes, at most 4"}},
		{"depth", `{"a":{"b":1}}` + "\n" + `{"a":{"b":{"c":1}}}`, []string{"a.b=1"}, []string{"1:2: more than 2 levels"}},
	})
	_, err := Decode(new(Batch), []byte("{}\n{}\n{}\n"), Options{Format: FormatNDJSON, Limits: Limits{Events: 2}})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("three events where two are allowed: %v", err)
	}
}

// Each event may bring 256 names of its own, but columns are as long as the batch.
func TestManyNamesStayBounded(t *testing.T) {
	var body strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&body, "{\"f%d\":1}\n", i)
	}
	var b Batch
	result, err := Decode(&b, []byte(body.String()), Options{Format: FormatNDJSON, Skip: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Columns) > MaxColumns || result.Accepted != MaxColumns || result.Accepted+result.Rejected != 5000 {
		t.Errorf("%d columns, %d accepted, %d rejected", len(b.Columns), result.Accepted, result.Rejected)
	}
	if d := result.Faults[0].Detail; !strings.Contains(d, "different field names") {
		t.Errorf("detail %q", d)
	}

	// A long batch has room for few columns; no bad event may make a long column either.
	wide := strings.Repeat("{}\n", MaxRows/2) + body.String()[:20000]
	b = Batch{}
	if _, err = Decode(&b, []byte(wide), Options{Format: FormatNDJSON, Skip: true}); err != nil {
		t.Fatal(err)
	}
	if cells := b.Rows() * len(b.Columns); cells > MaxCells {
		t.Errorf("%d cells", cells)
	}
}

func TestFieldNames(t *testing.T) {
	runDecodeCases(t, Options{Format: FormatNDJSON}, []decodeCase{
		{"any text", `{"größe, in m":1,"_other":2,"a.b":3}`, []string{"größe, in m=1 _other=2 a.b=3"}, nil},
		{"empty", `{"":1}`, nil, []string{"0:1: is empty"}},
		{"empty within", `{"a":{"":1}}`, nil, []string{"0:1: within \"a\" is empty"}},
		{"empty with an object", `{"":{"a":1}}`, nil, []string{"0:1: is empty"}},
		{"control", `{"a\u0001":1}`, nil, []string{"0:1: control character"}},
		{"not UTF-8", "{\"a\xff\":1}", nil, []string{"0:1: not valid UTF-8"}},
		{"place", `{"_offset":1}` + "\n" + `{"_partition":1}` + "\n" + `{"_index":1}`, nil, []string{"0:1: rename it", "1:2: rename it", "2:3: rename it"}},
	})
}

func TestByteOrderMarkIsSkipped(t *testing.T) {
	for _, c := range []struct {
		format Format
		body   string
	}{{FormatNDJSON, `{"a":1}`}, {FormatJSON, `[{"a":1}]`}, {FormatCSV, "a\n1\n"}} {
		events, result := decodeAll(t, Options{Format: c.format, Skip: true}, "\xef\xbb\xbf"+c.body)
		if len(events) != 1 || events[0] != "a=1" {
			t.Errorf("%s: %q, %v", c.format, events, result.Faults)
		}
	}
}
