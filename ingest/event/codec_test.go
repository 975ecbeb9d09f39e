package event

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"
)

func TestBatchRoundTrip(t *testing.T) {
	for seed := range uint64(60) {
		r := random(seed)
		events := randomEvents(r, r.IntN(800), 1+r.IntN(16))
		b := buildBatch(t, r, events)
		for left := len(events); left > 0; {
			n := 1 + r.IntN(left)
			s := Segment{Rows: n, Partitions: 1 + r.IntN(9)}
			if r.IntN(2) == 0 {
				s.Producer, s.Number = "p", r.Uint64()
			}
			b.Segments = append(b.Segments, s)
			left -= n
		}
		record := b.AppendBinary([]byte("before"))[len("before"):]
		back, err := DecodeBatch(record)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		sameEvents(t, back, events)
		if !slices.Equal(back.Segments, b.Segments) {
			t.Fatalf("segments %v, want %v", back.Segments, b.Segments)
		}
		if again := back.AppendBinary(nil); !bytes.Equal(again, record) {
			t.Fatalf("seed %d: a decoded batch encodes otherwise", seed)
		}
		// The record is let go: nothing of the batch may be in it.
		for i := range record {
			record[i] = 0xaa
		}
		sameEvents(t, back, events)
		// A decoded batch can be used again.
		more := randomEvents(r, 20, 5)
		back.AppendRows(buildBatch(t, r, more), []int32{4, 7})
		sameEvents(t, back, append(events, more[4], more[7]))
		back.Reset()
		back.AppendRows(buildBatch(t, r, more), []int32{4, 7})
		sameEvents(t, back, []modelEvent{more[4], more[7]})
	}
}

// oneColumn builds a batch with one field and the times given.
func oneColumn(t testing.TB, times []int64, values []Value) *Batch {
	t.Helper()
	b := &Batch{}
	builder := NewBuilder(b)
	for i, v := range values {
		builder.Begin()
		setField(builder, "f", v)
		if err := builder.End(times[i]); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// sections returns the payloads of the only column of a record.
func sections(t *testing.T, record []byte) (ks, ints, floats, texts []byte) {
	t.Helper()
	r := recordReader{rest: record[1+len(recordMagic):]}
	r.uint()
	rows := r.uint()
	r.segments(rows)
	r.section()
	if r.array(1) != 1 || r.array(1) != columnFields {
		t.Fatal("not one column")
	}
	r.text()
	ks, ints, floats, texts = r.section(), r.section(), r.section(), r.section()
	if r.err != nil {
		t.Fatal(r.err)
	}
	return ks, ints, floats, texts
}

// first returns the first byte of a section, -1 when there is none.
func first(section []byte) int {
	if section == nil {
		return -1
	}
	return int(section[0])
}

func TestEncodingsChosen(t *testing.T) {
	const n = 3000
	times := make([]int64, n)
	for i := range times {
		times[i] = 1_700_000_000_000 + int64(i)*137
	}
	r := random(8)
	draw := func(f func(i int) Value) []Value {
		values := make([]Value, n)
		for i := range values {
			values[i] = f(i)
		}
		return values
	}
	stamp := func(layout string) func(i int) Value {
		return func(i int) Value { return StringValue(time.UnixMilli(times[i]).UTC().Format(layout)) }
	}
	cases := []struct {
		name              string
		values            []Value
		kind, ints, texts int // first bytes; -1: no section
		atMost            int // bytes of ints and texts
	}{
		{"int times", draw(func(i int) Value { return IntValue(times[i]) }), int(Int), intsTimes, -1, 1},
		{"int small", draw(func(int) Value { return IntValue(r.Int64N(60)) }), int(Int), intsPlain, -1, n + 1},
		{"int counter", draw(func(i int) Value { return IntValue(int64(i) + 1e9) }), int(Int), intsDelta, -1, n + 5},
		{"millis", draw(stamp("2006-01-02T15:04:05.000Z")), int(String), -1, stringsTimeMillis, 1},
		{"few words", draw(func(int) Value { return StringValue(fmt.Sprint("word", r.IntN(30))) }), int(String), -1, stringsDictionary, n + 300},
		{"one word", draw(func(int) Value { return StringValue("always") }), int(String), -1, stringsDictionary, 10},
		{"500 words", draw(func(int) Value { return StringValue(fmt.Sprint("longer word ", r.IntN(500))) }), int(String), -1, stringsDictionary, 2*n + 9000},
		{"no repetition", draw(func(int) Value { return StringValue(fmt.Sprint(r.Uint64())) }), int(String), -1, stringsPlain, 21 * n},
		{"short strings", draw(func(i int) Value { return StringValue(string(rune('a' + i%400))) }), int(String), -1, stringsPlain, 4 * n},
		{"some missing", draw(func(i int) Value {
			if i >= 1000 && i < 1100 {
				return Value{}
			}
			return IntValue(1)
		}), kindRuns, intsPlain, -1, n},
		{"many missing", draw(func(int) Value {
			if r.IntN(2) == 0 {
				return Value{}
			}
			return StringValue("x")
		}), kindPacked, -1, stringsDictionary, 10},
		{"booleans", draw(func(int) Value { return BoolValue(true) }), int(True), -1, -1, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			record := oneColumn(t, times, c.values).AppendBinary(nil)
			ks, ints, _, texts := sections(t, record)
			if first(ks) != c.kind || first(ints) != c.ints || first(texts) != c.texts {
				t.Errorf("sections begin with %d, %d, %d; want %d, %d, %d", first(ks), first(ints), first(texts), c.kind, c.ints, c.texts)
			}
			if got := len(ints) + len(texts); got > c.atMost {
				t.Errorf("%d bytes, want at most %d", got, c.atMost)
			}
			back, err := DecodeBatch(record)
			if err != nil {
				t.Fatal(err)
			}
			for row, want := range c.values {
				if got := back.Column("f").Value(row); got != want {
					t.Fatalf("row %d: %v, want %v", row, got, want)
				}
			}
		})
	}
}

func TestTimeTextMatchesTimePackage(t *testing.T) {
	r := random(9)
	var text timeText
	check := func(ms int64) {
		at := time.UnixMilli(ms).UTC()
		if got, want := string(text.format(ms, timeMillisLength)), at.Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Fatalf("%d: %s, want %s", ms, got, want)
		}
		got, want := string(text.format(ms, timeSecondsLength)), at.Format("2006-01-02T15:04:05Z")
		if ms%1000 != 0 {
			want = ""
		}
		if got != want {
			t.Fatalf("%d: %s, want %s", ms, got, want)
		}
	}
	for _, ms := range []int64{0, -1, 1, -1000, 86_399_999, 86_400_000, -86_400_000, leastTextTime, greatestTextTime} {
		check(ms)
	}
	for range 5000 {
		ms := r.Int64N(greatestTextTime-leastTextTime) + leastTextTime
		check(ms)
		check(ms - ms%1000)
	}
	for _, ms := range []int64{leastTextTime - 1, greatestTextTime + 1, math.MinInt64, math.MaxInt64} {
		if text.format(ms, timeMillisLength) != nil {
			t.Errorf("%d has a text", ms)
		}
	}
}

