package event

// Access logs of web servers, in Common or Combined Log Format.

import (
	"bytes"
	"unicode/utf8"
)

// The fields of a line, in order. The second word of a line, the identity by RFC 1413, is not kept: nobody sends it.
var accessLogFields = struct {
	host, user, time, method, path, query, protocol, status, bytes, referer, agent []byte
}{
	[]byte("host"), []byte("user"), []byte("time"), []byte("method"), []byte("path"), []byte("query"), []byte("protocol"),
	[]byte("status"), []byte("bytes"), []byte("referer"), []byte("agent"),
}

// accessLogReader takes a line apart.
type accessLogReader struct {
	r    *rows
	line []byte // what is left of the line
	text []byte // quoted parts with escapes, unescaped
}

// decodeAccessLog reads a line an event. Lines end in LF or CRLF; blank ones are skipped.
//
// A "-" is null. Logs hold what strangers sent, in any encoding: bytes that are not UTF-8 become U+FFFD, because refusing
// the line would refuse a request that did happen.
func decodeAccessLog(r *rows) error {
	a := accessLogReader{r: r}
	for at := 0; at < len(r.body); {
		end, next := len(r.body), len(r.body)
		if n := bytes.IndexByte(r.body[at:], '\n'); n >= 0 {
			end, next = at+n, at+n+1
		}
		line := r.body[at:end]
		for n := len(line); n > 0 && (line[n-1] == '\r' || line[n-1] == ' ' || line[n-1] == '\t'); n-- {
			line = line[:n-1]
		}
		if len(line) > 0 {
			if !r.begin() {
				return nil
			}
			a.line, a.text = line, a.text[:0]
			a.event()
			r.end(at)
		}
		at = next
	}
	return nil
}

// event reads host ident user [time] "request" status bytes, and "referer" "agent" where they follow.
func (a *accessLogReader) event() bool {
	f := &accessLogFields
	host, ok := a.word("the host")
	if !ok || !a.string(f.host, host) {
		return false
	}
	if _, ok = a.word("the second word, which is - or the identity of the client,"); !ok {
		return false
	}
	// Names of users may hold spaces; what ends them is the bracket of the time.
	end := bytes.Index(a.line, []byte(" ["))
	if end < 1 {
		return a.r.fail("no user and [time] after the second word: %s", quote(a.line))
	}
	if !a.string(f.user, a.line[:end]) {
		return false
	}
	a.line = a.line[end+2:]
	if end = bytes.IndexByte(a.line, ']'); end < 0 {
		return a.r.fail("the bracket of [time] is not closed: %s", quote(a.line))
	}
	moment := a.line[:end]
	if _, ok := parseAccessLogTime(moment); !ok && string(moment) != "-" {
		return a.r.fail("%s is not the time of an access log, such as 01/Aug/1995:04:00:01 +0000", quote(moment))
	}
	a.line = a.line[end+1:]
	if !a.string(f.time, moment) || !a.space("[time]") || !a.request() || !a.space("the request line") {
		return false
	}
	if !a.number(f.status, "status") || !a.space("the status") || !a.number(f.bytes, "bytes") {
		return false
	}
	if len(a.line) == 0 {
		return a.r.null(f.referer) && a.r.null(f.agent)
	}
	if !a.space("the bytes") || !a.quotedString(f.referer) || !a.space("the referer") || !a.quotedString(f.agent) {
		return false
	}
	if len(a.line) > 0 {
		return a.r.fail("%s after the agent: a line is of Common or Combined Log Format", quote(a.line))
	}
	return true
}

// string sets a field: null for "-", and with U+FFFD in place of what is not UTF-8.
func (a *accessLogReader) string(name, v []byte) bool {
	if len(v) == 1 && v[0] == '-' {
		return a.r.null(name)
	}
	if !utf8.Valid(v) {
		v = bytes.ToValidUTF8(v, []byte("\ufffd"))
	}
	return a.r.string(name, v)
}

// word takes what stands before the next space.
func (a *accessLogReader) word(what string) ([]byte, bool) {
	end := bytes.IndexByte(a.line, ' ')
	if end < 1 {
		return nil, a.r.fail("%s is not followed by a space: %s", what, quote(a.line))
	}
	word := a.line[:end]
	a.line = a.line[end+1:]
	return word, true
}

func (a *accessLogReader) space(after string) bool {
	if len(a.line) == 0 || a.line[0] != ' ' {
		return a.r.fail("%s should be followed by a space and more: %s", after, quote(a.line))
	}
	a.line = a.line[1:]
	return true
}

