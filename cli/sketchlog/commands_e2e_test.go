//go:build e2e

package main

// Every command against a real server.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/tinylib/msgp/msgp"
)

// write makes a file and returns its path.
func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t *testing.T, content []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll(content, nil)
}

const webViews = `
streams:
  web: {partitions: 3, key: path, time: time}
views:
  pages:
    stream: web
    by: [path]
    pane: 1m
    keep: 100000d
    from: earliest
    sketches:
      visitors: {kind: hll, of: host}
      seen: {kind: bloom, of: host, capacity: 1000}
      often: {kind: countmin, of: host}
      hosts: {kind: hotlist, of: host, size: 50}
      sample: {kind: reservoir, of: host, size: 20}
      traffic: {kind: decay, of: bytes, half_life: 1h}
`

func TestStreamsAndViews(t *testing.T) {
	p := startProcess(t)
	if out := p.done("stream", "create", "raw", "--partitions", "2", "--retention-age", "7d"); !strings.Contains(out, `"partitions": 2`) {
		t.Errorf("stream create: %s", out)
	}
	p.done("view", "apply", "-f", write(t, "views.yaml", []byte(webViews)))
	p.done("view", "apply", "-f", write(t, "views.json", []byte(`{"views": {"all": {"stream": "raw", "by": [], "sketches": {}}}}`)))
	if out := p.done("stream", "list"); !strings.Contains(out, "STREAM") || !strings.Contains(out, "raw") || !strings.Contains(out, "path") {
		t.Errorf("stream list: %s", out)
	}
	var shown struct {
		Partitions int
		Key        string
		State      []struct{ Partition int }
	}
	if p.json(&shown, "stream", "show", "web"); shown.Partitions != 3 || shown.Key != "path" || len(shown.State) != 3 {
		t.Errorf("stream show: %+v", shown)
	}
	var views struct{ Views []struct{ Name string } }
	if p.json(&views, "view", "list"); len(views.Views) != 2 {
		t.Errorf("view list: %+v", views)
	}
	if out := p.done("view", "list"); !strings.Contains(out, "VIEW") || !strings.Contains(out, "visitors") || !strings.Contains(out, "all time") {
		t.Errorf("view list: %s", out)
	}
	if out := p.done("view", "show", "pages"); !strings.Contains(out, `"keep": "100000d"`) || !strings.Contains(out, "watermark") {
		t.Errorf("view show: %s", out)
	}
	for _, c := range []struct{ line, why string }{
		{"stream delete web", "pages"},
		{"stream create web --partitions 1", "partitions"},
		{"stream create no/name", "name"},
		{"stream show nothing", "nothing"},
		{"view show nothing", "nothing"},
		{"view delete nothing", "nothing"},
		{"query distinct nothing", "nothing"},
		{"query sum pages --at 0 --sketch hosts", "hosts"},
		{"query count pages --from tomorrow", "from"},
		{"series pages --step 1s", "step"},
		{"keys nothing", "nothing"},
		{"watch nothing", "nothing"},
		{"consume nothing", "nothing"},
		{"consume web --partition 9", "partition"},
		{"produce nothing -", "nothing"},
	} {
		code, out, errs := p.cli("{}", strings.Fields(c.line)...)
		if code != exitRefused || out != "" || !strings.Contains(errs, c.why) || strings.Contains(errs, "Usage") {
			t.Errorf("%s: exit code %d, %q, %q", c.line, code, out, errs)
		}
	}
	code, _, errs := p.cli("", "view", "apply", "-f", write(t, "bad.yaml", []byte("views:\n  good: {stream: raw, sketches: {}}\n  bad: {stream: raw, pain: 1m, sketches: {s: {kind: hill, of: x}, b: {kind: bloom, of: x, capacity: -1}}}\n  lost: {stream: nowhere, sketches: {}}\n")))
	for _, why := range []string{"view bad", "view lost", "nowhere", "view good applied"} {
		if code != exitRefused || !strings.Contains(errs, why) {
			t.Errorf("a file with several faults: exit code %d, %s, want %q", code, errs, why)
		}
	}
	for _, name := range []string{"pages", "all", "good"} {
		p.done("view", "delete", name)
	}
	p.done("stream", "delete", "web")
	if out := p.done("stream", "list", "-o", "json"); strings.Contains(out, "web") {
		t.Errorf("a deleted stream is listed: %s", out)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.stderr)
	}
}

