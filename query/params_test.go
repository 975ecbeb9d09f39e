package query

// Questions as they are asked: parameters, JSON, choice of a sketch.

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"sketchlog/ingest/event"
	"sketchlog/ingest/view"
)

func TestParametersAreChecked(t *testing.T) {
	for _, c := range []struct{ question, parameters, why string }{
		{Distinct, "item=x", `takes no parameter "item"`},
		{Distinct, "k=3", `takes no parameter "k"`},
		{Count, "at=0", `takes no parameter "at"`},
		{Count, "KEY=a", `takes no parameter "KEY"`},
		{Count, "sketch=a", "takes no sketch"},
		{"median", "", "not one of"},
		{Frequency, "", "at least one item"},
		{Contains, "key=a", "at least one item"},
		{TopK, "k=0", "k must lie between"},
		{TopK, "k=-1", "k must lie between"},
		{TopK, "k=100001", "k must lie between"},
		{TopK, "k=99999999999999999999", "not a whole number"},
		{TopK, "k=1.5", "not a whole number"},
		{TopK, "k=", "k is empty"},
		{TopK, "k=1&k=2", "given 2 times"},
		{Sample, "n=0", "n must lie between"},
		{Sample, "n=1000001", "n must lie between"},
		{Count, "confidence=0", "between 0 and 1"},
		{Count, "confidence=1", "between 0 and 1"},
		{Count, "confidence=NaN", "between 0 and 1"},
		{Count, "confidence=Inf", "between 0 and 1"},
		{Count, "confidence=-0.5", "between 0 and 1"},
		{Count, "confidence=x", "not a number"},
		{Count, "strict=yes", "neither true nor false"},
		{Count, "window=0", "longer than 0"},
		{Count, "window=-5m", "window"},
		{Count, "window=5", "window"},
		{Count, "window=999999999d", "window"},
		{Count, "window=1m&from=0", "stands alone"},
		{Count, "window=1m&to=0", "stands alone"},
		{Count, "from=5&to=5", "from must lie before to"},
		{Count, "from=6&to=5", "from must lie before to"},
		{Count, "from=yesterday", "from"},
		{Count, "to=2015-13-01T00:00:00Z", "to"},
		{Count, "to=9223372036854775807", "to"},
		{Count, "from=-9223372036854775808", "from"},
		{Sum, "at=now", "at"},
		{strings.Repeat("q", 5000), "", "…"},
		{Count, strings.Repeat("p", 5000) + "=1", "…"},
	} {
		n := node{t: t}
		_, err := Params("v", c.question, n.parameters(c.parameters))
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.why) || len(err.Error()) > 1000 {
			t.Errorf("%.20s?%.60s: %.300v, want %q", c.question, c.parameters, err, c.why)
		}
	}
	_, err := Params("v", Contains, map[string][]string{"item": make([]string, maxItems+1)})
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "too many") {
		t.Errorf("%d items: %v", maxItems+1, err)
	}
	_, err = Params("v", TopK, map[string][]string{"k": {"x"}, "from": {"y"}, "item": {"z"}, "confidence": {"w"}})
	for _, part := range []string{"k:", "from:", `"item"`, "confidence:"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
}

