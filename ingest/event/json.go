package event

// JSON bodies, and the reader of JSON objects that NDJSON shares.

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/valyala/fastjson"
)

// jsonReader reads objects straight into rows, by RFC 8259 to the letter.
//
// Filling fastjson's tree and walking it was the obvious way. It takes a quarter longer (BenchmarkTree) even without the
// checks that it would need besides, since it lets invalid numbers, unpaired surrogates and control characters through;
// and a body of small values grows tenfold in it. It still validates what the reader does not take apart by itself:
// arrays, and what follows a bad event.
type jsonReader struct {
	r      *rows
	b      []byte // what is read: a line, or the body
	i      int    // the next byte
	base   int    // where counting of bytes in messages begins
	where  string // what they are bytes of
	text   []byte // strings with escapes, unescaped; kept until the event ends
	path   []byte // the dotted name of the field being read, within nested objects
	array  []byte // the text of an array
	broken bool   // the syntax is broken at b[i]
	closed bool   // of a line: the fast path has read the object to its end
	quick  quickRows
}

func newJSONReader(r *rows, where string) jsonReader {
	return jsonReader{r: r, b: r.body, where: where, quick: quickRows{write: quotedName}}
}

// quotedName is how JSON writes a field's name. One that can be written with escapes alone is not expected.
func quotedName(name string) string {
	if strings.ContainsAny(name, "\"\\") {
		return ""
	}
	return `"` + name + `":`
}

const (
	arrayDepth = 64   // levels within an array
	skipDepth  = 1000 // levels within a bad event that is skipped
)

// decodeJSON reads one object or an array of objects.
func decodeJSON(r *rows) error {
	j := newJSONReader(r, "body")
	switch j.space() {
	case '{':
		if !j.event() {
			return nil
		}
	case '[':
		j.i++
		if j.space() == ']' {
			j.i++
			break
		}
		for more := true; more; {
			if !j.event() {
				return nil
			}
			switch j.space() {
			case ',':
				j.i++
				j.space()
			case ']':
				j.i++
				more = false
			default:
				r.broken(j.i, "invalid JSON: %s where ',' or ']' should follow the event; the rest of the body was not read", j.found())
				return nil
			}
		}
	default:
		r.broken(j.i, "invalid JSON: %s where an object or an array of objects should begin", j.found())
		return nil
	}
	if j.space(); j.i < len(j.b) {
		r.broken(j.i, "invalid JSON: %s after the end; send several events as an array, or a line each as application/x-ndjson", j.found())
	}
	return nil
}

// event reads the object at b[i] as one event. It is false when reading cannot go on.
func (j *jsonReader) event() bool {
	if !j.r.begin() {
		return false
	}
	start := j.i
	j.text = j.text[:0]
	switch c := j.space(); {
	case c == '{':
		j.object(0, 1)
	case j.i == len(j.b) || c == ']' || c == ',':
		j.syntax("an object")
	default:
		j.r.fail("an event must be an object, this is %s", j.found())
	}
	if j.r.failed && !j.broken {
		j.i = start
		if _, ok := j.skip(skipDepth); !ok {
			j.broken = true
			j.r.fault += "; nor is it valid JSON"
		}
	}
	if j.broken {
		j.r.fault += "; the rest of the body was not read"
	}
	j.r.end(start)
	return !j.broken
}

// object reads the object at b[i], whose fields' names begin with path[:prefix].
func (j *jsonReader) object(prefix, depth int) bool {
	if depth > j.r.limits.Depth {
		return j.r.fail("objects are nested more than %d levels deep", j.r.limits.Depth)
	}
	j.i++
	if j.space() == '}' {
		j.i++
		return true
	}
	return j.fields(prefix, depth)
}

// fields reads on in an object from the name at b[i].
func (j *jsonReader) fields(prefix, depth int) bool {
	for {
		if prefix == 0 && j.quickFields() {
			return true
		}
		if j.space() != '"' {
			return j.syntax("a field name in double quotes")
		}
		name, ok := j.string()
		if !ok {
			return false
		}
		if j.space() != ':' {
			return j.syntax("':'")
		}
		j.i++
		if prefix > 0 {
			if len(name) == 0 {
				return j.r.fail("a field name within %s is empty", quote(j.path[:prefix-1]))
			}
			j.path = append(j.path[:prefix], name...)
			name = j.path
		}
		if !j.value(name, depth) {
			return false
		}
		switch j.space() {
		case ',':
			j.i++
		case '}':
			j.i++
			return true
		default:
			return j.syntax("',' or '}'")
		}
	}
}

