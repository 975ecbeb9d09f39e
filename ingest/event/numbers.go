package event

// Numbers as JSON writes them, read without allocation; CSV fields are tried with the same rules.

import (
	"errors"
	"strconv"
)

// number is a number read from text: an int64 or a finite float64.
type number struct {
	whole bool
	i     int64
	f     float64
}

// verdict says what a text is as a number.
type verdict uint8

const (
	numberGood      verdict = iota
	numberMalformed         // not what JSON calls a number
	numberTooBig            // beyond float64
	numberInexact           // an integer beyond int64 whose digits a float64 would lose
)

// String is what a fault says after the number.
func (v verdict) String() string {
	switch v {
	case numberTooBig:
		return "is beyond a 64-bit float: send it as a string"
	case numberInexact:
		return "is an integer beyond 64 bits whose digits a float would lose: send it as a string"
	case numberMalformed:
		return "is not a number"
	}
	return "is a number"
}

// scanNumber reads the number that begins at b[at] and gives where it ends. What stands after it is the caller's to judge:
// of 01 it reads 0. When malformed, end is the byte that does not belong.
//
// An integer beyond int64 becomes a float when the float gives the same digits back, as those do that a program printed
// from a float (100000000000000000000), and is refused otherwise: identifiers must not merge for want of digits.
func scanNumber(b []byte, at int) (n number, end int, v verdict) {
	i := at
	negative := i < len(b) && b[i] == '-'
	if negative {
		i++
	}
	first := i
	u := uint64(0)
	if i < len(b) && b[i] == '0' {
		i++
	} else {
		for ; i < len(b) && isDigit(b[i]); i++ {
			u = u*10 + uint64(b[i]-'0')
		}
	}
	if i == first {
		return n, i, numberMalformed
	}
	if i == len(b) || (b[i] != '.' && b[i]|0x20 != 'e') {
		// Fast path: 18 digits cannot overflow.
		if i-first <= 18 {
			if negative {
				return number{whole: true, i: -int64(u)}, i, numberGood
			}
			return number{whole: true, i: int64(u)}, i, numberGood
		}
		n, v = wideInteger(b[at:i])
		return n, i, v
	}
	if b[i] == '.' {
		i++
		if i == len(b) || !isDigit(b[i]) {
			return n, i, numberMalformed
		}
		for i < len(b) && isDigit(b[i]) {
			i++
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if i == len(b) || !isDigit(b[i]) {
			return n, i, numberMalformed
		}
		for i < len(b) && isDigit(b[i]) {
			i++
		}
	}
	// The conversion stays on the stack for up to 32 bytes, as strconv does not keep its argument.
	f, err := strconv.ParseFloat(string(b[at:i]), 64)
	if err != nil {
		return n, i, numberTooBig
	}
	return number{f: f}, i, numberGood
}

// wideInteger reads an integer of more than 18 digits.
func wideInteger(text []byte) (number, verdict) {
	// 309 digits are the most of a finite float64.
	if len(text) > 310 {
		return number{}, numberTooBig
	}
	i, err := strconv.ParseInt(string(text), 10, 64)
	if err == nil {
		return number{whole: true, i: i}, numberGood
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if errors.Is(err, strconv.ErrRange) {
		return number{}, numberTooBig
	}
	var digits [320]byte
	if string(strconv.AppendFloat(digits[:0], f, 'f', -1, 64)) == string(text) || string(strconv.AppendFloat(digits[:0], f, 'f', 0, 64)) == string(text) {
		return number{f: f}, numberGood
	}
	return number{}, numberInexact
}

// wholeNumber reads text that is one JSON number from end to end.
func wholeNumber(text []byte) (number, verdict) {
	n, end, v := scanNumber(text, 0)
	if end != len(text) {
		v = numberMalformed
	}
	return n, v
}
