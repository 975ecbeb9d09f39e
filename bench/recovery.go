package bench

// `bench recovery`: a server is killed with a full log and started again; then
// a new view reads that log from its beginning.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// RecoveryConfig says what `bench recovery` does.
type RecoveryConfig struct {
	Load LoadConfig
}

// Validate names every fault at once.
func (c RecoveryConfig) Validate() error {
	if c.Load.Acks == "0" {
		return errors.Join(c.Load.Validate(), errAcknowledged)
	}
	return c.Load.Validate()
}

// Recovery fills a server of its own, kills it with SIGKILL as soon as the
// views have everything, starts it again, and measures until it is ready and
// until the views owe nothing. The log must then hold every acknowledged event.
func Recovery(ctx context.Context, t *Target, c RecoveryConfig) (*RecoveryResult, error) {
	r, err := recovery(ctx, t, c)
	if err != nil {
		return nil, fmt.Errorf("bench recovery: %w", err)
	}
	return r, nil
}

func recovery(ctx context.Context, t *Target, c RecoveryConfig) (*RecoveryResult, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if t.child == nil {
		return nil, errNotOwn
	}
	loaded, _, err := loadAll(ctx, t, c.Load)
	if err != nil {
		return nil, err
	}
	c.Load.Progress.tell("killing the server and starting it again", 0, 0)
	if err := t.kill(); err != nil {
		return nil, err
	}
	started := time.Now()
	if err := t.start(ctx); err != nil {
		return nil, fmt.Errorf("starting again: %w", err)
	}
	r := &RecoveryResult{Kind: "recovery", Acknowledged: loaded.Acknowledged, Partitions: c.Load.Partitions}
	if err := t.awaitReady(ctx); err != nil {
		return nil, err
	}
	r.Ready = time.Since(started).Seconds()
	if r.Events, err = t.eventsInLog(c.Load.Name); err != nil {
		return nil, err
	}
	if r.Events < loaded.Acknowledged {
		return nil, fmt.Errorf("the log holds %d events after the kill, but %d were acknowledged", r.Events, loaded.Acknowledged)
	}
	if err := awaitEvents(ctx, t, viewsOf(c.Load.Name, c.Load.Views), r.Events, false); err != nil {
		return nil, err
	}
	r.CaughtUp = time.Since(started).Seconds()
	usage, err := t.Usage()
	if err != nil {
		return nil, err
	}
	r.PeakRSS = usage.PeakRSS
	return r, c.replay(ctx, t, r)
}

// replay makes a new view over the whole log and waits until it has it.
func (c RecoveryConfig) replay(ctx context.Context, t *Target, r *RecoveryResult) error {
	view := c.Load.Name + "_again"
	began := time.Now()
	if err := t.put("/v1/views/"+view, sixSketches(c.Load.Name)); err != nil {
		return err
	}
	_, err := awaitNothingOwed(ctx, t, view, 5*time.Millisecond, func(s viewState) {
		c.Load.Progress.tell("replaying into a new view", int64(s.applied()), r.Events)
	})
	if err != nil {
		return err
	}
	r.ReplaySeconds = time.Since(began).Seconds()
	r.Replay = float64(r.Events) / r.ReplaySeconds
	return awaitEvents(ctx, t, []string{view}, r.Events, false)
}

// awaitReady waits until the server says that it has recovered.
func (t *Target) awaitReady(ctx context.Context) error {
	for {
		err := t.call("GET", "/readyz", "", nil, nil)
		if err == nil || !busy(err) {
			return err
		}
		if err := waitUntil(ctx, time.Now().Add(2*time.Millisecond)); err != nil {
			return err
		}
	}
}

// eventsInLog counts what a stream's log holds.
func (t *Target) eventsInLog(stream string) (n int64, err error) {
	var s struct {
		State []struct {
			Events int64 `json:"events"`
		} `json:"state"`
	}
	err = t.call("GET", "/v1/streams/"+stream, "", nil, &s)
	for _, p := range s.State {
		n += p.Events
	}
	return n, err
}

// RecoveryResult is what `bench recovery` reports. Seconds count from the start
// of the second process.
type RecoveryResult struct {
	Kind          string  `json:"bench"`
	Acknowledged  int64   `json:"acknowledged"`
	Events        int64   `json:"events_in_log"`
	Partitions    int     `json:"partitions"`
	Ready         float64 `json:"ready_seconds"`     // until /readyz says so
	CaughtUp      float64 `json:"caught_up_seconds"` // until the views owe nothing
	ReplaySeconds float64 `json:"replay_seconds"`
	Replay        float64 `json:"replay_events_per_second"`
	PeakRSS       int64   `json:"peak_rss_bytes"` // of the second process, before the replay
}

// Table writes the result for people.
func (r *RecoveryResult) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "log\t%d events in %d partitions after SIGKILL; %d were acknowledged\n", r.Events, r.Partitions, r.Acknowledged)
	fmt.Fprintf(t, "ready\t%.2f s after the start\n", r.Ready)
	fmt.Fprintf(t, "caught up\t%.2f s after the start; peak memory %.0f MiB\n", r.CaughtUp, float64(r.PeakRSS)/(1<<20))
	fmt.Fprintf(t, "replay\tof a new view in %.2f s: %.0f events a second\n", r.ReplaySeconds, r.Replay)
	return t.Flush()
}