func TestManyTimeColumns(t *testing.T) {
	b := &Batch{}
	builder := NewBuilder(b)
	for i := range int64(10) {
		builder.Begin()
		for c := range maxTimeTexts + 3 {
			builder.String([]byte(fmt.Sprint("t", c)), []byte(time.UnixMilli(i*1000).UTC().Format(time.RFC3339)))
		}
		if err := builder.End(i * 1000); err != nil {
			t.Fatal(err)
		}
	}
	back, err := DecodeBatch(b.AppendBinary(nil))
	if err != nil {
		t.Fatal(err)
	}
	for c := range back.Columns {
		if got := back.Columns[c].Value(7).Text; got != "1970-01-01T00:00:07Z" {
			t.Errorf("column %d: %q", c, got)
		}
	}
}

func TestIntExtremes(t *testing.T) {
	values := []int64{math.MinInt64, math.MaxInt64, 0, -1, math.MaxInt64, math.MinInt64, 1}
	back := make([]int64, len(values))
	if wrong := decodeInts(back, appendInts(nil, values)); wrong != "" || !slices.Equal(back, values) {
		t.Errorf("%v, %s", back, wrong)
	}
	for shift := range 64 {
		for _, u := range []uint64{1 << shift, 1<<shift - 1} {
			if got, want := varintSize(u), len(binary.AppendUvarint(nil, u)); got != want {
				t.Errorf("varintSize(%d) = %d, want %d", u, got, want)
			}
		}
	}
}

// TestRecordIsMessagePack checks that any MessagePack tool can take a record apart.
func TestRecordIsMessagePack(t *testing.T) {
	r := random(10)
	record := buildBatch(t, r, randomEvents(r, 20, 4)).AppendBinary(nil)
	var out bytes.Buffer
	rest, err := msgp.UnmarshalAsJSON(&out, record)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%d bytes left: %v", len(rest), err)
	}
	var fields []any
	if err := json.Unmarshal(out.Bytes(), &fields); err != nil || len(fields) != recordFields || fields[0] != "SKLB" {
		t.Fatalf("%s: %v", out.Bytes(), err)
	}
}

