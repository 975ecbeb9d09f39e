package server

// Streams: their definitions, and where their logs stand.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"sketchlog/ingest"
)

// named is a definition under its name: an object with "name" first, then the
// definition's fields, then what else is known.
type named struct {
	name       string
	definition any
	more       any // an object too; nil for none
}

// MarshalJSON joins the three into one object, so that a definition can be read
// from where it was put.
func (n named) MarshalJSON() ([]byte, error) {
	out, err := json.Marshal(struct {
		Name string `json:"name"`
	}{n.name})
	if err != nil {
		return nil, err
	}
	for _, part := range []any{n.definition, n.more} {
		if part == nil {
			continue
		}
		text, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		if text = bytes.TrimSpace(text); len(text) < 2 || text[0] != '{' {
			return nil, fmt.Errorf("%T is no JSON object", part)
		}
		if len(text) > 2 {
			out = append(append(out[:len(out)-1], ','), text[1:]...)
		}
	}
	return out, nil
}

// streamState is what GET shows of a stream besides its definition.
type streamState struct {
	State []ingest.PartitionState `json:"state"`
}

func (s *Server) putStream(r *request) error {
	if err := r.noParameters(); err != nil {
		return err
	}
	body, err := r.definition()
	if err != nil {
		return err
	}
	ctx, cancel := r.context()
	defer cancel()
	definition, created, err := s.config.Streams.Put(ctx, r.name, body)
	if err != nil {
		return err
	}
	return r.json(status(created), named{name: r.name, definition: definition})
}

func (s *Server) getStream(r *request) error {
	if err := r.noParameters(); err != nil {
		return err
	}
	definition, err := s.config.Streams.Get(r.name)
	if err != nil {
		return err
	}
	ctx, cancel := r.context()
	defer cancel()
	state, err := s.config.Streams.State(ctx, r.name)
	if err != nil {
		return err
	}
	return r.json(http.StatusOK, named{r.name, definition, streamState{state}})
}

func (s *Server) listStreams(r *request) error {
	if err := r.noParameters(); err != nil {
		return err
	}
	list := []named{}
	for _, one := range s.config.Streams.List() {
		list = append(list, named{name: one.Name, definition: one.Definition})
	}
	return r.json(http.StatusOK, map[string]any{"streams": list})
}

// deleteStream refuses while views read the stream. The lock keeps a view from
// being made of it between the look and the deletion.
func (s *Server) deleteStream(r *request) error {
	if err := r.noParameters(); err != nil {
		return err
	}
	ctx, cancel := r.context()
	defer cancel()
	s.definitions.Lock()
	defer s.definitions.Unlock()
	if _, err := s.config.Streams.Get(r.name); err != nil {
		return err
	}
	if views := s.config.Views.Reads(r.name); len(views) > 0 {
		return errInUse(r.name, views)
	}
	if err := s.config.Streams.Delete(ctx, r.name); err != nil {
		return err
	}
	s.metrics.forget(r.name)
	r.none()
	return nil
}

// none answers 204.
func (r *request) none() {
	r.common()
	r.ctx.SetStatusCode(http.StatusNoContent)
}

func status(created bool) int {
	if created {
		return http.StatusCreated
	}
	return http.StatusOK
}
