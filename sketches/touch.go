package sketches

// touchedTogether is how many panes are fetched from memory at once: enough
// for a processor to wait for as many lines as it can, and few enough for them
// to stay in its first cache.
const touchedTogether = 32

// Touch reads what Apply will read first of each pane. Panes of many keys are
// seldom in the processor's cache, and Apply alone waits for one of them after the other;
// touched a few dozen at a time, they come together. The result means nothing, and
// is there lest the compiler leave the reading out.
func Touch(panes []*Pane) (read byte) {
	for len(panes) > touchedTogether {
		read |= touch(panes[:touchedTogether])
		panes = panes[touchedTogether:]
	}
	return read | touch(panes)
}

// touch reads the panes and then, in a loop as short as can be, where their
// blocks begin and where they will grow: a processor looks but a few hundred instructions
// ahead, so what it is to wait for together must stand close together.
//
//go:noinline
func touch(panes []*Pane) (read byte) {
	const usualRecord, usualEntry = 24, 12 // bytes
	var blocks [touchedTogether]block
	for i, p := range panes {
		blocks[i] = p.block
	}
	for _, block := range blocks[:len(panes)] {
		b := block.bytes()
		if last := len(b) - 1; last >= 0 {
			log, low := int(block.log), int(block.low)
			read |= b[0] | b[min(log, last)] | b[min(log+usualRecord, last)] | b[max(low-usualEntry, 0)]
		}
	}
	return read
}
