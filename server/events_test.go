package server

// Events in and out: formats, refusals, limits, and requests that mean harm.

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/vmihailenco/msgpack/v5"

	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/turns"
)

const oneEdit = `{"time": "2015-09-12T00:47:00Z", "channel": "#en", "page": "Go", "user": "ken", "added": 3}`

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(text))
	must(t, err)
	must(t, z.Close())
	return b.String()
}

func TestPostEventsInEveryFormat(t *testing.T) {
	f := start(t, Limits{})
	f.edits()
	f.expect(201, "PUT", "/v1/streams/web", `{"partitions": 1, "time": "time"}`)
	packed, err := msgpack.Marshal([]map[string]any{{"time": int64(1442018820000), "page": "Go"}})
	must(t, err)
	z, err := zstd.NewWriter(nil)
	must(t, err)
	log := `a.example - - [01/Aug/1995:00:00:01 -0400] "GET /x?y=1 HTTP/1.0" 200 1839` + "\n"
	for _, c := range []struct {
		stream, mediaType, encoding, body string
		accepted                          int
	}{
		{"edits", "application/x-ndjson", "", oneEdit + "\n" + oneEdit, 2},
		{"edits", "application/x-ndjson; charset=utf-8", "identity", oneEdit, 1},
		{"edits", "application/json", "", "[" + oneEdit + "," + oneEdit + "]", 2},
		{"edits", "application/json", "gzip", gzipped(t, oneEdit), 1},
		{"edits", "application/x-ndjson", "zstd", string(z.EncodeAll([]byte(oneEdit), nil)), 1},
		{"edits", "application/msgpack", "", string(packed), 1},
		{"edits", "text/csv", "", "time,page,added\n2015-09-12T00:47:00Z,Go,1\n2015-09-12T00:47:00Z,C,\n", 2},
		{"web", "text/x-access-log", "GZIP", gzipped(t, log+log), 2},
	} {
		header := []string{"Content-Type: " + c.mediaType}
		if c.encoding != "" {
			header = append(header, "Content-Encoding: "+c.encoding)
		}
		got := f.expect(200, "POST", "/v1/streams/"+c.stream+"/events?acks=all&wait=acked&on_error=reject", c.body, header...)
		if got["accepted"] != float64(c.accepted) || got["rejected"] != 0.0 || got["duplicate"] != false || len(got["offsets"].(map[string]any)) == 0 {
			t.Errorf("%s %s: %v", c.mediaType, c.encoding, got)
		}
	}
	z.Close()
}

func TestPostEventsWithTheirAcks(t *testing.T) {
	f := start(t, Limits{})
	f.edits()
	for _, acks := range []string{"0", "1", "all"} {
		got := f.expect(200, "POST", "/v1/streams/edits/events?acks="+acks, oneEdit, ndjson)
		if offsets := got["offsets"].(map[string]any); got["accepted"] != 1.0 || (len(offsets) == 0) != (acks == "0") {
			t.Errorf("acks=%s: %v", acks, got)
		}
	}
	got := f.expect(200, "POST", "/v1/streams/edits/events?wait=applied", oneEdit, ndjson)
	if got["applied"] != true {
		t.Errorf("%v", got)
	}
}

func TestPostEventsTwiceCountsOnce(t *testing.T) {
	f := start(t, Limits{})
	f.edits()
	var offsets []any
	for i, number := range []int{1, 1, 2, 1} {
		got := f.expect(200, "POST", "/v1/streams/edits/events?wait=applied", oneEdit, ndjson, fmt.Sprintf("Idempotency-Key: me/%d", number))
		if want := i == 1 || i == 3; got["duplicate"] != want || got["applied"] != true {
			t.Errorf("request %d: %v", i, got)
		}
		offsets = append(offsets, got["offsets"])
	}
	if reflect.DeepEqual(offsets[0], offsets[2]) {
		t.Errorf("two requests have one offset: %v", offsets)
	}
	stream := f.expect(200, "GET", "/v1/streams/edits", "")
	events := 0.0
	for _, p := range stream["state"].([]any) {
		events += p.(map[string]any)["events"].(float64)
	}
	if events != 2 {
		t.Errorf("the log holds %v events of 2: %v", events, stream)
	}
}