// value reads the value of a field.
func (j *jsonReader) value(name []byte, depth int) bool {
	switch c := j.space(); c {
	case '"':
		v, ok := j.string()
		return ok && j.r.string(name, v)
	case '{':
		if len(name) == 0 || len(name) > j.r.limits.NameBytes {
			return j.r.named(name)
		}
		// A name within a nested object is path already; append then changes nothing.
		j.path = append(append(j.path[:0], name...), '.')
		return j.object(len(j.path), depth+1)
	case '[':
		return j.list(name)
	case 't', 'f', 'n':
		switch {
		case !j.literal():
			return j.syntax("a value")
		case c == 'n':
			return j.r.null(name)
		}
		return j.r.bool(name, c == 't')
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		n, end, v := scanNumber(j.b, j.i)
		start := j.i
		j.i = end
		switch {
		case v == numberMalformed:
			return j.syntax("a digit")
		case v != numberGood:
			return j.r.fail("field %s: %s %s", quote(name), quote(j.b[start:end]), v)
		case n.whole:
			return j.r.int(name, n.i)
		}
		return j.r.float(name, n.f)
	}
	return j.syntax("a value")
}

// space skips white space and gives the byte after it, 0 at the end.
func (j *jsonReader) space() byte {
	// Fast path, small enough to be inlined: there is none.
	if j.i < len(j.b) && j.b[j.i] > ' ' {
		return j.b[j.i]
	}
	return j.skipSpace()
}

