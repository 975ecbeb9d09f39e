package bench

// `bench accuracy`: answers of every kind of sketch beside exact ones, over
// many keys and items.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
)

// AccuracyConfig says what `bench accuracy` does.
type AccuracyConfig struct {
	Load  LoadConfig
	Keys  int // keys asked about
	Items int // items of each key, for frequency; and as many that it never had, for contains
}

// Validate names every fault at once.
func (c AccuracyConfig) Validate() error {
	faults := []error{c.Load.Validate()}
	if c.Keys < 1 || c.Keys > 32_000 || c.Items < 1 || c.Items > 1000 {
		faults = append(faults, errors.New("keys asked about must lie between 1 and 32,000, items of each between 1 and 1,000"))
	}
	if c.Load.Duration != 0 || c.Load.Acks == "0" {
		faults = append(faults, errors.New("accuracy takes a number of events, all of them acknowledged"))
	}
	return errors.Join(faults...)
}

// Accuracy loads a workload and asks about keys from the most frequent to the
// rarest.
func Accuracy(ctx context.Context, t *Target, c AccuracyConfig) (*AccuracyResult, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("bench accuracy: %w", err)
	}
	loaded, source, err := loadAll(ctx, t, c.Load)
	if err != nil {
		return nil, fmt.Errorf("bench accuracy: %w", err)
	}
	keys := spread(c.Keys, source.Keys)
	c.Load.Progress.tell("making exact answers", 0, 0)
	truth := exactEnd(source, c.Load.Batch, keys, source.Start.Add(source.Span).UnixMilli())
	r := &AccuracyResult{Kind: "accuracy", Events: loaded.Acknowledged, Keys: len(keys), Sketches: map[string]*SketchAccuracy{}}
	for i, key := range keys {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c.Load.Progress.tell("keys asked about", int64(i), int64(len(keys)))
		q := inquiry{target: t, view: c.Load.Name + totalView, key: key, truth: truth, index: i, result: r, config: c}
		if err := q.all(source); err != nil {
			return nil, fmt.Errorf("bench accuracy: key %s: %w", KeyName(key), err)
		}
		for _, s := range r.Sketches {
			s.endKey(key)
		}
	}
	for _, s := range r.Sketches {
		s.finish()
	}
	return r, nil
}

// truths are exact answers about some keys at the end of a workload.
type truths struct {
	sumAt int64
	keys  []endOfKey
}

type endOfKey struct {
	events int64
	sum    float64
	counts map[uint32]int64
}

// exactEnd makes the whole workload again, in the requests of which it
// consisted.
func exactEnd(s *Source, batch int, keys []uint32, sumAt int64) *truths {
	t := &truths{sumAt: sumAt, keys: make([]endOfKey, len(keys))}
	wanted := make([]int16, s.Keys)
	for i := range wanted {
		wanted[i] = -1
	}
	for i, k := range keys {
		wanted[k] = int16(i)
		t.keys[i].counts = map[uint32]int64{}
	}
	for first := 0; first < s.Events; first += batch {
		for g := s.Range(first, min(first+batch, s.Events)); ; {
			e, i, ok := g.nextOf(wanted)
			if !ok {
				break
			}
			k := &t.keys[i]
			k.events++
			k.sum += float64(e.Value) * decay(sumAt-e.Time)
			k.counts[e.Item]++
		}
	}
	return t
}

// inquiry asks everything about one key.
type inquiry struct {
	target *Target
	view   string
	key    uint32
	index  int
	truth  *truths
	result *AccuracyResult
	config AccuracyConfig
}

func (q *inquiry) ask(question string, more url.Values) (*answer, error) {
	p := url.Values{"key": {KeyName(q.key)}}
	for name, values := range more {
		p[name] = values
	}
	return q.target.ask(q.view, question, p)
}

func (q *inquiry) all(s *Source) error {
	k := &q.truth.keys[q.index]
	a, err := q.ask("distinct", nil)
	if err != nil {
		return err
	}
	low, high := a.interval()
	q.result.sketch("hll").add(a.estimate(), low, high, float64(len(k.counts)), float64(len(k.counts)), a.Exact)
	if a, err = q.ask("sum", url.Values{"at": {strconv.FormatInt(q.truth.sumAt, 10)}}); err != nil {
		return err
	}
	low, high = a.interval()
	slack := rounding * k.sum
	q.result.sketch("decay").add(a.estimate(), low-slack, high+slack, k.sum, k.sum, a.Exact)
	for _, part := range []func(*Source, *endOfKey) error{q.frequencies, q.top, q.membership, q.sampled} {
		if err := part(s, k); err != nil {
			return err
		}
	}
	return nil
}