func TestPostEventsRefusals(t *testing.T) {
	f := start(t, Limits{Body: 1 << 20, Unpacked: 2 << 20})
	f.edits()
	events := "/v1/streams/edits/events"
	many := strings.Repeat(oneEdit+"\n", 20_000)
	for _, c := range []struct {
		status     int
		slug       string
		path, body string
		header     []string
	}{
		{404, "unknown-stream", "/v1/streams/nowhere/events", oneEdit, []string{ndjson}},
		{400, "invalid-parameters", events + "?acks=2", oneEdit, []string{ndjson}},
		{400, "invalid-parameters", events + "?wait=never", oneEdit, []string{ndjson}},
		{400, "invalid-parameters", events + "?on_error=", oneEdit, []string{ndjson}},
		{400, "invalid-parameters", events + "?akcs=all", oneEdit, []string{ndjson}},
		{400, "invalid-parameters", events + "?acks=0&acks=1", oneEdit, []string{ndjson}},
		{400, "invalid-parameters", events + "?acks=0&wait=applied", oneEdit, []string{ndjson}},
		{400, "invalid-parameters", events + "?acks=%zz", oneEdit, []string{ndjson}},
		{403, "forbidden", events + "?namespace=other", oneEdit, []string{ndjson}},
		{415, "unsupported-media-type", events, oneEdit, []string{"Content-Type: image/png"}},
		{415, "unsupported-media-type", events, oneEdit, nil},
		{415, "unsupported-media-type", events, oneEdit, []string{"Content-Type: application/x-ndjson; charset=latin1"}},
		{415, "unsupported-media-type", events, oneEdit, []string{ndjson, "Content-Encoding: br"}},
		{400, "bad-encoding", events, oneEdit, []string{ndjson, "Content-Encoding: gzip"}},
		{400, "bad-encoding", events, gzipped(t, many)[:1000], []string{ndjson, "Content-Encoding: gzip"}},
		{400, "bad-request", events, oneEdit, []string{ndjson, "Idempotency-Key: me"}},
		{400, "bad-request", events, oneEdit, []string{ndjson, "Idempotency-Key: "}},
		{400, "bad-request", events, oneEdit, []string{ndjson, "Idempotency-Key: me/-1"}},
		{400, "bad-request", events, oneEdit, []string{ndjson, "Idempotency-Key: me/1/2"}},
		{400, "bad-request", events, oneEdit, []string{ndjson, "Idempotency-Key: m e/1"}},
		{400, "bad-request", events, oneEdit, []string{ndjson, "Idempotency-Key: me/18446744073709551616"}},
		{400, "bad-events", events, "{broken", []string{ndjson}},
		{400, "bad-events", events, `{"page":"x","time":"not a time"}`, []string{ndjson}},
		{413, "too-large", events, many, []string{ndjson}},
		{413, "too-large", events, gzipped(t, many+many), []string{ndjson, "Content-Encoding: gzip"}},
	} {
		f.refused(c.status, c.slug, "POST", c.path, c.body, c.header...)
	}
	if a := f.call("GET", events+"?partition=0", ""); len(a.body) > 0 {
		t.Errorf("a refused request appended %s", a.body)
	}
}

func TestPostEventsListsBadOnes(t *testing.T) {
	f := start(t, Limits{})
	f.edits()
	body := oneEdit + "\n{broken\n\n" + oneEdit + "\n" + `{"time": "never"}`
	p := f.refused(400, "bad-events", "POST", "/v1/streams/edits/events", body, ndjson)
	faults := p["errors"].([]any)
	if first := faults[0].(map[string]any); len(faults) != 2 || first["index"] != 1.0 || first["line"] != 2.0 || first["detail"] == "" {
		t.Errorf("%v", p)
	}
	got := f.expect(200, "POST", "/v1/streams/edits/events?on_error=skip&wait=applied", body, ndjson)
	if got["accepted"] != 2.0 || got["rejected"] != 2.0 || len(got["errors"].([]any)) != 2 {
		t.Errorf("%v", got)
	}
	p = f.refused(400, "bad-events", "POST", "/v1/streams/edits/events", strings.Repeat("{\n", 1000), ndjson)
	if len(p["errors"].([]any)) != maxProblems {
		t.Errorf("%d faults are listed", len(p["errors"].([]any)))
	}
	if why := p["detail"].(string); !strings.HasPrefix(why, "100 of the first 100 events are bad") {
		t.Errorf("reading ended at the hundredth, and the answer says %s", why)
	}
	got = f.expect(200, "POST", "/v1/streams/edits/events?on_error=skip", "{", ndjson)
	if got["accepted"] != 0.0 || got["rejected"] != 1.0 {
		t.Errorf("%v", got)
	}
}

