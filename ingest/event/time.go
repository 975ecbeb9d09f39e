package event

// Times and durations as text: what an event, a definition or a query may write, and the one form that is written back.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrTime is the error of a text that is no time or no duration.
var ErrTime = errors.New("not a time")

// Times are Unix milliseconds within the years 1 to 9999, which is what RFC 3339 can write.
const (
	leastTime    int64 = -62135596800000
	greatestTime int64 = 253402300799999
)

// ParseTime reads an event time: RFC 3339, Unix milliseconds or an access log's time.
// Days must exist in their month, hours end at 23 and seconds at 59; digits after the millisecond are cut off.
// The error wraps ErrTime and says what can be written.
func ParseTime(text string) (int64, error) {
	if t, ok := parseTime([]byte(text)); ok {
		return t, nil
	}
	return 0, fmt.Errorf("%w: %s; %s", ErrTime, quote([]byte(text)), timeForms)
}

// ParseMoment reads a time of a definition or a query: RFC 3339 or Unix milliseconds. The error wraps ErrTime.
func ParseMoment(text string) (int64, error) {
	b := []byte(text)
	if t, ok := parseRFC3339(b); ok {
		return t, nil
	}
	if t, ok := parseMillis(b); ok {
		return t, nil
	}
	return 0, fmt.Errorf("%w: %s; write RFC 3339 (2015-09-12T00:46:58Z) or Unix milliseconds (1442018818000)", ErrTime, quote(b))
}

const timeForms = "write RFC 3339 (2015-09-12T00:46:58.771Z), Unix milliseconds (1442018818771) or an access log's time (01/Aug/1995:04:00:01 +0000)"

// parseTime is ParseTime without the error, for the decoders' hot path.
func parseTime(b []byte) (int64, bool) {
	if len(b) > 4 && b[4] == '-' {
		return parseRFC3339(b)
	}
	if len(b) > 2 && b[2] == '/' {
		return parseAccessLogTime(b)
	}
	return parseMillis(b)
}

// parseRFC3339 takes what RFC 3339 section 5.6 takes, a lower-case t and z and a space between date and time included.
func parseRFC3339(b []byte) (int64, bool) {
	if len(b) < len("2006-01-02T15:04:05Z") || b[4] != '-' || b[7] != '-' || (b[10]|0x20 != 't' && b[10] != ' ') {
		return 0, false
	}
	century, year := twoDigits(b, 0), twoDigits(b, 2)
	if century > 99 || year > 99 {
		return 0, false
	}
	days, ok := daysSinceEpoch(century*100+year, twoDigits(b, 5), twoDigits(b, 8))
	if !ok {
		return 0, false
	}
	seconds, ok := clock(b[11:])
	if !ok {
		return 0, false
	}
	b = b[19:]
	millis := int64(0)
	if b[0] == '.' {
		n, scale := 1, int64(100)
		for ; n < len(b) && isDigit(b[n]); n++ {
			millis += int64(b[n]-'0') * scale
			scale /= 10
		}
		if n == 1 || n == len(b) {
			return 0, false
		}
		b = b[n:]
	}
	offset := int64(0)
	if len(b) != 1 || b[0]|0x20 != 'z' {
		if len(b) != len("+00:00") || b[3] != ':' {
			return 0, false
		}
		if offset, ok = zone(b[0], twoDigits(b, 1), twoDigits(b, 4)); !ok {
			return 0, false
		}
	}
	return inRange((days*86400+seconds-offset)*1000 + millis)
}

// parseAccessLogTime takes the time of Common Log Format, 01/Aug/1995:04:00:01 +0000.
func parseAccessLogTime(b []byte) (int64, bool) {
	if len(b) != len("02/Jan/2006:15:04:05 -0700") || b[2] != '/' || b[6] != '/' || b[11] != ':' || b[20] != ' ' {
		return 0, false
	}
	century, year := twoDigits(b, 7), twoDigits(b, 9)
	if century > 99 || year > 99 {
		return 0, false
	}
	days, ok := daysSinceEpoch(century*100+year, monthByName(b[3:6]), twoDigits(b, 0))
	if !ok {
		return 0, false
	}
	seconds, ok := clock(b[12:])
	if !ok {
		return 0, false
	}
	offset, ok := zone(b[21], twoDigits(b, 22), twoDigits(b, 24))
	if !ok {
		return 0, false
	}
	return inRange((days*86400 + seconds - offset) * 1000)
}

// parseMillis takes a decimal integer, with a minus for times before 1970.
func parseMillis(b []byte) (int64, bool) {
	digits := b
	if len(b) > 0 && b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 15 {
		return 0, false
	}
	t := int64(0)
	for _, c := range digits {
		if !isDigit(c) {
			return 0, false
		}
		t = t*10 + int64(c-'0')
	}
	if len(digits) < len(b) {
		t = -t
	}
	return inRange(t)
}

func inRange(t int64) (int64, bool) { return t, leastTime <= t && t <= greatestTime }

func isDigit(c byte) bool { return c-'0' <= 9 }

// twoDigits reads two digits at b[i:]; what is not two digits comes out greater than any range allows.
func twoDigits(b []byte, i int) int {
	hi, lo := b[i]-'0', b[i+1]-'0'
	if hi > 9 || lo > 9 {
		return 1000
	}
	return int(hi)*10 + int(lo)
}

