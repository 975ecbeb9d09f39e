# Everything needs Go alone; what the tests need beyond it is optional (a C
# compiler lets them run under the race detector).
GO   ?= go
ARGS ?=

# The race detector needs cgo and a C compiler; without one the tests run plain.
RACE := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)
PACKAGES := ./...

# The stages of an event's way, in order: decode, place, batch, append, read, group,
# apply, commit, merge, answer.
STAGES := ^Benchmark(DecodeNDJSON|DecodeMsgpack|Place|Gather|EncodeBatch|DecodeBatch|Hashes|TailAppend|Read|Group|Date|Apply|PaneApply|Commit|PaneMerge|Answer)
STAGE_PACKAGES := ./ingest/... ./sketches ./query

.PHONY: build demo run test unit e2e soak lint bench bench-stages bench-sketches clean

build: ## the binary, in bin/; without cgo all of its memory is Go's, so that --memory bounds it
	CGO_ENABLED=0 $(GO) build -o bin/sketchlog ./cli/sketchlog

demo: build ## a stream of its own, every question's answer beside the exact one; ARGS=--exit ends it after that
	bin/sketchlog demo $(ARGS)

run: build ## a server with its data in ./sketchlog-data
	bin/sketchlog serve $(ARGS)

test: lint unit e2e ## what CI runs

lint:
	@unformatted=$$(gofmt -l cli ingest query server shedding sketches bench 2>/dev/null); \
	if [ -n "$$unformatted" ]; then echo "gofmt -w these:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet $(PACKAGES)
	$(GO) tool staticcheck $(PACKAGES)

unit:
ifeq ($(RACE),)
	@echo "no C compiler found: testing without the race detector"
endif
	$(GO) test $(RACE) -count=1 -timeout 9m $(PACKAGES)

e2e: ## real processes, real sockets, SIGKILL
	$(GO) test -count=1 -timeout 9m -tags e2e ./cli/sketchlog

soak: ## ten million keys in 256 MiB: minutes, and 3 GB of disk
	$(GO) test -count=1 -timeout 30m -v -tags e2e,soak -run TenMillion ./cli/sketchlog

bench: build bench-stages ## every measurement, as JSON in bin/bench; compare two with `bin/sketchlog bench compare`
	bin/sketchlog bench suite --into bin/bench

bench-stages: build ## each stage of an event's way by Go benchmarks, which say where a regression lies
	@mkdir -p bin/bench
	$(GO) test -run '^$$' -bench '$(STAGES)' -benchmem -count 3 $(STAGE_PACKAGES) > bin/bench/stages.txt
	bin/sketchlog bench stages bin/bench/stages.txt --save bin/bench/stages.json

bench-sketches: build ## bytes a key, and ns an event of each sketch on one core, beside widely used libraries
	$(GO) test -run '^$$' -bench MillionKeys -benchtime 1x ./sketches
	bin/sketchlog bench sketches $(ARGS)

clean:
	rm -rf bin sketchlog-data
