package view

// This file fills in a definition's defaults and names every fault in it.

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"sketchlog/ingest/event"
	"sketchlog/sketches"
)

// Limits of a definition.
const (
	maxBy        = 16
	maxSketches  = 64
	maxFieldName = 256
	maxRollups   = 8
	maxPaneCount = 1 << 30
	maxMaxKeys   = 100_000_000

	minPane = 100 * time.Millisecond // finer panes would be mostly overhead

	leastFresh    = event.Duration(500 * time.Millisecond) // reacting to a burst takes a few tenths of a second
	greatestFresh = event.Duration(time.Hour)
	defaultFresh  = event.Duration(2 * time.Second)

	defaultMaxKeys  = 1_000_000
	defaultPaneKeep = event.Duration(7 * 24 * time.Hour)
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// fill sets what was left out: to what it is in old, or to the default where old
// is nil. Panes that are not those of old, which will be refused, get defaults too,
// so that it is said why, and not that they do not fit old's keep.
func (d *Definition) fill(g given, old *Definition) {
	from := &Definition{MaxKeys: defaultMaxKeys, Fresh: defaultFresh, Priority: NormalPriority}
	if d.Pane != (PaneSpec{}) {
		from.Keep = max(defaultPaneKeep, d.Pane.Every)
	}
	if old != nil && d.Pane == old.Pane {
		from = old
	}
	if !g.maxKeys {
		d.MaxKeys = from.MaxKeys
	}
	if !g.keep {
		d.Keep = from.Keep
	}
	if !g.rollups {
		d.Rollups = slices.Clone(from.Rollups)
	}
	if !g.fresh {
		d.Fresh = from.Fresh
	}
	if !g.priority {
		d.Priority = from.Priority
	}
}

// Validate names every fault of a definition at once, under ErrInvalid.
func (d *Definition) Validate() error {
	var f faults
	d.validate(&f)
	return f.err()
}

func (d *Definition) validate(f *faults) {
	if !namePattern.MatchString(d.Stream) {
		f.add("stream", "%.100q is not the name of a stream: names are 1 to 64 of A-Z, a-z, 0-9, _ and -", d.Stream)
	}
	if len(d.By) > maxBy {
		f.add("by", "has %d fields, and %d are allowed", len(d.By), maxBy)
	}
	checkFields(f, "by", d.By)
	d.validatePanes(f)
	if d.MaxKeys < 1 || d.MaxKeys > maxMaxKeys {
		f.add("max_keys", "must be between 1 and %d", maxMaxKeys)
	}
	if d.Fresh < leastFresh || d.Fresh > greatestFresh {
		f.add("fresh", "must be between %s and %s", leastFresh, greatestFresh)
	}
	if d.Priority != LowPriority && d.Priority != NormalPriority && d.Priority != HighPriority {
		f.add("priority", "%.40q is neither low, normal nor high", string(d.Priority))
	}
	if len(d.Sketches) > maxSketches {
		f.add("sketches", "has %d sketches, and %d are allowed", len(d.Sketches), maxSketches)
	}
	if _, err := compileWhere(d.Where); err != nil {
		f.add("where", "%v", err)
	}
	for _, name := range d.names() {
		if !namePattern.MatchString(name) {
			f.add("sketches", "%.100q is not a name: names are 1 to 64 of A-Z, a-z, 0-9, _ and -", name)
		}
	}
	if len(f.all) > 0 {
		return
	}
	if _, err := newPlan(d); err != nil {
		f.add("sketches", "%v", err)
	}
}

func (d *Definition) validatePanes(f *faults) {
	every := d.Pane.Width()
	switch {
	case d.Pane.Every != 0 && (every < minPane || every%time.Millisecond != 0):
		f.add("pane", "%s is not a whole number of milliseconds of at least %s", d.Pane.Every, event.Duration(minPane))
	case d.Pane == (PaneSpec{}) && d.Keep != 0:
		f.add("keep", "a view without panes keeps its one pane for ever; give it a pane such as \"1h\", or leave keep out")
	case d.Keep != 0 && time.Duration(d.Keep) < every:
		f.add("keep", "%s is shorter than a pane of %s", d.Keep, d.Pane.Every)
	}
	if len(d.Rollups) > 0 && every == 0 {
		f.add("rollups", "need panes of time; give the view a pane such as \"1m\"")
		return
	}
	pane, keep := every, time.Duration(d.Keep)
	for i, r := range d.Rollups {
		path := fmt.Sprintf("rollups[%d]", i)
		if keep == 0 {
			f.add(path, "finer panes are kept for ever, so there is nothing to roll up; give them a keep")
			return
		}
		coarse := time.Duration(r.Pane)
		if pane > 0 && (coarse <= pane || coarse%pane != 0) {
			f.add(path+".pane", "%s is not a multiple of the finer pane of %s", r.Pane, event.Duration(pane))
		}
		if r.Keep != 0 && time.Duration(r.Keep) <= keep {
			f.add(path+".keep", "%s must be longer than the %s that finer panes are kept", r.Keep, event.Duration(keep))
		}
		if r.Keep != 0 && r.Keep < r.Pane {
			f.add(path+".keep", "%s is shorter than a pane of %s", r.Keep, r.Pane)
		}
		pane, keep = coarse, time.Duration(r.Keep)
	}
}

func checkFields(f *faults, path string, fields []string) {
	for i, name := range fields {
		switch {
		case name == "" || len(name) > maxFieldName || !utf8.ValidString(name):
			f.add(path, "%.100q is not a field: names are UTF-8 of 1 to %d bytes", name, maxFieldName)
		case name == whole:
			f.add(path, `"*" stands for whole events, alone and in a reservoir only`)
		case slices.Contains(fields[:i], name):
			f.add(path, "field %q is given twice", name)
		}
	}
}

// takes lists the parameters of each kind besides kind and of.
var takes = map[sketches.Kind][]string{
	sketches.KindHLL:       {"error", "precision"},
	sketches.KindBloom:     {"capacity", "error", "bits", "hashes"},
	sketches.KindCountMin:  {"error", "confidence", "width", "depth", "weight"},
	sketches.KindHotList:   {"size", "weight"},
	sketches.KindReservoir: {"size"},
	sketches.KindDecay:     {"half_life", "factor"},
}

// Defaults of parameters. A hot list of 256 finds the ten hottest of a Zipf
// stream with counts that are nearly exact, in about 10 kB.
const (
	defaultHLLError      = 0.01
	defaultBloomCapacity = 100_000
	defaultBloomError    = 0.01
	defaultCountMinError = 0.001
	defaultConfidence    = 0.99
	defaultHotListSize   = 256
	defaultReservoirSize = 100
)

// settle checks the parameters of one sketch against its kind and fills in
// those that were left out.
func (s *SketchSpec) settle(f *faults, path string, present map[string]bool) {
	known, ok := takes[s.Kind]
	if !ok {
		f.add(path+".kind", "%.40q is not a kind of sketch; there are hll, bloom, countmin, hotlist, reservoir and decay", string(s.Kind))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(present)) {
		if name != "kind" && name != "of" && !slices.Contains(known, name) {
			f.add(path+"."+name, "a %s does not take it; it takes of, %s", s.Kind, list(known))
		}
	}
	s.checkOf(f, path+".of")
	if present["weight"] {
		checkFields(f, path+".weight", []string{s.Weight})
	}
	either := func(loose, exact []string) bool { // whether the exact ones are given
		any, all := false, true
		for _, name := range exact {
			any, all = any || present[name], all && present[name]
		}
		if any && !all {
			f.add(path, "give %s together", list(exact))
		}
		for _, name := range loose {
			if any && present[name] {
				f.add(path, "give either %s or %s", list(loose), list(exact))
				break
			}
		}
		return any
	}
	switch s.Kind {
	case sketches.KindHLL:
		if !either([]string{"error"}, []string{"precision"}) {
			probability(f, path+".error", &s.Error, present["error"], defaultHLLError, 0.5)
		} else if s.Precision < 4 || s.Precision > 18 {
			f.add(path+".precision", "must be between 4 and 18")
		}
	case sketches.KindBloom:
		s.settleBloom(f, path, present, either([]string{"capacity", "error"}, []string{"bits", "hashes"}))
	case sketches.KindCountMin:
		s.settleCountMin(f, path, present, either([]string{"error", "confidence"}, []string{"width", "depth"}))
	case sketches.KindHotList:
		s.settleSize(f, path, present, defaultHotListSize)
	case sketches.KindReservoir:
		s.settleSize(f, path, present, defaultReservoirSize)
	case sketches.KindDecay:
		s.settleDecay(f, path, present)
	}
}

func (s *SketchSpec) checkOf(f *faults, path string) {
	switch {
	case len(s.Of) == 0:
		f.add(path, "is missing: name the field, or the list of fields, that the sketch is of")
	case len(s.Of) > maxBy:
		f.add(path, "has %d fields, and %d are allowed", len(s.Of), maxBy)
	case len(s.Of) == 1 && s.Of[0] == whole && s.Kind == sketches.KindReservoir:
	case s.Kind == sketches.KindDecay && len(s.Of) > 1:
		f.add(path, "a decay is of one numeric field")
	default:
		checkFields(f, path, s.Of)
	}
}

// probability checks a parameter strictly between 0 and the greatest allowed,
// and sets the default where it was left out.
func probability(f *faults, path string, p *float64, present bool, byDefault, greatest float64) {
	if !present {
		*p = byDefault
	} else if !(*p > 0 && *p <= greatest) {
		f.add(path, "%v is not a probability above 0 and up to %v, such as %v", *p, greatest, byDefault)
	}
}

const (
	maxBloomCapacity = 1_000_000_000
	maxBloomBits     = 1 << 33
)

func (s *SketchSpec) settleBloom(f *faults, path string, present map[string]bool, exact bool) {
	if exact {
		if s.Bits < 1 || s.Bits > maxBloomBits {
			f.add(path+".bits", "must be between 1 and %d", maxBloomBits)
		}
		if s.Hashes < 1 || s.Hashes > 16 {
			f.add(path+".hashes", "must be between 1 and 16")
		}
		return
	}
	if !present["capacity"] {
		s.Capacity = defaultBloomCapacity
	} else if s.Capacity < 1 || s.Capacity > maxBloomCapacity {
		f.add(path+".capacity", "must be between 1 and %d", maxBloomCapacity)
	}
	probability(f, path+".error", &s.Error, present["error"], defaultBloomError, 0.5)
}

func (s *SketchSpec) settleCountMin(f *faults, path string, present map[string]bool, exact bool) {
	if exact {
		if s.Width < 64 || s.Width > 1<<24 || s.Width&(s.Width-1) != 0 {
			f.add(path+".width", "must be a power of two between 64 and %d", 1<<24)
		}
		if s.Depth < 1 || s.Depth > 16 {
			f.add(path+".depth", "must be between 1 and 16")
		}
		return
	}
	probability(f, path+".error", &s.Error, present["error"], defaultCountMinError, 0.5)
	if !present["confidence"] {
		s.Confidence = defaultConfidence
	} else if !(s.Confidence > 0 && s.Confidence < 1) {
		f.add(path+".confidence", "%v is not a probability between 0 and 1, such as %v", s.Confidence, defaultConfidence)
	}
}

const maxSize = 1 << 16

func (s *SketchSpec) settleSize(f *faults, path string, present map[string]bool, byDefault int) {
	if !present["size"] {
		s.Size = byDefault
	} else if s.Size < 1 || s.Size > maxSize {
		f.add(path+".size", "must be between 1 and %d", maxSize)
	}
}

func (s *SketchSpec) settleDecay(f *faults, path string, present map[string]bool) {
	switch {
	case present["half_life"] == present["factor"]:
		f.add(path, `a decay takes either "half_life": "10m" or "factor": 0.99`)
	case present["half_life"]:
		if s.HalfLife < event.Duration(time.Millisecond) || s.HalfLife%event.Duration(time.Millisecond) != 0 {
			f.add(path+".half_life", "must be a whole number of milliseconds, and at least one")
		}
	case !(s.Factor > 0 && s.Factor < 1):
		f.add(path+".factor", "%v is not between 0 and 1", s.Factor)
	}
}
