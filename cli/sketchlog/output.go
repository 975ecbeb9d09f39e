package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
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
	From       string            `json:"from"`
	To         string            `json:"to"`
	Estimate   *float64          `json:"estimate"`
	Low        *float64          `json:"low"`
	High       *float64          `json:"high"`
	Items      []json.RawMessage `json:"items"`
	ErrorBound *float64          `json:"error_bound"`
	Population *uint64           `json:"population"`
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
	Watermark string `json:"watermark"`
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
			fmt.Fprintf(t, "%s\t%s\t%s\n", plainText(i.Item), i.Answer, figure(i.FalsePositiveRate))
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
	if a.Exact {
		s.WriteString("exact")
	} else {
		fmt.Fprintf(&s, "%.4g%% confidence", 100*a.Confidence)
	}
	fmt.Fprintf(&s, " · %d events", a.Coverage.Events)
	if a.Population != nil {
		fmt.Fprintf(&s, " · sampled from %d", *a.Population)
	}
	if a.ErrorBound != nil {
		fmt.Fprintf(&s, " · an item that is not listed was counted at most %s times more than the list shows", figure(a.ErrorBound))
	}
	if a.From != "" {
		fmt.Fprintf(&s, " · %s to %s", a.From, a.To)
	}
	if a.Coverage.Owed > 0 {
		fmt.Fprintf(&s, " · %d events not applied yet", a.Coverage.Owed)
	}
	if a.Coverage.Lost > 0 {
		fmt.Fprintf(&s, " · %d events lost", a.Coverage.Lost)
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

// figure writes a number for people; what is unbounded is shown as such.
func figure(f *float64) string {
	switch {
	case f == nil:
		return "unbounded"
	case *f == float64(int64(*f)):
		return strconv.FormatInt(int64(*f), 10)
	case *f < 1 && *f > -1:
		return strconv.FormatFloat(*f, 'g', 3, 64)
	default:
		return strconv.FormatFloat(*f, 'f', 1, 64)
	}
}

// plainText shows a JSON string without its quotes and other values as JSON,
// with control characters escaped: items come from outside and must not drive
// a terminal.
func plainText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	if q := strconv.Quote(s); strings.Contains(q, `\`) {
		return q
	}
	return s
}

func keyText(key []json.RawMessage) string {
	parts := make([]string, len(key))
	for i, raw := range key {
		parts[i] = plainText(raw)
	}
	return strings.Join(parts, ", ")
}
