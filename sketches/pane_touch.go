package sketches

// TouchedTogether is how many panes Touch is worth calling for at once: what it reads of
// them stays in the second cache.
const TouchedTogether = 16

// Touch reads the exact tables that merging the sketches in which will read of a few
// panes, nil ones left out, so that they come from memory together. A question about an
// hour of panes of a minute waits for memory half of its time else: each of them is
// five or so pointers away, and the next one is looked at only when it has been merged.
// It reads the panes level by level, because a processor waits together only for what
// does not depend upon one another. Sketches are left to its own looking ahead. The result means
// nothing, and is there lest the compiler leave the reading out.
//
//go:noinline
func Touch(panes []*Pane, which Set) (read uint64) {
	var wides [TouchedTogether]*wide
	var tables [TouchedTogether]*table
	panes = panes[:min(len(panes), TouchedTogether)]
	for i, p := range panes {
		if p != nil {
			wides[i] = p.wide
		}
	}
	for i, w := range wides {
		if w != nil {
			read |= uint64(len(w.columns))
		} else if i < len(panes) && panes[i] != nil {
			read |= touchLines(panes[i].block.bytes())
		}
	}
	for c := range columnsOf(panes) {
		for i, w := range wides {
			if tables[i] = nil; w != nil {
				tables[i] = w.columns[c].table
			}
		}
		for _, t := range tables {
			if t != nil && (t.plan.tabled|t.plan.samples)&which != 0 {
				read |= touchWords(t.words)
			}
		}
		for _, t := range tables {
			if t != nil && (t.plan.tabled|t.plan.samples)&which != 0 {
				read |= touchLines(t.items)
			}
		}
	}
	return read
}

// columnsOf is how many item columns panes have.
func columnsOf(panes []*Pane) int {
	for _, p := range panes {
		if p != nil {
			return len(p.layout.columns)
		}
	}
	return 0
}

// mostTouched is how many bytes are read of one slice; a processor sees by then where
// it will go on.
const mostTouched = 4096

func touchLines(b []byte) (read uint64) {
	for at := 0; at < min(len(b), mostTouched); at += cacheLine {
		read |= uint64(b[at])
	}
	return read
}

func touchWords(words []uint64) (read uint64) {
	for at := 0; at < min(len(words), mostTouched/8); at += cacheLine / 8 {
		read |= words[at]
	}
	return read
}
