package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// This file defines the scalar values that fields of events hold, and their JSON form.

// Kind is the type of a value. The numbers are part of the wire format.
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	False
	True
	Int
	Float
	String
)

// kinds is how many kinds there are.
const kinds = 6

// Value is one scalar. The zero Value is null.
type Value struct {
	Kind Kind
	Bits uint64 // Int: the int64; Float: math.Float64bits; otherwise 0
	Text string // String only
}

// BoolValue returns the value of a boolean.
func BoolValue(v bool) Value {
	if v {
		return Value{Kind: True}
	}
	return Value{Kind: False}
}

// IntValue returns the value of an integer.
func IntValue(v int64) Value { return Value{Kind: Int, Bits: uint64(v)} }

// FloatValue returns the value of a number: an Int when v is a whole number within
// int64, so that 1 and 1.0 are one item, and null when v is not finite.
func FloatValue(v float64) Value {
	kind, bits := floatBits(v)
	return Value{Kind: kind, Bits: bits}
}

// StringValue returns the value of a string.
func StringValue(v string) Value { return Value{Kind: String, Text: v} }

// floatBits gives the kind and bits of a number as FloatValue describes.
func floatBits(v float64) (Kind, uint64) {
	// -0x1p63 is an int64, 0x1p63 is the first float past them. The comparison is false for NaN.
	if v >= -0x1p63 && v < 0x1p63 {
		if whole := int64(v); float64(whole) == v {
			return Int, uint64(whole)
		}
		return Float, math.Float64bits(v)
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Null, 0
	}
	return Float, math.Float64bits(v)
}

// Number returns the value as a float64; ok is false when it is not a number.
func (v Value) Number() (n float64, ok bool) {
	switch v.Kind {
	case Int:
		return float64(int64(v.Bits)), true
	case Float:
		return math.Float64frombits(v.Bits), true
	}
	return 0, false
}

// AppendJSON appends the value as JSON to dst and returns it.
func (v Value) AppendJSON(dst []byte) []byte {
	if v.Kind == String {
		return appendQuoted(dst, v.Text)
	}
	return appendScalar(dst, v.Kind, v.Bits)
}

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// UnmarshalJSON implements json.Unmarshaler: a JSON scalar, as ParseValue reads it.
func (v *Value) UnmarshalJSON(text []byte) error {
	parsed, err := ParseValue(string(text))
	if err == nil {
		*v = parsed
	}
	return err
}

// String returns the value as JSON.
func (v Value) String() string { return string(v.AppendJSON(nil)) }

// ErrNotScalar is returned for JSON that is not a null, boolean, number or string.
var ErrNotScalar = errors.New("event: not a JSON scalar")

// ParseValue reads one JSON scalar, as the decoders read it in an event: a number that a
// float cannot hold, an integer whose digits it would lose, and half of a pair of surrogates
// are refused, so that nothing is taken for what it is not.
func ParseValue(text string) (Value, error) {
	trimmed := strings.Trim(text, " \t\r\n")
	if !utf8.ValidString(trimmed) || !json.Valid([]byte(trimmed)) {
		return Value{}, fmt.Errorf("%w: %.80q", ErrNotScalar, text)
	}
	switch trimmed[0] {
	case 'n':
		return Value{}, nil
	case 't', 'f':
		return BoolValue(trimmed[0] == 't'), nil
	case '"':
		if strings.Contains(trimmed, `\u`) && halfPair(trimmed) {
			return Value{}, fmt.Errorf("event: %.80s escapes half of a pair of surrogates, which is no character", trimmed)
		}
		var s string
		if err := json.Unmarshal([]byte(trimmed), &s); err != nil {
			return Value{}, fmt.Errorf("event: read JSON string: %w", err)
		}
		return StringValue(s), nil
	case '{', '[':
		return Value{}, fmt.Errorf("%w: %.80q", ErrNotScalar, text)
	}
	return parseNumber(trimmed)
}

// parseNumber reads a valid JSON number.
func parseNumber(text string) (Value, error) {
	n, v := wholeNumber([]byte(text))
	switch {
	case v != numberGood:
		return Value{}, fmt.Errorf("event: %.80s %s", text, v)
	case n.whole:
		return IntValue(n.i), nil
	}
	return FloatValue(n.f), nil
}

// halfPair says whether a valid JSON string escapes half of a pair of surrogates, which is no
// character; encoding/json makes it U+FFFD.
func halfPair(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if i++; text[i] != 'u' {
			continue
		}
		r, _ := hex4([]byte(text[i+1 : i+5])) // valid JSON has four digits here
		i += 4
		if !utf16.IsSurrogate(r) {
			continue
		}
		if !strings.HasPrefix(text[i+1:], `\u`) {
			return true
		}
		low, _ := hex4([]byte(text[i+3 : i+7]))
		if utf16.DecodeRune(r, low) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}

// ParseText reads text as people write keys and items: a JSON scalar where it reads as
// one (null, 42, "quoted"), else the text itself is the string. It agrees with what CSV makes
// of a field: white space around a number, and more digits than a number can have, make it a
// string.
func ParseText(text string) Value {
	if strings.Trim(text, " \t\r\n") != text {
		return StringValue(text)
	}
	if v, err := ParseValue(text); err == nil {
		return v
	}
	return StringValue(text)
}

// appendScalar appends a value that is not a string as JSON.
func appendScalar(dst []byte, kind Kind, bits uint64) []byte {
	switch kind {
	case False:
		return append(dst, "false"...)
	case True:
		return append(dst, "true"...)
	case Int:
		return strconv.AppendInt(dst, int64(bits), 10)
	case Float:
		return appendFloat(dst, math.Float64frombits(bits))
	}
	return append(dst, "null"...)
}

// appendFloat writes the shortest JSON number that reads back as f, in the form that
// ECMAScript and encoding/json use.
func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		// strconv writes at least two digits of exponent: e-09 becomes e-9.
		if n := len(dst); n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
			dst[n-2] = dst[n-1]
			dst = dst[:n-1]
		}
		return dst
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

const hexDigits = "0123456789abcdef"

// appendQuoted appends s as a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendQuoted[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0 // of the run that needs no escape
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			_, size := decodeRune(s[i:])
			if size > 1 {
				i += size
				continue
			}
			dst = append(append(dst, s[start:i]...), "\ufffd"...)
			i++
			start = i
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = appendEscape(append(dst, s[start:i]...), c)
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// appendEscape appends the escape of an ASCII character that cannot stand in a JSON string.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// decodeRune is utf8.DecodeRune for the first rune of either a string or a slice. A size
// of 1 for a byte that is no ASCII says that it is no UTF-8.
func decodeRune[T string | []byte](s T) (rune, int) {
	var lead [utf8.UTFMax]byte
	n := copy(lead[:], s)
	return utf8.DecodeRune(lead[:n])
}
