package event

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// quickDiffers decodes a body with the fast path and without it, and says in what the two differ, "" when in nothing.
func quickDiffers(body []byte, o Options) string {
	var quick, general Batch
	got, gotErr := Decode(&quick, body, o)
	r := newRows(&general, bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), o)
	if o.Format == FormatMsgpack {
		r.body = body
	}
	r.general = true
	want, wantErr := r.decode()
	switch {
	case fmt.Sprint(gotErr) != fmt.Sprint(wantErr):
		return fmt.Sprintf("error %v, want %v", gotErr, wantErr)
	case !reflect.DeepEqual(got, want):
		return fmt.Sprintf("result %+v, want %+v", got, want)
	case !slices.Equal(quick.Times, general.Times):
		return fmt.Sprintf("times %v, want %v", quick.Times, general.Times)
	case len(quick.Columns) != len(general.Columns):
		return fmt.Sprintf("%d columns, want %d", len(quick.Columns), len(general.Columns))
	}
	for i := range quick.Columns {
		a, b := &quick.Columns[i], &general.Columns[i]
		if a.Name != b.Name || len(a.Kinds) != len(b.Kinds) || len(a.Bits) != len(b.Bits) {
			return fmt.Sprintf("column %q of %d rows, want %q of %d", a.Name, len(a.Kinds), b.Name, len(b.Kinds))
		}
		for row := range a.Kinds {
			if a.Value(row) != b.Value(row) {
				return fmt.Sprintf("row %d: %q is %v, want %v", row, a.Name, a.Value(row), b.Value(row))
			}
		}
	}
	return ""
}

// quickOptions are the settings that the fast path has to look at.
func quickOptions(format Format) []Options {
	return []Options{
		{Format: format, Time: "time", Arrival: arrival, Skip: true},
		{Format: format, Time: "time", Arrival: arrival},
		{Format: format, Arrival: arrival, Skip: true, Limits: Limits{Fields: 3, StringBytes: 9, Events: 100}},
	}
}

// sameShape writes events of the same fields, in one of three lists all alike; in the others some lack a field, have one more
// or have them in another order, or a value that is not plain.
func sameShape(random *rand.Rand) []string {
	names := []string{"time", "key", "item", "a name of many bytes", "größe", "v", "w", "a.b"}
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	names = names[:1+random.IntN(len(names))]
	comma, colon := ",", ":"
	if random.IntN(2) == 0 {
		comma, colon = ", ", ": "
	}
	var lines []string
	alike, values := random.IntN(3) == 0, plainValues
	if alike {
		values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return len(v) > 3 })
	}
	for range 1 + random.IntN(30) {
		fields := slices.Clone(names)
		kind := random.IntN(6)
		if alike && random.IntN(20) > 0 {
			kind = 5
		}
		switch kind {
		case 0:
			fields = append(fields, fmt.Sprint("new", random.IntN(4)))
		case 1:
			fields = slices.Delete(fields, 0, 1)
		case 2:
			fields = append(fields, fields[0])
		}
		var line bytes.Buffer
		for i, name := range fields {
			if i > 0 {
				line.WriteString(comma)
			}
			value := values[random.IntN(len(values))]
			if name == "time" && random.IntN(20) > 0 {
				value = fmt.Sprint(arrival + 1e7 - random.Int64N(1e9)) // some too far ahead
			}
			fmt.Fprintf(&line, "%q%s%s", name, colon, value)
		}
		lines = append(lines, strings.Repeat(" ", random.IntN(8)/7)+"{"+line.String()+"}")
	}
	return lines
}

var plainValues = []string{
	`"x"`, `""`, `"seven b"`, `"eight by"`, `"nine byte"`, `"a string of more than sixteen bytes"`, `"größe"`, `"tail 日本語"`, `"\n"`, `"a\u00e9"`, "\"\xff\"", "\"\xc3\"", "\"tab\t\"",
	"0", "-0", "1", "-1", "12", "1234567", "12345678", "123456789", "999999999999999", "1000000000000000", "123456789012345678", "1234567890123456789", "-9223372036854775808", "9223372036854775808",
	"01", "-", "1.", "1.5", "-0.5", "0.1", "-0.0", "12.0", "123456.78901234", "1234567.123456789", "0.30000000000000004", "1e3", "1.5e3", "1E400", "true", "false", "null", "truE", "nul", "[1,2]", `{"c":1}`,
	`"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05.678Z"`, `"2026-01-02 03:04:05+01:00"`, `"2026-02-30T03:04:05Z"`,
}

