package server

// The client against this server.

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"sketchlog/server/client"
)

// Every method of the client against a real server.
func TestClientCallsEveryRoute(t *testing.T) {
	f := start(t, Limits{})
	c, err := client.New(f.server.Addr(), "")
	must(t, err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	must(t, c.Ready(ctx))
	_, created, err := c.PutStream(ctx, "edits", []byte(`{"partitions": 1, "time": "time"}`))
	if err != nil || !created {
		t.Fatal(created, err)
	}
	_, created, err = c.PutView(ctx, "wiki", []byte(`{"stream": "edits", "by": ["channel"], "pane": "1h", "keep": "100000d", "from": "earliest",
		"sketches": {"seen": {"kind": "bloom", "of": "page"}, "users": {"kind": "hll", "of": "user"}}}`))
	if err != nil || !created {
		t.Fatal(created, err)
	}
	receipt, err := c.Produce(ctx, "edits", []byte(oneEdit), "ndjson", client.ProduceOptions{Acks: "all", Applied: true, Producer: "me", Number: 7})
	if err != nil || receipt.Accepted != 1 || receipt.Applied == nil || !*receipt.Applied || receipt.Offsets["0"] != 1 || receipt.Attempts != 1 {
		t.Fatalf("%+v %v", receipt, err)
	}
	receipt, err = c.Produce(ctx, "edits", []byte(oneEdit+"\n{"), "ndjson", client.ProduceOptions{Skip: true})
	if err != nil || receipt.Rejected != 1 || len(receipt.Errors) != 1 || *receipt.Errors[0].Index != 1 {
		t.Fatalf("%+v %v", receipt, err)
	}
	var problem *client.Problem
	if _, err := c.Produce(ctx, "edits", []byte("{"), "ndjson", client.ProduceOptions{}); !errors.As(err, &problem) || problem.Type != "bad-events" || !strings.Contains(err.Error(), "event 0: ") {
		t.Errorf("%v", err)
	}
	events, err := c.Events(ctx, "edits", client.EventsOptions{From: "1", Limit: 1})
	must(t, err)
	text, err := io.ReadAll(events)
	if must(t, err); !strings.Contains(string(text), `"_offset":1`) {
		t.Errorf("%s", text)
	}
	must(t, events.Close())
	clientReads(ctx, t, c)
	if err := c.DeleteStream(ctx, "edits"); !errors.As(err, &problem) || problem.Type != "in-use" {
		t.Error(err)
	}
	must(t, c.DeleteView(ctx, "wiki"))
	must(t, c.DeleteStream(ctx, "edits"))
	if _, err := c.Ask(ctx, "wiki", "count", nil); !errors.As(err, &problem) || problem.Status != 404 {
		t.Error(err)
	}
}

// clientReads calls everything that changes nothing.
func clientReads(ctx context.Context, t *testing.T, c *client.Client) {
	t.Helper()
	for name, call := range map[string]func() (json.RawMessage, error){
		`"state":`:   func() (json.RawMessage, error) { return c.Stream(ctx, "edits") },
		`"streams":`: func() (json.RawMessage, error) { return c.Streams(ctx) },
		`"views":`:   func() (json.RawMessage, error) { return c.Views(ctx) },
		`"panes":`:   func() (json.RawMessage, error) { return c.View(ctx, "wiki") },
		`"estimate":`: func() (json.RawMessage, error) {
			return c.Ask(ctx, "wiki", "count", url.Values{"key": {"#en"}})
		},
		`"false_positive_rate":`: func() (json.RawMessage, error) { return c.Contains(ctx, "wiki", []byte(`{"items": ["Go"]}`)) },
		`"question":`: func() (json.RawMessage, error) {
			return c.Query(ctx, []byte(`[{"view": "wiki", "question": "distinct"}]`))
		},
		`"keys":`: func() (json.RawMessage, error) { return c.Keys(ctx, "wiki", nil) },
		`"points":`: func() (json.RawMessage, error) {
			return c.Series(ctx, "wiki", url.Values{"question": {"count"}, "step": {"1h"}})
		},
		`"version":`: func() (json.RawMessage, error) { return c.Status(ctx) },
		`sketchlog_`: func() (json.RawMessage, error) { return c.Metrics(ctx) },
	} {
		if answer, err := call(); err != nil || !strings.Contains(string(answer), name) {
			t.Errorf("%s: %s %v", name, answer, err)
		}
	}
	answers, enough := 0, errors.New("enough")
	err := c.Watch(ctx, "wiki", url.Values{"question": {"count"}, "every": {"100ms"}}, func(answer json.RawMessage) error {
		if answers++; answers == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}