// seal gives bytes a valid checksum.
func seal(body []byte) []byte {
	body = append(bytes.Clone(body), checksumTag)
	return binary.BigEndian.AppendUint32(body, crc32.Checksum(body[:len(body)-1], castagnoli))
}

func TestDecodeRefuses(t *testing.T) {
	r := random(11)
	record := buildBatch(t, r, randomEvents(r, 50, 6)).AppendBinary(nil)
	for n := range record {
		if _, err := DecodeBatch(record[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("first %d bytes: %v", n, err)
		}
		damaged := bytes.Clone(record)
		damaged[n] ^= 0x10
		if _, err := DecodeBatch(damaged); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d flipped: %v", n, err)
		}
	}
	later := bytes.Clone(record[:len(record)-checksumBytes])
	later[1+len(recordMagic)] = 2
	if _, err := DecodeBatch(seal(later)); !errors.Is(err, ErrVersion) {
		t.Fatalf("later version: %v", err)
	}
	if _, err := DecodeBatch(append(bytes.Clone(record), 0)); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("a byte more: %v", err)
	}
}

// TestDecodeBoundsAllocation feeds records with valid checksums that claim far more than they hold.
func TestDecodeBoundsAllocation(t *testing.T) {
	head := func(rows uint64) []byte {
		b := append([]byte{0x90 | recordFields}, recordMagic...)
		return msgp.AppendUint64(msgp.AppendUint64(b, 1), rows)
	}
	zeros := func(n int) []byte { return append([]byte{intsPlain}, make([]byte, n)...) }
	hostile := map[string][]byte{
		"rows":     msgp.AppendBytes(append(head(1<<40), 0x90), zeros(4)),
		"segments": append(head(1), 0xdd, 0xff, 0xff, 0xff, 0xff),
		"columns":  append(msgp.AppendBytes(append(head(1), 0x90), zeros(1)), 0xdd, 0xff, 0xff, 0xff, 0xff),
		"bin":      append(append(head(1), 0x90), 0xc6, 0xff, 0xff, 0xff, 0xff),
	}
	cells := msgp.AppendArrayHeader(msgp.AppendBytes(append(head(100_000), 0x90), zeros(100_000)), 1000)
	for i := range 1000 {
		cells = msgp.AppendString(msgp.AppendArrayHeader(cells, columnFields), fmt.Sprint(i))
		cells = append(msgp.AppendBytes(cells, []byte{byte(True)}), 0xc0, 0xc0, 0xc0)
	}
	hostile["cells"] = cells
	for name, body := range hostile {
		record := seal(body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := DecodeBatch(record)
		runtime.ReadMemStats(&after)
		spent := after.TotalAlloc - before.TotalAlloc
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if spent > uint64(10*len(record)+20_000) {
			t.Errorf("%s: %d bytes allocated for a record of %d", name, spent, len(record))
		}
	}
}

func TestDecodeNamesTheFault(t *testing.T) {
	b := oneColumn(t, []int64{1, 2}, []Value{FloatValue(0.5), FloatValue(1.5)})
	record := b.AppendBinary(nil)
	body := record[:len(record)-checksumBytes]
	at := bytes.Index(body, binary.LittleEndian.AppendUint64(nil, math.Float64bits(1.5)))
	binary.LittleEndian.PutUint64(body[at:], math.Float64bits(2))
	_, err := DecodeBatch(seal(body))
	if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), `column "f"`) {
		t.Error(err)
	}
}