func TestEveryParameterArrives(t *testing.T) {
	n := node{t: t}
	from, to, when := int64(0), int64(1442018818000), int64(5)
	for _, c := range []struct {
		question, parameters, body string
		want                       Question
	}{
		{Distinct, "", `{"view": "v", "question": "distinct"}`, Question{}},
		{Distinct, "key=a&key=null&sketch=s&window=90s&confidence=0.5&strict=true", `{"view": "v", "question": "distinct", "key": ["a", null], "sketch": "s", "window": "90s", "confidence": 0.5, "strict": true}`,
			Question{Key: []Term{{}, {}}, Sketch: "s", Window: 90 * time.Second, Confidence: 0.5, Strict: true}},
		{Count, "from=1970-01-01T00:00:00Z&to=1442018818000", `{"view": "v", "question": "count", "from": "1970-01-01T00:00:00Z", "to": 1442018818000, "window": null, "at": null}`, Question{From: &from, To: &to}},
		{TopK, "k=3", `{"view": "v", "question": "topk", "k": 3}`, Question{K: 3}},
		{Sample, "n=7", `{"view": "v", "question": "sample", "n": 7}`, Question{N: 7}},
		{Sum, "at=5", `{"view": "v", "question": "sum", "at": "5"}`, Question{At: &when}},
		{Frequency, "item=a&item=b", `{"view": "v", "question": "frequency", "items": ["a", "b"]}`, Question{Items: []Term{{}, {}}}},
		{Frequency, "item=a", `{"view": "v", "question": "frequency", "item": "a"}`, Question{Items: []Term{{}}}},
	} {
		c.want.View, c.want.Question = "v", c.question
		if c.want.K == 0 {
			c.want.K = 10
		}
		if c.want.N == 0 {
			c.want.N = 10
		}
		if c.want.Confidence == 0 {
			c.want.Confidence = 0.95
		}
		q, err := Params("v", c.question, n.parameters(c.parameters))
		n.must(err)
		b, err := FromJSON([]byte(c.body))
		n.must(err)
		for i := range max(len(q.Key), len(b.Key)) {
			if must(q.Key[i].value()) != must(b.Key[i].value()) {
				t.Errorf("%s: key %v and %v", c.body, q.Key, b.Key)
			}
		}
		plain := func(q Question) string {
			q.Key, q.Items = make([]Term, len(q.Key)), make([]Term, len(q.Items))
			return indented(t, q)
		}
		if plain(q) != plain(c.want) || plain(b) != plain(c.want) {
			t.Errorf("%s?%s is %s and %s is %s, want %s", c.question, c.parameters, plain(q), c.body, plain(b), plain(c.want))
		}
	}
}

func must(v event.Value, err error) event.Value {
	if err != nil {
		panic(err)
	}
	return v
}

func TestJSONQuestionsAreChecked(t *testing.T) {
	for _, c := range []struct{ body, why string }{
		{``, "not a JSON question"},
		{`{"view": "v", "question": "distinct"`, "not a JSON question"},
		{`{"view": "v", "question" "distinct"}`, "not a JSON question"},
		{`[]`, "must be a JSON object"},
		{`null`, "must be a JSON object"},
		{`"distinct"`, "must be a JSON object"},
		{`{"question": "distinct"}`, "view is missing"},
		{`{"View": "v", "question": "distinct"}`, `unknown field "View"`},
		{`{"view": "v", "view": "w", "question": "distinct"}`, "view is given twice"},
		{`{"view": "v", "question": "frequency", "items": ["a"], "Items": ["b"]}`, `unknown field "Items"`},
		{`{"view": "v", "question": "distinct"} {}`, "goes on"},
		{`{"view": "v", "question": "distinct"}]`, "goes on"},
		{`{"view": "v", "question": "distinct", "windows": "1h"}`, "windows"},
		{`{"view": 5, "question": "distinct"}`, "view"},
		{`{"view": "v", "question": "distinct", "key": "a"}`, "key"},
		{`{"view": "v", "question": "distinct", "window": 60}`, "duration"},
		{`{"view": "v", "question": "distinct", "window": "0"}`, "longer than 0"},
		{`{"view": "v", "question": "distinct", "from": {}}`, "from"},
		{`{"view": "v", "question": "distinct", "from": 1.5}`, "from"},
		{`{"view": "v", "question": "distinct", "at": 5}`, "takes no at"},
		{`{"view": "v", "question": "distinct", "k": 5}`, "takes no k"},
		{`{"view": "v", "question": "topk", "n": 5}`, "takes no n"},
		{`{"view": "v", "question": "topk", "k": 1.5}`, "k"},
		{`{"view": "v", "question": "topk", "k": 0}`, "k must lie"},
		{`{"view": "v", "question": "topk", "item": "a"}`, "takes no item"},
		{`{"view": "v", "question": "topk", "items": [1]}`, "takes no item"},
		{`{"view": "v", "question": "contains", "items": []}`, "at least one item"},
		{`{"view": "v", "question": "count", "confidence": 2}`, "confidence"},
		{`{"view": "v", "question": "count", "strict": "true"}`, "strict"},
		{`{"view": "v", "question": "` + strings.Repeat("x", 9000) + `"}`, "not one of"},
	} {
		_, err := FromJSON([]byte(c.body))
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.why) || len(err.Error()) > 1000 {
			t.Errorf("%.100s: %.300v, want %q", c.body, err, c.why)
		}
	}
	_, err := FromJSON([]byte(`{"view": 5, "question": "topk", "k": "x", "key": {}, "confidence": [], "windows": 1}`))
	for _, part := range []string{"view: 5 is not a string", `k: "x" is not a whole number`, "key: {} is not an array", "confidence: [] is not a number", `"windows"`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
	_, err = FromJSON([]byte("{" + strings.Repeat(`"x": 1, `, 5000) + `"y": 2}`))
	if !errors.Is(err, ErrInvalid) || strings.Count(err.Error(), "unknown field") != maxFaults {
		t.Errorf("5,001 unknown fields: %.300v", err)
	}
	if _, err := ContainsFromJSON("v", []byte(`{"view": "w", "items": [1]}`)); !errors.Is(err, ErrInvalid) {
		t.Errorf("a body about another view: %v", err)
	}
	if _, err := ContainsFromJSON("v", []byte(`{"question": "topk", "items": [1]}`)); !errors.Is(err, ErrInvalid) {
		t.Errorf("a body of another question: %v", err)
	}
	q, err := ContainsFromJSON("v", []byte(`{"key": [1], "items": ["a", 1, null, ["x", 2]]}`))
	if err != nil || q.View != "v" || q.Question != Contains || len(q.Items) != 4 {
		t.Errorf("%+v, %v", q, err)
	}
}