// A body that comes in chunks has no length that could be checked beforehand.
func TestChunkedBodies(t *testing.T) {
	f := start(t, Limits{Body: 64 << 10})
	f.edits()
	for repeats, status := range map[int]int{1: 200, 100: 200, 1000: 413} {
		body := strings.Repeat(oneEdit+"\n", repeats)
		request, err := http.NewRequest("POST", f.base+"/v1/streams/edits/events", io.MultiReader(strings.NewReader(body)))
		must(t, err)
		request.Header.Set("Content-Type", "application/x-ndjson")
		if a := f.do(request); a.status != status {
			t.Errorf("%d events in chunks: %d %s", repeats, a.status, a.body)
		}
	}
}

// raw writes bytes to the server and returns the status line that comes back.
func (f *fixture) raw(text string, closeWrite bool) string {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.server.Addr())
	must(f.t, err)
	defer conn.Close()
	must(f.t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, text)
	must(f.t, err)
	if closeWrite {
		must(f.t, conn.(*net.TCPConn).CloseWrite())
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil && line == "" {
		return "closed"
	}
	return strings.TrimSpace(line)
}

func TestTruncatedBodyAppendsNothing(t *testing.T) {
	f := start(t, Limits{})
	f.edits()
	head := "POST /v1/streams/edits/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
	for _, text := range []string{
		head + "Content-Length: 100000\r\n\r\n" + strings.Repeat(oneEdit+"\n", 200),
		head + "Content-Length: 200\r\n\r\n" + oneEdit + "\n",
		head + "Transfer-Encoding: chunked\r\n\r\n60\r\n" + oneEdit,
	} {
		if got := f.raw(text, true); strings.Contains(got, " 200") {
			t.Errorf("half a body: %s", got)
		}
	}
	if a := f.call("GET", "/v1/streams/edits/events?partition=0", ""); len(a.body) > 0 {
		t.Errorf("half a body appended %.200s", a.body)
	}
	if a := f.call("GET", "/v1/streams/edits/events?partition=1", ""); len(a.body) > 0 {
		t.Errorf("half a body appended %.200s", a.body)
	}
}

func TestHostileRequests(t *testing.T) {
	f := start(t, Limits{Header: 4 << 10, Read: time.Second})
	for name, c := range map[string]struct{ text, want string }{
		"huge header":     {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 10_000) + "\r\n\r\n", " 431"},
		"huge path":       {"GET /" + strings.Repeat("a", 10_000) + " HTTP/1.1\r\nHost: x\r\n\r\n", " 431"},
		"no HTTP":         {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\r\n\r\n", " 400"},
		"never finished":  {"GET / HTTP/1.1\r\nHost: x\r\n", " 408"},
		"two lengths":     {"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n[]", " 400"},
		"negative length": {"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n[]", " 400"},
		"absolute target": {"GET http://other/healthz HTTP/1.1\r\nHost: x\r\n\r\n", " 200"},
		"path traversal":  {"GET /v1/streams/../../healthz HTTP/1.1\r\nHost: x\r\n\r\n", " 404"},
	} {
		if got := f.raw(c.text, false); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, expected%s", name, got, c.want)
		}
	}
	f.refused(400, "invalid-parameters", "GET", "/v1/streams?"+strings.Repeat("&", 3000)+"a=b", "")
}

// A small body that unpacks to more than is allowed costs little and is refused.
func TestBombsAreRefused(t *testing.T) {
	f := start(t, Limits{Unpacked: 1 << 20})
	f.edits()
	bomb := gzipped(t, strings.Repeat(" ", 64<<20))
	p := f.refused(413, "too-large", "POST", "/v1/streams/edits/events", bomb, ndjson, "Content-Encoding: gzip")
	if !strings.Contains(p["detail"].(string), "1048576") {
		t.Errorf("the detail does not name the limit: %v", p)
	}
}