// Every format sends the same 30 events; so do packed files and standard input.
func TestProduceEveryFormat(t *testing.T) {
	p := startProcess(t)
	var lines, objects, csv, access strings.Builder
	packed := msgp.AppendArrayHeader(nil, 30)
	csv.WriteString("time,host,path,bytes\n")
	for i := range 30 {
		at := time.UnixMilli(1_700_000_000_000 + int64(i)*1000).UTC()
		host, path := fmt.Sprintf("h%d", i%7), fmt.Sprintf("/p%d", i%3)
		fmt.Fprintf(&lines, `{"time":%d,"host":%q,"path":%q,"bytes":%d}`+"\n", at.UnixMilli(), host, path, i)
		fmt.Fprintf(&objects, `%s{"time":%d,"host":%q,"path":%q,"bytes":%d}`, []string{"[", ",\n"}[min(i, 1)], at.UnixMilli(), host, path, i)
		fmt.Fprintf(&csv, "%s,%s,%s,%d\n", at.Format(time.RFC3339), host, path, i)
		fmt.Fprintf(&access, "%s - - [%s] \"GET %s?q=1 HTTP/1.1\" 200 %d\n", host, at.Format("02/Jan/2006:15:04:05 -0700"), path, i)
		packed = msgp.AppendMapHeader(packed, 4)
		packed = msgp.AppendInt64(msgp.AppendString(packed, "time"), at.UnixMilli())
		packed = msgp.AppendString(msgp.AppendString(packed, "host"), host)
		packed = msgp.AppendString(msgp.AppendString(packed, "path"), path)
		packed = msgp.AppendInt(msgp.AppendString(packed, "bytes"), i)
	}
	objects.WriteString("]")
	nd := []byte(lines.String())
	for i, c := range []struct {
		file    string
		content []byte
		input   string
		flags   string
	}{
		{"a.ndjson", nd, "", "--batch 7"},
		{"a.json", []byte(objects.String()), "", "--batch 7 --acks 1"},
		{"a.csv", []byte(csv.String()), "", "--batch 7"},
		{"a.msgpack", packed, "", "--batch 7"},
		{"a.log", []byte(access.String()), "", "--batch 7"},
		{"access", []byte(access.String()), "", "--format accesslog"},
		{"a.ndjson.gz", gzipped(t, nd), "", ""},
		{"a.csv.zst", zstded(t, []byte(csv.String())), "", ""},
		{"a.log.gz", gzipped(t, []byte(access.String())), "", "--format accesslog"},
		{"", nil, lines.String(), "--rate 100000"},
		{"", nil, csv.String(), "- --format csv"},
		{"a.ndjson", nd, "", "--acks 0"},
	} {
		stream := fmt.Sprintf("s%d", i)
		p.done("stream", "create", stream, "--key", "path", "--time", "time")
		definition := strings.ReplaceAll(webViews[strings.Index(webViews, "views:"):], "web", stream)
		p.done("view", "apply", "-f", write(t, "v.yaml", []byte(strings.Replace(definition, "pages:", stream+":", 1))))
		args := []string{"produce", stream}
		if c.file != "" {
			args = append(args, write(t, c.file, c.content))
		}
		code, out, errs := p.cli(c.input, append(args, strings.Fields(c.flags)...)...)
		if code != exitDone || out != "30 events accepted, 0 rejected\n" || errs != "" {
			t.Errorf("%s %s: exit code %d, %q, %q", c.file, c.flags, code, out, errs)
			continue
		}
		p.await("all 30 counted", func() bool { return p.count(stream, "") == 30 })
		var a answer
		if p.json(&a, "query", "distinct", stream, "--key", "/p1"); *a.Estimate != 7 || !a.Exact || a.Coverage.Events != 10 {
			t.Errorf("%s %s: distinct %+v", c.file, c.flags, a)
		}
		if p.json(&a, "query", "sum", stream, "--at", "1700000029000"); *a.Estimate < 400 || *a.Estimate > 435 {
			t.Errorf("%s %s: sum %v", c.file, c.flags, *a.Estimate)
		}
	}
}

