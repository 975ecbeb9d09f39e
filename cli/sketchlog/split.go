package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/tinylib/msgp/msgp"
)

// A file of any size is sent as many requests. This file cuts an input into
// bodies of so many events without understanding more of it than its framing;
// the server checks the events.

// formatOf takes the format from a file's suffix, .gz and .zst set aside.
func formatOf(name string) string {
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	switch path.Ext(name) {
	case ".json":
		return "json"
	case ".csv":
		return "csv"
	case ".msgpack", ".mp":
		return "msgpack"
	case ".log":
		return "accesslog"
	}
	return "ndjson"
}

// unpacked reads through gzip or zstd when the name says so.
func unpacked(name string, r io.Reader) (io.Reader, error) {
	switch path.Ext(name) {
	case ".gz":
		return gzip.NewReader(r)
	case ".zst":
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	}
	return r, nil
}

// splitter gives one request body after another; io.EOF itself after the last,
// while an input that ends within an event is another error. A body is valid until
// the next call.
type splitter interface {
	next() (body []byte, events int, err error)
}

// maxBody keeps a request under the server's limit whatever the events' size.
const maxBody = 16 << 20

// formats are those that can be sent.
var formats = []string{"ndjson", "json", "msgpack", "csv", "accesslog"}

func newSplitter(format string, r io.Reader, batch int) (splitter, error) {
	in := bufio.NewReaderSize(r, 1<<20)
	switch format {
	case "ndjson", "accesslog":
		return &lineSplitter{in: in, batch: batch}, nil
	case "json":
		return newJSONSplitter(in, batch)
	case "csv":
		return newCSVSplitter(in, batch)
	case "msgpack":
		return newMsgpackSplitter(in, batch)
	}
	return nil, fmt.Errorf("format %q is not one of %s", format, strings.Join(formats, ", "))
}

// lineSplitter cuts at line ends; empty lines are not events.
type lineSplitter struct {
	in    *bufio.Reader
	batch int
	body  []byte
}

func (s *lineSplitter) next() ([]byte, int, error) {
	s.body = s.body[:0]
	events := 0
	for events < s.batch && len(s.body) < maxBody {
		begin := len(s.body)
		var err error
		for {
			var part []byte
			part, err = s.in.ReadSlice('\n')
			s.body = append(s.body, part...)
			if !errors.Is(err, bufio.ErrBufferFull) {
				break
			}
			if len(s.body)-begin > maxBody {
				return nil, 0, fmt.Errorf("a line is longer than %d MiB", maxBody>>20)
			}
		}
		if len(bytes.TrimSpace(s.body[begin:])) > 0 {
			events++
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return nil, 0, err
			}
			break
		}
	}
	if events == 0 {
		return nil, 0, io.EOF
	}
	return s.body, events, nil
}

// jsonSplitter reads one object, an array of objects or objects one after the
// other, and sends them as NDJSON.
type jsonSplitter struct {
	in      *json.Decoder
	inArray bool
	batch   int
	body    []byte
}

func newJSONSplitter(in *bufio.Reader, batch int) (*jsonSplitter, error) {
	s := &jsonSplitter{batch: batch}
	for {
		b, err := in.ReadByte()
		if err != nil {
			break
		}
		if bytes.IndexByte([]byte(" \t\r\n"), b) < 0 {
			s.inArray = b == '['
			if err := in.UnreadByte(); err != nil {
				return nil, err
			}
			break
		}
	}
	s.in = json.NewDecoder(in)
	if s.inArray {
		if _, err := s.in.Token(); err != nil {
			return nil, fmt.Errorf("reading JSON: %w", err)
		}
	}
	return s, nil
}

