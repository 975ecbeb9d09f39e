package server

// The msgpack form of an answer is its JSON form with other clothes: same
// names, same order. Converting the text, instead of encoding the value a
// second time, makes it impossible for the two to differ.

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/valyala/fastjson"
	"github.com/vmihailenco/msgpack/v5"
)

// appendMsgpack appends the msgpack form of one JSON text to dst. Whole numbers
// become integers, all other numbers 64-bit floats.
func appendMsgpack(dst, text []byte) ([]byte, error) {
	var parser fastjson.Parser
	value, err := parser.ParseBytes(text)
	if err != nil {
		return nil, err
	}
	out := bytes.NewBuffer(dst)
	encoder := msgpack.NewEncoder(out)
	if err := packValue(encoder, value); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func packValue(e *msgpack.Encoder, v *fastjson.Value) error {
	switch v.Type() {
	case fastjson.TypeNull:
		return e.EncodeNil()
	case fastjson.TypeTrue:
		return e.EncodeBool(true)
	case fastjson.TypeFalse:
		return e.EncodeBool(false)
	case fastjson.TypeString:
		return e.EncodeString(string(v.GetStringBytes()))
	case fastjson.TypeNumber:
		return packNumber(e, string(v.MarshalTo(nil)))
	case fastjson.TypeArray:
		values := v.GetArray()
		if err := e.EncodeArrayLen(len(values)); err != nil {
			return err
		}
		for _, one := range values {
			if err := packValue(e, one); err != nil {
				return err
			}
		}
		return nil
	case fastjson.TypeObject:
		return packObject(e, v.GetObject())
	default:
		return fmt.Errorf("no msgpack for JSON of type %v", v.Type())
	}
}

func packObject(e *msgpack.Encoder, o *fastjson.Object) error {
	if err := e.EncodeMapLen(o.Len()); err != nil {
		return err
	}
	var failed error
	o.Visit(func(name []byte, v *fastjson.Value) {
		if failed == nil {
			failed = e.EncodeString(string(name))
		}
		if failed == nil {
			failed = packValue(e, v)
		}
	})
	return failed
}

func packNumber(e *msgpack.Encoder, text string) error {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return e.EncodeInt(n)
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return e.EncodeUint(n)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("number %s: %w", text, err)
	}
	return e.EncodeFloat64(f)
}
