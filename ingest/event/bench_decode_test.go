package event

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fastjson"
)

// benchmarkDecode reports the time of an event of four fields.
func benchmarkDecode(b *testing.B, format Format, body []byte, events int) {
	var batch Batch
	b.SetBytes(int64(len(body) / events))
	b.ReportAllocs()
	for n := 0; n < b.N; n += events {
		batch.Reset()
		result, err := Decode(&batch, body, Options{Format: format, Time: "time", Arrival: arrival})
		if err != nil || result.Accepted != events {
			b.Fatalf("%v, %+v", err, result)
		}
	}
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

func BenchmarkNDJSON(b *testing.B) {
	benchmarkDecode(b, FormatNDJSON, []byte(repeated(jsonLine)), benchmarkEvents)
}

func BenchmarkJSON(b *testing.B) {
	lines := strings.TrimSpace(repeated(jsonLine))
	benchmarkDecode(b, FormatJSON, []byte("["+strings.ReplaceAll(lines, "\n", ",")+"]"), benchmarkEvents)
}

func BenchmarkCSV(b *testing.B) {
	benchmarkDecode(b, FormatCSV, []byte("time,page,user,added\n"+repeated("2015-09-12T00:46:%02d.771Z,%s,%s,%d\n")), benchmarkEvents)
}

func BenchmarkAccessLog(b *testing.B) {
	benchmarkDecode(b, FormatAccessLog, []byte(repeated("in24.inetnebr.com - - [01/Aug/1995:04:00:%02d +0000] \"GET /%s/%s HTTP/1.0\" 200 %d\n")), benchmarkEvents)
}

func BenchmarkMsgpack(b *testing.B) {
	body := msgp.AppendArrayHeader(nil, benchmarkEvents)
	for i := range benchmarkEvents {
		body = append(body, packMap("time", 1442018818771+i, "page", fmt.Sprintf("page-%06d", i*7919%1000), "user", fmt.Sprintf("user-%06d", i), "added", i%100+1)...)
	}
	benchmarkDecode(b, FormatMsgpack, body, benchmarkEvents)
}

// BenchmarkTree is the way not taken, without its missing checks: fastjson's tree of each line, walked into a batch.
func BenchmarkTree(b *testing.B) {
	lines := strings.Split(strings.TrimSpace(repeated(jsonLine)), "\n")
	var batch Batch
	var parser fastjson.Parser
	b.ReportAllocs()
	for n := 0; n < b.N; n += benchmarkEvents {
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
