package ingest

// Which rows of a request go to which partition, and into which records.
//
// Rows are placed as lists of row numbers, one a partition, in scratch that is reused: the batch's columns are then gathered
// once, straight into the partition's open batch. Rows with a key follow Kafka's murmur2. Rows without one go round robin,
// single rows and not runs: every partition gets the same load from any one request, and what it costs, gathering from all
// over the columns, is paid with keys anyway.

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"

	"github.com/zeebo/xxh3"

	"sketchlog/ingest/event"
)

// placement is the rows of one request by partition. The lists belong to the placement and are good until it is released.
type placement struct {
	rows [][]int32 // per partition, rising
	text []byte    // scratch for keys that are numbers
	size []int     // per row, scratch of sizes
}

var placements = sync.Pool{New: func() any { return new(placement) }}

// release gives the scratch back.
func (p *placement) release() { placements.Put(p) }

// place distributes the rows of b over n partitions by the field key ("": none). start is where round robin begins: row i
// without a key goes to partition (start + i) mod n.
func place(b *event.Batch, key string, n int, start uint64) *placement {
	p := placements.Get().(*placement)
	p.rows = slices.Grow(p.rows[:0], n)[:n]
	for i := range p.rows {
		p.rows[i] = p.rows[i][:0]
	}
	var column *event.Column
	if key != "" {
		column = b.Column(key)
	}
	rows := b.Rows()
	switch {
	case n == 1:
		for row := range rows {
			p.rows[0] = append(p.rows[0], int32(row))
		}
	case column == nil:
		at := int(start % uint64(n))
		for row := range rows {
			p.rows[at] = append(p.rows[at], int32(row))
			if at++; at == n {
				at = 0
			}
		}
	default:
		lists := p.rows
		for row, kind := range column.Kinds {
			at := 0
			if kind == event.String { // fast path
				at = Partition(column.String(row), n)
			} else {
				at = p.partition(column, row, n, start)
			}
			lists[at] = append(lists[at], int32(row))
		}
	}
	return p
}

// partition places one row by its key. Strings go by their bytes, all else by its JSON text, so that 1 and 1.0, which are
// one item, are on one partition.
func (p *placement) partition(c *event.Column, row, n int, start uint64) int {
	switch c.Kinds[row] {
	case event.Null:
		return int((start + uint64(row)) % uint64(n))
	case event.String:
		return Partition(c.String(row), n)
	case event.Int:
		p.text = strconv.AppendInt(p.text[:0], int64(c.Bits[row]), 10)
	default:
		p.text = c.Value(row).AppendJSON(p.text[:0])
	}
	return Partition(p.text, n)
}

// roundRobinStart is where the round robin of a numbered request begins: a function of name and number only, so that a repeat
// is placed like the first.
func roundRobinStart(producer string, number uint64) uint64 {
	return xxh3.HashStringSeed(producer, number)
}

// measure returns the size of every row in bytes: an upper bound of what it takes in an encoded record. It is computed from
// the values alone and not from how this batch happens to hold them, because chunks are cut by it. The result belongs to
// the placement.
func (p *placement) measure(b *event.Batch) []int {
	const (
		perRow   = 16 // the time, and a row's share of segments
		perValue = 10 // kind and number, or kind and the length of a string
		perField = 1  // the kind of a null
	)
	rows := b.Rows()
	p.size = slices.Grow(p.size[:0], rows)[:rows]
	sizes := p.size
	for row := range sizes {
		sizes[row] = perRow + perField*len(b.Columns)
	}
	for i := range b.Columns {
		kinds, bits := b.Columns[i].Kinds, b.Columns[i].Bits
		for row := range sizes {
			switch kinds[row] {
			case event.Null:
			case event.String:
				sizes[row] += perValue + int(bits[row]&math.MaxUint32) // its length
			default:
				sizes[row] += perValue
			}
		}
	}
	return sizes
}

// chunk is rows of one request that go into one record of one partition.
type chunk struct {
	partition int
	number    int // 0 for the first chunk of the partition
	rows      []int32
	size      int // bytes, as measured
}

// cut makes the chunks of a placement, in order of partition: each partition's rows in pieces of at most limit bytes. Where
// the pieces end depends on the rows only. A row of more than limit bytes is ErrTooLarge.
func (p *placement) cut(b *event.Batch, limit int) ([]chunk, error) {
	sizes := p.measure(b)
	var chunks []chunk
	for partition, rows := range p.rows {
		number, from, size := 0, 0, 0
		for i, row := range rows {
			n := sizes[row]
			if n > limit {
				return nil, fmt.Errorf("%w: event %d takes %d bytes and a record holds %d: make its strings shorter", ErrTooLarge, row, n, limit)
			}
			if size+n > limit {
				chunks = append(chunks, chunk{partition, number, rows[from:i], size})
				number, from, size = number+1, i, 0
			}
			size += n
		}
		if from < len(rows) {
			chunks = append(chunks, chunk{partition, number, rows[from:], size})
		}
	}
	return chunks, nil
}

// segmentName is the producer's name as the log holds it for a chunk. The log remembers a number once a name and partition,
// so the further chunks of a request, which are records of their own and may be missing on their own, go by names of
// their own. No producer can be called so: a name has no slash.
func segmentName(producer string, chunk int) string {
	if producer == "" || chunk == 0 {
		return producer
	}
	return producer + "/" + strconv.Itoa(chunk)
}
