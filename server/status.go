package server

// Is it alive, is it ready, and how is it doing.

import (
	"context"
	"net/http"
	"runtime"
	runtimemetrics "runtime/metrics"
	"strings"
	"time"
)

// readyWait bounds the look at the log: an orchestrator asks every few seconds.
const readyWait = 2 * time.Second

func (s *Server) getHealth(r *request) error {
	return r.json(http.StatusOK, map[string]string{"status": "ok"})
}

// getReady answers 200 when requests can be answered: everything recovered,
// which New demands, the log reachable, both disks taking writes, and no end in sight.
func (s *Server) getReady(r *request) error {
	if s.closing.Load() {
		return errClosing()
	}
	if faults := s.faults(); len(faults) > 0 {
		return kind{"not-ready", "Not ready", http.StatusServiceUnavailable, time.Second}.because(strings.Join(faults, "; "))
	}
	return r.json(http.StatusOK, map[string]string{"status": "ready"})
}

// faults names what keeps events or commits from being stored.
func (s *Server) faults() []string {
	ctx, cancel := context.WithTimeout(s.requests, readyWait)
	defer cancel()
	out := []string{}
	if err := s.config.Log.Ready(ctx); err != nil {
		out = append(out, "the log is not ready: "+readable(err.Error()))
	}
	if err := s.config.Views.Stalled(); err != nil {
		out = append(out, "views answer and cannot commit: "+readable(err.Error()))
	}
	return out
}

// nodeStatus is GET /v1/status.
type nodeStatus struct {
	Version       string         `json:"version"`
	Go            string         `json:"go"`
	Started       string         `json:"started"`
	UptimeSeconds float64        `json:"uptime_seconds"`
	Ready         bool           `json:"ready"`
	Faults        []string       `json:"faults"` // what is wrong at this moment
	Nodes         []nodeInfo     `json:"nodes"`
	Memory        memory         `json:"memory"`
	Streams       []streamStatus `json:"streams"`
	Views         []viewStatus   `json:"views"`
}

// nodeInfo is one server of the cluster.
type nodeInfo struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Self    bool   `json:"self"`
}

// memory is in bytes.
type memory struct {
	Heap       uint64 `json:"heap"`
	Total      uint64 `json:"total"`
	Goroutines int    `json:"goroutines"`
}

type streamStatus struct {
	Name       string `json:"name"`
	Partitions int    `json:"partitions"`
	Events     uint64 `json:"events"`
	Bytes      uint64 `json:"bytes"`
}

// viewStatus says how hard pressed a view is: what it owes, and the least rate
// at which it samples meanwhile.
type viewStatus struct {
	Name      string  `json:"name"`
	Stream    string  `json:"stream"`
	Events    uint64  `json:"events"`
	Keys      int     `json:"keys"`
	Panes     int     `json:"panes"`
	Bytes     int64   `json:"bytes"`
	Lag       uint64  `json:"lag"`
	Owed      uint64  `json:"owed"`
	Lost      uint64  `json:"lost"`
	Rate      float64 `json:"rate"`
	Watermark *string `json:"watermark"`

	LagSeconds float64      `json:"lag_seconds"`
	Healing    healingState `json:"healing"`
}

func (s *Server) getStatus(r *request) error {
	if err := r.noParameters(); err != nil {
		return err
	}
	now := s.clock()
	faults := s.faults()
	out := nodeStatus{
		Version: s.config.Version, Go: runtime.Version(),
		Started: rfc3339(s.began.UnixMilli()), UptimeSeconds: now.Sub(s.began).Seconds(),
		Ready: !s.closing.Load() && len(faults) == 0, Faults: faults, Nodes: []nodeInfo{{s.config.Node, s.Addr(), true}}, Memory: memoryNow(),
		Streams: []streamStatus{}, Views: []viewStatus{},
	}
	for _, one := range s.config.Streams.List() {
		st := streamStatus{Name: one.Name, Partitions: one.Definition.Partitions}
		// A stream that was deleted since it was listed has nothing to show.
		tails, _ := s.config.Streams.Tails(one.Name)
		for _, tail := range tails {
			head := tail.Head()
			st.Events += head.Events
			st.Bytes += head.Bytes
		}
		out.Streams = append(out.Streams, st)
	}
	for _, v := range s.config.Views.List() {
		state := s.stateOf(v)
		one := viewStatus{
			Name: v.Name(), Stream: v.Definition().Stream, Keys: state.Keys, Panes: state.Panes, Bytes: state.Bytes,
			Owed: state.Owed, Lost: state.Lost, Rate: state.Rate, LagSeconds: state.LagSeconds, Healing: state.Healing,
		}
		var least int64 // watermark
		for _, p := range state.Partitions {
			one.Events += p.Applied
			one.Lag += p.Lag
			if p.Watermark != nil && (one.Watermark == nil || p.watermark < least) {
				one.Watermark, least = p.Watermark, p.watermark
			}
		}
		out.Views = append(out.Views, one)
	}
	return r.json(http.StatusOK, out)
}

// memoryNow reads what the runtime counts, without stopping the world.
func memoryNow() memory {
	samples := []runtimemetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/total:bytes"}}
	runtimemetrics.Read(samples)
	m := memory{Goroutines: runtime.NumGoroutine()}
	for i, into := range []*uint64{&m.Heap, &m.Total} {
		if samples[i].Value.Kind() == runtimemetrics.KindUint64 {
			*into = samples[i].Value.Uint64()
		}
	}
	return m
}
