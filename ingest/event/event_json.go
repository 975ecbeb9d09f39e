package event

import (
	"cmp"
	"slices"
	"strconv"
)

// This file writes events as JSON.

// Place says where an event stands in the log.
type Place struct {
	Partition int
	Offset    uint64 // of its batch
	Index     int    // of the event in its batch, from 0
}

// AppendJSON appends the event of a row to dst as a JSON object with its fields' dotted
// names, in the order of the batch's columns, and returns it. Null fields are left out:
// a missing field is null. With a place the fields _partition, _offset and _index follow.
func (b *Batch) AppendJSON(dst []byte, row int, place *Place) []byte {
	dst = append(dst, '{')
	start := len(dst)
	for i := range b.Columns {
		dst = appendField(dst, &b.Columns[i], row, len(dst) > start)
	}
	if place != nil {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `"_partition":`...), int64(place.Partition), 10)
		dst = strconv.AppendUint(append(dst, `,"_offset":`...), place.Offset, 10)
		dst = strconv.AppendInt(append(dst, `,"_index":`...), int64(place.Index), 10)
	}
	return append(dst, '}')
}

// appendFields appends the fields of a row as a JSON object.
func appendFields(dst []byte, columns []*Column, row int) []byte {
	dst = append(dst, '{')
	start := len(dst)
	for _, c := range columns {
		dst = appendField(dst, c, row, len(dst) > start)
	}
	return append(dst, '}')
}

// appendField appends one field of an object, unless it is null.
func appendField(dst []byte, c *Column, row int, comma bool) []byte {
	kind := c.Kinds[row]
	if kind == Null {
		return dst
	}
	if comma {
		dst = append(dst, ',')
	}
	dst = append(appendQuoted(dst, c.Name), ':')
	if kind == String {
		return appendQuoted(dst, c.text(c.Bits[row]))
	}
	return appendScalar(dst, kind, c.Bits[row])
}

// byName returns the columns in order of name. The order of the batch's own columns
// depends on which events share the batch; that of a whole event's item must not.
func (b *Batch) byName() []*Column {
	columns := make([]*Column, len(b.Columns))
	for i := range b.Columns {
		columns[i] = &b.Columns[i]
	}
	slices.SortFunc(columns, func(x, y *Column) int { return cmp.Compare(x.Name, y.Name) })
	return columns
}
