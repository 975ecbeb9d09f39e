package event

import "time"

// This file recognises and restores columns that repeat the event time as text.

// timeText writes Unix ms as canonical RFC 3339 in UTC: 2006-01-02T15:04:05.000Z or, without
// a fraction, 2006-01-02T15:04:05Z. It remembers the day, which rarely changes.
type timeText struct {
	day  int64
	held bool
	text [24]byte
}

// Lengths of the two forms.
const (
	timeMillisLength  = 24
	timeSecondsLength = 20
)

// The span of years that four digits write: 0000-01-01 to 9999-12-31, in Unix ms.
const (
	leastTextTime    = -62167219200000
	greatestTextTime = 253402300799999
)

// format returns the text of a time, valid until the next call, or nil when the form with
// that length cannot express it.
func (t *timeText) format(ms int64, length int) []byte {
	if ms < leastTextTime || ms > greatestTextTime {
		return nil
	}
	const dayMillis = 24 * 60 * 60 * 1000
	day, rest := ms/dayMillis, ms%dayMillis
	if rest < 0 {
		day, rest = day-1, rest+dayMillis
	}
	if !t.held || day != t.day {
		time.UnixMilli(day*dayMillis).UTC().AppendFormat(t.text[:0], "2006-01-02T")
		t.day, t.held = day, true
	}
	seconds, millis := rest/1000, rest%1000
	t.put2(11, seconds/3600, ':')
	t.put2(14, seconds/60%60, ':')
	if length == timeSecondsLength {
		t.put2(17, seconds%60, 'Z')
		if millis != 0 {
			return nil
		}
		return t.text[:timeSecondsLength]
	}
	t.put2(17, seconds%60, '.')
	t.text[20] = byte('0' + millis/100)
	t.put2(21, millis%100, 'Z')
	return t.text[:]
}

// put2 writes two digits and what follows them.
func (t *timeText) put2(at int, v int64, next byte) {
	t.text[at], t.text[at+1], t.text[at+2] = byte('0'+v/10), byte('0'+v%10), next
}

// repeatsTimes says whether every string of the column is the canonical text of its row's
// event time, and if so in which of the two forms: its length, else 0.
func repeatsTimes(c *Column, times []int64) int {
	var t timeText
	length := 0
	for row, kind := range c.Kinds {
		if kind != String {
			continue
		}
		text := c.text(c.Bits[row])
		if length == 0 {
			length = len(text)
			if length != timeMillisLength && length != timeSecondsLength {
				return 0
			}
		}
		if len(text) != length || string(text) != string(t.format(times[row], length)) {
			return 0
		}
	}
	return length
}

// restoreTimes sets the column's strings to the text of their rows' event times; false
// when a time has no such text.
func restoreTimes(c *Column, times []int64, strings, length int) bool {
	var t timeText
	c.Bytes = make([]byte, 0, strings*length)
	for row, kind := range c.Kinds {
		if kind != String {
			continue
		}
		text := t.format(times[row], length)
		if text == nil {
			return false
		}
		c.Bits[row] = c.addText(text)
	}
	return true
}
