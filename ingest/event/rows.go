package event

// What the decoders of all formats share: the checks of fields and times, and the tally of good and bad events.

import (
	"bytes"
	"fmt"
	"time"
	"unicode/utf8"
)

// rows takes the fields of one event after another from a decoder. A decoder calls begin, then a setter a field, then
// end; it may stop setting when a setter says false, because the event is bad from then on.
//
// Batches are filled through Builder alone, so that decoders know nothing of columns.
type rows struct {
	batch  *Batch
	build  Builder
	body   []byte
	o      Options
	limits Limits
	time   []byte // Options.Time
	latest int64  // the greatest event time that is not too far ahead
	result Result
	err    error // set when no further event can be taken

	general bool // without the fast path: for tests, which compare the two

	lineAt, line int // line is the number of the line that holds body[lineAt], from 1; only kept for faults

	// The event begun.
	fault  string // the first thing that is wrong with it; "" = nothing
	failed bool
	fields int
	stamp  stamp
	when   int64
	bad    []byte // the text of a time field that is no time
}

// stamp says what is known of an event's time.
type stamp uint8

const (
	stampMissing stamp = iota
	stampGood          // rows.when holds it
	stampBad           // rows.bad holds its text
)

func newRows(dst *Batch, body []byte, o Options) *rows {
	r := &rows{batch: dst, build: *NewBuilder(dst), body: body, o: o, limits: o.Limits.withDefaults(), time: []byte(o.Time), line: 1}
	ahead := o.Ahead
	if ahead == 0 {
		ahead = 10 * time.Minute
	}
	r.latest = greatestTime
	if ahead > 0 {
		r.latest = min(o.Arrival+ahead.Milliseconds(), greatestTime)
	}
	return r
}

// begin starts an event. It is false when no event can be taken any more: the decoder returns.
func (r *rows) begin() bool {
	if r.err != nil || (!r.o.Skip && len(r.result.Faults) == maxFaults) {
		return false
	}
	if r.result.Accepted+r.result.Rejected >= r.limits.Events {
		r.err = fmt.Errorf("%w: more than %d events: send several requests", ErrTooLarge, r.limits.Events)
		return false
	}
	r.build.Begin()
	r.fault, r.failed, r.fields, r.stamp = "", false, 0, stampMissing
	return true
}

// fail makes the event begun bad; only the first fault of an event is told. It returns false, as setters do.
func (r *rows) fail(format string, arguments ...any) bool {
	if !r.failed {
		r.failed = true
		// A hostile body may hold a million bad events: only those that will be listed are worth words.
		if len(r.result.Faults) < maxFaults {
			r.fault = fmt.Sprintf(format, arguments...)
		}
	}
	return false
}

func (r *rows) null(name []byte) bool {
	if !r.named(name) {
		return false
	}
	if r.isTime(name) {
		r.stamp = stampMissing
	}
	r.build.Null(name)
	return true
}

func (r *rows) bool(name []byte, v bool) bool {
	if !r.named(name) {
		return false
	}
	if r.isTime(name) {
		r.stamp, r.bad = stampBad, BoolValue(v).AppendJSON(nil)
	}
	r.build.Bool(name, v)
	return true
}

func (r *rows) int(name []byte, v int64) bool {
	if !r.named(name) {
		return false
	}
	if r.isTime(name) {
		if r.when, r.stamp = v, stampGood; v < leastTime || v > greatestTime {
			r.stamp, r.bad = stampBad, IntValue(v).AppendJSON(nil)
		}
	}
	r.build.Int(name, v)
	return true
}

// float sets a finite number; a whole one within int64 is an int, also as a time.
func (r *rows) float(name []byte, v float64) bool {
	if v != v || v-v != 0 {
		return r.fail("field %s is %v: an event holds finite numbers only; leave the field out or send null", quote(name), v)
	}
	if kind, bits := floatBits(v); kind == Int {
		return r.int(name, int64(bits))
	}
	if !r.named(name) {
		return false
	}
	if r.isTime(name) {
		r.stamp, r.bad = stampBad, FloatValue(v).AppendJSON(nil)
	}
	r.build.Float(name, v)
	return true
}

