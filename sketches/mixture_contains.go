package sketches

// Membership in a mixture.

// Membership is an answer to whether an item was seen.
type Membership uint8

const (
	No      Membership = iota // certainly not
	Maybe                     // seen, but for the rate of false positives stated
	Unknown                   // not in what was kept, but it may be in what was left out
)

func (m Membership) String() string {
	switch m {
	case No:
		return "no"
	case Maybe:
		return "maybe"
	}
	return "unknown"
}

// Contains tells whether a KindBloom sketch may have seen an item. No is
// always true: every range that could hold the item has kept all events of
// items with so small a hash. Maybe is wrong for at most a share falsePositiveRate of the
// items never seen.
func (m *Mixture) Contains(sketch int, hash uint64) (answer Membership, falsePositiveRate float64) {
	all, rate := m.ContainsAll(sketch, []uint64{hash})
	return all[0], rate
}

// ContainsAll is Contains for many items, with one false positive rate for all.
func (m *Mixture) ContainsAll(sketch int, hashes []uint64) (answers []Membership, falsePositiveRate float64) {
	answers = make([]Membership, len(hashes))
	found, falsePositiveRate := m.containsInBase(sketch, hashes)
	for i, yes := range found {
		if yes {
			answers[i] = Maybe
		} else if m.unknown > 0 && hashes[i] != 0 {
			answers[i] = Unknown
		}
	}
	absent := 1 - falsePositiveRate // chance that none of the filters errs
	for _, s := range m.strata {
		absent *= 1 - m.containsIn(s, sketch, hashes, answers)
	}
	if len(m.strata) > 0 {
		falsePositiveRate = 1 - absent
	}
	return answers, falsePositiveRate
}

// containsIn looks items up in one stratum, raises their answers, and returns
// the stratum's false positive rate. One pane answers for each item: below the
// limit ByItem has all events of it, and above only ByPosition may have one.
func (m *Mixture) containsIn(s *stratum, sketch int, hashes []uint64, answers []Membership) float64 {
	var below, above []uint64
	for _, hash := range hashes {
		if complete(hash, s.Rate) {
			below = append(below, hash)
		} else {
			above = append(above, hash)
		}
	}
	var inItems, inEvents []bool
	var rate float64
	if len(below) > 0 {
		inItems, rate = s.ByItem.ContainsAll(m.layout.samplingPlan().index[sketch], below)
	}
	if len(above) > 0 {
		var other float64
		inEvents, other = s.ByPosition.ContainsAll(sketch, above)
		rate = max(rate, other)
	}
	for i, hash := range hashes {
		var yes bool
		whole := complete(hash, s.Rate)
		if whole {
			yes, inItems = inItems[0], inItems[1:]
		} else {
			yes, inEvents = inEvents[0], inEvents[1:]
		}
		switch {
		case yes:
			answers[i] = Maybe
		case !whole && answers[i] == No:
			answers[i] = Unknown
		}
	}
	return rate
}

// seen is what the base would answer about some items.
type seen struct {
	maybe             []bool
	falsePositiveRate float64
}

// MergeSeen adds a pane to an empty base of which nothing will be asked but its events
// and ContainsAll of the very same sketch and hashes. Nothing of the filter is copied:
// that of a key with many items is a megabyte, of which an item has one line.
func (m *Mixture) MergeSeen(p *Pane, sketch int, hashes []uint64) error {
	if err := m.base.Merge(p, 0); err != nil {
		return err
	}
	maybe, rate := p.ContainsAll(sketch, hashes)
	m.seen = &seen{maybe, rate}
	return nil
}

func (m *Mixture) containsInBase(sketch int, hashes []uint64) (maybe []bool, falsePositiveRate float64) {
	if m.seen != nil {
		return m.seen.maybe, m.seen.falsePositiveRate
	}
	return m.base.ContainsAll(sketch, hashes)
}
