package sketches

// How a block is merged into another without leaving it, which is what nearly all panes
// of many keys need. Answers and encoding are the same as those of wide panes.

// unionFits tells whether a block has room for the union of two panes, if it grows to so
// many bytes. It is false as well if they are to be merged in part of the sketches: a
// log cannot tell.
func (p *Pane) unionFits(o *Pane, which Set) (size int, fits bool) {
	l := p.layout
	if p.wide != nil || o.wide != nil || p.block.first == nil || o.block.first == nil || which&l.block.kept != l.block.kept {
		return 0, false
	}
	size = int(p.block.log) + len(o.log())
	return size, size <= blockLimit && p.mayHold(o)
}

// mayHold tells whether no column would have too many words with those of another block.
func (p *Pane) mayHold(o *Pane) bool {
	l := p.layout
	if int(p.block.words)+int(o.block.words) <= l.block.most {
		return true
	}
	if !l.block.tagged {
		return false
	}
	for c := range l.columns {
		if plan := &l.columns[c]; plan.kept() != 0 && p.wordsOf(c)+o.wordsOf(c) > plan.most {
			return false
		}
	}
	return true
}

// join adds the records of another block, for which there is room.
func (p *Pane) join(o *Pane) {
	p.block.log += uint16(copy(p.block.bytes()[p.block.log:], o.log()))
	p.block.words += o.block.words
}
