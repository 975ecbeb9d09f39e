package event

// Unpacking of compressed request bodies, within a limit that no compressed bomb can pass.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is the largest zstd window that is taken. RFC 9659 allows 8 MiB in HTTP; common encoders at their best
// levels use up to 32.
const maxWindow = 32 << 20

// The decoders hold tables and windows that are worth keeping between requests; they hold nothing of a body while they
// are in the pool.
var (
	gzipReaders sync.Pool // *gzip.Reader
	zstdReaders sync.Pool // *zstd.Decoder
)

// Unpack undoes a Content-Encoding: "" or "identity" gives body itself, "gzip" (several members too) and "zstd" (several
// frames too) a new slice. More than limit bytes are ErrTooLarge, an unknown encoding or damaged data ErrEncoding.
// Memory stays within about twice the limit whatever the body claims.
func Unpack(encoding string, body []byte, limit int) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		if len(body) > limit {
			return nil, overLimit(limit)
		}
		return body, nil
	case "gzip", "x-gzip":
		return unpackGzip(body, limit)
	case "zstd":
		return unpackZstd(body, limit)
	}
	return nil, fmt.Errorf("%w %q: use gzip, zstd or identity", ErrEncoding, encoding)
}

func overLimit(limit int) error {
	return fmt.Errorf("%w: more than %d bytes unpacked: send several requests", ErrTooLarge, limit)
}

func unpackGzip(body []byte, limit int) ([]byte, error) {
	source := bytes.NewReader(body)
	z, _ := gzipReaders.Get().(*gzip.Reader)
	if z == nil {
		z = new(gzip.Reader)
	}
	defer func() {
		source.Reset(nil)
		gzipReaders.Put(z)
	}()
	if err := z.Reset(source); err != nil {
		return nil, damaged("gzip", err)
	}
	return readUpTo(z, "gzip", len(body), limit)
}

func unpackZstd(body []byte, limit int) ([]byte, error) {
	z, _ := zstdReaders.Get().(*zstd.Decoder)
	if z == nil {
		var err error
		// Concurrency 1 decodes on the caller's goroutine and starts none.
		if z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow)); err != nil {
			return nil, fmt.Errorf("make zstd decoder: %w", err)
		}
	}
	if len(body) == 0 {
		return nil, damaged("zstd", io.ErrUnexpectedEOF)
	}
	if err := z.Reset(bytes.NewReader(body)); err != nil {
		return nil, damaged("zstd", err)
	}
	out, err := readUpTo(z, "zstd", len(body), limit)
	if z.Reset(nil) == nil {
		zstdReaders.Put(z)
	}
	return out, err
}

// readUpTo reads all of source. The first guess is four times the packed size; memory then doubles as bytes really come.
func readUpTo(source io.Reader, encoding string, packed, limit int) ([]byte, error) {
	out := make([]byte, 0, min(max(4*packed, 512), limit+1))
	for {
		if len(out) > limit {
			return nil, overLimit(limit)
		}
		if len(out) == cap(out) {
			grown := make([]byte, len(out), min(2*cap(out), limit+1))
			copy(grown, out)
			out = grown
		}
		n, err := source.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case errors.Is(err, io.EOF) && len(out) <= limit:
			return out, nil
		case errors.Is(err, io.EOF):
			return nil, overLimit(limit)
		case err != nil:
			return nil, damaged(encoding, err)
		}
	}
}

func damaged(encoding string, err error) error {
	return fmt.Errorf("%w: body is not whole %s: %w", ErrEncoding, encoding, err)
}
