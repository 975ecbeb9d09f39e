package event

// NDJSON bodies: one JSON object a line.

import "bytes"

// decodeNDJSON reads a line at a time, so that a bad one costs no other. Lines end in LF or CRLF; blank ones are skipped.
func decodeNDJSON(r *rows) error {
	j := newJSONReader(r, "line")
	for at, begun := 0, false; ; {
		// Fast path: many lines.
		if at, begun = j.quickLines(at); at == len(r.body) {
			return nil
		}
		j.base, j.text, j.broken = at, j.text[:0], false
		if !begun {
			j.i, j.closed = at, false
			if begun = r.body[at] == '{'; begun && !r.begin() {
				return nil
			}
			if begun {
				j.quickLine(at)
			}
		}
		if j.closed && j.i < len(r.body) && r.body[j.i] == '\n' {
			r.end(at)
			at = j.i + 1
			continue
		}
		// Slow path: what is left of the line.
		end, next := len(r.body), len(r.body)
		if n := bytes.IndexByte(r.body[j.i:], '\n'); n >= 0 {
			end, next = j.i+n, j.i+n+1
		}
		j.b = r.body[:end]
		if begun || j.space() != 0 || j.i < end {
			if !begun && !r.begin() {
				return nil
			}
			j.line(at)
			r.end(at)
		}
		at = next
	}
}

// quickLine reads what it can of the object at b[at], without looking for the end of its line: no field in plain form holds
// one. It leaves i at what is to be read.
func (j *jsonReader) quickLine(at int) {
	j.b, j.i = j.r.body, at+1
	j.closed = j.quickFields()
	if !j.closed && j.i == at+1 {
		j.i = at
	}
}

// line reads what is left at b[i:] of the line that begins at b[at] as one event.
func (j *jsonReader) line(at int) {
	switch {
	case j.closed: // on the fast path
	case j.i > at && j.b[at] == '{': // which took some fields and a comma
		if !j.fields(0, 1) {
			return
		}
	case j.space() != '{':
		j.r.fail("an event must be a JSON object on one line, this begins with %s", j.found())
		return
	case !j.object(0, 1):
		return
	}
	if j.space(); j.i < len(j.b) {
		j.syntax("the end of the line")
	}
}
