package server

// Questions: one, many at once, along time, and the keys there are.

import (
	"bytes"
	"encoding/json"
	"net/http"

	"sketchlog/query"
)

// ask answers one kind of question from the URL's parameters.
func ask(question string) handler {
	return func(s *Server, r *request) error {
		p, err := r.parameters()
		if err != nil {
			return err
		}
		q, err := query.Params(r.name, question, p)
		if err != nil {
			return s.unknownFirst(r.name, err)
		}
		return s.answer(r, q)
	}
}

// unknownFirst puts a view that does not exist before everything else that is
// wrong with a question about it.
func (s *Server) unknownFirst(name string, err error) error {
	if _, unknown := s.config.Views.Get(name); unknown != nil {
		return unknown
	}
	return err
}

func (s *Server) answer(r *request, q query.Question) error {
	ctx, cancel := r.context()
	defer cancel()
	a, err := s.config.Queries.Answer(ctx, q)
	if err != nil {
		return err
	}
	if a.Partial() {
		return r.json(http.StatusPartialContent, a)
	}
	return r.json(http.StatusOK, a)
}

// postContains asks about many items of one view at once.
func (s *Server) postContains(r *request) error {
	if err := r.noParameters(); err != nil {
		return err
	}
	body, done, err := r.questions()
	if err != nil {
		return err
	}
	defer done()
	q, err := query.ContainsFromJSON(r.name, body)
	if err != nil {
		return s.unknownFirst(r.name, err)
	}
	return s.answer(r, q)
}

// postQuery answers an array of questions with an array of answers, or of
// problems where a question cannot be answered; the others are not touched.
func (s *Server) postQuery(r *request) error {
	if err := r.noParameters(); err != nil {
		return err
	}
	body, done, err := r.questions()
	if err != nil {
		return err
	}
	defer done()
	questions, err := elements(body, s.limits.Questions)
	if err != nil {
		return err
	}
	ctx, cancel := r.context()
	defer cancel()
	answers := make([]any, len(questions))
	for i, raw := range questions {
		q, err := query.FromJSON(raw)
		if err != nil {
			answers[i] = problemOf(err)
			continue
		}
		a, err := s.config.Queries.Answer(ctx, q)
		if err != nil {
			p := problemOf(err)
			if p.cause != nil {
				s.log.Error("question failed", "view", abridged(q.View), "question", q.Question, "error", p.cause)
			}
			answers[i] = p
			continue
		}
		answers[i] = a
	}
	return r.json(http.StatusOK, answers)
}

// elements cuts a JSON array into its elements, at most as many as limit.
func elements(body []byte, limit int) ([]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if token, err := d.Token(); err != nil || token != json.Delim('[') {
		return nil, errBadRequest("the body must be a JSON array of questions")
	}
	out := []json.RawMessage{}
	for d.More() {
		if len(out) == limit {
			return nil, errTooLarge("there are more than %d questions; send them in several requests", limit)
		}
		var one json.RawMessage
		if err := d.Decode(&one); err != nil {
			return nil, errBadRequest("question %d is not JSON: %v", len(out), err)
		}
		out = append(out, one)
	}
	if _, err := d.Token(); err != nil {
		return nil, errBadRequest("the array of questions is not closed: %v", err)
	}
	if rest := bytes.TrimSpace(body[d.InputOffset():]); len(rest) > 0 {
		return nil, errBadRequest("the body goes on after its array")
	}
	return out, nil
}

func (s *Server) getSeries(r *request) error {
	p, err := r.parameters()
	if err != nil {
		return err
	}
	ctx, cancel := r.context()
	defer cancel()
	series, err := s.config.Queries.Series(ctx, r.name, p)
	if err != nil {
		return s.unknownFirst(r.name, err)
	}
	return r.json(http.StatusOK, series)
}

func (s *Server) getKeys(r *request) error {
	p, err := r.parameters()
	if err != nil {
		return err
	}
	ctx, cancel := r.context()
	defer cancel()
	keys, err := s.config.Queries.Keys(ctx, r.name, p)
	if err != nil {
		return s.unknownFirst(r.name, err)
	}
	return r.json(http.StatusOK, keys)
}
