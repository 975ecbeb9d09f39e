package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// answer is an answer of the server as tables need it; JSON output is the
// answer as it came, not this.
type answer struct {
	View       string            `json:"view"`
	Question   string            `json:"question"`
	Sketch     string            `json:"sketch"`
	Key        []json.RawMessage `json:"key"`
	From       moment            `json:"from"`
	To         moment            `json:"to"`
	Estimate   *float64          `json:"estimate"`
	Low        *float64          `json:"low"`
	High       *float64          `json:"high"`
	Items      []json.RawMessage `json:"items"`
	ErrorBound *float64          `json:"error_bound"`
	Population *uint64           `json:"population"`
	Ignored    uint64            `json:"ignored"`
	Confidence float64           `json:"confidence"`
	Exact      bool              `json:"exact"`
	Coverage   struct {
		Events   uint64  `json:"events"`
		Applied  float64 `json:"applied"`
		Owed     uint64  `json:"owed"`
		Lost     uint64  `json:"lost"`
		Late     uint64  `json:"late"`
		Overflow bool    `json:"overflow"`
		Missing  []int   `json:"missing"`
	} `json:"coverage"`
	Watermark moment `json:"watermark"`
	Final     bool   `json:"final"`
}

// answerItem is one line of an answer about items.
type answerItem struct {
	Item              json.RawMessage `json:"item"`
	Estimate          *float64        `json:"estimate"`
	Low               *float64        `json:"low"`
	High              *float64        `json:"high"`
	Answer            string          `json:"answer"`
	FalsePositiveRate *float64        `json:"false_positive_rate"`
}

// table writes an answer for people: the result first, then one line that says
// how far to trust it.
func (a *answer) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	switch a.Question {
	case "frequency", "topk":
		fmt.Fprintf(t, "ITEM\tESTIMATE\tLOW\tHIGH\n")
	case "contains":
		fmt.Fprintf(t, "ITEM\tANSWER\tFALSE POSITIVES\n")
	case "sample":
		fmt.Fprintf(t, "ITEM\n")
	default:
		fmt.Fprintf(t, "%s\tLOW\tHIGH\n%s\t%s\t%s\n", strings.ToUpper(a.Question), figure(a.Estimate), figure(a.Low), figure(a.High))
	}
	for _, raw := range a.Items {
		if a.Question == "sample" {
			fmt.Fprintln(t, plainText(raw))
			continue
		}
		var i answerItem
		if err := json.Unmarshal(raw, &i); err != nil {
			return fmt.Errorf("reading an item of the answer: %w", err)
		}
		if a.Question == "contains" {
			if i.Answer == "maybe" && i.FalsePositiveRate != nil && *i.FalsePositiveRate == 0 {
				i.Answer = "yes" // of a small key every item is known
			}
			fmt.Fprintf(t, "%s\t%s\t%s\n", plainText(i.Item), printable(i.Answer), figure(i.FalsePositiveRate))
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", plainText(i.Item), figure(i.Estimate), figure(i.Low), figure(i.High))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, a.trust())
	return err
}

// trust is the line under a table.
func (a *answer) trust() string {
	var s strings.Builder
	sure := a.Question == "contains" || a.Question == "sample" || a.Question == "topk" // needs no confidence
	switch {
	case a.Exact:
		s.WriteString("exact · ")
	case !sure:
		fmt.Fprintf(&s, "%.4g%% confidence · ", 100*a.Confidence)
	}
	s.WriteString(eventsText(a.Coverage.Events))
	if a.Population != nil {
		fmt.Fprintf(&s, " · sampled from %d", *a.Population)
	}
	if a.ErrorBound != nil && *a.ErrorBound > 0 {
		fmt.Fprintf(&s, " · counts are off by at most %s", figure(a.ErrorBound))
	}
	switch {
	case a.From != "" && a.To != "":
		fmt.Fprintf(&s, " · %s to %s", a.From, a.To)
	case a.From != "":
		fmt.Fprintf(&s, " · from %s", a.From)
	case a.To != "":
		fmt.Fprintf(&s, " · to %s", a.To)
	}
	if a.Ignored > 0 {
		fmt.Fprintf(&s, " · %d without a usable weight", a.Ignored)
	}
	if a.Coverage.Owed > 0 {
		fmt.Fprintf(&s, " · %s not applied yet", eventsText(a.Coverage.Owed))
	}
	if a.Coverage.Lost > 0 {
		fmt.Fprintf(&s, " · %s lost", eventsText(a.Coverage.Lost))
	}
	if a.Coverage.Late > 0 {
		fmt.Fprintf(&s, " · %d late", a.Coverage.Late)
	}
	if a.Coverage.Overflow {
		s.WriteString(" · more keys than max_keys")
	}
	if len(a.Coverage.Missing) > 0 {
		fmt.Fprintf(&s, " · partitions %v missing", a.Coverage.Missing)
	}
	if a.Final {
		s.WriteString(" · final")
	}
	return s.String()
}

func eventsText(n uint64) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}
