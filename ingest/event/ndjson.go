package event

// NDJSON bodies: one JSON object a line.

import "bytes"

// decodeNDJSON reads a line at a time, so that a bad one costs no other. Lines end in LF or CRLF; blank ones are skipped.
func decodeNDJSON(r *rows) error {
	j := newJSONReader(r, "line")
	for at := 0; at < len(r.body); {
		j.i, j.base, j.text, j.broken, j.closed = at, at, j.text[:0], false, false
		begun := r.body[at] == '{'
		if begun {
			if !r.begin() {
				return nil
			}
			// Fast path.
			if j.quickLine(at) {
				r.end(at)
				at = j.i
				continue
			}
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
	return nil
}

// quickLine reads the object at b[at] and the end of its line, which nobody has looked for: no field in plain form holds
// one. If it is false, b[i:] is left to be read.
func (j *jsonReader) quickLine(at int) bool {
	j.b, j.i = j.r.body, at+1
	j.closed = j.quickFields()
	if j.closed && j.i < len(j.b) && j.b[j.i] == '\n' {
		j.i++
		return true
	}
	if j.i == at+1 {
		j.i = at
	}
	return false
}

// line reads what is left at b[i:] of the line that begins at b[at] as one event.
func (j *jsonReader) line(at int) {
	switch {
	case j.closed: // by quickLine
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