func TestProduceBadEvents(t *testing.T) {
	p := startProcess(t)
	p.done("stream", "create", "s", "--time", "time")
	input := "{\"time\": 1}\n{\"time\": \"never\"}\n{\"time\": 2}\n{broken\n"
	code, out, errs := p.cli(input, "produce", "s", "--on-error", "skip", "--batch", "2")
	if code != exitDone || out != "2 events accepted, 2 rejected\n" || !strings.Contains(errs, "event 1: ") || !strings.Contains(errs, "event 3: ") {
		t.Errorf("skip: exit code %d, %q, %q", code, out, errs)
	}
	code, out, errs = p.cli(input, "produce", "s", "-o", "json", "--on-error", "skip")
	var report struct {
		Accepted, Rejected int
		Errors             []struct{ Index int }
	}
	if err := json.Unmarshal([]byte(out), &report); code != exitDone || err != nil || report.Accepted != 2 || report.Rejected != 2 || len(report.Errors) != 2 || report.Errors[1].Index != 3 {
		t.Errorf("skip in JSON: exit code %d, %q, %q, %v", code, out, errs, err)
	}
	code, out, errs = p.cli(input, "produce", "s", "--batch", "1")
	if code != exitRefused || out != "" || !strings.Contains(errs, "events 1 to 1") || !strings.Contains(errs, "1 events before that are accepted") {
		t.Errorf("reject: exit code %d, %q, %q", code, out, errs)
	}
	for _, file := range []string{write(t, "a.json", []byte(`[{"time": 1}`)), write(t, "a.csv", nil), write(t, "a.gz", []byte("no gzip")), write(t, "a.ndjson.gz", gzipped(t, []byte("{}\n"))[:15])} {
		if code, _, errs := p.cli("", "produce", "s", file); code != exitRefused || !strings.Contains(errs, filepath.Base(file)) {
			t.Errorf("%s: exit code %d, %q", file, code, errs)
		}
	}
	if code, out, _ := p.cli("", "produce", "s"); code != exitDone || out != "0 events accepted, 0 rejected\n" {
		t.Errorf("nothing to send: exit code %d, %q", code, out)
	}
}

// loaded is a server with a thousand visits of three pages.
func loaded(t *testing.T) *process {
	p := startProcess(t)
	p.done("view", "apply", "-f", write(t, "views.yaml", []byte(webViews)))
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, `{"time":%d,"host":"h%d","path":"/p%d","bytes":1}`+"\n", 1_700_000_000_000+int64(i)*1000, i*i%101, i%3)
	}
	if code, _, errs := p.cli(b.String(), "produce", "web"); code != exitDone {
		t.Fatal(errs)
	}
	p.count("pages", "")
	return p
}

