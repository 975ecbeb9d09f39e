package event

// The fast path of JSON objects.

// quickFields reads the fields from the name at b[i] on for as long as they are the ones expected, in plain form, and
// each is followed by a comma or the object's end. It leaves i at the first name that it does not take, and says whether
// it read the object to its end.
func (j *jsonReader) quickFields() (closed bool) {
	b, r, i := j.b, j.r, j.i
	hints, columns := j.quick.expected(r)
	took := 0
	for ; took < len(hints) && took < len(columns); took++ {
		h, c := &hints[took], &columns[took]
		if !h.at(b, i) || len(c.Kinds) != r.build.rows {
			break
		}
		at := i + len(h.text)
		if b[at] == ' ' { // as many writers do it
			at++
		}
		kind, value, length := String, uint64(0), 0
		switch lead := b[at]; {
		case lead == '"':
			if length = c.quoted(b, at+1); length > r.limits.StringBytes {
				length = -1
			}
			at += length + 2
		case lead == '-' || isDigit(lead):
			kind, value, at = plainNumber(b, at)
		default:
			kind, at = plainWord(b, at)
		}
		if at < i || length < 0 || at+1 >= len(b) || b[at] != ',' && b[at] != '}' {
			break
		}
		if h.time && !r.setTime(kind, value, b[at-1-length:at-1]) {
			break
		}
		if kind == String {
			value = c.keep(length)
		}
		c.Kinds, c.Bits = append(c.Kinds, kind), append(c.Bits, value)
		i = at + 1
		if b[at] == '}' {
			closed = true
			took++
			break
		}
		if b[i] == ' ' {
			i++
		}
	}
	j.i = i
	r.took(took)
	return closed
}

// plainWord reads true, false or null at b[at] and gives where it ends; negative where the general path must look at it.
func plainWord(b []byte, at int) (kind Kind, end int) {
	if at+8 > len(b) {
		return Null, -1
	}
	switch {
	case string(b[at:at+4]) == "true":
		return True, at + 4
	case string(b[at:at+4]) == "null":
		return Null, at + 4
	case string(b[at:at+5]) == "false":
		return False, at + 5
	}
	return Null, -1
}
