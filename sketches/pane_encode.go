package sketches

import (
	"encoding/binary"
	"slices"
)

const paneVersion = 1

// Forms of a column's state.
const (
	columnTable    = 0
	columnPromoted = 1
)

// AppendBinary appends the canonical encoding (FORMAT.md, "Pane"): equal
// states have equal bytes, however they came about.
func (p *Pane) AppendBinary(dst []byte) []byte {
	l := p.layout
	dst = append(dst, paneVersion)
	dst = binary.LittleEndian.AppendUint64(dst, l.fingerprint)
	dst = binary.AppendUvarint(dst, p.events)
	dst = binary.AppendUvarint(dst, p.late)
	if p.events > 0 {
		dst = binary.AppendVarint(dst, p.least)
		dst = binary.AppendUvarint(dst, uint64(p.greatest)-uint64(p.least))
	}
	for k := range l.sums {
		if l.byTime(k) {
			s := p.halfLifeSum(k)
			dst = s.AppendBinary(dst)
		} else {
			s := p.factorSum(k)
			dst = s.AppendBinary(dst)
		}
	}
	for k := range l.weighted {
		dst = binary.AppendUvarint(dst, p.ignored(k))
	}
	for c := range l.columns {
		dst = p.appendColumn(dst, c)
	}
	return dst
}

func (p *Pane) appendColumn(dst []byte, c int) []byte {
	l := p.layout
	plan := &l.columns[c]
	if plan.tabled != 0 {
		if p.Column(c) {
			dst = append(dst, columnTable)
			dst = appendEntries(dst, plan, p.entries(c))
		} else {
			dst = append(dst, columnPromoted)
			for i := range l.specs {
				if plan.tabled.Has(i) {
					dst = appendState(dst, p.wide.sketches[i])
				}
			}
		}
	}
	for i := range l.specs {
		if plan.samples.Has(i) {
			dst = appendState(dst, p.reservoir(i))
		}
	}
	return dst
}

// appendState appends a sketch behind a 1, or a 0 for one in which nothing was counted.
func appendState(dst []byte, s state) []byte {
	if s == nil || empty(s) {
		return append(dst, 0)
	}
	return s.AppendBinary(append(dst, 1))
}

// empty tells whether nothing was counted in a sketch. One that was made for
// items without any weight, or for nulls, is empty.
func empty(s state) bool {
	switch s := s.(type) {
	case *HyperLogLog:
		return !slices.ContainsFunc(s.registers, func(rank uint8) bool { return rank != 0 })
	case *Bloom:
		return s.filters[0].set.None()
	case *CountMin:
		return s.Total() == 0
	case *HotList:
		return s.total == 0
	case *Reservoir:
		return s.population == 0
	}
	return false
}

// DecodePane reads a pane of this layout. It keeps nothing of b, and allocates
// no more than a small multiple of it besides what the layout allows for
// sketches. Errors wrap ErrCorrupt, or ErrMismatch for a pane of another layout.
func (l *Layout) DecodePane(b []byte) (*Pane, error) {
	in := input{what: "pane", rest: b}
	in.version(paneVersion)
	if f := in.word("fingerprint"); in.err == nil && f != l.fingerprint {
		in.mismatch("it is of layout %016x, not %016x", f, l.fingerprint)
	}
	p := l.NewPane()
	p.events, p.late = in.uvarint("events"), in.uvarint("late")
	if p.late > p.events {
		in.corrupt("%d of %d events are late", p.late, p.events)
	}
	if p.events > 0 {
		x := in.uvarint("least time")
		p.least = int64(x>>1) ^ -int64(x&1)
		p.greatest = p.least + int64(in.uvarint("span of times"))
		if p.greatest < p.least {
			in.corrupt("the greatest time is too great")
		}
	}
	p.open()
	for k := range l.sums {
		p.decodeSum(&in, k)
	}
	for k := range l.weighted {
		p.setIgnored(k, in.uvarint("ignored"))
	}
	if in.err != nil {
		return nil, in.err
	}
	p.widen()
	for c := range l.columns {
		p.decodeColumn(&in, c)
	}
	if in.err == nil && len(in.rest) > 0 {
		in.corrupt("%d bytes follow it", len(in.rest))
	}
	if in.err != nil {
		return nil, in.err
	}
	p.Compact()
	return p, nil
}

func (p *Pane) decodeSum(in *input, k int) {
	if in.err != nil {
		return
	}
	if p.layout.byTime(k) {
		s, rest, err := DecodeHalfLifeSum(in.rest, p.layout.halfLives[p.layout.sums[k]])
		if in.err, in.rest = err, rest; err == nil {
			p.setHalfLifeSum(k, s)
		}
		return
	}
	s, rest, err := DecodeFactorSum(in.rest, p.layout.specs[p.layout.sums[k]].Factor)
	if in.err, in.rest = err, rest; err == nil {
		p.setFactorSum(k, s)
	}
}

func (p *Pane) decodeColumn(in *input, c int) {
	l, w := p.layout, p.wide
	plan := &l.columns[c]
	which := plan.samples
	if plan.tabled != 0 {
		switch form := in.octet("form of column"); form {
		case columnTable:
			if t := decodeTable(in, plan); t != nil && t.len() > 0 {
				w.columns[c].table = t
			}
		case columnPromoted:
			w.columns[c].promoted = true
			which |= plan.tabled
		default:
			in.corrupt("form of column %d is %d", c, form)
		}
	}
	for _, group := range []Set{which & plan.tabled, which & plan.samples} {
		for i := range l.specs {
			if group.Has(i) {
				p.decodeState(in, i)
			}
		}
	}
}

// decodeState reads what appendState wrote.
func (p *Pane) decodeState(in *input, i int) {
	present := in.octet("presence of sketch")
	if present > 1 {
		in.corrupt("presence of sketch %q is %d", p.layout.specs[i].Name, present)
	}
	if in.err != nil || present == 0 {
		return
	}
	s := &p.layout.specs[i]
	var made state
	switch s.Kind {
	case KindHLL:
		made, in.rest, in.err = decoded(DecodeHyperLogLog(in.rest, s.Precision))
	case KindBloom:
		made, in.rest, in.err = decoded(DecodeBloom(in.rest, p.layout.blooms[i]))
	case KindCountMin:
		made, in.rest, in.err = decoded(DecodeCountMin(in.rest, s.Width, s.Depth))
	case KindHotList:
		made, in.rest, in.err = decoded(DecodeHotList(in.rest, s.Size))
	case KindReservoir:
		made, in.rest, in.err = decoded(DecodeReservoir(in.rest, s.Size))
	}
	if in.err != nil {
		return
	}
	if empty(made) {
		in.corrupt("sketch %q is present but empty", s.Name)
		return
	}
	p.wide.sketches[i] = made
}

// decoded widens the sketch that a decoder returned, without making a nil of
// one type a non-nil state.
func decoded[T state](s T, rest []byte, err error) (state, []byte, error) {
	if err != nil {
		return nil, nil, err
	}
	return s, rest, nil
}
