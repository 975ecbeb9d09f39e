package client

// Errors that the server reports, RFC 9457.

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxProblem bounds what is read of an error.
const maxProblem = 1 << 20

// Problem is an answer that says why a request was refused or failed.
type Problem struct {
	Type   string  `json:"type"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail"`
	Errors []Fault `json:"errors"` // the single faults, when there are several

	RetryAfter time.Duration `json:"-"` // when to try again; 0 unless the server says
}

// Fault is one of several things that are wrong. Index and Line say where, for
// bad events.
type Fault struct {
	Index  *int   `json:"index"`
	Line   int    `json:"line"`
	Detail string `json:"detail"`
}

// Error says what is wrong, as the server put it.
func (p *Problem) Error() string {
	const listed = 10
	var b strings.Builder
	b.WriteString(p.Detail)
	if p.Detail == "" {
		fmt.Fprintf(&b, "the server answered %d %s", p.Status, p.Title)
	}
	for i, fault := range p.Errors {
		if i == listed {
			fmt.Fprintf(&b, "\n  and %d more", len(p.Errors)-listed)
			break
		}
		b.WriteString("\n  ")
		if fault.Index != nil {
			fmt.Fprintf(&b, "event %d: ", *fault.Index)
		}
		b.WriteString(fault.Detail)
	}
	return b.String()
}

// problemOf reads an answer that is not a success. One that is no problem of
// this API (a proxy's, say) becomes one with the status and what it said.
func problemOf(response *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	p := &Problem{}
	if err != nil || json.Unmarshal(text, p) != nil || p.Status == 0 {
		p = &Problem{Type: "unknown", Title: http.StatusText(response.StatusCode), Detail: fmt.Sprintf(
			"the server answered %d %s: %.200q", response.StatusCode, http.StatusText(response.StatusCode), text)}
	}
	p.Status = response.StatusCode
	if seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16); err == nil {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	return p
}
