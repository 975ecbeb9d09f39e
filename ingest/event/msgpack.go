package event

// MessagePack bodies.

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

// msgpackReader reads maps straight into rows. Headers are believed only as far as bytes are there for what they claim.
type msgpackReader struct {
	r    *rows
	b    []byte // what is left of the body
	path []byte // the dotted name of the field being read, within nested maps
	text []byte // a value that has to be written as text

	quick quickRows
	begun []byte // the event that quickEvents stopped in, from its beginning; nil: it stopped between two
	left  uint32 // fields of that one
}

// decodeMsgpack reads one map, an array of maps, or maps one after another.
func decodeMsgpack(r *rows) error {
	m := msgpackReader{r: r, b: r.body, quick: quickRows{write: packedName}}
	if msgp.NextType(m.b) != msgp.ArrayType {
		for {
			m.quickEvents(MaxRows)
			if m.done() || !m.event() {
				return nil
			}
		}
	}
	n, rest, err := msgp.ReadArrayHeaderBytes(m.b)
	if err != nil {
		return fmt.Errorf("%w: msgpack array: %w", ErrBody, err)
	}
	if uint64(n) > uint64(len(rest)) {
		return fmt.Errorf("%w: a msgpack array claims %d events, but only %d bytes follow", ErrBody, n, len(rest))
	}
	m.b = rest
	for left := int(n); left > 0; left-- {
		if left -= m.quickEvents(left); left == 0 {
			break
		}
		if m.done() {
			r.broken(-1, "invalid msgpack: the body ends before the array does")
			return nil
		}
		if !m.event() {
			return nil
		}
	}
	if len(m.b) > 0 {
		r.broken(-1, "invalid msgpack: %d bytes after the array of events", len(m.b))
	}
	return nil
}

// done says whether nothing is left to be read.
func (m *msgpackReader) done() bool { return len(m.b) == 0 && m.begun == nil }

// event reads the map at the beginning of b as one event, or what quickEvents has left of it. It is false when reading
// cannot go on.
func (m *msgpackReader) event() bool {
	start := m.begun
	if start != nil {
		m.begun = nil
		m.fields(m.left, 0, 1)
	} else if start = m.b; !m.r.begin() {
		return false
	} else if kind := msgp.NextType(m.b); kind == msgp.MapType {
		m.object(0, 1)
	} else {
		m.r.fail("an event must be a map, this is %s", kind)
	}
	whole := true
	if m.r.failed {
		rest, err := msgp.Skip(start)
		if m.b = rest; err != nil {
			whole = false
			m.r.fault += "; the rest of the body was not read, as where the next event begins is not known"
		}
	}
	m.r.end(-1)
	return whole
}

// object reads the map at the beginning of b, whose fields' names begin with path[:prefix].
func (m *msgpackReader) object(prefix, depth int) bool {
	if depth > m.r.limits.Depth {
		return m.r.fail("maps are nested more than %d levels deep", m.r.limits.Depth)
	}
	n, rest, err := msgp.ReadMapHeaderBytes(m.b)
	if err != nil {
		return m.invalid(err)
	}
	if 2*uint64(n) > uint64(len(rest)) {
		return m.r.fail("invalid msgpack: a map claims %d fields, but only %d bytes follow", n, len(rest))
	}
	m.b = rest
	return m.fields(n, prefix, depth)
}

// fields reads the n fields of a map that are at the beginning of b.
func (m *msgpackReader) fields(n uint32, prefix, depth int) bool {
	for left := n; left > 0; left-- {
		if prefix == 0 {
			if left = m.quickFields(left); left == 0 {
				break
			}
		}
		kind := msgp.NextType(m.b)
		if kind != msgp.StrType && kind != msgp.BinType {
			return m.r.fail("a field name is %s, it must be a string", kind)
		}
		name, rest, err := msgp.ReadMapKeyZC(m.b)
		if err != nil {
			return m.invalid(err)
		}
		m.b = rest
		if prefix > 0 {
			if len(name) == 0 {
				return m.r.fail("a field name within %s is empty", quote(m.path[:prefix-1]))
			}
			m.path = append(m.path[:prefix], name...)
			name = m.path
		}
		if !m.value(name, depth) {
			return false
		}
	}
	return true
}

func (m *msgpackReader) invalid(err error) bool { return m.r.fail("invalid msgpack: %v", err) }

// value reads the value of a field.
func (m *msgpackReader) value(name []byte, depth int) bool {
	kind := msgp.NextType(m.b)
	switch kind {
	case msgp.MapType:
		if len(name) == 0 || len(name) > m.r.limits.NameBytes {
			return m.r.named(name)
		}
		m.path = append(append(m.path[:0], name...), '.')
		return m.object(len(m.path), depth+1)
	case msgp.ArrayType:
		m.text = m.text[:0]
		return m.list(name, 1) && m.r.string(name, m.text)
	case msgp.StrType:
		v, rest, err := msgp.ReadStringZC(m.b)
		if err != nil {
			return m.invalid(err)
		}
		m.b = rest
		return m.r.string(name, v)
	}
	v, text, ok := m.scalar(name, kind)
	if !ok {
		return false
	}
	switch v.Kind {
	case Null:
		return m.r.null(name)
	case False, True:
		return m.r.bool(name, v.Kind == True)
	case Int:
		return m.r.int(name, int64(v.Bits))
	case Float:
		return m.r.float(name, math.Float64frombits(v.Bits))
	}
	return m.r.string(name, text)
}