func TestNoRoomForBodies(t *testing.T) {
	f := start(t, Limits{InFlight: 1 << 20, Body: 1 << 20, Room: 50 * time.Millisecond})
	f.edits()
	// Packed, it is taken for greater than all the room there is: it may still come, alone.
	f.expect(200, "POST", "/v1/streams/edits/events", gzipped(t, strings.Repeat(oneEdit+"\n", 50_000)), ndjson, "Content-Encoding: gzip")
	b := f.server.budget
	large, small := b.largeBytes, int64(1<<20)-b.largeBytes
	must(t, b.large.Acquire(t.Context(), large))
	f.expect(200, "POST", "/v1/streams/edits/events", oneEdit, ndjson)
	if a := f.call("POST", "/v1/query", "[]"); a.status != 200 {
		t.Errorf("a question while large bodies are read: %d %s", a.status, a.body)
	}
	f.refused(503, "overloaded", "POST", "/v1/streams/edits/events", strings.Repeat(oneEdit+"\n", 1000), ndjson)
	must(t, b.small.Acquire(t.Context(), small))
	p := f.refused(503, "overloaded", "POST", "/v1/streams/edits/events", oneEdit, ndjson)
	if !strings.Contains(p["detail"].(string), "1048576") {
		t.Errorf("the detail does not name the limit: %v", p)
	}
	f.refused(503, "overloaded", "POST", "/v1/query", "[]")
	b.large.Release(large)
	b.small.Release(small)
	f.expect(200, "POST", "/v1/streams/edits/events", oneEdit, ndjson)
	f.expect(200, "POST", "/v1/streams/edits/events", gzipped(t, strings.Repeat(oneEdit+"\n", 500)), ndjson, "Content-Encoding: gzip")
	if !b.large.TryAcquire(large) || !b.small.TryAcquire(small) {
		t.Error("some request did not give its room back")
	}
}

func TestLogThatIsAway(t *testing.T) {
	f := start(t, Limits{})
	f.expect(201, "PUT", "/v1/streams/s", `{"partitions": 1}`)
	for slug, err := range map[string]error{"log-full": eventlog.ErrFull, "log-unavailable": eventlog.ErrUnavailable} {
		must(t, f.log.FailAppend("s", 0, false, err))
		f.refused(503, slug, "POST", "/v1/streams/s/events", `{"a": 1}`, ndjson)
	}
	must(t, f.log.FailAppend("s", 0, false, eventlog.ErrFull))
	if a := f.call("POST", "/v1/streams/s/events", `{"a": 1}`, ndjson); a.header.Get("Retry-After") != "30" {
		t.Errorf("%d %v", a.status, a.header)
	}
	f.expect(200, "POST", "/v1/streams/s/events", `{"a": 1}`, ndjson)
}

func TestGetEvents(t *testing.T) {
	f := start(t, Limits{})
	f.expect(201, "PUT", "/v1/streams/s", `{"partitions": 1}`)
	for i := range 3 {
		f.expect(200, "POST", "/v1/streams/s/events", fmt.Sprintf("{\"n\": %d, \"o.p\": null}\n{\"n\": %d.5}", 10*i, 10*i), ndjson)
	}
	for query, want := range map[string]string{
		"":                                      "0/1/0 0.5/1/1 10/2/0 10.5/2/1 20/3/0 20.5/3/1",
		"?from=earliest&limit=3":                "0/1/0 0.5/1/1 10/2/0",
		"?from=2&limit=3":                       "10/2/0 10.5/2/1 20/3/0",
		"?from=0":                               "0/1/0 0.5/1/1 10/2/0 10.5/2/1 20/3/0 20.5/3/1",
		"?from=latest":                          "20/3/0 20.5/3/1",
		"?from=4":                               "",
		"?from=18446744073709551615":            "",
		"?from=2999-01-01T00:00:00Z":            "",
		"?from=1999-01-01T00:00:00Z&limit=1":    "0/1/0",
		"?partition=0&limit=10000&from=3":       "20/3/0 20.5/3/1",
		"?partition=0&namespace=default&from=3": "20/3/0 20.5/3/1",
	} {
		a := f.call("GET", "/v1/streams/s/events"+query, "")
		if a.status != 200 || a.header.Get("Content-Type") != ndjsonType {
			t.Fatalf("%s: %d %s", query, a.status, a.body)
		}
		var got []string
		for line := range strings.Lines(string(a.body)) {
			var e map[string]any
			must(t, json.Unmarshal([]byte(line), &e))
			if e["_partition"] != 0.0 {
				t.Fatalf("%s: %s", query, line)
			}
			got = append(got, fmt.Sprintf("%v/%v/%v", e["n"], e["_offset"], e["_index"]))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, expected %s", query, got, want)
		}
	}
	for _, query := range []string{
		"?partition=1", "?partition=-1", "?partition=x", "?limit=0", "?limit=1048577", "?from=yesterday", "?from=-1", "?from=", "?form=1", "?limit=1&limit=2",
	} {
		f.refused(400, "invalid-parameters", "GET", "/v1/streams/s/events"+query, "")
	}
	f.refused(404, "unknown-stream", "GET", "/v1/streams/nowhere/events", "")
	if a := f.call("HEAD", "/v1/streams/s/events", ""); a.status != 200 || len(a.body) > 0 {
		t.Errorf("HEAD: %d %s", a.status, a.body)
	}
}