func (j *jsonReader) skipSpace() byte {
	for ; j.i < len(j.b); j.i++ {
		if c := j.b[j.i]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// literal passes true, false or null.
func (j *jsonReader) literal() bool {
	for _, word := range [...]string{"true", "false", "null"} {
		if rest := j.b[j.i:]; len(rest) >= len(word) && string(rest[:len(word)]) == word {
			j.i += len(word)
			return true
		}
	}
	return false
}

// string reads the string at b[i], which is a quote. The slice is b's or text's. Whether it is UTF-8, rows checks.
func (j *jsonReader) string() ([]byte, bool) {
	start := j.i + 1
	end := plainRun(j.b, start)
	if end < len(j.b) && j.b[end] == '"' {
		j.i = end + 1
		return j.b[start:end], true
	}
	return j.unescape(start, end)
}

// plainRun gives the first place at or after i that is a quote, a backslash or a control character, or the end.
func plainRun(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		// Each term sets the high bit of a byte that is below 0x20, a quote, or a backslash. A borrow may set it in a
		// byte after one found, never before: the lowest is right.
		quotes, slashes := w^(ones*'"'), w^(ones*'\\')
		found := ((w-ones*0x20)&^w | (quotes-ones)&^quotes | (slashes-ones)&^slashes) & highs
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// unescape is the slow path of string: b[start:i] is plain, b[i] is not.
func (j *jsonReader) unescape(start, i int) ([]byte, bool) {
	from := len(j.text)
	for {
		j.text = append(j.text, j.b[start:i]...)
		j.i = i
		switch {
		case i == len(j.b):
			return nil, j.syntax("the closing quote of a string")
		case j.b[i] == '"':
			j.i++
			return j.text[from:], true
		case j.b[i] != '\\':
			return nil, j.syntax("an escape such as \\n for a control character in a string")
		}
		if !j.escape() {
			return nil, false
		}
		start = j.i
		i = plainRun(j.b, start)
	}
}

// escape reads the escape at b[i] into text.
func (j *jsonReader) escape() bool {
	const plain, meaning = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if j.i+1 == len(j.b) {
		j.i++
		return j.syntax("an escape")
	}
	c := j.b[j.i+1]
	for k := range len(plain) {
		if plain[k] == c {
			j.text = append(j.text, meaning[k])
			j.i += 2
			return true
		}
	}
	if c != 'u' {
		return j.syntax(`one of the escapes \" \\ \/ \b \f \n \r \t \uXXXX`)
	}
	r, ok := hex4(j.b[j.i+2:])
	if !ok {
		return j.syntax("four hexadecimal digits after \\u")
	}
	size := 6
	if utf16.IsSurrogate(r) {
		low, ok := rune(0), false
		if rest := j.b[j.i+6:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
			low, ok = hex4(rest[2:])
		}
		if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
			return j.syntax("a whole pair of surrogates: half of one is no character")
		}
		size = 12
	}
	j.text = utf8.AppendRune(j.text, r)
	j.i += size
	return true
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case isDigit(c):
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// list sets a field to the array at b[i], as the text of its JSON: without white space, strings with the fewest
// escapes and numbers in their shortest form, so that one array is one item whoever wrote it.
func (j *jsonReader) list(name []byte) bool {
	start := j.i
	switch deep, ok := j.skip(arrayDepth); {
	case deep:
		return j.r.fail("field %s holds an array of more than %d levels", quote(name), arrayDepth)
	case !ok:
		j.broken = true
		return j.r.fail("field %s: invalid JSON in the array that begins at byte %d of the %s", quote(name), start-j.base, j.where)
	}
	end, out := j.i, j.array[:0]
	for j.i = start; j.i < end; {
		// No need to write what is too long already.
		if len(out) > j.r.limits.StringBytes {
			break
		}
		switch c := j.space(); c {
		case '"':
			mark := len(j.text)
			v, ok := j.string()
			if !ok {
				return false
			}
			if !utf8.Valid(v) {
				return j.r.fail("field %s holds an array with a string that is not valid UTF-8: %s", quote(name), quote(v))
			}
			out = appendQuoted(out, v)
			j.text = j.text[:mark]
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			n, after, v := scanNumber(j.b, j.i)
			if v != numberGood {
				return j.r.fail("field %s holds an array with %s, which %s", quote(name), quote(j.b[j.i:after]), v)
			}
			if j.i = after; n.whole {
				out = IntValue(n.i).AppendJSON(out)
			} else {
				out = FloatValue(n.f).AppendJSON(out)
			}
		default:
			out = append(out, c)
			j.i++
		}
	}
	j.array = out
	return j.r.string(name, out)
}

// skip passes the value at b[i] if it is valid JSON of at most so many levels, whatever a field could hold of it.
func (j *jsonReader) skip(levels int) (deep, ok bool) {
	start, depth := j.i, 0
	for {
		switch c := j.space(); c {
		case 0:
			return false, false
		case '[', '{':
			if depth++; depth > levels {
				return true, false
			}
			j.i++
		case ']', '}':
			depth--
			j.i++
		case ',', ':':
			j.i++
		case '"':
			for j.i = plainRun(j.b, j.i+1); j.i < len(j.b) && j.b[j.i] != '"'; {
				if j.b[j.i] != '\\' {
					return false, false
				}
				j.i = plainRun(j.b, min(j.i+2, len(j.b)))
			}
			if j.i++; j.i > len(j.b) {
				j.i--
				return false, false
			}
		case 't', 'f', 'n':
			// fastjson would put all that follows a wrong word into its error, once a level.
			if !j.literal() {
				return false, false
			}
		default:
			_, end, v := scanNumber(j.b, j.i)
			if v == numberMalformed {
				return false, false
			}
			j.i = end
		}
		if depth <= 0 {
			return false, depth == 0 && fastjson.ValidateBytes(j.b[start:j.i]) == nil
		}
	}
}

// syntax makes the event bad because the JSON is: wanted should have stood at b[i].
func (j *jsonReader) syntax(wanted string) bool {
	j.broken = true
	return j.r.fail("invalid JSON at byte %d of the %s: %s, expected %s", j.i-j.base, j.where, j.found(), wanted)
}

// found shows what stands at b[i].
func (j *jsonReader) found() string {
	if j.i >= len(j.b) {
		return "the end"
	}
	_, size := utf8.DecodeRune(j.b[j.i:])
	return quote(j.b[j.i : j.i+size])
}
