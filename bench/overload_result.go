package bench

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// OverloadResult is what `bench overload` reports.
type OverloadResult struct {
	Kind                string             `json:"bench"`
	Capacity            float64            `json:"capacity_events_per_second"`
	Times               float64            `json:"times"`
	Format              string             `json:"format"`
	Acks                string             `json:"acks"`
	Connections         int                `json:"connections"`
	Batch               int                `json:"batch"`
	Partitions          int                `json:"partitions"`
	Offered             int64              `json:"offered"`
	Acknowledged        int64              `json:"acknowledged"`
	Refused             int64              `json:"refused"`           // with 429 or 503: none of them is in the log
	Unsent              int64              `json:"unsent"`            // due, but no connection was free until the end
	Unknown             int64              `json:"outcome_unknown"`   // nobody said whether they are in the log
	EventsPerSecond     float64            `json:"events_per_second"` // acknowledged, while offered
	Applied             int64              `json:"applied_after_healing"`
	Freshness           float64            `json:"freshness_p99_seconds"`
	Target              float64            `json:"freshness_target_seconds"`
	NewestAge           float64            `json:"newest_age_p99_seconds"` // since the newest event in answers was made
	LeastRate           float64            `json:"least_rate"`
	MostOwed            uint64             `json:"most_owed"`
	Lost                uint64             `json:"lost"`
	IntervalsHeld       float64            `json:"intervals_held"`
	Answers             map[string]summary `json:"answers"` // sampled ones, by question
	Healing             float64            `json:"healing_seconds"`
	Equal               bool               `json:"equal_after_healing"`
	Differences         []string           `json:"differences,omitempty"`
	HeldAfterHealing    float64            `json:"intervals_held_after_healing"`
	AnswersAfterHealing map[string]summary `json:"answers_after_healing"`
	Latency             Latency            `json:"latency_ms"` // of acknowledged requests, from when they were due
	AnswerLatency       Latency            `json:"answer_latency_ms"`
	PeakRSS             int64              `json:"peak_rss_bytes"`
	Notes               []string           `json:"notes,omitempty"`
	Timeline            []Sample           `json:"timeline"`

	curve []point
}

// Table writes the timeline, a line a second, and then the result.
func (r *OverloadResult) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "s\toffered/s\taccepted/s\trefused/s\tapplied/s\trate\tfreshness s\towed\tlost\terror\theld\t\n")
	for _, row := range everySecond(r.Timeline) {
		fmt.Fprintf(t, "%.1f\t%.0f\t%.0f\t%.0f\t%.0f\t%.4g\t%.2f\t%d\t%d\t%.4f\t%d of %d\t\n",
			row.Seconds, row.offered, row.accepted, row.refused, row.applied, row.Rate, row.Freshness, row.Owed, row.Lost, row.Error, row.Held, row.Asked)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	s := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(s, "\noffered\t%.3g times the capacity of %.0f events a second: %d events over %d connections\n", r.Times, r.Capacity, r.Offered, r.Connections)
	fmt.Fprintf(s, "taken\t%d acknowledged (%.0f a second), %d refused, %d not sent for want of a connection, %d of unknown outcome\n",
		r.Acknowledged, r.EventsPerSecond, r.Refused, r.Unsent, r.Unknown)
	fmt.Fprintf(s, "request latency\tp50 %.1f ms, p99 %.1f ms, max %.1f ms, from when a request was due\n", r.Latency.P50, r.Latency.P99, r.Latency.Max)
	fmt.Fprintf(s, "freshness\tp99 %.2f s, target %.2f s: since the oldest event that answers leave out was acknowledged\n", r.Freshness, r.Target)
	fmt.Fprintf(s, "newest event\tin answers is p99 %.2f s old, from when its request was made\n", r.NewestAge)
	fmt.Fprintf(s, "answer latency\tp50 %.1f ms, p99 %.1f ms, max %.1f ms\n", r.AnswerLatency.P50, r.AnswerLatency.P99, r.AnswerLatency.Max)
	fmt.Fprintf(s, "shedding\tleast rate %.4g, at most %d events owed, %d lost\n", r.LeastRate, r.MostOwed, r.Lost)
	fmt.Fprintf(s, "intervals\t%.1f%% held the exact answer meanwhile, %.1f%% after healing\n", 100*r.IntervalsHeld, 100*r.HeldAfterHealing)
	fmt.Fprintf(s, "healing\t%.2f s, then %d events applied\n", r.Healing, r.Applied)
	fmt.Fprintf(s, "equal\t%v: to the exact counts and to a new view over the same log\n", r.Equal)
	for _, d := range r.Differences {
		fmt.Fprintf(s, "\t%s\n", d)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(s, "note\t%s\n", n)
	}
	return s.Flush()
}

// second is a stretch of a timeline: its last sample, and events a second.
type second struct {
	Sample
	offered, accepted, refused, applied float64
}

// everySecond thins a timeline out to stretches of at least a second. Of a
// stretch's samples the worst rate and freshness count, and all answers.
func everySecond(timeline []Sample) []second {
	return stretches(timeline, 0.999)
}

func stretches(timeline []Sample, length float64) []second {
	var out []second
	var from Sample // before the stretch
	var sum second
	samples, answered := 0, 0
	for i, s := range timeline {
		if s.Asked > 0 {
			sum.Error += s.Error
			answered++
		}
		sum.Asked += s.Asked
		sum.Held += s.Held
		sum.Rate = minRate(samples, sum.Rate, s.Rate)
		sum.Freshness, sum.NewestAge = max(sum.Freshness, s.Freshness), max(sum.NewestAge, s.NewestAge)
		samples++
		span := s.Seconds - from.Seconds
		if (span < length && i < len(timeline)-1) || span <= 0 {
			continue
		}
		row := second{Sample: s}
		row.Freshness, row.NewestAge = sum.Freshness, sum.NewestAge
		row.Error, row.Asked, row.Held, row.Rate = sum.Error/max(float64(answered), 1), sum.Asked, sum.Held, sum.Rate
		row.offered = float64(s.Offered-from.Offered) / span
		row.accepted = float64(s.Accepted-from.Accepted) / span
		row.refused = float64(s.Refused-from.Refused) / span
		row.applied = float64(s.Applied-from.Applied) / span
		out = append(out, row)
		from, sum, samples, answered = s, second{}, 0, 0
	}
	return out
}

func minRate(samples int, a, b float64) float64 {
	if samples == 0 {
		return b
	}
	return min(a, b)
}
