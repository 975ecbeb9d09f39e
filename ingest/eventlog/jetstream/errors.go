package jetstream

// This file turns what NATS says into the errors of a log.

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sketchlog/ingest/eventlog"
)

// Codes of the JetStream API that nats.go does not name (server/errors.json).
const (
	codeResourcesExceeded        jetstream.ErrorCode = 10002 // resource limits exceeded for account
	codeNoPeers                  jetstream.ErrorCode = 10005 // no suitable peers for placement
	codeNotAvailable             jetstream.ErrorCode = 10008 // JetStream system temporarily unavailable
	codeNoLeader                 jetstream.ErrorCode = 10009
	codeInsufficientResources    jetstream.ErrorCode = 10023
	codeStorageResourcesExceeded jetstream.ErrorCode = 10047
	codeStoreFailed              jetstream.ErrorCode = 10077 // among others: maximum bytes exceeded
)

// translate gives err the sentinel that callers branch on, and keeps its text.
func (l *Log) translate(err error) error {
	if err == nil {
		return nil
	}
	if l.isClosed() {
		return eventlog.ErrClosed
	}
	if s := sentinel(err); s != nil {
		return fmt.Errorf("%w: %w", s, err)
	}
	return err
}

func sentinel(err error) error {
	if errors.Is(err, eventlog.ErrFull) || errors.Is(err, eventlog.ErrUnknown) || errors.Is(err, eventlog.ErrUnavailable) {
		return nil // has one
	}
	var api jetstream.JetStreamError
	if errors.As(err, &api) && api.APIError() != nil {
		switch e := api.APIError(); e.ErrorCode {
		case jetstream.JSErrCodeStreamNotFound, jetstream.JSErrCodeMessageNotFound:
			return eventlog.ErrUnknown
		case jetstream.JSErrCodeStreamMessageExceedsMaximum:
			return eventlog.ErrTooLarge
		case codeResourcesExceeded, codeInsufficientResources, codeStorageResourcesExceeded:
			return eventlog.ErrFull
		case codeStoreFailed:
			if e.Description == "maximum bytes exceeded" {
				return eventlog.ErrFull
			}
			return eventlog.ErrUnavailable
		case codeNoPeers, codeNotAvailable, codeNoLeader:
			return eventlog.ErrUnavailable
		}
	}
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return eventlog.ErrTooLarge
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrNoKeysFound):
		return eventlog.ErrUnknown
	case errors.Is(err, context.Canceled):
		return nil // the caller knows why
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout),
		errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse),
		errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionReconnecting), errors.Is(err, nats.ErrReconnectBufExceeded),
		errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrNoServers):
		return eventlog.ErrUnavailable
	}
	return nil
}