func TestAskEverything(t *testing.T) {
	p := loaded(t)
	for _, c := range []struct {
		line  string
		table []string
		json  []string
	}{
		{"query distinct pages --key /p1", []string{"DISTINCT", "exact", "333 events"}, []string{`"estimate":`, `"key":["/p1"]`}},
		{"query frequency pages --item h4 --item nobody --key /p1", []string{"ITEM", "h4", "nobody"}, []string{`"items":[`}},
		{"query contains pages --item h4 --item nobody", []string{"ANSWER", "yes", "no"}, []string{`"answer":"no"`}},
		{"query topk pages --k 3 --window 5m", []string{"ITEM", "2023-11-14T"}, []string{`"error_bound":`}},
		{"query sample pages --n 4", []string{"ITEM", "sampled from 1000"}, []string{`"population":1000`}},
		{"query sum pages --key /p2", []string{"SUM"}, []string{`"low":`}},
		{"query count pages --from 2023-11-14T22:14:00Z --to 2023-11-14T22:15:00Z", []string{"COUNT", "60", "exact", "final"}, []string{`"estimate":60`, `"final":true`}},
		{"keys pages --limit 2", []string{"KEY", "/p0", "334"}, []string{`"keys":[`}},
		{"keys pages --order key --prefix /p2", []string{"/p2"}, []string{`"/p2"`}},
		{"series pages --question count --step 5m", []string{"FROM", "EVENTS", "2023-11-14T22:10:00Z"}, []string{`"points":[`}},
		{"status", []string{"STREAM", "web", "1000", "VIEW", "pages"}, []string{`"views":`}},
	} {
		table := p.done(strings.Fields(c.line)...)
		for _, want := range c.table {
			if !strings.Contains(table, want) {
				t.Errorf("%s: no %q in\n%s", c.line, want, table)
			}
		}
		text := p.done(strings.Fields(c.line + " -o json")...)
		for _, want := range c.json {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", c.line, want, text)
			}
		}
		for line := range strings.Lines(strings.TrimSpace(text)) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: %q is no JSON", c.line, line)
			}
		}
	}
	consumed := ""
	for partition := range 3 {
		consumed += p.done("consume", "web", "--partition", fmt.Sprint(partition), "--from", "earliest", "--limit", "1000")
	}
	if n := strings.Count(consumed, "\n"); n != 1000 || strings.Count(consumed, `"_index":0`) < 1 || strings.Count(consumed, `"_offset":1,`) < 1 {
		t.Errorf("%d events are consumed: %.300s", n, consumed)
	}
	// JSON is the HTTP answer as it came.
	status, body, err := p.call("GET", "/v1/views/pages/keys?limit=2&order=key", "", nil)
	if out := p.done("keys", "pages", "--limit", "2", "--order", "key", "-o", "json"); err != nil || status != 200 || strings.TrimSpace(out) != strings.TrimSpace(string(body)) {
		t.Errorf("keys in JSON are %s, over HTTP %s", out, body)
	}
	status, body, err = p.call("GET", "/v1/views/pages/count", "", nil, "Accept", "application/msgpack")
	if err != nil || status != 200 {
		t.Fatalf("%d, %v", status, err)
	}
	var out bytes.Buffer
	if _, err := msgp.UnmarshalAsJSON(&out, body); err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil || *a.Estimate != 1000 || a.Question != "count" {
		t.Errorf("in msgpack: %s, %v", out.String(), err)
	}
}

func TestWatchUntilInterrupted(t *testing.T) {
	p := loaded(t)
	for _, format := range []string{"json", "table"} {
		c := exec.Command(binary, "watch", "pages", "--question", "topk", "--every", "100ms", "-o", format, "--addr", p.address())
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		var errs bytes.Buffer
		c.Stderr = &errs
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for answers := 0; answers < 2 && lines.Scan(); {
			if line := lines.Text(); format == "table" && strings.HasPrefix(line, "ITEM") || format == "json" && json.Valid([]byte(line)) {
				answers++
			} else if format == "json" {
				t.Errorf("%q is no JSON", line)
			}
		}
		if err := c.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what was under way
		}
		if err := c.Wait(); err != nil || errs.Len() > 0 {
			t.Errorf("watch -o %s ends with %v, %s", format, err, errs.String())
		}
	}
}