// scalar reads a value that is no map and no array. A string comes as text, which stays valid until the next call; the
// value then has the kind only.
func (m *msgpackReader) scalar(name []byte, kind msgp.Type) (v Value, text []byte, ok bool) {
	var err error
	rest := m.b
	switch kind {
	case msgp.IntType:
		var i int64
		i, rest, err = msgp.ReadInt64Bytes(m.b)
		v = IntValue(i)
	case msgp.UintType:
		var u uint64
		if u, rest, err = msgp.ReadUint64Bytes(m.b); u <= math.MaxInt64 {
			v = IntValue(int64(u))
			break
		}
		n, verdict := wideInteger(strconv.AppendUint(nil, u, 10))
		if verdict != numberGood {
			return v, nil, m.r.fail("field %s: %d %s", quote(name), u, verdict)
		}
		v = FloatValue(n.f)
	case msgp.Float64Type, msgp.Float32Type:
		var f float64
		if kind == msgp.Float32Type {
			var narrow float32
			narrow, rest, err = msgp.ReadFloat32Bytes(m.b)
			f = float64(narrow)
		} else {
			f, rest, err = msgp.ReadFloat64Bytes(m.b)
		}
		if v = FloatValue(f); v.Kind == Null {
			return v, nil, m.r.float(name, f)
		}
	case msgp.BoolType:
		var b bool
		b, rest, err = msgp.ReadBoolBytes(m.b)
		v = BoolValue(b)
	case msgp.NilType:
		rest, err = msgp.ReadNilBytes(m.b)
	case msgp.StrType:
		v.Kind = String
		text, rest, err = msgp.ReadStringZC(m.b)
	case msgp.BinType:
		v.Kind = String
		text, rest, err = msgp.ReadBytesZC(m.b)
	case msgp.TimeType, msgp.ExtensionType, msgp.Complex64Type, msgp.Complex128Type:
		v.Kind = String
		text, rest, err = m.timestamp()
	case msgp.InvalidType:
		err = msgp.ErrShortBytes
		if len(m.b) > 0 {
			err = msgp.InvalidPrefixError(m.b[0])
		}
	default:
		err = fmt.Errorf("unexpected %s", kind)
	}
	if err != nil {
		return v, nil, m.r.fail("invalid msgpack: field %s: %v", quote(name), err)
	}
	m.b = rest
	return v, text, true
}

// timestamp reads extension -1 as RFC 3339. Which extension it is must be read from the bytes: msgp.NextType looks at the
// wrong one in eight bytes of fixed length, and takes its own extension 5, which belongs to whoever sent it, for a time.
func (m *msgpackReader) timestamp() (text, rest []byte, err error) {
	const fixext4, fixext8, ext8 = 0xd6, 0xd7, 0xc7
	at := 1
	if m.b[0] == ext8 {
		at = 2
	}
	if len(m.b) <= at {
		return nil, m.b, msgp.ErrShortBytes
	}
	if lead := m.b[0]; (lead != fixext4 && lead != fixext8 && lead != ext8) || int8(m.b[at]) != -1 {
		return nil, m.b, errors.New("an extension, of which only timestamps (-1) are known")
	}
	t, rest, err := msgp.ReadTimeUTCBytes(m.b)
	if err != nil {
		return nil, m.b, err
	}
	if year := t.Year(); year < 1 || year > 9999 {
		return nil, m.b, fmt.Errorf("timestamp in year %d, times lie in the years 1 to 9999", year)
	}
	return t.AppendFormat(make([]byte, 0, len(time.RFC3339Nano)), time.RFC3339Nano), rest, nil
}

// list appends the array or map at the beginning of b to text, in the same JSON that an array in a JSON body becomes.
func (m *msgpackReader) list(name []byte, depth int) bool {
	if depth > arrayDepth {
		return m.r.fail("field %s holds an array of more than %d levels", quote(name), arrayDepth)
	}
	kind := msgp.NextType(m.b)
	var n uint32
	var err error
	open, closing, each := byte('['), byte(']'), uint64(1)
	if kind == msgp.MapType {
		open, closing, each = '{', '}', 2
		n, m.b, err = msgp.ReadMapHeaderBytes(m.b)
	} else {
		n, m.b, err = msgp.ReadArrayHeaderBytes(m.b)
	}
	if err != nil {
		return m.invalid(err)
	}
	if each*uint64(n) > uint64(len(m.b)) {
		return m.r.fail("invalid msgpack: field %s claims %d elements, but only %d bytes follow", quote(name), n, len(m.b))
	}
	m.text = append(m.text, open)
	for i := range n {
		if len(m.text) > m.r.limits.StringBytes {
			return m.r.fail("field %s holds an array of more than %d bytes of JSON", quote(name), m.r.limits.StringBytes)
		}
		if i > 0 {
			m.text = append(m.text, ',')
		}
		if kind == msgp.MapType {
			if key := msgp.NextType(m.b); key != msgp.StrType && key != msgp.BinType {
				return m.r.fail("field %s holds a map with a name that is %s, it must be a string", quote(name), key)
			}
			if !m.element(name, depth) {
				return false
			}
			m.text = append(m.text, ':')
		}
		if !m.element(name, depth) {
			return false
		}
	}
	m.text = append(m.text, closing)
	return true
}

// element appends one value within an array to text.
func (m *msgpackReader) element(name []byte, depth int) bool {
	kind := msgp.NextType(m.b)
	if kind == msgp.ArrayType || kind == msgp.MapType {
		return m.list(name, depth+1)
	}
	v, text, ok := m.scalar(name, kind)
	if !ok {
		return false
	}
	if v.Kind != String {
		m.text = v.AppendJSON(m.text)
		return true
	}
	if len(text) > m.r.limits.StringBytes || !utf8.Valid(text) {
		return m.r.fail("field %s holds an array with a string that is too long or not valid UTF-8: %s", quote(name), quote(text))
	}
	m.text = appendQuoted(m.text, text)
	return true
}
