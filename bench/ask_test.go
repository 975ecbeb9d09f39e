package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

func TestAskingBeginsWhenItIsTold(t *testing.T) {
	var answered atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answered.Add(1)
		io.WriteString(w, "{}")
	}))
	defer server.Close()
	load := loadConfig()
	job, err := json.Marshal(askJob{
		Address: strings.TrimPrefix(server.URL, "http://"), Load: load,
		Asking: Asking{Rate: 500, Duration: 200 * time.Millisecond, Connections: 2, Seed: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	in, start := io.Pipe()
	results, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := ServeAsking(t.Context(), in, out)
		out.CloseWithError(err)
		ended <- err
	}()
	if _, err := start.Write(append(job, '\n')); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(results)
	if line, err := lines.ReadString('\n'); err != nil || line != askReady {
		t.Fatalf("it printed %q, %v", line, err)
	}
	if n := answered.Load(); n != 0 {
		t.Errorf("%d questions were asked before the start", n)
	}
	start.Close()
	var result asked
	if err := json.NewDecoder(lines).Decode(&result); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	count := int64(0)
	for _, s := range result.Histograms {
		count += hdrhistogram.Import(s).TotalCount()
	}
	if result.Asked != 100 || answered.Load() != 100 || count != 100 || len(result.Histograms) != len(questionsFor(load)) {
		t.Errorf("%d asked, %d answered, %d in %d histograms", result.Asked, answered.Load(), count, len(result.Histograms))
	}
}

func TestAskingRefusesWhatIsNoJob(t *testing.T) {
	for _, in := range []string{"", "{}\n", "{\"Address\":\n", strings.Repeat("x", 100)} {
		if err := ServeAsking(context.Background(), strings.NewReader(in), io.Discard); err == nil {
			t.Errorf("%q is taken for a job", in)
		}
	}
}
