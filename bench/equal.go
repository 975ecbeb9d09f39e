package bench

// Whether a view that has healed answers as if it had never shed.

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"time"
)

// equality compares a view with the exact counts of events, and with a new view
// over the same log.
type equality struct {
	target   *Target
	source   *Source
	receipts []receipt
	stream   string
	view     string
	fresh    string // name of the new view
	unknown  int64  // events that may be in the log without an acknowledgement

	applied     int64
	differences []string // the first maxDifferences
}

const (
	maxDifferences = 20
	equalKeys      = 100 // keys whose answers are compared one by one
)

func (e *equality) differ(format string, args ...any) {
	if len(e.differences) < maxDifferences {
		e.differences = append(e.differences, fmt.Sprintf(format, args...))
	}
}

func (e *equality) compare(ctx context.Context, keys []uint32) error {
	if err := e.counts(); err != nil {
		return err
	}
	if err := e.target.put("/v1/views/"+e.fresh, sixSketches(e.stream)); err != nil {
		return err
	}
	if _, err := awaitNothingOwed(ctx, e.target, e.fresh, 50*time.Millisecond, nil); err != nil {
		return err
	}
	compared := map[uint32]bool{}
	for _, key := range append(slices.Clone(keys), spread(equalKeys, e.source.Keys)...) {
		if compared[key] {
			continue
		}
		compared[key] = true
		if err := e.key(KeyName(key)); err != nil {
			return err
		}
	}
	return nil
}

// counts compares the events of every key with those acknowledged.
func (e *equality) counts() error {
	total, err := e.target.ask(e.view, "count", nil)
	if err != nil {
		return err
	}
	e.applied = int64(total.estimate())
	want := eventsByKey(e.source, e.receipts)
	var sum int64
	for _, n := range want {
		sum += n
	}
	if e.applied < sum || e.applied > sum+e.unknown {
		e.differ("the view holds %d events; %d were acknowledged, and %d may have been taken besides", e.applied, sum, e.unknown)
	}
	var list struct {
		Keys []struct {
			Key    []string `json:"key"`
			Events int64    `json:"events"`
		} `json:"keys"`
	}
	if err := e.target.call("GET", "/v1/views/"+e.view+"/keys?limit=100000", "", nil, &list); err != nil {
		return err
	}
	found := 0
	for _, k := range list.Keys {
		rank, ok := rankOf(slices.Concat(k.Key, []string{""})[0], "k")
		if !ok || int(rank) >= len(want) {
			e.differ("the view holds a key %v that was never sent", k.Key)
			continue
		}
		found++
		if n := want[rank]; k.Events < n || k.Events > n+e.unknown {
			e.differ("key %s has %d events; %d were acknowledged", k.Key[0], k.Events, n)
		}
	}
	if sent := len(want) - zeros(want); found < sent && found < 100_000 {
		e.differ("the view holds %d keys; events of %d were acknowledged", found, sent)
	}
	return nil
}

func zeros(counts []int64) (n int) {
	for _, c := range counts {
		if c == 0 {
			n++
		}
	}
	return n
}

// key compares every kind of answer about one key.
func (e *equality) key(name string) error {
	for _, q := range []string{"count", "distinct", "frequency", "contains", "sum", "sample", "topk"} {
		p := url.Values{"key": {name}}
		switch q {
		case "frequency", "contains":
			for _, item := range spread(10, e.source.Items) {
				p.Add("item", ItemName(item))
			}
		case "sample":
			p.Set("n", fmt.Sprint(reservoirSize))
		}
		healed, err := e.target.ask(e.view, q, p)
		if err != nil {
			return err
		}
		whole, err := e.target.ask(e.fresh, q, p)
		if err != nil {
			return err
		}
		reason, err := differs(q, healed, whole)
		if err != nil {
			return err
		}
		if reason != "" {
			e.differ("%s of %s: %s", q, name, reason)
		}
	}
	return nil
}

// differs says in what an answer of the healed view differs from that of one
// that never shed; "" if in nothing. All must be equal, a sum up to rounding;
// only a hot list depends on the order of merging, so there both intervals of
// an item must overlap.
func differs(question string, healed, whole *answer) (string, error) {
	switch question {
	case "count", "distinct", "sum":
		a, b := healed.estimate(), whole.estimate()
		slack := 0.0
		if question == "sum" {
			slack = rounding * max(math.Abs(a), math.Abs(b))
		}
		if math.Abs(a-b) > slack {
			return fmt.Sprintf("%v instead of %v", a, b), nil
		}
		return "", nil
	case "sample":
		return sampleDiffers(healed, whole)
	}
	a, err := healed.items()
	if err != nil {
		return "", err
	}
	b, err := whole.items()
	if err != nil {
		return "", err
	}
	if question == "topk" {
		return topDiffers(a, b), nil
	}
	if len(a) != len(b) {
		return fmt.Sprintf("%d items instead of %d", len(a), len(b)), nil
	}
	for i := range a {
		if a[i].Answer != b[i].Answer || valueOf(a[i].Estimate, -1) != valueOf(b[i].Estimate, -1) {
			return fmt.Sprintf("%s: %s%v instead of %s%v", a[i].Item, a[i].Answer, valueOf(a[i].Estimate, 0), b[i].Answer, valueOf(b[i].Estimate, 0)), nil
		}
	}
	return "", nil
}

func sampleDiffers(healed, whole *answer) (string, error) {
	a, err := healed.sampled()
	if err != nil {
		return "", err
	}
	b, err := whole.sampled()
	if err != nil {
		return "", err
	}
	if healed.Population != whole.Population || !slices.Equal(a, b) {
		return fmt.Sprintf("%d of %d events instead of %d of %d, or others", len(a), healed.Population, len(b), whole.Population), nil
	}
	return "", nil
}

func topDiffers(healed, whole []answerItem) string {
	by := map[string]answerItem{}
	for _, i := range whole {
		by[i.Item] = i
	}
	for _, a := range healed {
		b, both := by[a.Item]
		if !both {
			continue // at the end of the list two items may change places
		}
		delete(by, a.Item)
		low, high := a.interval()
		lowB, highB := b.interval()
		if low > highB || lowB > high {
			return fmt.Sprintf("%s: %v to %v instead of %v to %v", a.Item, low, high, lowB, highB)
		}
	}
	if len(by) > len(whole)/2 {
		return fmt.Sprintf("it lacks %v", slices.Sorted(maps.Keys(by)))
	}
	return ""
}
