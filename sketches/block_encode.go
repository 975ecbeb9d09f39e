package sketches

import (
	"encoding/binary"
	"slices"
)

// How the rows of groups become records.

// encoded are the records of some rows. Nulls have none.
type encoded struct {
	log   []byte
	ends  []int32 // by record
	nulls bool    // there are fewer records than rows
	odd   bool    // some are too long for a block

	// If there are nulls, of the other rows:
	picked        []int32
	hashes, words []uint64
	rows          []int32
}

// mostEncoded is how many bytes of records memory is kept for.
const mostEncoded = 1 << 18

// encode writes the records of rows from one to another.
func (e *encoded) encode(c int, plan *columnPlan, r *Rows, from, to int) {
	hashes, words, rows := r.Hashes[c][from:to], r.Positions[from:to], r.Index[from:to]
	if e.nulls = slices.Contains(hashes, 0); e.nulls {
		e.pick(hashes)
		e.hashes, e.words, e.rows = pick(e.hashes, hashes, e.picked), pick(e.words, words, e.picked), pick(e.rows, rows, e.picked)
		hashes, words, rows = e.hashes, e.words, e.rows
	}
	e.ends = slices.Grow(e.ends[:0], len(rows))[:len(rows)]
	ends := e.ends
	if plan.items {
		e.log = r.Items[c].AppendItems(e.log[:0], rows, ends, plan.fixed, blockItem)
	} else {
		e.log = slices.Grow(e.log[:0], len(rows)*plan.fixed)[:len(rows)*plan.fixed]
		for i := range ends {
			ends[i] = int32((i + 1) * plan.fixed)
		}
	}
	log, at, longest := e.log, 0, 0
	hashes, words = hashes[:len(ends)], words[:len(ends)]
	// Copies: the compiler would read the plan again after every write to a record.
	fixed, items, counts := plan.fixed, plan.items, plan.samples == 0
	plain := !plan.tagged && !plan.hashed()
	for i, end := range ends {
		b := log[at:end]
		at = int(end)
		word := words[i]
		if counts {
			word = 1
		}
		if plain { // Fast path: nothing stands before the word.
			binary.LittleEndian.PutUint64(b, word)
		} else {
			plan.begin(b, c, hashes[i], word)
		}
		if items {
			n := len(b) - fixed
			b[fixed-1] = byte(n)
			longest = max(longest, n)
		}
	}
	e.odd = longest > blockItem
	if len(plan.weights) > 0 {
		e.weigh(plan, r, from)
	}
}

// weigh writes the weights of the records of rows from one on.
func (e *encoded) weigh(plan *columnPlan, r *Rows, from int) {
	at := 0
	for i, end := range e.ends {
		row := i
		if e.nulls {
			row = int(e.picked[i])
		}
		r.putWeights(e.log[at+plan.weightsAt:], plan, from+row)
		at = int(end)
	}
}

// pick lists the rows that are not null.
func (e *encoded) pick(hashes []uint64) {
	e.picked = e.picked[:0]
	for i, x := range hashes {
		if x != 0 {
			e.picked = append(e.picked, int32(i))
		}
	}
}

// nullsIn is how many of some rows have no record.
func nullsIn(hashes []uint64) (n int) {
	for _, x := range hashes {
		if x == 0 {
			n++
		}
	}
	return n
}

// fit tells whether each of some records may go into a block. The first of them begins at at.
func (e *encoded) fit(plan *columnPlan, ends []int32, at int32) bool {
	for _, end := range ends {
		if int(end-at)-plan.fixed > blockItem {
			return false
		}
		at = end
	}
	return true
}

// begin writes a record down to its weights.
func (plan *columnPlan) begin(b []byte, c int, hash, word uint64) {
	if plan.tagged {
		b[0] = byte(c)
	}
	if plan.hashed() {
		binary.LittleEndian.PutUint64(b[plan.hashAt:], hash)
	}
	binary.LittleEndian.PutUint64(b[plan.wordAt:], word)
}

// putWeights writes the weights of row i.
func (r *Rows) putWeights(b []byte, plan *columnPlan, i int) {
	for j, w := range plan.weights {
		binary.LittleEndian.PutUint64(b[wordBytes*j:], uint64(max(r.Weights[w][i], 0)))
	}
}