func TestDecodeRefusesColumns(t *testing.T) {
	for name, column := range map[string][]any{
		"no kinds":       {"f", nil, nil, nil, nil},
		"empty kinds":    {"f", []byte{}, nil, nil, nil},
		"all null":       {"f", []byte{0}, nil, nil, nil},
		"unknown kind":   {"f", []byte{9}, nil, nil, nil},
		"short runs":     {"f", []byte{kindRuns, 1, 1}, nil, nil, nil},
		"long runs":      {"f", []byte{kindRuns, 1, 3}, nil, nil, nil},
		"short packed":   {"f", []byte{kindPacked}, nil, nil, nil},
		"packed unknown": {"f", []byte{kindPacked, 0x71}, nil, nil, nil},
		"missing ints":   {"f", []byte{3}, nil, nil, nil},
		"needless ints":  {"f", []byte{1}, []byte{intsTimes}, nil, nil},
		"short ints":     {"f", []byte{3}, []byte{intsPlain, 1}, nil, nil},
		"long ints":      {"f", []byte{3}, []byte{intsDelta, 1, 1, 1}, nil, nil},
		"ints":           {"f", []byte{3}, []byte{7, 1, 1}, nil, nil},
		"times, more":    {"f", []byte{3}, []byte{intsTimes, 1}, nil, nil},
		"some ints":      {"f", []byte{kindRuns, 0, 1, 3, 1}, []byte{intsPlain}, nil, nil},
		"short floats":   {"f", []byte{4}, nil, make([]byte, 8), nil},
		"whole floats":   {"f", []byte{4}, nil, make([]byte, 16), nil},
		"strings":        {"f", []byte{5}, nil, nil, []byte{9}},
		"short plain":    {"f", []byte{5}, nil, nil, []byte{stringsPlain, 1, 1, 'a'}},
		"long plain":     {"f", []byte{5}, nil, nil, []byte{stringsPlain, 0, 0, 'a'}},
		"text, more":     {"f", []byte{5}, nil, nil, []byte{stringsTimeMillis, 1}},
		"no entries":     {"f", []byte{5}, nil, nil, []byte{stringsDictionary, 0}},
		"many entries":   {"f", []byte{5}, nil, nil, []byte{stringsDictionary, 3, 0, 0, 0, 0, 0}},
		"bad code":       {"f", []byte{5}, nil, nil, []byte{stringsDictionary, 2, 0, 1, 'a', 0, 2}},
		"missing codes":  {"f", []byte{5}, nil, nil, []byte{stringsDictionary, 2, 0, 1, 'a', 0}},
		"fields":         {"f", []byte{1}, nil, nil},
	} {
		body := msgp.AppendUint64(append([]byte{0x90 | recordFields}, recordMagic...), recordVersion)
		body = msgp.AppendBytes(append(body, 2, 0x90), []byte{intsPlain, 0, 0})
		body, err := msgp.AppendIntf(msgp.AppendArrayHeader(body, 1), column)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := DecodeBatch(seal(body)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v %v", name, b, err)
		}
	}
}

// TestBatchGolden fixes the bytes of records: logs on disk hold them.
func TestBatchGolden(t *testing.T) {
	r := random(12)
	b := buildBatch(t, r, goldenEvents())
	b.Segments = []Segment{{Producer: "p", Number: 42, Partitions: 4, Rows: 2}, {Rows: 4, Partitions: 4}}
	record := b.AppendBinary(nil)
	golden(t, "batch.bin", record)
	golden(t, "empty.bin", (&Batch{}).AppendBinary(nil))
	back, err := DecodeBatch(record)
	if err != nil {
		t.Fatal(err)
	}
	sameEvents(t, back, goldenEvents())
}

// goldenEvents use every encoding that a small record can have.
func goldenEvents() []modelEvent {
	words := []string{"edit", "edit", "edit", "edit", "view", "edit"}
	events := make([]modelEvent, 6)
	for i := range events {
		at := int64(1_442_016_000_000 + 1000*i)
		events[i] = modelEvent{time: at, fields: map[string]Value{
			"at":     IntValue(at),
			"action": StringValue(words[i]),
			"added":  IntValue(int64(i * i)),
			"id":     IntValue(int64(1_000_000 + i)),
			"robot":  BoolValue(i%3 == 0),
			"score":  FloatValue(float64(i) / 4),
			"time":   StringValue(time.UnixMilli(at).UTC().Format(time.RFC3339)),
			"user":   StringValue(fmt.Sprintf("user %d", 7*i)),
		}}
	}
	delete(events[1].fields, "user")
	delete(events[2].fields, "user")
	return events
}

func FuzzDecodeBatch(f *testing.F) {
	r := random(13)
	for range 5 {
		f.Add(buildBatch(f, r, randomEvents(r, 20, 9)).AppendBinary(nil))
	}
	f.Add((&Batch{}).AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= checksumBytes { // past the checksum, which fuzzing would not get
			b = seal(b[:len(b)-checksumBytes])
		}
		batch, err := DecodeBatch(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		if err := batch.Check(); err != nil {
			t.Fatal(err)
		}
		record := batch.AppendBinary(nil)
		again, err := DecodeBatch(record)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(again.Times, batch.Times) || len(again.Columns) != len(batch.Columns) {
			t.Fatal("decodes otherwise the second time")
		}
		for i := range batch.Columns {
			x, y := &batch.Columns[i], &again.Columns[i]
			for row := range batch.Times {
				if x.Value(row) != y.Value(row) {
					t.Fatalf("row %d of %q: %v, then %v", row, x.Name, x.Value(row), y.Value(row))
				}
			}
		}
		if !bytes.Equal(again.AppendBinary(nil), record) {
			t.Fatal("encoding is not canonical")
		}
	})
}