// number takes digits, or "-".
func (a *accessLogReader) number(name []byte, what string) bool {
	end := bytes.IndexByte(a.line, ' ')
	if end < 0 {
		end = len(a.line)
	}
	word := a.line[:end]
	a.line = a.line[end:]
	if string(word) == "-" {
		return a.r.null(name)
	}
	n := int64(0)
	if len(word) == 0 || len(word) > 18 || what == "status" && len(word) != 3 {
		return a.r.fail("%s is neither a %s nor -", quote(word), what)
	}
	for _, c := range word {
		if !isDigit(c) {
			return a.r.fail("%s is neither a %s nor -", quote(word), what)
		}
		n = n*10 + int64(c-'0')
	}
	return a.r.int(name, n)
}

// quotedString takes a quoted part as a field.
func (a *accessLogReader) quotedString(name []byte) bool {
	v, ok := a.quoted()
	return ok && a.string(name, v)
}

// request takes the quoted request line: a method, a path with or without a query, and a protocol, which HTTP 0.9 leaves
// out. Anything else is malformed; only "-" stands for a request that never came.
func (a *accessLogReader) request() bool {
	v, ok := a.quoted()
	if !ok {
		return false
	}
	f := &accessLogFields
	if string(v) == "-" {
		return a.r.null(f.method) && a.r.null(f.path) && a.r.null(f.query) && a.r.null(f.protocol)
	}
	method, rest, _ := bytes.Cut(v, []byte{' '})
	path, protocol, versioned := bytes.Cut(rest, []byte{' '})
	if !isToken(method) || len(path) == 0 || bytes.HasPrefix(path, []byte("HTTP/")) ||
		versioned && (!bytes.HasPrefix(protocol, []byte("HTTP/")) || bytes.IndexByte(protocol, ' ') >= 0) {
		return a.r.fail("malformed request line %s: it should read METHOD PATH PROTOCOL", quote(v))
	}
	path, query, asked := bytes.Cut(path, []byte{'?'})
	// A path or query that is the one character - is meant as it stands.
	if !a.r.string(f.method, method) || !a.r.string(f.path, a.readable(path)) {
		return false
	}
	if asked && !a.r.string(f.query, a.readable(query)) || !asked && !a.r.null(f.query) {
		return false
	}
	if !versioned {
		return a.r.null(f.protocol)
	}
	return a.r.string(f.protocol, a.readable(protocol))
}

func (a *accessLogReader) readable(v []byte) []byte {
	if utf8.Valid(v) {
		return v
	}
	return bytes.ToValidUTF8(v, []byte("\ufffd"))
}

// isToken says whether b is what RFC 9110 lets a method be.
func isToken(b []byte) bool {
	for _, c := range b {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && !isDigit(c) && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) < 0 {
			return false
		}
	}
	return len(b) > 0
}

// quoted takes a part in quotes and undoes the escapes that Apache and nginx write: \" \\ \b \n \r \t \v and \xHH.
// A backslash before anything else stands for itself.
func (a *accessLogReader) quoted() ([]byte, bool) {
	if len(a.line) == 0 || a.line[0] != '"' {
		return nil, a.r.fail("a part in quotes should begin here: %s", quote(a.line))
	}
	b := a.line[1:]
	// Fast path: no escape before the closing quote.
	end := bytes.IndexByte(b, '"')
	if end >= 0 && bytes.IndexByte(b[:end], '\\') < 0 {
		a.line = b[end+1:]
		return b[:end], true
	}
	from := len(a.text)
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '"' {
			a.line = b[i+1:]
			return a.text[from:], true
		}
		if c == '\\' && i+1 < len(b) {
			const plain, meaning = `"\bnrtv`, "\"\\\b\n\r\t\v"
			if k := bytes.IndexByte([]byte(plain), b[i+1]); k >= 0 {
				c = meaning[k]
				i++
			} else if v, ok := hexByte(b[i+1:]); ok {
				c = v
				i += 3
			}
		}
		a.text = append(a.text, c)
	}
	return nil, a.r.fail("a quote is not closed: %s", quote(a.line))
}

// hexByte reads xHH.
func hexByte(b []byte) (byte, bool) {
	if len(b) < 3 || b[0] != 'x' {
		return 0, false
	}
	r, ok := hex4([]byte{'0', '0', b[1], b[2]})
	return byte(r), ok
}
