package jetstream

// This file opens and closes the log:
//
//	Log ── nats.Conn ── in process ── server.Server ── Dir/jetstream, under the lock of Dir
//	             └───── network ───── a NATS server elsewhere

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sketchlog/ingest/eventlog"
)

// Config says where the log is.
type Config struct {
	Dir        string        // data directory; the store is in Dir/jetstream. Not used with URL.
	URL        string        // nats://… of an existing server with JetStream; "": embedded
	Limit      int64         // bytes that all streams may hold together; 0: the disk less Reserve
	Reserve    int64         // free bytes of the disk below which appends are refused; 0: 256 MiB; negative: none
	ServerName string        // of the embedded server; "": "sketchlog"
	Patience   time.Duration // how long an append is tried again before ErrUnavailable; 0: 5 s
	Logger     *slog.Logger  // nil: silent
}

const (
	defaultReserve  = 256 << 20
	defaultPatience = 5 * time.Second
	maxPayload      = 8 << 20
	headerRoom      = 4 << 10 // of a message's payload, for its headers
	startPatience   = time.Minute
	callPatience    = 10 * time.Second // for requests whose context has no deadline
)

// Log is a log on JetStream. See Open.
type Log struct {
	config   Config
	nc       *nats.Conn
	js       jetstream.JetStream
	embedded *embedded  // nil with URL
	dir      *directory // nil with URL
	space    *space     // nil with URL or without Reserve
	trouble  trouble
	catalog  catalog
	logger   *slog.Logger

	closing sync.Once
	closed  chan struct{}
}

var _ eventlog.Log = (*Log)(nil)

// Open starts the embedded server on c.Dir, or connects to c.URL. The embedded
// store is recovered when Open returns.
func Open(ctx context.Context, c Config) (*Log, error) {
	c = c.withDefaults()
	l := &Log{config: c, logger: c.Logger, closed: make(chan struct{})}
	var err error
	if c.URL == "" {
		err = l.embed()
	} else {
		err = l.dial(c.URL)
	}
	if err == nil {
		err = l.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (c Config) withDefaults() Config {
	if c.Reserve == 0 {
		c.Reserve = defaultReserve
	}
	if c.Patience <= 0 {
		c.Patience = defaultPatience
	}
	if c.ServerName == "" {
		c.ServerName = "sketchlog"
	}
	if c.Limit <= 0 {
		c.Limit = 1 << 50 // what the disk holds is the limit, and space watches it
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (l *Log) embed() error {
	if l.config.Dir == "" {
		return errors.New("open log: no data directory and no URL of a NATS server given")
	}
	var err error
	if l.dir, err = openDirectory(l.config.Dir, modeStandalone); err != nil {
		return err
	}
	if l.config.Reserve > 0 {
		l.space = newSpace(l.config.Dir, l.config.Reserve, time.Now)
	}
	if err := l.space.least(); err != nil {
		return err
	}
	l.embedded = &embedded{config: l.config}
	if err := l.embedded.start(); err != nil {
		return err
	}
	return l.connect("", nats.InProcessServer(l.embedded), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond),
		nats.ReconnectBufSize(-1)) // as below
}

func (l *Log) dial(url string) error {
	return l.connect(url,
		nats.MaxReconnects(-1), nats.ReconnectWait(250*time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(3), // a stopped server is noticed in seconds
		nats.ReconnectBufSize(-1), // no record waits in a buffer and is sent when its append has long failed
		nats.Timeout(callPatience),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { l.logger.Warn("connection to NATS lost", "error", err) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { l.logger.Info("connected to NATS again", "url", nc.ConnectedUrlRedacted()) }))
}

func (l *Log) connect(url string, options ...nats.Option) error {
	var err error
	options = append(options, nats.Name("sketchlog"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		l.logger.Warn("NATS reports an error", "error", err)
	}))
	if l.nc, err = nats.Connect(url, options...); err != nil {
		return fmt.Errorf("connect to NATS at %q: %w", url, err)
	}
	if l.js, err = jetstream.New(l.nc); err != nil {
		return fmt.Errorf("connect to NATS at %q: %w", url, err)
	}
	return nil
}

// prepare waits for JetStream and opens the catalog.
func (l *Log) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	var err error
	if l.catalog, err = openCatalog(ctx, l); err != nil {
		return fmt.Errorf("open catalog (does the NATS server run with JetStream?): %w", err)
	}
	return nil
}

// Catalog returns the definitions kept beside the log.
func (l *Log) Catalog() eventlog.Catalog { return &l.catalog }

// MaxRecord is the largest record that an append takes, in bytes.
func (l *Log) MaxRecord() int { return int(min(l.nc.MaxPayload(), maxPayload)) - headerRoom }

// Ready asks JetStream for an answer and whether its writes succeed, and looks at the disk.
func (l *Log) Ready(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := l.suspect(""); err != nil {
		return err
	}
	if _, err := l.js.AccountInfo(ctx); err != nil {
		return l.translate(err)
	}
	return l.space.check(0)
}

// Close ends the connection and the embedded server. It may be called again.
func (l *Log) Close() error {
	l.closing.Do(func() {
		close(l.closed)
		l.trouble.close()
		if l.nc != nil {
			l.nc.Close()
		}
		if l.embedded != nil {
			l.embedded.stop()
		}
	})
	return l.dir.close()
}

func (l *Log) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// bounded gives a context a deadline if it has none: a request to a server that
// is gone would otherwise wait for ever.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, callPatience)
}

// serverLogger passes on what the embedded server has to warn of.
type serverLogger struct{ to *slog.Logger }

func (s serverLogger) Noticef(string, ...any) {}
func (s serverLogger) Debugf(string, ...any)  {}
func (s serverLogger) Tracef(string, ...any)  {}
func (s serverLogger) Warnf(format string, args ...any) {
	s.to.Warn("nats: " + fmt.Sprintf(format, args...))
}
func (s serverLogger) Errorf(format string, args ...any) {
	s.to.Error("nats: " + fmt.Sprintf(format, args...))
}
func (s serverLogger) Fatalf(format string, args ...any) {
	s.to.Error("nats: " + fmt.Sprintf(format, args...))
}
