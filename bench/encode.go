package bench

// Events as they go over the wire: written by hand into a reused buffer, so
// that the generator costs far less than the server that it measures.

import (
	"strconv"

	"github.com/tinylib/msgp/msgp"
)

// Formats of request bodies.
const (
	NDJSON  = "ndjson"
	Msgpack = "msgpack"
)

// contentType is the HTTP name of a format.
func contentType(format string) string {
	if format == Msgpack {
		return "application/msgpack"
	}
	return "application/x-ndjson"
}

// KeyName and ItemName are how ranks are written in events.
func KeyName(rank uint32) string  { return "k" + strconv.FormatUint(uint64(rank), 10) }
func ItemName(rank uint32) string { return "i" + strconv.FormatUint(uint64(rank), 10) }

// appendBody appends the body of one request: all events that are left in g.
func (g *Generator) appendBody(dst []byte, format string) []byte {
	if format == Msgpack {
		n := g.last - g.next + g.count - g.given // an array of maps
		dst = append(dst, 0xdd, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	for {
		e, ok := g.Next()
		switch {
		case !ok:
			return dst
		case format == Msgpack:
			dst = g.source.appendMsgpack(dst, e)
		default:
			dst = g.source.appendNDJSON(dst, e)
		}
	}
}

// appendNDJSON appends e, padded, as one line.
func (s *Source) appendNDJSON(dst []byte, e Event) []byte {
	start := len(dst)
	dst = e.AppendNDJSON(dst)
	room := s.Bytes - (len(dst) - start) - len(`,"pad":""`)
	if room < 0 {
		return dst
	}
	dst = append(dst[:len(dst)-len("}\n")], `,"pad":"`...)
	dst = append(dst, s.padding(e, room)...)
	return append(dst, "\"}\n"...)
}

// appendMsgpack appends e, padded, as one map.
func (s *Source) appendMsgpack(dst []byte, e Event) []byte {
	start := len(dst)
	dst = e.AppendMsgpack(dst)
	const overhead = 4 + 3 // the name, and the header of the string
	room := s.Bytes - (len(dst) - start) - overhead
	if room < 0 {
		return dst
	}
	dst[start] = 0x85 // a map of five
	dst = msgp.AppendString(dst, "pad")
	return msgp.AppendStringFromBytes(dst, s.padding(e, room))
}

// padding cuts n letters out of the random ones; where depends on the event, so
// that paddings differ and do not compress into a dictionary.
func (s *Source) padding(e Event, n int) []byte {
	at := (e.Item*2654435761 ^ e.Key*40503 ^ e.Value*97) % (maxEventBytes)
	return s.pad[at : int(at)+n]
}

// AppendNDJSON appends e as one line.
func (e Event) AppendNDJSON(dst []byte) []byte {
	dst = append(dst, `{"time":`...)
	dst = strconv.AppendInt(dst, e.Time, 10)
	dst = append(dst, `,"key":"k`...)
	dst = strconv.AppendUint(dst, uint64(e.Key), 10)
	dst = append(dst, `","item":"i`...)
	dst = strconv.AppendUint(dst, uint64(e.Item), 10)
	dst = append(dst, `","value":`...)
	dst = strconv.AppendUint(dst, uint64(e.Value), 10)
	return append(dst, "}\n"...)
}

// AppendMsgpack appends e as one map.
func (e Event) AppendMsgpack(dst []byte) []byte {
	dst = msgp.AppendInt64(append(dst, "\x84\xa4time"...), e.Time) // a map of four; a string of four bytes
	dst = appendName(append(dst, "\xa3key"...), 'k', e.Key)
	dst = appendName(append(dst, "\xa4item"...), 'i', e.Item)
	return msgp.AppendUint32(append(dst, "\xa5value"...), e.Value)
}

// appendName appends letter and rank as a msgpack string without making one.
func appendName(dst []byte, letter byte, rank uint32) []byte {
	at := len(dst)
	dst = append(dst, 0, letter) // a fixstr: its length, at most 11, follows once known
	dst = strconv.AppendUint(dst, uint64(rank), 10)
	dst[at] = 0xa0 | byte(len(dst)-at-1)
	return dst
}
