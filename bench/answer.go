package bench

// Questions as the runs ask them, and what they read of the answers.

import (
	"encoding/json"
	"math"
	"net/url"
	"strconv"
	"strings"
)

// answer is the part of an answer that runs look at. What is unbounded is null
// in JSON.
type answer struct {
	Estimate   *float64          `json:"estimate"`
	Low        *float64          `json:"low"`
	High       *float64          `json:"high"`
	Items      []json.RawMessage `json:"items"`
	Population uint64            `json:"population"`
	Exact      bool              `json:"exact"`
	Coverage   struct {
		Owed uint64 `json:"owed"`
		Lost uint64 `json:"lost"`
	} `json:"coverage"`
	Offsets map[string]uint64 `json:"offsets"`
}

// answerItem is one line of an answer about items.
type answerItem struct {
	Item     string   `json:"item"`
	Estimate *float64 `json:"estimate"`
	Low      *float64 `json:"low"`
	High     *float64 `json:"high"`
	Answer   string   `json:"answer"`
	Rate     float64  `json:"false_positive_rate"`
}

func (a *answer) estimate() float64 { return valueOf(a.Estimate, math.NaN()) }

func (a *answer) interval() (low, high float64) {
	return valueOf(a.Low, math.Inf(-1)), valueOf(a.High, math.Inf(1))
}

func (i *answerItem) interval() (low, high float64) {
	return valueOf(i.Low, math.Inf(-1)), valueOf(i.High, math.Inf(1))
}

func valueOf(p *float64, absent float64) float64 {
	if p == nil {
		return absent
	}
	return *p
}

// items reads the lines of frequency, contains and topk.
func (a *answer) items() ([]answerItem, error) {
	out := make([]answerItem, len(a.Items))
	for i, raw := range a.Items {
		if err := json.Unmarshal(raw, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sampled reads the items of a sample.
func (a *answer) sampled() ([]string, error) {
	out := make([]string, len(a.Items))
	for i, raw := range a.Items {
		if err := json.Unmarshal(raw, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ask puts a question to a view.
func (t *Target) ask(view, question string, parameters url.Values) (*answer, error) {
	var a answer
	path := "/v1/views/" + view + "/" + question
	if len(parameters) > 0 {
		path += "?" + parameters.Encode()
	}
	return &a, t.call("GET", path, "", nil, &a)
}

// rankOf reads the rank out of a key's or item's name.
func rankOf(name, letter string) (uint32, bool) {
	digits, ok := strings.CutPrefix(name, letter)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil
}
