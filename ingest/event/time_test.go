package event

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	for text, want := range map[string]int64{
		"1970-01-01T00:00:00Z":                0,
		"2015-09-12T00:46:58.771Z":            1442018818771,
		"2015-09-12t00:46:58.771z":            1442018818771,
		"2015-09-12 00:46:58.771Z":            1442018818771,
		"2015-09-12T02:46:58.7719999+02:00":   1442018818771,
		"2015-09-11T19:16:58.7-05:30":         1442018818700,
		"2000-02-29T00:00:00Z":                951782400000,
		"0001-01-01T00:00:00Z":                leastTime,
		"9999-12-31T23:59:59.999999999Z":      greatestTime,
		"1969-12-31T23:59:59.999Z":            -1,
		"01/Aug/1995:04:00:01 +0000":          807249601000,
		"01/aug/1995:04:00:01 -0430":          807265801000,
		"0":                                   0,
		"-1":                                  -1,
		"1442018818771":                       1442018818771,
		"2015-09-12T00:46:58.00000000000001Z": 1442018818000,
	} {
		if got, err := ParseTime(text); err != nil || got != want {
			t.Errorf("ParseTime(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "-", "+5", "1.5", "1e3", "yesterday", "2015-09-12", "2015-09-12T00:46Z", "2015-09-12T00:46:58",
		"2015-09-12T00:46:58.Z", "2015-09-12T00:46:58.771", "2015-09-12T00:46:58,771Z", "2015-09-12T24:00:00Z", "2015-09-12T00:60:00Z",
		"2015-09-12T00:00:60Z", "2015-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2015-13-01T00:00:00Z", "2015-00-01T00:00:00Z",
		"2015-01-00T00:00:00Z", "2015-04-31T00:00:00Z", "0000-01-01T00:00:00Z", "2015-09-12T00:46:58+24:00", "2015-09-12T00:46:58+0000",
		"2015-09-12T00:46:58ZZ", "2015-09-12x00:46:58Z", "2015/09/12T00:46:58Z", "2015-09-12T00-46-58Z", "20a5-09-12T00:46:58Z",
		"9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01", "253402300800000", "9999999999999999", "99999999999999999999",
		"32/Aug/1995:04:00:01 +0000", "01/Avg/1995:04:00:01 +0000", "01/Aug/1995:04:00:01", "01/Aug/1995:04:00:01 0000", "01/Aug/1995 04:00:01 +0000",
		"1/Aug/1995:04:00:01 +0000", "01/Aug/1995:04:00:61 +0000", "01/Aug/1995:04:00:01 +2500",
	} {
		if got, err := ParseTime(text); !errors.Is(err, ErrTime) {
			t.Errorf("ParseTime(%q) = %d, %v; want ErrTime", text, got, err)
		}
	}
}

// The time package is the dumb version of the hand-written parser.
func TestParseTimeAgreesWithStandardLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		want := leastTime + random.Int64N(greatestTime-leastTime)
		at := time.UnixMilli(want).In(time.FixedZone("", (random.IntN(1439)-719)*60))
		if y := at.Year(); y < 1 || y > 9999 {
			continue
		}
		text := at.Format("2006-01-02T15:04:05.000Z07:00")
		if got, err := ParseTime(text); err != nil || got != want {
			t.Fatalf("ParseTime(%q) = %d, %v; want %d", text, got, err, want)
		}
		text = at.Format("02/Jan/2006:15:04:05 -0700")
		if got, err := ParseTime(text); err != nil || got != at.Unix()*1000 {
			t.Fatalf("ParseTime(%q) = %d, %v; want %d", text, got, err, at.Unix()*1000)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{"2015-09-12T00:46:58.771Z", "2015-09-12T00:46:58+02:00", "01/Aug/1995:04:00:01 +0000", "-1442018818771", "2015-02-29T00:00:00Z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseTime(text)
		if err != nil {
			if want, standard := time.Parse("2006-01-02T15:04:05Z07:00", text); standard == nil && len(text) > 10 && text[10] == 'T' && want.UnixMilli() >= leastTime && want.UnixMilli() <= greatestTime {
				// The standard library is the more lenient one: a comma before the fraction, hours of one digit, an offset of 24:00 and the year 0.
				if strict := want.Format("2006-01-02T15:04:05"); strict == text[:19] && text[len(text)-1] == 'Z' && text[19] != ',' {
					t.Fatalf("ParseTime(%q): %v", text, err)
				}
			}
			return
		}
		if got < leastTime || got > greatestTime {
			t.Fatalf("ParseTime(%q) = %d", text, got)
		}
		if again, err := ParseTime(formatTime(got)); err != nil || again != got {
			t.Fatalf("%q is %d, which is written %s, which is %d, %v", text, got, formatTime(got), again, err)
		}
	})
}

func TestParseMoment(t *testing.T) {
	if got, err := ParseMoment("2015-09-12T00:00:00Z"); err != nil || got != 1442016000000 {
		t.Errorf("%d, %v", got, err)
	}
	if got, err := ParseMoment("17"); err != nil || got != 17 {
		t.Errorf("%d, %v", got, err)
	}
	for _, text := range []string{"yesterday", "", "01/Aug/1995:04:00:01 +0000"} {
		if _, err := ParseMoment(text); !errors.Is(err, ErrTime) {
			t.Errorf("ParseMoment(%q): %v", text, err)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "90s": 90 * time.Second, "5m": 5 * time.Minute, "24h": day, "30d": 30 * day, "1h30m": 90 * time.Minute,
		"250ms": 250 * time.Millisecond, "1d12h": 36 * time.Hour, "1.5h": 90 * time.Minute, "106751d": 106751 * day, "100000d": 100000 * day,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "-5s", "+5s", "1d-5h", "d", "1.5d", "5h1d", "1d0", "1d5", "5 m", "5w", "106752d", "999999999999999999999d", "106751d24h", "3000000h", "1dd"} {
		if got, err := ParseDuration(text); !errors.Is(err, ErrTime) {
			t.Errorf("ParseDuration(%q) = %v, %v; want ErrTime", text, got, err)
		}
	}
	for want, d := range map[string]time.Duration{
		"0s": 0, "1d": day, "7d": 7 * day, "90m": 90 * time.Minute, "36h": 36 * time.Hour, "90s": 90 * time.Second, "1h1s": time.Hour + time.Second,
		"250ms": 250 * time.Millisecond, "1ns": 1, "1500us": 1500 * time.Microsecond, "-5m": -5 * time.Minute,
	} {
		if got := Duration(d).String(); got != want {
			t.Errorf("String of %v = %s, want %s", d, got, want)
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		d := time.Duration(random.Uint64() >> (1 + random.IntN(62)))
		if got, err := ParseDuration(Duration(d).String()); err != nil || got != d {
			t.Fatalf("%v is written %s, which reads as %v, %v", d, Duration(d), got, err)
		}
	}
}

func TestDurationJSON(t *testing.T) {
	var v struct{ A, B, C Duration }
	v.C = 5
	if err := json.Unmarshal([]byte(`{"A":"1h30m","B":0,"C":null}`), &v); err != nil || v.A != Duration(90*time.Minute) || v.B != 0 || v.C != 5 {
		t.Errorf("%+v, %v", v, err)
	}
	for _, text := range []string{`5`, `"5"`, `"-5s"`, `true`, `{}`, `"5s`} {
		var d Duration
		if err := d.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s was taken for %v", text, d)
		}
	}
	if b, err := json.Marshal(Duration(day)); err != nil || string(b) != `"1d"` {
		t.Errorf("%s, %v", b, err)
	}
}