// clock reads hh:mm:ss at the beginning of b, as seconds. Leap seconds are refused, as Unix time has no place for them.
func clock(b []byte) (int64, bool) {
	h, m, s := twoDigits(b, 0), twoDigits(b, 3), twoDigits(b, 6)
	if h > 23 || m > 59 || s > 59 || b[2] != ':' || b[5] != ':' {
		return 0, false
	}
	return int64(h*3600 + m*60 + s), true
}

// zone is the offset from UTC in seconds.
func zone(sign byte, h, m int) (int64, bool) {
	if h > 23 || m > 59 {
		return 0, false
	}
	offset := int64(h*3600 + m*60)
	switch sign {
	case '+':
		return offset, true
	case '-':
		return -offset, true
	}
	return 0, false
}

// daysBefore holds the days of a common year before each month, and at the end the days of the year.
var daysBefore = [13]int{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365}

// daysSinceEpoch counts days from 1970-01-01 in the proleptic Gregorian calendar. Not ok for a day that does not exist.
func daysSinceEpoch(year, month, day int) (int64, bool) {
	if year < 1 || month < 1 || month > 12 || day < 1 {
		return 0, false
	}
	leap := 0
	if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		leap = 1
	}
	length := daysBefore[month] - daysBefore[month-1]
	if month == 2 {
		length += leap
	}
	if day > length {
		return 0, false
	}
	const epoch = 719162 // days from 0001-01-01 to 1970-01-01
	y := year - 1
	days := y*365 + y/4 - y/100 + y/400 + daysBefore[month-1] + day - 1 - epoch
	if month > 2 {
		days += leap
	}
	return int64(days), true
}

// monthByName gives 1 to 12 for Jan to Dec in any case, 0 for anything else.
func monthByName(b []byte) int {
	const names = "janfebmaraprmayjunjulaugsepoctnovdec"
	name := [3]byte{b[0] | 0x20, b[1] | 0x20, b[2] | 0x20}
	for i := 0; i < len(names); i += 3 {
		if names[i] == name[0] && names[i+1] == name[1] && names[i+2] == name[2] {
			return i/3 + 1
		}
	}
	return 0
}

// formatTime writes t as RFC 3339 in UTC, for messages.
func formatTime(t int64) string {
	return time.UnixMilli(t).UTC().Format("2006-01-02T15:04:05.999Z")
}

// Duration is a span of time that reads and writes itself as definitions and queries do: "90s", "5m", "24h", "30d", "1h30m", "250ms".
type Duration time.Duration

// ParseDuration reads a duration: days first, then what Go's durations take, such as 1d12h, 1h30m, 1.5s or 250ms; 0 needs no unit.
// Signs are refused: no setting of sketchlog means a time that runs backwards. The error wraps ErrTime.
func ParseDuration(text string) (time.Duration, error) {
	fail := func(why string) (time.Duration, error) {
		return 0, fmt.Errorf("%w: duration %s: %s", ErrTime, quote([]byte(text)), why)
	}
	if text == "0" {
		return 0, nil
	}
	if text == "" || strings.ContainsAny(text, "+-") {
		return fail("write a number and a unit (ms, s, m, h, d) without sign, such as 90s, 5m, 24h or 30d")
	}
	total, rest := time.Duration(0), text
	if days, after, found := strings.Cut(text, "d"); found {
		n, err := strconv.ParseUint(days, 10, 63)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return fail("days are a whole number and come first, as in 1d12h")
		}
		if err != nil || n > math.MaxInt64/uint64(day) {
			return fail("longer than the 106751 days that can be told")
		}
		total, rest = time.Duration(n)*day, after
	}
	if rest == "" {
		return total, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || rest == "0" {
		return fail("write a number and a unit (ms, s, m, h, d), such as 90s, 5m, 24h or 30d, of at most 106751 days")
	}
	if total+d < total {
		return fail("longer than the 106751 days that can be told")
	}
	return total + d, nil
}

const day = 24 * time.Hour

var durationUnits = [...]struct {
	name string
	span time.Duration
}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond}, {"ns", 1}}

// String is the shortest text that ParseDuration reads as d: 90m rather than 1h30m, 1d rather than 24h; the larger units where two are as short.
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	rest, sign := uint64(d), ""
	if d < 0 {
		rest, sign = -rest, "-"
	}
	best := ""
	for from := range durationUnits {
		text, left := "", rest
		for _, u := range durationUnits[from:] {
			if n := left / uint64(u.span); n > 0 {
				text += strconv.FormatUint(n, 10) + u.name
				left %= uint64(u.span)
			}
		}
		if best == "" || len(text) < len(best) {
			best = text
		}
	}
	return sign + best
}

// MarshalText writes String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	span, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = Duration(span)
	return nil
}

// UnmarshalJSON reads a string as ParseDuration does, and a bare 0. A null leaves d as it is, as in all of encoding/json.
func (d *Duration) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("null")):
		return nil
	case bytes.Equal(b, []byte("0")):
		*d = 0
		return nil
	case len(b) == 0 || b[0] != '"':
		return fmt.Errorf("%w: duration %s: write a string with a unit, such as \"90s\"", ErrTime, quote(b))
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("duration: %w", err)
	}
	return d.UnmarshalText([]byte(text))
}
