package view

// This file finds out how much memory there is.

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// unknownMemory is what a machine is taken to have that does not say.
const unknownMemory = 4 << 30

// TotalMemory returns the bytes of memory that the process may use: the least of
// what its control group (version 2 or 1) and the machine allow. Where neither
// says, it is taken to be 4 GiB.
func TotalMemory() int64 {
	total := int64(0)
	for _, limit := range []int64{
		numberIn("/sys/fs/cgroup/memory.max"),
		numberIn("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
		memTotal("/proc/meminfo"),
	} {
		if limit > 0 && (total == 0 || limit < total) {
			total = limit
		}
	}
	if total == 0 {
		return unknownMemory
	}
	return total
}

// DefaultMemory is a quarter of TotalMemory: what else runs on the machine has room,
// and so have the pages that the system caches for the log and the store.
func DefaultMemory() int64 { return TotalMemory() / 4 }

// numberIn reads a file that holds a number; 0: it does not ("max").
func numberIn(path string) int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// memTotal reads the machine's memory from a file like /proc/meminfo; 0: it
// does not say.
func memTotal(path string) int64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil || n > 1<<50 {
				return 0
			}
			return n << 10
		}
	}
	return 0
}