// chooser is a node with a view of two sketches of some kinds and one of others.
func chooser(t *testing.T) *node {
	n := newNode(t)
	n.stream("s", `{"time": "time"}`)
	n.view("v", `{"stream": "s", "by": ["g", "h"], "from": "earliest", "sketches": {
		"users": {"kind": "hll", "of": "user"}, "pages": {"kind": "hll", "of": ["page", "user"]},
		"often": {"kind": "countmin", "of": "user"}, "hot": {"kind": "hotlist", "of": "user", "size": 10},
		"seen": {"kind": "bloom", "of": ["page", "user"], "capacity": 100}}}`)
	n.view("bare", `{"stream": "s", "by": [], "from": "earliest", "sketches": {"hot": {"kind": "hotlist", "of": "user", "size": 10}}}`)
	n.send("s", `{"time": 5, "g": "a", "h": 1, "user": "u", "page": "p"}`, `{"time": 6, "g": "a", "h": "1", "user": "u", "page": null}`)
	n.settle("s")
	return n
}

func TestSketchesAreChosen(t *testing.T) {
	n := chooser(t)
	for _, c := range []struct {
		view, question, parameters string
		is                         error
		why                        string
	}{
		{"none", Count, "", view.ErrUnknownView, "none"},
		{"v", Distinct, "", ErrInvalid, `choose one with sketch=`},
		{"v", Distinct, "sketch=nobody", ErrUnknownSketch, `["hot" "often" "pages" "seen" "users"]`},
		{"v", Distinct, "sketch=hot", ErrUnanswerable, `"hot" is a hotlist`},
		{"v", Sum, "", ErrUnanswerable, "sum needs a decay"},
		{"v", Sample, "", ErrUnanswerable, "distinct (sketch=users)"},
		{"bare", Frequency, "item=u", ErrUnanswerable, "frequency (sketch=hot)"},
		{"v", TopK, "sketch=often", ErrUnanswerable, "often"},
		{"v", Count, "key=a", ErrInvalid, "groups by 2 fields"},
		{"v", Count, strings.Repeat("key=a&", 5000), ErrInvalid, "key is given 5000 times"},
		{"bare", Count, "key=a", ErrInvalid, "groups by 0 fields"},
		{"v", Contains, "item=u", ErrInvalid, "is not a JSON array"},
		{"v", Contains, `item=["u"]`, ErrInvalid, "array of 2 values; this one has 1"},
		{"v", Contains, `item=[["u"],1]`, ErrInvalid, "item 0"},
		{"v", Contains, `item=["p","u"]&item=[`, ErrInvalid, "item 1"},
	} {
		_, err := n.try(c.view, c.question, c.parameters)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.why) || len(err.Error()) > 600 {
			t.Errorf("%s %s?%.60s: %v, want %v: %q", c.view, c.question, c.parameters, err, c.is, c.why)
		}
	}
	for _, c := range []struct{ view, question, parameters, sketch, first string }{
		{"v", Frequency, "item=u", "often", `{"item":"u","estimate":2,"low":2,"high":2}`},
		{"v", Frequency, "item=u&sketch=hot", "hot", `{"item":"u","estimate":2,"low":2,"high":2}`},
		{"v", TopK, "", "hot", `{"item":"u","estimate":2,"low":2,"high":2}`},
		{"bare", TopK, "", "hot", `{"item":"u","estimate":2,"low":2,"high":2}`},
		{"v", Contains, `item=["p","u"]`, "seen", `{"item":["p","u"],"answer":"maybe","false_positive_rate":0}`},
		{"v", Contains, `item=[null,"u"]`, "seen", `{"item":[null,"u"],"answer":"maybe","false_positive_rate":0}`},
		{"v", Contains, `item=[null, null]`, "seen", `{"item":[null,null],"answer":"no","false_positive_rate":0}`},
		{"v", Frequency, "item=u&key=a&key=1", "often", `{"item":"u","estimate":1,"low":1,"high":1}`},
		{"v", Frequency, `item=u&key=a&key="1"`, "often", `{"item":"u","estimate":1,"low":1,"high":1}`},
		{"v", Frequency, `item=u&key=a&key=1.0`, "often", `{"item":"u","estimate":1,"low":1,"high":1}`},
		{"v", Frequency, `item=u&key=null&key=1`, "often", `{"item":"u","estimate":0,"low":0,"high":0}`},
	} {
		a := n.ask(c.view, c.question, c.parameters)
		first, err := json.Marshal((*a.Items)[0])
		n.must(err)
		if a.Sketch != c.sketch || string(first) != c.first {
			t.Errorf("%s %s?%s is answered by %q with %s, want %q with %s", c.view, c.question, c.parameters, a.Sketch, first, c.sketch, c.first)
		}
	}
}

