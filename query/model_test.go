package query

// A dumb model: it keeps every event and answers exactly, the slow way.

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// fact is one event. Fields are JSON as a user writes it; what an event does
// not have is null.
type fact struct {
	time   int64
	fields map[string]string
}

// canonical is how answers write a value: 1.0 and 1 are one item.
func canonical(text string) string {
	switch text {
	case "":
		return "null"
	case "1.0", "1e0":
		return "1"
	}
	return text
}

func (f fact) value(field string) string { return canonical(f.fields[field]) }

// item is the value of a field, or an array of several; "" where it is null.
func (f fact) item(of []string) string {
	if len(of) == 1 {
		if v := f.value(of[0]); v != "null" {
			return v
		}
		return ""
	}
	parts, any := make([]string, len(of)), false
	for i, field := range of {
		parts[i] = f.value(field)
		any = any || parts[i] != "null"
	}
	if !any {
		return ""
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func (f fact) number(field string) (float64, bool) {
	var v any
	if json.Unmarshal([]byte(canonical(f.fields[field])), &v) != nil {
		return 0, false
	}
	x, ok := v.(float64)
	return x, ok
}

func (f fact) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"time":%d`, f.time)
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range f.fields {
			if !yield(name) {
				return
			}
		}
	}) {
		fmt.Fprintf(&b, `,%q:%s`, name, f.fields[name])
	}
	return b.String() + "}"
}

// model answers about facts.
type model []fact

func (m model) filter(keep func(fact) bool) model {
	var out model
	for _, f := range m {
		if keep(f) {
			out = append(out, f)
		}
	}
	return out
}

// key keeps the facts of one key; nil: all.
func (m model) key(by, key []string) model {
	if key == nil {
		return m
	}
	return m.filter(func(f fact) bool {
		for i, field := range by {
			if f.value(field) != canonical(key[i]) {
				return false
			}
		}
		return true
	})
}

func (m model) within(from, to int64) model {
	return m.filter(func(f fact) bool { return f.time >= from && f.time < to })
}

func (m model) greatest() int64 {
	greatest := int64(math.MinInt64)
	for _, f := range m {
		greatest = max(greatest, f.time)
	}
	return greatest
}

// weights sums up by item; weight "" counts. Events whose weight is not a
// number of at least 0 are tallied as ignored.
func (m model) weights(of []string, weight string) (sums map[string]float64, ignored uint64) {
	sums = map[string]float64{}
	for _, f := range m {
		item := f.item(of)
		if item == "" {
			continue
		}
		w := 1.0
		if weight != "" {
			x, ok := f.number(weight)
			if w = math.Round(x); !ok || w < 0 || x < 0 {
				ignored++
				continue
			}
		}
		sums[item] += w
	}
	return sums, ignored
}

func (m model) decayed(of string, halfLife float64, at int64) (sum, magnitude float64) {
	for _, f := range m {
		if x, ok := f.number(of); ok {
			part := x * math.Exp2(-float64(at-f.time)/halfLife)
			sum, magnitude = sum+part, magnitude+math.Abs(part)
		}
	}
	return sum, magnitude
}

const (
	minute = int64(60_000)
	began  = int64(1_700_000_040_000) // on a whole minute, not on a whole hour
)

// draw makes facts over two hours, mostly in order, with values of every type,
// nulls, missing fields, weights that cannot be used, few hot and many cold items.
func draw(seed uint64, n int) model {
	r := rand.New(rand.NewPCG(seed, 17))
	groups := []string{`"a"`, `"a"`, `"a"`, `"b"`, `1`, `1.0`, `"1"`, `null`, ``, `"null"`, `true`, `"é\n"`}
	hot := rand.NewZipf(r, 1.3, 1, 1500)
	m := make(model, n)
	for i := range m {
		f := fact{time: began + int64(i)*120*minute/int64(n), fields: map[string]string{}}
		if r.IntN(10) == 0 {
			f.time = max(began, f.time-r.Int64N(20*minute))
		}
		set := func(name, value string) {
			if value != "" {
				f.fields[name] = value
			}
		}
		set("g", groups[r.IntN(len(groups))])
		set("h", []string{`"x"`, `2`, ``}[r.IntN(3)])
		k := hot.Uint64()
		set("item", []string{fmt.Sprintf("%q", fmt.Sprint("i", k)), fmt.Sprint(k), "", `"1"`, "1.0", "true"}[[]int{0, 0, 0, 0, 0, 1, 2, 3, 4, 5}[r.IntN(10)]])
		set("other", []string{`"o"`, "null", `3.5`}[r.IntN(3)])
		set("w", []string{fmt.Sprint(r.IntN(50)), "2.6", "-3", "null", `"7"`, "", "0"}[r.IntN(7)])
		set("x", []string{fmt.Sprint(r.IntN(100)), fmt.Sprint(-r.IntN(100)), "0.25", "null", `"9"`}[r.IntN(5)])
		m[i] = f
	}
	return m
}

func (m model) lines() []string {
	out := make([]string, len(m))
	for i, f := range m {
		out[i] = f.line()
	}
	return out
}
