package server

// Views: their definitions, and how far they are.

import (
	"context"
	"net/http"
	"time"

	"sketchlog/ingest/view"
)

// viewState is what GET shows of a view besides its definition.
type viewState struct {
	Keys       int          `json:"keys"`
	Panes      int          `json:"panes"`
	Bytes      int64        `json:"bytes"`
	Owed       uint64       `json:"owed"`
	Lost       uint64       `json:"lost"`
	Rate       float64      `json:"rate"`        // the least of any partition
	LagSeconds float64      `json:"lag_seconds"` // the greatest of any partition
	Healing    healingState `json:"healing"`
	Partitions []shardState `json:"partitions"`
}

// shardState is one partition of a view.
type shardState struct {
	Partition int     `json:"partition"`
	Offset    uint64  `json:"offset"`
	Lag       uint64  `json:"lag"`         // records behind the log's end
	Seconds   float64 `json:"lag_seconds"` // since the oldest record arrived that is not read
	Watermark *string `json:"watermark"`
	Rate      float64 `json:"rate"`
	Applied   uint64  `json:"applied"` // events
	Owed      uint64  `json:"owed"`
	Lost      uint64  `json:"lost"`
	Late      uint64  `json:"late"`
	Overflow  bool    `json:"overflow"`
	Keys      int     `json:"keys"`
	Panes     int     `json:"panes"`
	Bytes     int64   `json:"bytes"`

	watermark int64 // Unix ms, when Watermark is there
}

// healingState says how fast a view pays what it owes.
type healingState struct {
	Owed    uint64   `json:"owed"`              // events passed over or sampled, and not paid for yet
	Percent float64  `json:"past_percent"`      // applied of what the log held when the view was made
	Speed   float64  `json:"events_per_second"` // paid for
	Left    *float64 `json:"seconds_left"`      // at that speed; null: it stands still
}

func healingOf(v *view.View) healingState {
	h := v.Healing()
	state := healingState{Owed: h.Owed, Percent: h.Percent, Speed: h.Speed}
	if h.Left >= 0 {
		left := h.Left.Seconds()
		state.Left = &left
	}
	return state
}

// stateOf reads how far a view is. Keys are added up over partitions: one that
// has events in several is counted in each.
func (s *Server) stateOf(v *view.View) viewState {
	state := viewState{Rate: 1, Healing: healingOf(v), Partitions: []shardState{}}
	// A stream that is being deleted has no tails; its views still have state.
	tails, _ := s.config.Streams.Tails(v.Definition().Stream)
	for _, shard := range v.Partitions() {
		p := shard.Position()
		one := shardState{
			Partition: p.Partition, Offset: p.Offset, Rate: p.Rate, Applied: p.Applied, Owed: p.Owed, Lost: p.Lost, Late: p.Late,
			Overflow: p.Overflow, Keys: p.Keys, Panes: p.Panes, Bytes: p.Bytes,
		}
		behind, _ := shard.Behind()
		one.Seconds = behind.Seconds()
		state.LagSeconds = max(state.LagSeconds, one.Seconds)
		if p.HasEvents {
			text := rfc3339(p.Watermark)
			one.Watermark, one.watermark = &text, p.Watermark
		}
		if p.Partition < len(tails) {
			if end := tails[p.Partition].Head().Offset; end > p.Offset {
				one.Lag = end - p.Offset
			}
		}
		state.Keys += p.Keys
		state.Panes += p.Panes
		state.Bytes += p.Bytes
		state.Owed += p.Owed
		state.Lost += p.Lost
		state.Rate = min(state.Rate, p.Rate)
		state.Partitions = append(state.Partitions, one)
	}
	return state
}

// rfc3339 writes Unix milliseconds as answers do.
func rfc3339(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z07:00")
}

func (s *Server) putView(r *request) error {
	if err := r.noParameters(); err != nil {
		return err
	}
	body, err := r.definition()
	if err != nil {
		return err
	}
	ctx, cancel := r.context()
	defer cancel()
	definition, created, err := s.makeView(ctx, r.name, body)
	if err != nil {
		return err
	}
	return r.json(status(created), named{name: r.name, definition: definition})
}

// makeView holds the lock that keeps the view's stream from being deleted meanwhile.
func (s *Server) makeView(ctx context.Context, name string, body []byte) (view.Definition, bool, error) {
	s.definitions.Lock()
	defer s.definitions.Unlock()
	return s.config.Views.Put(ctx, name, body)
}

func (s *Server) getView(r *request) error {
	if err := r.noParameters(); err != nil {
		return err
	}
	v, err := s.config.Views.Get(r.name)
	if err != nil {
		return err
	}
	return r.json(http.StatusOK, named{r.name, v.Definition(), s.stateOf(v)})
}

func (s *Server) listViews(r *request) error {
	if err := r.noParameters(); err != nil {
		return err
	}
	list := []named{}
	for _, v := range s.config.Views.List() {
		list = append(list, named{name: v.Name(), definition: v.Definition()})
	}
	return r.json(http.StatusOK, map[string]any{"views": list})
}

func (s *Server) deleteView(r *request) error {
	if err := r.noParameters(); err != nil {
		return err
	}
	ctx, cancel := r.context()
	defer cancel()
	if err := s.config.Views.Delete(ctx, r.name); err != nil {
		return err
	}
	r.none()
	return nil
}
