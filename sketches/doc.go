// Package sketches answers questions about unbounded streams from small
// summaries, and says with each answer how wrong it can be.
//
// Which sketch answers which question, what it holds and what is promised
// (n events or weight, d distinct items):
//
//	question                     sketch       bytes                  promise
//	how many distinct            HyperLogLog  2^p                    standard error 1.04/sqrt(2^p)
//	was it seen                  Bloom        about 1.3 d at 1%      no is certain; maybe is wrong at the rate stated
//	how often                    CountMin     4·width·depth          never too low; too high by at most e/width·n
//	                                                                 with probability 1-e^-depth
//	which are most frequent      HotList      about 75 an entry      count within [low, high], no wider than n/(k+1)+1
//	show me some                 Reservoir    24 an item, and items  every set of k events equally likely
//	how much lately (time)       HalfLifeSum  24                     exact but for rounding
//	how much lately (events)     FactorSum    24                     exact but for rounding
//
// All of them merge, so that a window is answered from its panes and a view
// from its partitions. Nothing here reads a clock, draws a random number, does I/O or
// starts a goroutine: the state is a function of what was added.
//
// # Panes
//
// A service keeps several sketches for each of millions of keys, most of them
// small. A Layout says which sketches there are over which columns; a Pane holds
// them for one key and span of time, and is what the write path fills by
// columns (Pane.Apply, and Apply for many panes), what merges (Merge, Follow), is stored (AppendBinary,
// Layout.DecodePane) and answers. A question merges what it reads into a pane with the
// memory of earlier questions (Layout.NewUnion).
//
// A pane begins as a block of bytes, the log of its events (block.go), and then
// has one exact table an item column, shared by all sketches of that column: one update
// serves them all, a key with one item takes about 160 bytes with everything, and its
// answers are exact and say so. The table is promoted to the real sketches when it would
// take more memory than they do. The rule for that is a monotone function of the set of distinct items and the layout,
// so whether an answer is exact, and every distinct estimate, does not depend upon how
// events were partitioned, ordered, split into panes or merged.
//
//	events ──Apply──▶ block ──▶ table ──▶ sketches
//	                  (a log)   (a column's exact counts)
//
//	kind.go, layout.go  what sketches there are, of which sizes; when a table is promoted
//	pane*.go            a pane's events, merging, answers and encoding
//	groups.go           Apply: many panes together, column by column
//	block*.go           the log that a pane begins as: its records, adding and merging them
//	table*.go, wide.go  panes that have outgrown it: exact tables, and sketches
//	pack.go             the way back to a block
//	sums.go             decayed sums, which have fixed places in every pane
//
// Columns are what makes it fast. A promoted column's hot list is a cache in front of
// its other sketches (writeback.go): an event of an item that is listed costs one
// count. Panes of many keys are bound by memory: see block and Apply. `sketchlog bench
// sketches` measures both, beside widely used libraries.
//
// Items are 64-bit hashes; 0 is null and counted by no sketch. Item bytes are
// asked for only of small panes, and when an item is new to a table, a hot list or a
// sample. Two items of equal hash are one item.
//
// # Sampling
//
// A view that cannot keep up applies only a share of the events of a range of its
// log, to provisional panes (Provisional), until it has caught up on the rest. A
// Mixture gives one answer from panes that have everything and from provisional
// ones of several rates, with intervals that hold for everything:
//
//	mixture.go              base, strata by rate, what is owed; events and samples
//	mixture_provisional.go  what is kept of events that are sampled
//	mixture_apply.go        which events are kept, by position and by item
//	mixture_moments.go      squares and extremes, for the errors of sampling
//	mixture_interval.go     the intervals of one stratum and of several
//	mixture_distinct.go     distinct items, by registers that are complete
//	mixture_frequency.go    frequencies, weights and the heaviest items
//	mixture_contains.go     no, maybe or unknown
//	mixture_sum.go          decayed sums
//	mixture_encode.go       the encoding of provisional panes
//
// The encodings are specified in FORMAT.md and held by golden files;
// sketchtest has the laws that all of this obeys.
package sketches
