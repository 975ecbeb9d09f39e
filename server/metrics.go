package server

// Metrics for Prometheus. What happens in requests is counted as it happens;
// the state of streams and views is read when Prometheus asks.

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
)

// metrics is the server's own registry: nothing is global, so two servers in
// one process do not meet.
type metrics struct {
	handler   fasthttp.RequestHandler
	routes    []route
	durations *prometheus.HistogramVec
	events    *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	repeats   *prometheus.CounterVec
}

const metricsPrefix = "sketchlog_"

func newMetrics(s *Server) (*metrics, error) {
	m := &metrics{
		routes: s.router.routes,
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "Time from a request's headers to its answer.",
			Buckets: []float64{0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30},
		}, []string{"method", "route", "status"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "events_total", Help: "Events by what became of them: accepted, rejected.",
		}, []string{"stream", "outcome"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "received_bytes_total", Help: "Bytes of bodies with events, as sent.",
		}, []string{"stream"}),
		repeats: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "repeated_requests_total", Help: "Numbered requests that had been taken before and counted once.",
		}, []string{"stream"}),
	}
	registry := prometheus.NewRegistry()
	named := prometheus.WrapRegistererWithPrefix(metricsPrefix, registry)
	for _, c := range []prometheus.Collector{
		m.durations, m.events, m.bytes, m.repeats, newStateCollector(s),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := named.Register(c); err != nil {
			return nil, fmt.Errorf("server: metrics: %w", err)
		}
	}
	m.handler = fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true}))
	return m, nil
}

func (s *Server) getMetrics(r *request) error {
	s.metrics.handler(r.ctx)
	return nil
}

// observe counts a request. Routes are named by their pattern: the names of
// streams and views would make too many series.
func (m *metrics) observe(at, status int, took time.Duration) {
	method, pattern := "other", "none"
	if at != unrouted {
		method, pattern = m.routes[at].method, m.routes[at].pattern
	}
	m.durations.WithLabelValues(method, pattern, strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
}

func (m *metrics) received(stream string, bytes int) {
	m.bytes.WithLabelValues(stream).Add(float64(bytes))
}

func (m *metrics) accepted(stream string, events int, duplicate bool) {
	if duplicate {
		m.repeats.WithLabelValues(stream).Inc()
		return
	}
	m.events.WithLabelValues(stream, "accepted").Add(float64(events))
}

func (m *metrics) rejected(stream string, events int) {
	m.events.WithLabelValues(stream, "rejected").Add(float64(events))
}

// forget drops the series of a stream that is gone.
func (m *metrics) forget(stream string) {
	of := prometheus.Labels{"stream": stream}
	m.events.DeletePartialMatch(of)
	m.bytes.DeletePartialMatch(of)
	m.repeats.DeletePartialMatch(of)
}