func TestGetEventsInMsgpack(t *testing.T) {
	f := start(t, Limits{})
	f.expect(201, "PUT", "/v1/streams/s", `{"partitions": 1}`)
	f.expect(200, "POST", "/v1/streams/s/events", "{\"n\": 1, \"t\": \"ü\"}\n{\"n\": 2.5, \"b\": true}", ndjson)
	a := f.call("GET", "/v1/streams/s/events", "", "Accept: application/msgpack")
	if a.header.Get("Content-Type") != msgpackType {
		t.Fatalf("%v", a.header)
	}
	plain := f.call("GET", "/v1/streams/s/events", "")
	d := msgpack.NewDecoder(bytes.NewReader(a.body))
	for line := range strings.Lines(string(plain.body)) {
		v, err := d.DecodeInterface()
		must(t, err)
		got, err := json.Marshal(v)
		must(t, err)
		var x, y any
		must(t, json.Unmarshal(got, &x))
		must(t, json.Unmarshal([]byte(line), &y))
		if !reflect.DeepEqual(x, y) {
			t.Errorf("%s and %s", got, line)
		}
	}
	// What was given out can be taken in again, but for the fields that the log adds.
	if _, err := d.DecodeInterface(); err != io.EOF {
		t.Errorf("something follows: %v", err)
	}
}

// An answer is made piece by piece, so it may be much larger than a piece.
func TestGetManyEvents(t *testing.T) {
	f := start(t, Limits{})
	f.expect(201, "PUT", "/v1/streams/s", `{"partitions": 1}`)
	line := `{"text": "` + strings.Repeat("x", 500) + `"}` + "\n"
	for range 3 {
		f.expect(200, "POST", "/v1/streams/s/events", strings.Repeat(line, 2000), ndjson)
	}
	a := f.call("GET", "/v1/streams/s/events?limit=5000", "")
	if got := bytes.Count(a.body, []byte("\n")); got != 5000 {
		t.Errorf("%d events of 5000", got)
	}
	must(t, f.log.Hole("s", 0, 2, 2))
	a = f.call("GET", "/v1/streams/s/events?limit=10000", "")
	if got := bytes.Count(a.body, []byte("\n")); got != 4000 || bytes.Contains(a.body, []byte(`"_offset":2,`)) {
		t.Errorf("%d events of 4000 beside a hole", got)
	}
}

// Only the beginning of a record can be asked for, so all of it must come in one answer.
func TestGetEventsToTheEndOfARecord(t *testing.T) {
	f := start(t, Limits{})
	f.expect(201, "PUT", "/v1/streams/s", `{"partitions": 1}`)
	const events = 50_000
	f.expect(200, "POST", "/v1/streams/s/events", strings.Repeat("{\"n\":1}\n", events), ndjson)
	a := f.call("GET", "/v1/streams/s/events?from=1&limit=1048576", "")
	if got := bytes.Count(a.body, []byte("\n")); got != events || !bytes.Contains(a.body, []byte(`"_offset":1,"_index":49999}`)) {
		t.Errorf("%d events of a record of %d: %.200s", got, events, a.body)
	}
}

// Decoding a large body waits for its turn; questions and small bodies do not.
func TestDecodingTakesATurn(t *testing.T) {
	f := start(t, Limits{Request: 100 * time.Millisecond})
	f.server.turns = turns.New(1)
	f.expect(http.StatusCreated, "PUT", "/v1/streams/edits", `{}`)
	large := strings.Repeat(`{"page":"a page of no importance"}`+"\n", turns.LeastBytes/34+1)
	f.server.turns.Try()
	f.refused(http.StatusServiceUnavailable, "timeout", "POST", "/v1/streams/edits/events", large, "Content-Type: application/x-ndjson")
	f.expect(http.StatusOK, "POST", "/v1/streams/edits/events", `{"page":"a"}`, "Content-Type: application/x-ndjson")
	f.expect(http.StatusOK, "GET", "/v1/status", "")
	f.server.turns.Done()
	f.expect(http.StatusOK, "POST", "/v1/streams/edits/events", large, "Content-Type: application/x-ndjson")
	if !f.server.turns.Try() {
		t.Error("the turn was not given back")
	}
}
