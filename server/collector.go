package server

// What Prometheus sees of the state of streams and views: it is read when asked
// for, so nothing has to be kept in step with it.

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// stateCollector reads streams and views when Prometheus asks.
type stateCollector struct {
	server *Server
	uptime *prometheus.Desc
	// stalled is of commits.
	stalled *prometheus.Desc
	// healing is by view.
	healing *prometheus.Desc
	intake  map[string]*prometheus.Desc
	stream  map[string]*prometheus.Desc
	view    map[string]*prometheus.Desc
}

func newStateCollector(s *Server) *stateCollector {
	c := &stateCollector{
		server: s, intake: make(map[string]*prometheus.Desc), stream: make(map[string]*prometheus.Desc), view: make(map[string]*prometheus.Desc),
		uptime:  prometheus.NewDesc("uptime_seconds", "Time since the server began.", nil, nil),
		stalled: prometheus.NewDesc("state_stalled", "1 while the disk of the state takes no writes, so that views cannot commit; else 0.", nil, nil),
		healing: prometheus.NewDesc("view_healing_events", "Events a second that a view pays for of what it owes.", []string{"view"}, nil),
	}
	for name, help := range map[string]string{
		"requests_total":        "Requests to append events that were taken.",
		"busy_total":            "Requests that were refused because too much waited to be appended.",
		"rejected_total":        "Requests that were refused because the views of their stream were too far behind.",
		"records_total":         "Records appended to the log.",
		"failed_records_total":  "Records whose append failed.",
		"dropped_events_total":  "Events taken with acks=0 that did not reach the log.",
		"appended_events_total": "Events appended to the log.",
		"queued_bytes":          "Bytes of events that wait to be appended.",
	} {
		c.intake[name] = prometheus.NewDesc("intake_"+name, help, nil, nil)
	}
	for name, help := range map[string]string{
		"offset": "Offset of the newest record of a partition.",
		"events": "Events ever appended to a partition.",
		"bytes":  "Bytes of a partition's events.",
	} {
		c.stream[name] = prometheus.NewDesc("stream_"+name, help, []string{"stream", "partition"}, nil)
	}
	for name, help := range map[string]string{
		"offset":            "Offset up to which a view has read a partition.",
		"lag_records":       "Records of a partition that a view has not read.",
		"applied_events":    "Events that a view has applied in full.",
		"owed_events":       "Events in the log that a view has not applied in full.",
		"lost_events":       "Events that left the log before a view applied them.",
		"late_events":       "Events that came behind the watermark.",
		"rate":              "Share of new events that a view applies at once.",
		"lag_seconds":       "Time since the oldest record arrived that a view has not read; 0 when it has read all.",
		"watermark_seconds": "Watermark of a view's partition, Unix seconds; absent before any event.",
		"keys":              "Keys of a view's partition.",
		"panes":             "Panes of a view's partition.",
		"bytes":             "Bytes of a view's partition in memory.",
	} {
		c.view[name] = prometheus.NewDesc("view_"+name, help, []string{"view", "partition"}, nil)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.uptime
	out <- c.stalled
	out <- c.healing
	for _, all := range []map[string]*prometheus.Desc{c.intake, c.stream, c.view} {
		for _, one := range all {
			out <- one
		}
	}
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(out chan<- prometheus.Metric) {
	s := c.server
	out <- prometheus.MustNewConstMetric(c.uptime, prometheus.GaugeValue, s.clock().Sub(s.began).Seconds())
	stalled := 0.0
	if s.config.Views.Stalled() != nil {
		stalled = 1
	}
	out <- prometheus.MustNewConstMetric(c.stalled, prometheus.GaugeValue, stalled)
	c.collectIntake(out)
	c.collectStreams(out)
	c.collectViews(out)
}

func (c *stateCollector) collectIntake(out chan<- prometheus.Metric) {
	stats := c.server.config.Streams.Stats()
	for name, value := range map[string]uint64{
		"requests_total": stats.Requests, "busy_total": stats.Busy, "rejected_total": stats.Refused, "records_total": stats.Batches, "failed_records_total": stats.Failed,
		"dropped_events_total": stats.Dropped, "appended_events_total": stats.Events,
	} {
		out <- prometheus.MustNewConstMetric(c.intake[name], prometheus.CounterValue, float64(value))
	}
	out <- prometheus.MustNewConstMetric(c.intake["queued_bytes"], prometheus.GaugeValue, float64(stats.QueuedBytes))
}

func (c *stateCollector) collectStreams(out chan<- prometheus.Metric) {
	for _, one := range c.server.config.Streams.List() {
		// A stream that was deleted since it was listed has nothing to show.
		tails, _ := c.server.config.Streams.Tails(one.Name)
		for i, tail := range tails {
			head, partition := tail.Head(), strconv.Itoa(i)
			for name, value := range map[string]uint64{"offset": head.Offset, "events": head.Events, "bytes": head.Bytes} {
				out <- prometheus.MustNewConstMetric(c.stream[name], prometheus.GaugeValue, float64(value), one.Name, partition)
			}
		}
	}
}

func (c *stateCollector) collectViews(out chan<- prometheus.Metric) {
	for _, v := range c.server.config.Views.List() {
		state := c.server.stateOf(v)
		out <- prometheus.MustNewConstMetric(c.healing, prometheus.GaugeValue, state.Healing.Speed, v.Name())
		for _, p := range state.Partitions {
			values := map[string]float64{
				"offset": float64(p.Offset), "lag_records": float64(p.Lag), "applied_events": float64(p.Applied), "owed_events": float64(p.Owed),
				"lost_events": float64(p.Lost), "late_events": float64(p.Late), "rate": p.Rate, "lag_seconds": p.Seconds,
				"keys": float64(p.Keys), "panes": float64(p.Panes), "bytes": float64(p.Bytes),
			}
			if p.Watermark != nil {
				values["watermark_seconds"] = float64(p.watermark) / 1000
			}
			for name, value := range values {
				out <- prometheus.MustNewConstMetric(c.view[name], prometheus.GaugeValue, value, v.Name(), strconv.Itoa(p.Partition))
			}
		}
	}
}
