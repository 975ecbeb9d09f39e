package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/eventlog/memlog"
)

func TestBacklogReadsAndWritesItsLimit(t *testing.T) {
	for _, c := range []struct {
		patch, want string
		wrong       bool
	}{
		{`{}`, `{"limit":"0s","policy":"shed"}`, false},
		{`{"backlog":{"limit":"30s","policy":"reject"}}`, `{"limit":"30s","policy":"reject"}`, false},
		{`{"backlog":{"limit":1048576,"policy":"reject"}}`, `{"limit":1048576,"policy":"reject"}`, false},
		{`{"backlog":{"policy":"drop"}}`, "", true},
		{`{"backlog":{"limit":-1}}`, "", true},
		{`{"backlog":{"limit":"soon"}}`, "", true},
		{`{"backlog":{"limit":true}}`, "", true},
		{`{"backlog":{"size":1}}`, "", true},
		{`{"backlog":7}`, "", true},
	} {
		d, err := DefaultDefinition().Patch([]byte(c.patch))
		err = errors.Join(err, d.Validate())
		if c.wrong {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: %v, want ErrInvalid", c.patch, err)
			}
			continue
		}
		got, _ := json.Marshal(d.Backlog)
		if err != nil || !jsonEqual(t, string(got), c.want) {
			t.Errorf("%s: backlog %s, %v; want %s", c.patch, got, err, c.want)
		}
	}
}

// jsonEqual takes "0" and "0s" for the same duration.
func jsonEqual(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y Backlog
	if err := errors.Join(json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)); err != nil {
		t.Fatal(err)
	}
	return x == y
}

func TestRejectRefusesWhileViewsAreTooFarBehind(t *testing.T) {
	s := openOn(t, memlog.New())
	behind := map[string]Behind{}
	s.WatchBacklog(func(stream string) Behind { return behind[stream] })
	put(t, s, "sheds", `{"partitions": 2}`)
	put(t, s, "age", `{"partitions": 2, "backlog": {"limit": "3s", "policy": "reject"}}`)
	put(t, s, "bytes", `{"partitions": 2, "backlog": {"limit": 5000, "policy": "reject"}}`)
	put(t, s, "plain", `{"partitions": 2, "backlog": {"policy": "reject"}}`)
	far := Behind{Age: time.Hour, Bytes: 1 << 40}
	for _, c := range []struct {
		stream  string
		behind  Behind
		refused bool
	}{
		{"sheds", far, false},
		{"age", Behind{Age: 3 * time.Second, Bytes: 1 << 40}, false},
		{"age", Behind{Age: 3*time.Second + 1}, true},
		{"bytes", Behind{Age: time.Hour, Bytes: 5000}, false},
		{"bytes", Behind{Bytes: 5001}, true},
		{"plain", Behind{Age: 30 * time.Second}, false},
		{"plain", Behind{Age: 31 * time.Second}, true},
	} {
		behind[c.stream] = c.behind
		events := s.Stats().Events
		_, err := s.Append(context.Background(), Request{Stream: c.stream, Body: ids(t, 0, 10), Acks: eventlog.AcksAll})
		var refusal *BehindError
		if refused := errors.As(err, &refusal); refused != c.refused || refused != (err != nil) {
			t.Errorf("%s behind by %+v: %v, want refused = %v", c.stream, c.behind, err, c.refused)
		}
		if c.refused && (s.Stats().Events != events || refusal.RetryAfter <= 0 || !errors.Is(err, ErrBehind)) {
			t.Errorf("%s: %d events were taken with the refusal %+v", c.stream, s.Stats().Events-events, refusal)
		}
	}
}

// A repeat of what is in the log already costs the views nothing and is acknowledged.
func TestRejectStillAcknowledgesRepeats(t *testing.T) {
	s := openOn(t, memlog.New())
	far := false
	s.WatchBacklog(func(string) Behind {
		if far {
			return Behind{Age: time.Hour}
		}
		return Behind{}
	})
	put(t, s, "s", `{"backlog": {"limit": "1s", "policy": "reject"}}`)
	r := Request{Stream: "s", Body: ids(t, 0, 10), Acks: eventlog.AcksAll, Producer: "p", Number: 1}
	if _, err := s.Append(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	far = true
	if receipt, err := s.Append(context.Background(), r); err != nil || !receipt.Duplicate {
		t.Errorf("a repeat while the views are behind: %+v, %v", receipt, err)
	}
	r.Number = 2
	if _, err := s.Append(context.Background(), r); !errors.Is(err, ErrBehind) {
		t.Errorf("new events while the views are behind: %v, want ErrBehind", err)
	}
	if rejects, err := s.Rejects("s"); err != nil || !rejects {
		t.Errorf("Rejects: %v, %v", rejects, err)
	}
}