// string sets a text, which must stay unchanged until end.
func (r *rows) string(name, v []byte) bool {
	if !r.named(name) {
		return false
	}
	if len(v) > r.limits.StringBytes {
		return r.fail("field %s holds %d bytes, at most %d are allowed", quote(name), len(v), r.limits.StringBytes)
	}
	if !utf8.Valid(v) {
		return r.fail("field %s is not valid UTF-8: %s", quote(name), quote(v))
	}
	if r.isTime(name) {
		t, ok := parseTime(v)
		if r.when, r.stamp = t, stampGood; !ok {
			r.stamp, r.bad = stampBad, v
		}
	}
	r.build.String(name, v)
	return true
}

func (r *rows) isTime(name []byte) bool { return len(r.time) > 0 && string(name) == string(r.time) }

// named counts a field and checks its name.
func (r *rows) named(name []byte) bool {
	if r.fields++; r.fields > r.limits.Fields {
		return r.fail("more than %d fields", r.limits.Fields)
	}
	// Fast path: the field that came next in the row before has been checked then.
	if at := r.build.next; at < len(r.batch.Columns) && r.batch.Columns[at].Name == string(name) {
		return true
	}
	if why := r.checkName(name); why != "" {
		return r.fail("field name %s %s", quote(name), why)
	}
	return true
}

// checkName says what is wrong with a field's name, "" when nothing is.
func (r *rows) checkName(name []byte) string {
	if len(name) == 0 {
		return "is empty"
	}
	if len(name) > r.limits.NameBytes {
		return fmt.Sprintf("has %d bytes, at most %d are allowed", len(name), r.limits.NameBytes)
	}
	high := byte(0)
	for _, c := range name {
		if c < ' ' || c == 0x7f {
			return "has a control character"
		}
		high |= c
	}
	if high >= utf8.RuneSelf && !utf8.Valid(name) {
		return "is not valid UTF-8"
	}
	if name[0] == '_' && (string(name) == "_partition" || string(name) == "_offset" || string(name) == "_index") {
		return "is kept for the event's place in the log: rename it"
	}
	return ""
}

// end finishes the event that began at body[at:]; at is negative in binary formats.
func (r *rows) end(at int) {
	when := r.o.Arrival
	if !r.failed && len(r.time) > 0 {
		when = r.when
		switch {
		case r.stamp == stampMissing:
			r.fail("time field %s is missing or null: every event of this stream needs it", quote(r.time))
		case r.stamp == stampBad:
			r.fail("time field %s holds %s, which is no time: %s", quote(r.time), quote(r.bad), timeForms)
		case when > r.latest:
			r.fail("time field %s is %s, %s ahead of the server's clock (%s) and so more than the %s allowed: correct it, or raise the stream's \"ahead\"",
				quote(r.time), formatTime(when), Duration(when-r.o.Arrival)*Duration(time.Millisecond), formatTime(r.o.Arrival), Duration(r.latest-r.o.Arrival)*Duration(time.Millisecond))
		}
	}
	if r.failed || r.refused() {
		r.build.Abandon()
	} else if err := r.build.End(when); err != nil {
		r.fail("%v", err)
	}
	if !r.failed {
		r.result.Accepted++
		return
	}
	if len(r.result.Faults) < maxFaults {
		fault := Fault{Index: r.result.Accepted + r.result.Rejected, Detail: r.fault}
		if at >= 0 {
			fault.Line = r.lineOf(at)
		}
		r.result.Faults = append(r.result.Faults, fault)
	}
	r.result.Rejected++
}

// refused says whether the request is bad already, so that nothing more needs to be appended.
func (r *rows) refused() bool { return !r.o.Skip && r.result.Rejected > 0 }

// broken tallies one bad event at body[at:] where the form of the body breaks, and of which nothing can be read.
func (r *rows) broken(at int, format string, arguments ...any) {
	if r.begin() {
		r.fail(format, arguments...)
		r.end(at)
	}
}

// lineOf gives the line of a place that is not before the places asked for earlier.
func (r *rows) lineOf(at int) int {
	r.line += bytes.Count(r.body[r.lineAt:at], []byte{'\n'})
	r.lineAt = at
	return r.line
}

// quote shows bytes from outside in a message: quoted, and cut after some sixty.
func quote(b []byte) string {
	const most = 60
	if len(b) <= most {
		return fmt.Sprintf("%q", b)
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(b[end]) {
		end--
	}
	return fmt.Sprintf("%q…", b[:end])
}
