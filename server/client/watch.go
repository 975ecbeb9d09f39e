package client

// Server-sent events, as far as this API uses them: fields event and data, one
// line each, and comments.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxEvent bounds one event of a stream.
const maxEvent = 64 << 20

// Watch answers a question again and again: parameters hold question, every and
// those of the question. It calls answer with each JSON answer until ctx ends
// (then it returns nil), answer returns an error, the question cannot be
// answered any more (a *Problem), or the server ends the stream
// (io.ErrUnexpectedEOF). answer must not keep what it is given.
func (c *Client) Watch(ctx context.Context, view string, parameters url.Values, answer func(json.RawMessage) error) error {
	response, err := c.do(ctx, call{method: http.MethodGet, path: "/v1/views/" + url.PathEscape(view) + "/watch", query: parameters})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 64<<10), maxEvent)
	kind := ""
	for lines.Scan() {
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(": "))
		switch {
		case len(lines.Bytes()) == 0:
			kind = ""
		case string(name) == "event":
			kind = string(value)
		case string(name) == "data" && kind == "problem":
			p := &Problem{}
			if err := json.Unmarshal(value, p); err != nil {
				return fmt.Errorf("watch %s: read a problem: %w", view, err)
			}
			return p
		case string(name) == "data":
			if err := answer(value); err != nil {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("watch %s: %w", view, err)
	}
	return fmt.Errorf("watch %s: the server ended the stream: %w", view, io.ErrUnexpectedEOF)
}
