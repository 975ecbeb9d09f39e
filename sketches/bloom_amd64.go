package sketches

import "golang.org/x/sys/cpu"

// haveVectors tells whether setEight may be called. Tests turn it off.
var haveVectors = cpu.X86.HasAVX2

// setEight adds n items to a filter of eight hashes by its blocks, leaving out zeros.
// Four words of a block are shifted, masked and set by one instruction each, which
// takes a third of the time that addEightByWords does.
//
//go:noescape
func setEight(lines *bloomBlock, blocks uint64, hashes *uint64, n int)
