package main

// This file writes values for people. Items, keys and names come from outside:
// they must neither drive a terminal nor fill it.

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"sketchlog/ingest/event"
)

// mostShown is how many characters of an item a table shows; JSON output has all.
const mostShown = 120

// printable escapes what could drive a terminal or reorder a line: control
// characters, direction marks and bytes that are no UTF-8.
func printable(s string) string {
	return escaped(s, func(rune) bool { return false })
}

// printableLines is printable for text of several lines.
func printableLines(s string) string {
	return escaped(s, func(r rune) bool { return r == '\n' || r == '\t' })
}

func escaped(s string, allowed func(rune) bool) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r) || allowed(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[n:]
	}
	return b.String()
}

// shortened keeps a long text from filling a table.
func shortened(s string) string {
	if len(s) <= mostShown {
		return s
	}
	n := 0
	for i := range s {
		if n++; n > mostShown {
			return s[:i] + "…"
		}
	}
	return s
}

// plainText shows a JSON value as it is written on a command line: a string
// without quotes where it would be read as that string, everything else as JSON.
func plainText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil || string(raw) == "null" {
		return shortened(printable(string(raw)))
	}
	if event.ParseText(s).Kind != event.String || s == "" || s[0] == '"' || strings.TrimSpace(s) != s {
		return shortened(printable(string(raw)))
	}
	return shortened(printable(s))
}

// keyText shows a key; the key of no fields is [].
func keyText(key []json.RawMessage) string {
	if len(key) == 0 {
		return "[]"
	}
	parts := make([]string, len(key))
	for i, raw := range key {
		parts[i] = plainText(raw)
	}
	return strings.Join(parts, ", ")
}

// figure writes a number; what is unbounded is shown as such.
func figure(f *float64) string {
	switch {
	case f == nil:
		return "unbounded"
	case *f == float64(int64(*f)):
		return strconv.FormatInt(int64(*f), 10)
	case *f < 1 && *f > -1 || *f >= 1e15 || *f <= -1e15:
		return strconv.FormatFloat(*f, 'g', 3, 64)
	default:
		return strconv.FormatFloat(*f, 'f', 1, 64)
	}
}

// size writes a number of bytes.
func size(bytes uint64) string {
	if bytes < 1024 {
		return strconv.FormatUint(bytes, 10) + " B"
	}
	value, unit := float64(bytes)/1024, 0
	for value >= 1024 && unit < 5 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTPE"[unit])
}

// moment is a time as answers write it: RFC 3339, or Unix milliseconds where
// that has no year for it.
type moment string

// UnmarshalJSON takes a string, a number or null.
func (m *moment) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		*m = ""
		return nil
	}
	*m = moment(printable(strings.Trim(string(raw), `"`)))
	return nil
}

// orDash shows what may be empty.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return shortened(printable(s))
}

// note says on standard error what a command has done.
func note(w io.Writer, format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
