package shedding

// This file says which view sheds first when several share a node.
//
// Every view has a controller of its own, and tells it how strained the views
// of higher priority are: one number, the greatest share of its target that any
// of them is predicted to use up. A view answers to its own strain and to that
// number, low priority at a quarter, normal at half. So when an important view
// begins to lag, those below it give way first, one step after the other, and
// it sheds itself only if that was not enough. A node collects the strains of one
// period for the next in a Strains.
//
// The obvious way, one plan for the node that divides its capacity among views
// by their demands, was rejected. It needs to know the node's capacity, which
// cores, garbage collection, disk and other processes change from second to
// second, while strain measures what is really short, whatever that is. It
// also ties every view to one lock and one moment; here a late or missing number
// makes a view shed a little later or earlier, and nothing worse.

import "slices"

// Priority is what a view's definition says. The zero Priority is normal.
type Priority int8

const (
	Low    Priority = -1
	Normal Priority = 0
	High   Priority = 1
)

// act is the share of the freshness target at which a view of a priority acts.
func (p Priority) act() float64 {
	switch {
	case p < Normal:
		return 0.25
	case p > Normal:
		return 0.75
	}
	return 0.5
}

// Strains collects the strain of views by priority. The zero value is empty.
type Strains struct {
	greatest [3]float64
	told     [3]bool // any view of this priority has said
}

// Add notes a view's Decision.Strain.
func (s *Strains) Add(p Priority, strain float64) {
	i := min(max(p, Low), High) + 1
	s.greatest[i], s.told[i] = max(s.greatest[i], strain), true
}

// AnyAbove tells whether any view of a higher priority has said how strained it is.
func (s *Strains) AnyAbove(p Priority) bool {
	return slices.Contains(s.told[min(max(p, Low), High)+2:], true)
}

// Above returns the greatest strain of any view of a higher priority, which is
// Observation.Strain for a view of this one.
func (s *Strains) Above(p Priority) float64 {
	greatest := 0.0
	for _, strain := range s.greatest[min(max(p, Low), High)+2:] {
		greatest = max(greatest, strain)
	}
	return greatest
}
