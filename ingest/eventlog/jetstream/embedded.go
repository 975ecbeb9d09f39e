package jetstream

// This file is the NATS server inside this process, which can be started again
// while the log is open.

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
)

// embedded is the server of this process. A connection to it finds the one that
// runs at the moment, so it comes back by itself after a restart.
type embedded struct {
	config Config

	mu     sync.Mutex
	server *server.Server // nil: none runs
}

// account is the one that an embedded server keeps its streams in.
const account = server.DEFAULT_GLOBAL_ACCOUNT

var errStarting = errors.New("the embedded NATS server is being started")

// start starts a server on the directory, and returns when it takes connections.
func (e *embedded) start() error {
	s, err := server.NewServer(&server.Options{
		ServerName:             e.config.ServerName,
		JetStream:              true,
		StoreDir:               e.config.Dir, // the server makes the folder jetstream in it
		SyncAlways:             true,         // an acknowledged record is on disk; the default syncs every two minutes
		JetStreamMaxStore:      e.config.Limit,
		JetStreamMaxMemory:     64 << 20,
		MaxPayload:             maxPayload,
		DontListen:             true,
		NoSigs:                 true,
		NoLog:                  true,
		DisableJetStreamBanner: true,
	})
	if err != nil {
		return fmt.Errorf("open log in %s: %w", e.config.Dir, err)
	}
	s.SetLoggerV2(serverLogger{e.config.Logger}, false, false, false)
	go s.Start() // ends with Shutdown, in stop
	if !s.ReadyForConnections(startPatience) {
		s.Shutdown()
		s.WaitForShutdown()
		return fmt.Errorf("open log in %s: the embedded NATS server did not start within %v", e.config.Dir, startPatience)
	}
	e.mu.Lock()
	e.server = s
	e.mu.Unlock()
	return nil
}

// stop ends the server that runs, if one does.
func (e *embedded) stop() {
	e.mu.Lock()
	s := e.server
	e.server = nil
	e.mu.Unlock()
	if s != nil {
		s.Shutdown()
		s.WaitForShutdown()
	}
}

// running returns the server that runs; nil: none does.
func (e *embedded) running() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.server
}

// InProcessConn implements nats.InProcessConnProvider.
func (e *embedded) InProcessConn() (net.Conn, error) {
	if s := e.running(); s != nil {
		return s.InProcessConn()
	}
	return nil, errStarting
}

// fault says what keeps a JetStream stream, or any if its name is "", from being
// written to; nil: nothing that the server knows of.
func (e *embedded) fault(stream string) error {
	s := e.running()
	if s == nil {
		return errStarting
	}
	o := &server.HealthzOptions{Details: true}
	if stream != "" {
		o.Account, o.Stream = account, stream
	}
	for _, e := range s.Healthz(o).Errors {
		// A stream that is just being made or deleted is a fault to it, too.
		if e.Type == server.HealthzErrorJetStream || strings.Contains(e.Error, "write error") {
			return errors.New(e.Error)
		}
	}
	return nil
}
