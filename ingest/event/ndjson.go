package event

// NDJSON bodies: one JSON object a line.

import "bytes"

// decodeNDJSON reads a line at a time, so that a bad one costs no other. Lines end in LF or CRLF; blank ones are skipped.
func decodeNDJSON(r *rows) error {
	j := jsonReader{r: r, where: "line"}
	for at := 0; at < len(r.body); {
		end, next := len(r.body), len(r.body)
		if n := bytes.IndexByte(r.body[at:], '\n'); n >= 0 {
			end, next = at+n, at+n+1
		}
		j.b, j.i, j.base, j.text, j.broken = r.body[:end], at, at, j.text[:0], false
		if j.space(); j.i < end {
			if !r.begin() {
				return nil
			}
			j.line()
			r.end(at)
		}
		at = next
	}
	return nil
}

// line reads the rest of b as one event.
func (j *jsonReader) line() {
	if j.space() != '{' {
		j.r.fail("an event must be a JSON object on one line, this begins with %s", j.found())
		return
	}
	if !j.object(0, 1) {
		return
	}
	if j.space(); j.i < len(j.b) {
		j.syntax("the end of the line")
	}
}
