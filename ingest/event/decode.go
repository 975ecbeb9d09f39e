package event

// Decoding of request bodies: what callers choose, what they get back, and the choice of decoder.

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"
)

// Format is the form of a request body.
type Format string

// The formats that Decode reads.
const (
	FormatNDJSON    Format = "ndjson"    // a JSON object a line
	FormatJSON      Format = "json"      // one JSON object, or an array of them
	FormatMsgpack   Format = "msgpack"   // one MessagePack map, an array of them, or maps one after another
	FormatCSV       Format = "csv"       // RFC 4180 with a header
	FormatAccessLog Format = "accesslog" // Common or Combined Log Format
)

// FormatOf gives the format of a Content-Type; ok is false for types that Decode does not read, and for charsets other than UTF-8.
func FormatOf(contentType string) (format Format, ok bool) {
	media, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", false
	}
	if charset, given := parameters["charset"]; given && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		return "", false
	}
	switch media {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
		return FormatNDJSON, true
	case "application/json", "text/json":
		return FormatJSON, true
	case "application/msgpack", "application/x-msgpack", "application/vnd.msgpack":
		return FormatMsgpack, true
	case "text/csv":
		return FormatCSV, true
	case "text/x-access-log":
		return FormatAccessLog, true
	}
	return "", false
}

// Errors of a body that cannot be used at all. Decode and Unpack wrap them with what is wrong and how to mend it.
var (
	ErrFormat   = errors.New("unknown body format")
	ErrBody     = errors.New("body cannot be read as events")
	ErrTooLarge = errors.New("body too large")
	ErrEncoding = errors.New("bad content encoding")
)

// Limits bound one request. A zero field means the default.
type Limits struct {
	Events      int // events of a request, the bad ones included; default and most: MaxRows
	Fields      int // fields of an event; default 256
	NameBytes   int // bytes of a field's name, dots included; default 256
	StringBytes int // bytes of a string; default 1 MiB
	Depth       int // levels of nested objects, the event itself being the first; default 8
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, standard int) {
		if *v <= 0 {
			*v = standard
		}
	}
	set(&l.Events, MaxRows)
	set(&l.Fields, 256)
	set(&l.NameBytes, 256)
	set(&l.StringBytes, 1<<20)
	set(&l.Depth, 8)
	l.Events = min(l.Events, MaxRows)
	return l
}

// Options say how a body is to be read.
type Options struct {
	Format  Format
	Time    string        // the field that holds the event time, dotted when it is nested; "" = arrival
	Arrival int64         // Unix ms of the request's arrival
	Ahead   time.Duration // events further ahead of Arrival are bad; 0 = 10 minutes, negative = unlimited
	Skip    bool          // leave bad events out; else the first one makes the whole request bad
	Limits  Limits
}

// Fault is a bad event.
type Fault struct {
	Index  int    `json:"index"`          // of the event in the body, from 0
	Line   int    `json:"line,omitempty"` // of the body where the event begins, from 1; 0 in binary formats
	Detail string `json:"detail"`         // what is wrong and how to mend it
}

// maxFaults is how many faults a Result lists.
const maxFaults = 100

// Result counts the events of a body.
//
// With Options.Skip, Accepted events are in the batch and the Rejected ones are not. Without it, a batch is to be used
// only when Rejected is 0: nothing is appended from the first bad event on, the counts go on for as long as faults are
// listed, and reading stops at the hundredth.
type Result struct {
	Accepted int     // good events
	Rejected int     // bad events
	Faults   []Fault // the first 100 bad events, in order
}

// maxBody keeps the text of a column below the 4 GiB that its references can tell: no decoder makes more than six
// bytes of text from one of the body.
const maxBody = 512 << 20

// Decode appends the events of body to dst, which it neither resets nor segments. Nothing of body is kept.
//
// A bad event is a fault of the result. When the form of the body breaks so that the next event cannot be found, this is
// the last fault, and the events after it are not counted. An error (ErrFormat, ErrBody, ErrTooLarge) means that no event
// can be told apart, or that there are too many; then dst is to be thrown away.
func Decode(dst *Batch, body []byte, o Options) (Result, error) {
	if len(body) > maxBody {
		return Result{}, fmt.Errorf("%w: %d bytes unpacked, at most %d can be read: send several requests", ErrTooLarge, len(body), maxBody)
	}
	if o.Format != FormatMsgpack {
		// The byte order mark that spreadsheets put before CSV, and editors before anything.
		body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	}
	return newRows(dst, body, o).decode()
}

// decode reads the body by the format that was chosen.
func (r *rows) decode() (Result, error) {
	var err error
	switch r.o.Format {
	case FormatNDJSON:
		err = decodeNDJSON(r)
	case FormatJSON:
		err = decodeJSON(r)
	case FormatMsgpack:
		err = decodeMsgpack(r)
	case FormatCSV:
		err = decodeCSV(r)
	case FormatAccessLog:
		err = decodeAccessLog(r)
	default:
		err = fmt.Errorf("%w %q: use ndjson, json, msgpack, csv or accesslog", ErrFormat, r.o.Format)
	}
	if err == nil {
		err = r.err
	}
	return r.result, err
}