func TestQuickPathAgrees(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	for range 3000 {
		lines := sameShape(random)
		end := []string{"\n", "\n", "\r\n", "\n\n"}[random.IntN(4)]
		for format, body := range map[Format][]byte{
			FormatNDJSON: []byte(joined(lines, end) + end[:random.IntN(len(end)+1)]),
			FormatJSON:   []byte("[" + joined(lines, ",") + "]"),
		} {
			if random.IntN(3) == 0 {
				body[random.IntN(len(body))] = byte(random.IntN(256))
			}
			for _, o := range quickOptions(format) {
				if why := quickDiffers(body, o); why != "" {
					t.Fatalf("%s %q: %s", format, body, why)
				}
			}
		}
	}
}

func joined(lines []string, by string) (out string) {
	for i, line := range lines {
		if i > 0 {
			out += by
		}
		out += line
	}
	return out
}

// packedShape is sameShape for MessagePack.
func packedShape(random *rand.Rand) []byte {
	names := []string{"time", "key", "item", "a name of more than thirty-one bytes", "größe", "v"}
	names = names[:1+random.IntN(len(names))]
	var body []byte
	for range 1 + random.IntN(30) {
		n := len(names) - random.IntN(2)
		body = msgp.AppendMapHeader(body, uint32(n))
		for _, name := range names[:n] {
			body = msgp.AppendString(body, name)
			if name == "time" && random.IntN(20) > 0 {
				body = msgp.AppendInt64(body, arrival-random.Int64N(1e9))
				continue
			}
			body = append(body, packedValue(random)...)
		}
	}
	return body
}

func packedValue(random *rand.Rand) []byte {
	n := random.Uint64() >> random.IntN(64)
	switch random.IntN(12) {
	case 0:
		return msgp.AppendString(nil, "größe, of more than thirty-one bytes"[:random.IntN(37)])
	case 1:
		return msgp.AppendString(nil, "k12")
	case 2:
		return msgp.AppendFloat64(nil, []float64{1, 0.5, math.Copysign(0, -1), 1e300, 1e19, random.Float64()}[random.IntN(6)])
	case 3:
		return msgp.AppendFloat32(nil, float32(n)/3)
	case 4:
		return msgp.AppendBool(nil, n&1 == 0)
	case 5:
		return msgp.AppendNil(nil)
	case 6:
		return []byte{0xcc + byte(n&7), 1, 2, 3, 4, 5, 6, 7, 8}[:1+1<<(n&3)]
	case 7:
		return msgp.AppendBytes(nil, []byte("bytes"))
	case 8:
		return msgp.AppendTimeExt(nil, time.UnixMilli(arrival))
	case 9:
		return packArray(msgp.AppendInt(nil, 1))
	case 10:
		return msgp.AppendUint64(nil, n)
	}
	return msgp.AppendInt64(nil, int64(n))
}

func TestQuickPathAgreesInMsgpack(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	for range 5000 {
		body := packedShape(random)
		if random.IntN(3) == 0 {
			body[random.IntN(len(body))] = byte(random.IntN(256))
		}
		for _, o := range quickOptions(FormatMsgpack) {
			if why := quickDiffers(body, o); why != "" {
				t.Fatalf("%q: %s", body, why)
			}
		}
	}
}

// The last bytes of a body are where the fast path could read too far.
func TestQuickPathAtEveryEnd(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 11))
	lines, packed := []byte(joined(sameShape(random), "\n")), packedShape(random)
	for format, body := range map[Format][]byte{FormatNDJSON: lines, FormatJSON: lines, FormatMsgpack: packed} {
		for n := range body {
			if why := quickDiffers(body[:n:n], quickOptions(format)[0]); why != "" {
				t.Fatalf("%s %q: %s", format, body[:n], why)
			}
		}
	}
}

func FuzzQuick(f *testing.F) {
	random := rand.New(rand.NewPCG(9, 12))
	for range 20 {
		f.Add([]byte(joined(sameShape(random), "\n")), uint8(0))
		f.Add([]byte("["+joined(sameShape(random), ",")+"]"), uint8(1))
		f.Add(packedShape(random), uint8(2))
	}
	f.Fuzz(func(t *testing.T, body []byte, format uint8) {
		for _, o := range quickOptions([]Format{FormatNDJSON, FormatJSON, FormatMsgpack}[format%3]) {
			if why := quickDiffers(body, o); why != "" {
				t.Fatalf("%q: %s", body, why)
			}
		}
	})
}
