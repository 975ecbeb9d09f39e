//go:build !amd64

package sketches

const haveVectors = false

func setEight(lines *bloomBlock, blocks uint64, hashes *uint64, n int) {
	panic("sketches: setEight is there for amd64 only")
}
