package server

// What a server is made of, and its life: New binds, Run serves and stops.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/sync/semaphore"

	"sketchlog/ingest"
	"sketchlog/ingest/event"
	"sketchlog/ingest/eventlog"
	"sketchlog/ingest/turns"
	"sketchlog/ingest/view"
	"sketchlog/query"
)

// Config is what a Server needs.
type Config struct {
	// Listen is host:port; port 0 takes a free one.
	Listen string
	// Streams, Views, Queries and Log must have recovered. They belong to the
	// caller, who closes them after Run has returned.
	Streams *ingest.Streams
	Views   *view.Views
	Queries *query.Engine
	Log     eventlog.Log
	// Limits bound what requests may cost; what is 0 has a default.
	Limits Limits
	// Turns is in whose line decoding waits; default one with a turn for each processor.
	Turns *turns.Queue
	// Clock gives the arrival time of events; default time.Now.
	Clock func() time.Time
	// Logger takes what operators should know; default slog.Default.
	Logger *slog.Logger
	// Node names this server in /v1/status; default the host's name.
	Node string
	// Version is shown by /v1/status; default the version of the build.
	Version string
}

// Limits bound what requests may cost. Everything has a default, argued here.
type Limits struct {
	Body       int   // bytes of a request as sent: 32 MiB
	Unpacked   int   // bytes of its body unpacked: 256 MiB, eight times as much
	Definition int   // bytes of a definition: 1 MiB
	Question   int   // bytes of a body of questions: 16 MiB, a hundred thousand items of 160 bytes
	InFlight   int64 // bytes of bodies being read and decoded at once: 512 MiB, so that one of the greatest always fits beside the eighth for small ones
	Header     int   // bytes of a request's line and headers: 32 KiB, enough for a hundred items in a URL; held by each connection
	// Connections served at once: 4096, at two buffers each about 150 MiB.
	Connections int
	Watchers    int // event streams open at once: 256
	Questions   int // questions in one POST /v1/query: 1000
	// Events of one GET …/events: as many as a record can hold, since only the beginning of a record can be asked for.
	// They are written piece by piece, so that they cost time and not memory.
	Events int

	Read    time.Duration // to read a request: 1 m, 32 MiB at half a MiB/s
	Write   time.Duration // to write an answer: 1 m
	Idle    time.Duration // between requests of a connection: 2 m
	Room    time.Duration // to wait for room for a body: 5 s, to ride out a burst and still tell clients of overload
	Request time.Duration // to work on a request: 30 s
	Stop    time.Duration // to finish what was begun when Run is told to end: 4 s
}

// withDefaults fills in what is 0.
func (l Limits) withDefaults() Limits {
	fill(&l.Body, 32<<20)
	fill(&l.Unpacked, 256<<20)
	fill(&l.Definition, 1<<20)
	fill(&l.Question, 16<<20)
	fill(&l.InFlight, 512<<20)
	fill(&l.Header, 32<<10)
	fill(&l.Connections, 4096)
	fill(&l.Watchers, 256)
	fill(&l.Questions, 1000)
	fill(&l.Events, event.MaxRows)
	fill(&l.Read, time.Minute)
	fill(&l.Write, time.Minute)
	fill(&l.Idle, 2*time.Minute)
	fill(&l.Room, 5*time.Second)
	fill(&l.Request, 30*time.Second)
	fill(&l.Stop, 4*time.Second)
	return l
}

func fill[T int | int64 | time.Duration](v *T, otherwise T) {
	if *v == 0 {
		*v = otherwise
	}
}

