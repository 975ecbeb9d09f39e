package event

// CSV bodies: RFC 4180 with a header.

import (
	"bytes"
	"fmt"
)

// csvReader reads records; encoding/csv would give every field as a new string, and on a bad quote no cell at all to go
// on from.
type csvReader struct {
	b     []byte
	i     int
	cells [][]byte // the record read; slices of b or text
	text  []byte   // cells that had doubled quotes
	most  int      // cells worth keeping
	count int      // cells of the record
}

// decodeCSV reads a header and then a record an event. Records end in LF or CRLF; empty lines are skipped.
//
// A cell is a number where it reads as a JSON number, true or false, null when it is empty, and else a string, quoted or
// not. A number that would lose digits or is beyond float64 stays the string that it is.
func decodeCSV(r *rows) error {
	c := csvReader{b: r.body, most: r.limits.Fields + 1}
	if !c.next() {
		return nil
	}
	if why := c.record(); why != "" {
		return fmt.Errorf("%w: header: %s", ErrBody, why)
	}
	names, err := c.header(r)
	if err != nil {
		return err
	}
	c.most = len(names)
	for c.next() {
		if !r.begin() {
			return nil
		}
		start := c.i
		if why := c.record(); why != "" {
			r.fail("%s", why)
		} else if c.count != len(names) {
			r.fail("%d fields where the header has %d", c.count, len(names))
		} else {
			for i, name := range names {
				if !setCell(r, name, c.cells[i]) {
					break
				}
			}
		}
		r.end(start)
	}
	return nil
}

// header gives the names of the record just read.
func (c *csvReader) header(r *rows) ([][]byte, error) {
	if c.count > r.limits.Fields {
		return nil, fmt.Errorf("%w: the header has %d fields, at most %d are allowed", ErrBody, c.count, r.limits.Fields)
	}
	names := make([][]byte, 0, len(c.cells))
	seen := make(map[string]bool, len(c.cells))
	for i, cell := range c.cells {
		if why := r.checkName(cell); why != "" {
			return nil, fmt.Errorf("%w: the header's field %d, %s, %s", ErrBody, i+1, quote(cell), why)
		}
		if seen[string(cell)] {
			return nil, fmt.Errorf("%w: the header has the field %s twice", ErrBody, quote(cell))
		}
		seen[string(cell)] = true
		names = append(names, bytes.Clone(cell))
	}
	return names, nil
}

func setCell(r *rows, name, cell []byte) bool {
	if len(cell) == 0 {
		return r.null(name)
	}
	switch c := cell[0]; {
	case c == '-' || isDigit(c):
		if n, v := wholeNumber(cell); v == numberGood {
			if n.whole {
				return r.int(name, n.i)
			}
			return r.float(name, n.f)
		}
	case c == 't' && string(cell) == "true":
		return r.bool(name, true)
	case c == 'f' && string(cell) == "false":
		return r.bool(name, false)
	}
	return r.string(name, cell)
}

// next skips empty lines; false at the end.
func (c *csvReader) next() bool {
	for c.i < len(c.b) {
		switch {
		case c.b[c.i] == '\n':
			c.i++
		case c.b[c.i] == '\r' && c.i+1 < len(c.b) && c.b[c.i+1] == '\n':
			c.i += 2
		default:
			return true
		}
	}
	return false
}

// record reads the record at b[i] into cells and stands after it. Otherwise it says what is wrong and stands at the next
// line, after a quote that is never closed at the end.
func (c *csvReader) record() (why string) {
	c.cells, c.text, c.count = c.cells[:0], c.text[:0], 0
	for {
		var cell []byte
		if c.i < len(c.b) && c.b[c.i] == '"' {
			if cell, why = c.quoted(); why != "" {
				return why
			}
		} else {
			start := c.i
			for c.i < len(c.b) && c.b[c.i] != ',' && c.b[c.i] != '\n' && c.b[c.i] != '"' {
				c.i++
			}
			cell = c.b[start:c.i]
			if c.i < len(c.b) && c.b[c.i] == '"' {
				c.nextLine()
				return fmt.Sprintf("field %d has a quote inside: put the field in quotes and double those inside", c.count+1)
			}
			if n := len(cell); n > 0 && cell[n-1] == '\r' && (c.i == len(c.b) || c.b[c.i] == '\n') {
				cell = cell[:n-1]
			}
		}
		if c.count++; c.count <= c.most {
			c.cells = append(c.cells, cell)
		}
		if c.i == len(c.b) {
			return ""
		}
		c.i++
		if c.b[c.i-1] == '\n' {
			return ""
		}
	}
}

// quoted reads the cell at b[i], which is a quote, and stands at the comma, LF or end after it.
func (c *csvReader) quoted() (cell []byte, why string) {
	start, from := c.i+1, len(c.text)
	for at := start; ; {
		n := bytes.IndexByte(c.b[at:], '"')
		if n < 0 {
			c.i = len(c.b)
			return nil, fmt.Sprintf("field %d begins with a quote that is never closed; the rest of the body was not read", c.count+1)
		}
		at += n + 1
		if at < len(c.b) && c.b[at] == '"' {
			// A doubled quote is one quote of the text.
			c.text = append(c.text, c.b[start:at]...)
			at++
			start = at
			continue
		}
		cell = c.b[start : at-1]
		if len(c.text) > from {
			c.text = append(c.text, cell...)
			cell = c.text[from:]
		}
		if at+1 < len(c.b) && c.b[at] == '\r' && c.b[at+1] == '\n' || at+1 == len(c.b) && c.b[at] == '\r' {
			at++
		}
		if c.i = at; at < len(c.b) && c.b[at] != ',' && c.b[at] != '\n' {
			c.nextLine()
			return nil, fmt.Sprintf("field %d goes on after its closing quote: double the quotes inside of it", c.count+1)
		}
		return cell, ""
	}
}

func (c *csvReader) nextLine() {
	if n := bytes.IndexByte(c.b[c.i:], '\n'); n >= 0 {
		c.i += n + 1
	} else {
		c.i = len(c.b)
	}
}
