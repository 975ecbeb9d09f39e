package event

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fastjson"
)

// benchmarkDecode reports the time of an event of four fields. An operation is a body.
func benchmarkDecode(b *testing.B, format Format, body []byte, events int) {
	var batch Batch
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		result, err := Decode(&batch, body, Options{Format: format, Time: "time", Arrival: arrival})
		if err != nil || result.Accepted != events {
			b.Fatalf("%v, %+v", err, result)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events), "ns/event")
}

// loadEvents calls f for events as a load of many keys and items has them: skewed, and in order of time.
func loadEvents(events int, f func(time int64, key, item string, value int)) {
	r := random(1)
	keys, items := rand.NewZipf(r, 1.1, 1, 999), rand.NewZipf(r, 1.05, 1, 999_999)
	for i := range events {
		f(arrival-int64(events-i), fmt.Sprint("k", keys.Uint64()), fmt.Sprint("i", items.Uint64()), r.IntN(100)+1)
	}
}

// BenchmarkDecodeNDJSON reads what most services send: times as numbers, few fields, always in the same order.
func BenchmarkDecodeNDJSON(b *testing.B) {
	var body []byte
	loadEvents(5000, func(time int64, key, item string, value int) {
		body = fmt.Appendf(body, "{\"time\":%d,\"key\":\"%s\",\"item\":\"%s\",\"value\":%d}\n", time, key, item, value)
	})
	benchmarkDecode(b, FormatNDJSON, body, 5000)
}

// BenchmarkDecodeMsgpack reads the same events.
func BenchmarkDecodeMsgpack(b *testing.B) {
	body := msgp.AppendArrayHeader(nil, 5000)
	loadEvents(5000, func(time int64, key, item string, value int) {
		body = append(body, packMap("time", int(time), "key", key, "item", item, "value", value)...)
	})
	benchmarkDecode(b, FormatMsgpack, body, 5000)
}

const benchmarkEvents = 1000

// repeated writes the benchmark's events, a line each.
func repeated(format string) string {
	var body strings.Builder
	for i := range benchmarkEvents {
		fmt.Fprintf(&body, format, i%60, fmt.Sprintf("page-%06d", i*7919%1000), fmt.Sprintf("user-%06d", i), i%100+1)
	}
	return body.String()
}

const jsonLine = "{\"time\":\"2015-09-12T00:46:%02d.771Z\",\"page\":\"%s\",\"user\":\"%s\",\"added\":%d}\n"

// BenchmarkDecodeText reads the same fields of other formats, with times as text.
func BenchmarkDecodeTextNDJSON(b *testing.B) {
	benchmarkDecode(b, FormatNDJSON, []byte(repeated(jsonLine)), benchmarkEvents)
}

func BenchmarkDecodeTextJSON(b *testing.B) {
	lines := strings.TrimSpace(repeated(jsonLine))
	benchmarkDecode(b, FormatJSON, []byte("["+strings.ReplaceAll(lines, "\n", ",")+"]"), benchmarkEvents)
}

func BenchmarkDecodeTextCSV(b *testing.B) {
	benchmarkDecode(b, FormatCSV, []byte("time,page,user,added\n"+repeated("2015-09-12T00:46:%02d.771Z,%s,%s,%d\n")), benchmarkEvents)
}

func BenchmarkDecodeTextAccessLog(b *testing.B) {
	benchmarkDecode(b, FormatAccessLog, []byte(repeated("in24.inetnebr.com - - [01/Aug/1995:04:00:%02d +0000] \"GET /%s/%s HTTP/1.0\" 200 %d\n")), benchmarkEvents)
}

// BenchmarkTree is the way not taken, without its missing checks: fastjson's tree of each line, walked into a batch.
func BenchmarkTree(b *testing.B) {
	lines := strings.Split(strings.TrimSpace(repeated(jsonLine)), "\n")
	var batch Batch
	var parser fastjson.Parser
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		builder := NewBuilder(&batch)
		for _, line := range lines {
			v, err := parser.Parse(line)
			if err != nil {
				b.Fatal(err)
			}
			object, err := v.Object()
			if err != nil {
				b.Fatal(err)
			}
			builder.Begin()
			when := int64(0)
			object.Visit(func(name []byte, v *fastjson.Value) {
				switch v.Type() {
				case fastjson.TypeString:
					text, _ := v.StringBytes()
					if string(name) == "time" {
						when, _ = parseTime(text)
					}
					builder.String(name, text)
				case fastjson.TypeNumber:
					if whole, err := v.Int64(); err == nil {
						builder.Int(name, whole)
					}
				}
			})
			if err := builder.End(when); err != nil {
				b.Fatal(err)
			}
		}
	}
}