// Validate names every fault at once.
func (c Config) Validate() error {
	var faults []error
	missing := func(absent bool, name string) {
		if absent {
			faults = append(faults, fmt.Errorf("server: Config.%s is missing", name))
		}
	}
	missing(c.Streams == nil, "Streams")
	missing(c.Views == nil, "Views")
	missing(c.Queries == nil, "Queries")
	missing(c.Log == nil, "Log")
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		faults = append(faults, fmt.Errorf("server: Config.Listen %q is not host:port: %w", c.Listen, err))
	}
	l := c.Limits
	for _, one := range []struct {
		name  string
		value int64
	}{
		{"Body", int64(l.Body)}, {"Unpacked", int64(l.Unpacked)}, {"Definition", int64(l.Definition)}, {"Question", int64(l.Question)}, {"InFlight", l.InFlight},
		{"Header", int64(l.Header)}, {"Connections", int64(l.Connections)}, {"Watchers", int64(l.Watchers)}, {"Questions", int64(l.Questions)},
		{"Events", int64(l.Events)}, {"Read", int64(l.Read)}, {"Write", int64(l.Write)}, {"Idle", int64(l.Idle)}, {"Room", int64(l.Room)}, {"Request", int64(l.Request)}, {"Stop", int64(l.Stop)},
	} {
		if one.value < 0 {
			faults = append(faults, fmt.Errorf("server: Limits.%s is %d; it must be above 0, or 0 for the default", one.name, one.value))
		}
	}
	return errors.Join(faults...)
}

// Server answers HTTP requests. It holds no state of its own but what is in flight:
//
//	listener ─▶ fasthttp ─▶ serve ─▶ router ─▶ handler ─▶ Streams │ Views │ Queries │ Log
//	                          │                   ▲
//	                    metrics, panics     budget (bytes), requests (context)
type Server struct {
	config   Config
	limits   Limits
	log      *slog.Logger
	turns    *turns.Queue
	clock    func() time.Time
	began    time.Time
	router   *router
	http     *fasthttp.Server
	listener net.Listener
	metrics  *metrics

	budget   *budget   // bytes of bodies
	bodies   sync.Pool // *[]byte
	batches  sync.Pool // *event.Batch
	replies  sync.Pool // *bytes.Buffer
	watchers *semaphore.Weighted

	// definitions is held while a stream is deleted or a view made, so that no
	// view is made of a stream that goes.
	definitions sync.Mutex

	closing  atomic.Bool
	stopping chan struct{}   // closed when Run is told to end: watchers finish
	requests context.Context // of all requests; cancelled when the time to finish is over
	give     context.CancelFunc
	watching sync.WaitGroup

	connections struct {
		sync.Mutex
		open map[net.Conn]struct{}
	}
}

// New makes a server and binds its address: Addr is known and clients may
// connect; they are answered once Run runs. Run must be called to free the address.
func New(c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Turns == nil {
		c.Turns = turns.New(runtime.GOMAXPROCS(0))
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Version == "" {
		c.Version = buildVersion()
	}
	if c.Node == "" {
		c.Node, _ = os.Hostname() // a nameless host is still a node
	}
	s := &Server{config: c, limits: c.Limits.withDefaults(), log: c.Logger, turns: c.Turns, clock: c.Clock, began: c.Clock(), stopping: make(chan struct{})}
	s.connections.open = make(map[net.Conn]struct{})
	s.budget = newBudget(s.limits.InFlight)
	s.watchers = semaphore.NewWeighted(int64(s.limits.Watchers))
	var err error
	if s.router, err = newRouter(routes()); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(s); err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", c.Listen); err != nil {
		return nil, fmt.Errorf("server: listen on %s: %w; choose another address or stop what uses it", c.Listen, err)
	}
	s.requests, s.give = context.WithCancel(context.Background())
	s.http = &fasthttp.Server{
		Handler:      s.serve,
		ErrorHandler: s.refuse,
		Name:         "sketchlog",
		Logger:       quiet{s.log},
		ConnState:    s.track,
		// The handler reads the body itself, after it has looked at the headers
		// and found room for it; otherwise every connection could make the
		// server hold a body of the greatest size.
		StreamRequestBody:            true,
		MaxRequestBodySize:           s.limits.Body,
		DisablePreParseMultipartForm: true,
		ReadBufferSize:               s.limits.Header,
		WriteBufferSize:              8 << 10,
		Concurrency:                  s.limits.Connections,
		ReadTimeout:                  s.limits.Read,
		WriteTimeout:                 s.limits.Write,
		IdleTimeout:                  s.limits.Idle,
		TCPKeepalive:                 true,
		CloseOnShutdown:              true,
		SecureErrorLogMessage:        true,
	}
	return s, nil
}