// In JSON a string is quoted, and a bare word is none.
func TestJSONTermsKeepTheirTypes(t *testing.T) {
	n := chooser(t)
	count := func(key string) float64 {
		t.Helper()
		q, err := FromJSON([]byte(fmt.Sprintf(`{"view": "v", "question": "count", "key": %s}`, key)))
		n.must(err)
		a, err := n.engine.Answer(t.Context(), q)
		n.must(err)
		return float64(*a.Estimate)
	}
	for key, want := range map[string]float64{`["a", 1]`: 1, `["a", 1.0]`: 1, `["a", "1"]`: 1, `["a", "\"1\""]`: 0, `["a", null]`: 0, `null`: 2} {
		if got := count(key); got != want {
			t.Errorf("key %s has %v events, want %v", key, got, want)
		}
	}
	for _, key := range []string{`[]`, `["a"]`, `["a", {}]`, `["a", [1]]`, `["a", 1, 2]`} {
		q, err := FromJSON([]byte(`{"view": "v", "question": "count", "key": ` + key + `}`))
		n.must(err)
		if _, err := n.engine.Answer(t.Context(), q); !errors.Is(err, ErrInvalid) {
			t.Errorf("key %s: %v", key, err)
		}
	}
	for _, key := range []string{`["a", 12345678901234567890]`, `["a", 1e999]`, `["a", "\ud83d"]`} {
		q, err := FromJSON([]byte(`{"view": "v", "question": "count", "key": ` + key + `}`))
		n.must(err)
		if _, err := n.engine.Answer(t.Context(), q); !errors.Is(err, ErrInvalid) {
			t.Errorf("key %s, which no event can have: %v", key, err)
		}
	}
	if _, err := n.try("v", Count, "key=a&key=%ff"); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("a key that is not UTF-8: %v", err)
	}
	q, err := FromJSON([]byte(`{"view": "bare", "question": "count", "key": []}`))
	n.must(err)
	if a, err := n.engine.Answer(t.Context(), q); err != nil || *a.Estimate != 2 || string(a.Key) != "[]" {
		t.Errorf("the key of no fields: %+v, %v", a, err)
	}
}