// frequencies asks the Count-Min about items, hot and rare.
func (q *inquiry) frequencies(s *Source, k *endOfKey) error {
	p := url.Values{"sketch": {"counts"}}
	for _, item := range spread(q.config.Items, s.Items) {
		p.Add("item", ItemName(item))
	}
	a, err := q.ask("frequency", p)
	if err != nil {
		return err
	}
	items, err := a.items()
	if err != nil {
		return err
	}
	for _, i := range items {
		rank, _ := rankOf(i.Item, "i")
		low, high := i.interval()
		q.result.sketch("countmin").add(valueOf(i.Estimate, 0), low, high, float64(k.counts[rank]), float64(k.events), a.Exact)
	}
	return nil
}

// top asks the hot list, and how many of the true hottest it names.
func (q *inquiry) top(_ *Source, k *endOfKey) error {
	const asked = hotListSize / 2
	a, err := q.ask("topk", url.Values{"k": {strconv.Itoa(asked)}})
	if err != nil {
		return err
	}
	items, err := a.items()
	if err != nil {
		return err
	}
	s := q.result.sketch("hotlist")
	least := kthCount(k.counts, asked)
	for _, i := range items {
		rank, _ := rankOf(i.Item, "i")
		low, high := i.interval()
		n := k.counts[rank]
		s.add(valueOf(i.Estimate, 0), low, high, float64(n), max(float64(n), 1), a.Exact)
		s.topAsked++
		if n >= least {
			s.topFound++
		}
	}
	return nil
}

// membership asks the Bloom filter about items that the key had and as many
// that it never had. The error of a key is the share of the latter that the
// filter takes for seen; its interval holds if that is what the filter says of
// itself, within chance, and none that was there is denied.
func (q *inquiry) membership(s *Source, k *endOfKey) error {
	random := rand.New(rand.NewPCG(s.Seed, uint64(q.key)))
	p := url.Values{}
	present := map[string]bool{}
	for _, item := range spread(q.config.Items, s.Items) {
		if k.counts[item] > 0 {
			present[ItemName(item)] = true
			p.Add("item", ItemName(item))
		}
	}
	for range q.config.Items {
		p.Add("item", "never"+strconv.FormatUint(random.Uint64(), 36))
	}
	a, err := q.ask("contains", p)
	if err != nil {
		return err
	}
	items, err := a.items()
	if err != nil {
		return err
	}
	falsely, denied, promised := 0, 0, 0.0
	for _, i := range items {
		switch {
		case present[i.Item] && i.Answer == "no":
			denied++
		case !present[i.Item] && i.Answer != "no":
			falsely++
		}
		promised = i.Rate
	}
	observed := float64(falsely) / float64(q.config.Items)
	b := q.result.sketch("bloom")
	b.add(observed, 0, observed, 0, 1, a.Exact)
	b.denied += denied
	if denied > 0 || float64(falsely) > binomialAtMost(q.config.Items, promised) {
		b.held--
	}
	return nil
}

// sampled asks the reservoir for its sample and estimates from it which share
// of the key's events has one of the hottest items.
func (q *inquiry) sampled(_ *Source, k *endOfKey) error {
	const hottest = 10 // ranks of items
	a, err := q.ask("sample", url.Values{"n": {strconv.Itoa(reservoirSize)}})
	if err != nil {
		return err
	}
	items, err := a.sampled()
	if err != nil {
		return err
	}
	if int64(a.Population) != k.events {
		return fmt.Errorf("the sample says it is of %d events; there are %d", a.Population, k.events)
	}
	if len(items) == 0 {
		return nil
	}
	hits, truly := 0, int64(0)
	for _, name := range items {
		rank, ok := rankOf(name, "i")
		if !ok || k.counts[rank] == 0 {
			return fmt.Errorf("the sample holds %q, which the key never had", name)
		}
		if rank < hottest {
			hits++
		}
	}
	for rank := range uint32(hottest) {
		truly += k.counts[rank]
	}
	low, high := wilson(hits, len(items))
	if a.Exact {
		low, high = float64(hits)/float64(len(items)), float64(hits)/float64(len(items))
	}
	q.result.sketch("reservoir").add(float64(hits)/float64(len(items)), low, high, float64(truly)/float64(k.events), 1, a.Exact)
	return nil
}