// Addr is the address that the server listens on, host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends. Then it refuses new work, gives what was begun
// Limits.Stop to finish, closes every connection and returns: nil after such
// an end, else why serving was not possible.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.listener) }()
	var failed error
	select {
	case failed = <-served:
		served <- nil
		if failed != nil {
			failed = fmt.Errorf("server: serve on %s: %w", s.Addr(), failed)
		}
	case <-ctx.Done():
	}
	s.closing.Store(true)
	close(s.stopping)
	grace, cancel := context.WithTimeout(context.Background(), s.limits.Stop)
	defer cancel()
	if err := s.http.ShutdownWithContext(grace); errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("requests did not finish in time and are given up", "after", s.limits.Stop)
	}
	s.give()
	s.closeConnections()
	// Shutdown closes the listener only once Serve has begun with it.
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Warn("listener did not close", "error", err)
	}
	<-served
	s.watching.Wait()
	return failed
}

// track remembers open connections for closeConnections.
func (s *Server) track(c net.Conn, state fasthttp.ConnState) {
	switch state {
	case fasthttp.StateNew:
		s.connections.Lock()
		s.connections.open[c] = struct{}{}
		s.connections.Unlock()
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		s.connections.Lock()
		delete(s.connections.open, c)
		s.connections.Unlock()
	}
}

// closeConnections ends what Shutdown waited for in vain.
func (s *Server) closeConnections() {
	s.connections.Lock()
	defer s.connections.Unlock()
	for c := range s.connections.open {
		_ = c.Close() // the other side sees it closed either way
	}
}

// serve is fasthttp's handler: it finds the route, guards it and counts it.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	began := time.Now()
	r := &request{ctx: ctx, server: s, route: unrouted}
	r.run()
	s.metrics.observe(r.route, ctx.Response.StatusCode(), time.Since(began))
}

// run finds and calls the handler; whatever goes wrong becomes a problem.
func (r *request) run() {
	defer func() {
		if cause := recover(); cause != nil {
			r.server.log.Error("a handler panicked", "path", abridged(string(r.ctx.Path())), "cause", cause, "stack", string(debug.Stack()))
			r.problem(fmt.Errorf("panic: %v", cause))
		}
	}()
	s := r.server
	m, err := s.router.find(string(r.ctx.Method()), r.ctx.URI().PathOriginal())
	if err == nil {
		r.route, r.name = m.route, m.name
		if s.closing.Load() && !answersWhileClosing[s.router.routes[m.route].pattern] {
			err = errClosing()
		} else {
			err = s.router.routes[m.route].handle(s, r)
		}
	}
	if err != nil {
		r.problem(err)
	}
}

// refuse is fasthttp's error handler: requests that never became one.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	r := &request{ctx: ctx, server: s, route: unrouted}
	switch {
	case errors.As(err, &small):
		err = kind{"header-too-large", "Request header too large", fasthttp.StatusRequestHeaderFieldsTooLarge, 0}.because(
			fmt.Sprintf("the request's line and headers exceed %d bytes; send many items by POST", s.limits.Header))
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		err = errTooLarge("the body exceeds %d bytes; send fewer events at a time", s.limits.Body)
	case errors.As(err, &network) && network.Timeout():
		err = kind{"timeout", "Request not read in time", fasthttp.StatusRequestTimeout, 0}.because(
			fmt.Sprintf("the request was not complete within %v", s.limits.Read))
	default:
		err = errBadRequest("this is not a valid HTTP request")
	}
	r.problem(err)
	s.metrics.observe(r.route, ctx.Response.StatusCode(), 0)
}

// quiet takes fasthttp's log: mostly clients that hang up, so debug.
type quiet struct{ log *slog.Logger }

// Printf implements fasthttp.Logger.
func (q quiet) Printf(format string, args ...any) {
	q.log.Debug("http: " + fmt.Sprintf(format, args...))
}

func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