func TestKeys(t *testing.T) {
	n := newNode(t)
	n.stream("s", `{"partitions": 3, "time": "time"}`)
	n.view("v", `{"stream": "s", "by": ["g", "h"], "pane": "1m", "keep": "30d", "from": "earliest", "sketches": {"u": {"kind": "hll", "of": "item"}}}`)
	n.view("few", `{"stream": "s", "by": ["g"], "max_keys": 2, "from": "earliest", "sketches": {"u": {"kind": "hll", "of": "item"}}}`)
	facts := draw(9, 1500)
	n.sendAll("s", facts, 100)
	n.settle("s")
	want := map[string]uint64{}
	for _, f := range facts {
		want["["+f.value("g")+","+f.value("h")+"]"]++
	}
	ask := func(viewName, parameters string) []Key {
		t.Helper()
		k, err := n.engine.Keys(t.Context(), viewName, n.parameters(parameters))
		n.must(err)
		return k.Keys
	}
	names := func(keys []Key) (out []string) {
		for _, k := range keys {
			out = append(out, string(k.Key))
		}
		return out
	}
	keys := ask("v", "")
	if len(keys) != len(want) {
		t.Errorf("%d keys, want %d", len(keys), len(want))
	}
	for i, k := range keys {
		if k.Events != want[string(k.Key)] || k.Bytes == 0 || i > 0 && k.Events > keys[i-1].Events {
			t.Errorf("key %d is %s with %d events in %d bytes; it has %d", i, k.Key, k.Events, k.Bytes, want[string(k.Key)])
		}
	}
	ordered := names(ask("v", "order=key"))
	if first, last := ordered[0], ordered[len(ordered)-1]; first != "[null,null]" || last != `["é\n","x"]` || len(ordered) != len(want) {
		t.Errorf("in order: %v", ordered)
	}
	if got := names(ask("v", "order=key&limit=2")); !slices.Equal(got, ordered[:2]) {
		t.Errorf("two keys: %v", got)
	}
	if got := names(ask("v", "order=key&prefix=n")); !slices.Equal(got, []string{"[null,null]", "[null,2]", `[null,"x"]`, `["null",null]`, `["null",2]`, `["null","x"]`}) {
		t.Errorf("keys that begin with n: %v", got)
	}
	if got := ask("v", "prefix=zzz"); got == nil || len(got) != 0 {
		t.Errorf("keys that begin with zzz: %v", got)
	}
	total := uint64(0)
	for _, k := range ask("v", fmt.Sprintf("from=%d&to=%d", began, began+10*minute)) {
		total += k.Events
	}
	if total != uint64(len(facts.within(began, began+10*minute))) {
		t.Errorf("%d events in ten minutes", total)
	}
	total = 0
	shared := ask("few", "")
	for _, k := range shared {
		total += k.Events
	}
	if total != 1500 || !slices.Contains(names(shared), "[]") {
		t.Errorf("keys that share a pane: %v", names(shared))
	}
	for parameters, why := range map[string]string{
		"order=size": "neither", "limit=0": "limit", "limit=100001": "limit", "limit=x": "limit", "page=2": "page",
		"from=5&to=4": "from must lie", "prefix=a&prefix=b": "given 2 times",
	} {
		if _, err := n.engine.Keys(t.Context(), "v", n.parameters(parameters)); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", parameters, err, why)
		}
	}
	if _, err := n.engine.Keys(t.Context(), "none", nil); !errors.Is(err, view.ErrUnknownView) {
		t.Errorf("keys of no view: %v", err)
	}
}

func TestNumbersAndMomentsInJSON(t *testing.T) {
	for value, want := range map[any]string{
		Number(0): "0", Number(1e6): "1000000", Number(0.1): "0.1", Number(-2.5): "-2.5", Number(1e300): "1e+300",
		Number(math.Inf(1)): "null", Number(math.Inf(-1)): "null", Number(1 << 53): "9007199254740992",
		Moment(0): `"1970-01-01T00:00:00Z"`, Moment(1442018818000): `"2015-09-12T00:46:58Z"`, Moment(1442018818001): `"2015-09-12T00:46:58.001Z"`,
		Moment(1442018818100): `"2015-09-12T00:46:58.1Z"`, Moment(-1): `"1969-12-31T23:59:59.999Z"`,
		Moment(253402300799999): `"9999-12-31T23:59:59.999Z"`, Moment(253402300800000): "253402300800000",
		Moment(-62167219200000): `"0000-01-01T00:00:00Z"`, Moment(-62167219200001): "-62167219200001", Moment(math.MinInt64): "-9223372036854775808",
	} {
		if got, err := json.Marshal(value); err != nil || string(got) != want {
			t.Errorf("%T %v is %s, %v; want %s", value, value, got, err, want)
		}
	}
	if got, err := json.Marshal(Number(math.NaN())); err != nil || string(got) != "null" {
		t.Errorf("NaN is %s, %v", got, err)
	}
}