func (s *jsonSplitter) next() ([]byte, int, error) {
	s.body = s.body[:0]
	events := 0
	for events < s.batch && len(s.body) < maxBody && (!s.inArray || s.in.More()) {
		var one json.RawMessage
		if err := s.in.Decode(&one); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, 0, fmt.Errorf("reading JSON at byte %d: %w", s.in.InputOffset(), err)
		}
		line := bytes.NewBuffer(s.body)
		if err := json.Compact(line, one); err != nil {
			return nil, 0, fmt.Errorf("reading JSON: %w", err)
		}
		s.body = append(line.Bytes(), '\n')
		events++
	}
	if events == 0 {
		return nil, 0, s.end()
	}
	return s.body, events, nil
}

// end is io.EOF where the input ends as it should: an array is closed, and
// nothing follows it.
func (s *jsonSplitter) end() error {
	if !s.inArray {
		return io.EOF
	}
	if _, err := s.in.Token(); err != nil {
		return fmt.Errorf("reading JSON: the array is not closed at byte %d: %w", s.in.InputOffset(), unexpected(err))
	}
	if _, err := s.in.Token(); err != io.EOF {
		return fmt.Errorf("reading JSON: something follows the array at byte %d", s.in.InputOffset())
	}
	return io.EOF
}

// unexpected makes the end of the input an error.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// csvSplitter repeats the header in every body.
type csvSplitter struct {
	in     *csv.Reader
	header []string
	batch  int
	body   bytes.Buffer
}

func newCSVSplitter(in *bufio.Reader, batch int) (*csvSplitter, error) {
	s := &csvSplitter{in: csv.NewReader(in), batch: batch}
	s.in.ReuseRecord = true
	s.in.FieldsPerRecord = -1 // the server says which event has too many or too few
	header, err := s.in.Read()
	if err == io.EOF {
		return nil, errors.New("reading CSV: it has no header, the line that names its fields")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the CSV header: %w", err)
	}
	s.header = slices.Clone(header)
	return s, nil
}

func (s *csvSplitter) next() ([]byte, int, error) {
	s.body.Reset()
	w := csv.NewWriter(&s.body)
	if err := w.Write(s.header); err != nil {
		return nil, 0, err
	}
	events := 0
	for events < s.batch && s.body.Len() < maxBody {
		record, err := s.in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, fmt.Errorf("reading CSV: %w", err)
		}
		if err := w.Write(record); err != nil {
			return nil, 0, err
		}
		events++
	}
	if w.Flush(); w.Error() != nil {
		return nil, 0, w.Error()
	}
	if events == 0 {
		return nil, 0, io.EOF
	}
	return s.body.Bytes(), events, nil
}

// msgpackSplitter reads an array of maps or maps one after the other.
type msgpackSplitter struct {
	in    *msgp.Reader
	left  uint32 // of the array; unused outside of one
	array bool
	batch int
	read  int // events, up to the body before
	body  bytes.Buffer
}

func newMsgpackSplitter(in *bufio.Reader, batch int) (*msgpackSplitter, error) {
	s := &msgpackSplitter{in: msgp.NewReader(in), batch: batch}
	kind, err := s.in.NextType()
	if errors.Is(err, io.EOF) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading msgpack: %w", err)
	}
	if kind == msgp.ArrayType {
		s.array = true
		if s.left, err = s.in.ReadArrayHeader(); err != nil {
			return nil, fmt.Errorf("reading msgpack: %w", err)
		}
	}
	return s, nil
}

func (s *msgpackSplitter) next() ([]byte, int, error) {
	s.body.Reset()
	events := 0
	for events < s.batch && s.body.Len() < maxBody && (!s.array || s.left > 0) {
		if _, err := s.in.NextType(); err == io.EOF && !s.array {
			break
		}
		if _, err := s.in.CopyNext(&s.body); err != nil {
			return nil, 0, fmt.Errorf("reading msgpack, event %d: %w", s.read+events, unexpected(err))
		}
		events++
		s.left--
	}
	if events > 0 {
		s.read += events
		return s.body.Bytes(), events, nil
	}
	if _, err := s.in.NextType(); s.array && err != io.EOF {
		return nil, 0, errors.New("reading msgpack: something follows the array")
	}
	return nil, 0, io.EOF
}
