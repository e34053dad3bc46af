# `make` lists the targets. Go, git and make are all that `make run` and `make test` need.

# Tools, pinned. They run from the module cache and are no dependency of any go.mod here.
OCB          = go run go.opentelemetry.io/collector/cmd/builder@v0.160.0
GOFUMPT      = go run mvdan.cc/gofumpt@v0.12.0
STATICCHECK  = honnef.co/go/tools/cmd/staticcheck@v0.8.2
TELEMETRYGEN = github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen
TELEMETRYGEN_VERSION = v0.161.0
FSCK                 = github.com/transparency-dev/tessera/cmd/fsck
FSCK_VERSION         = v1.0.4

# make run on other ports: make run OTLP_GRPC_PORT=14317
export OTLP_GRPC_PORT  ?= 4317
export OTLP_HTTP_PORT  ?= 4318
export METRICS_PORT    ?= 8888
export AUDIT_DIRECTORY ?= ./audit-log

# Flags for go test, such as -v or -count=1.
TESTFLAGS ?=

# A checkout that git does not trust (another user's) still builds, without a revision in it.
BUILDVCS := $(shell git status --porcelain >/dev/null 2>&1 && echo auto || echo false)
GOBUILD   = go build -trimpath -buildvcs=$(BUILDVCS)

.DEFAULT_GOAL := help
.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build what is missing, serve OTLP on 127.0.0.1:4317 and :4318, log in ./audit-log; Ctrl-C drains
	@go -C e2e run ./portcheck OTLP_GRPC_PORT=$(OTLP_GRPC_PORT) OTLP_HTTP_PORT=$(OTLP_HTTP_PORT) METRICS_PORT=$(METRICS_PORT)
	@echo "OTLP on 127.0.0.1:$(OTLP_GRPC_PORT) (gRPC) and :$(OTLP_HTTP_PORT) (HTTP), log in $(AUDIT_DIRECTORY), metrics on :$(METRICS_PORT). Ctrl-C drains."
	@exec bin/otelcol-audit --config testdata/collector.yaml

.PHONY: demo
demo: build ## a sample app's sign-ins and orders, the tail, verify, and what verify says of a tampered copy
	@go -C e2e run ./demo -bin $(CURDIR)/bin -config $(CURDIR)/testdata/collector.yaml

# A profile for the compiler: make build PGO=default.pgo takes a minute or two longer and gives a collector
# that needs about a tenth less processor time (docs/performance.md). make pgo takes it anew.
PGO ?=

.PHONY: build
build: _build/.generated ## bin/otelcol-audit (by ocb, from builder-config.yaml) and bin/auditlog (PGO=default.pgo)
	@mkdir -p bin
	@go -C _build build -trimpath -buildvcs=$(BUILDVCS) -pgo=$(if $(PGO),$(abspath $(PGO)),off) -ldflags='-s -w' -o ../bin/otelcol-audit .
	@$(GOBUILD) -o bin/auditlog ./cmd/auditlog

# ocb writes the collector's main package; go build, which knows best what has changed, compiles it.
_build/.generated: builder-config.yaml go.mod go.sum Makefile
	$(OCB) --config builder-config.yaml --skip-compilation
	@touch $@

.PHONY: test
test: ## go test of this module: Go only, no network once the modules are there
	go test $(TESTFLAGS) ./...

# How long each target is fuzzed.
FUZZTIME ?= 1m

.PHONY: fuzz
fuzz: ## each fuzz target for a minute (FUZZTIME=); what it finds is kept in testdata/fuzz for make test
	@go test -list '^Fuzz' ./... | awk '/^Fuzz/ {t[n++] = $$1} /^ok/ {for (i = 0; i < n; i++) print $$2, t[i]; n = 0}' | \
	while read -r package target; do \
		echo "== $$package $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null || exit 1; \
	done

.PHONY: e2e
e2e: build bin/.telemetrygen-$(TELEMETRYGEN_VERSION) bin/.fsck-$(FSCK_VERSION) ## the built collector against real clients, signals, kill -9 and a hung disk
	@for tool in curl jq python3 strace; do \
		command -v $$tool >/dev/null || { echo "make e2e needs $$tool (apt-get install curl jq python3 strace)" >&2; exit 1; }; done
	go -C e2e test -count=1 -timeout 15m $(TESTFLAGS) ./...

# Power cuts in each mode and the seed of the first, failures of each system call, seconds of a stall:
# make crash CUTS=200 SEED=2
CUTS  ?= 20
SEED  ?= 1
CALLS ?= 12
STALL ?= 60
CRASH ?= (PowerCuts|Fault)

.PHONY: crash
crash: build bin/.telemetrygen-$(TELEMETRYGEN_VERSION) bin/.fsck-$(FSCK_VERSION) ## as root: power cuts, failing system calls, full disks, meddling, stalls (CUTS=200)
	CUTS=$(CUTS) SEED=$(SEED) CALLS=$(CALLS) STALL=$(STALL) go -C e2e test -count=1 -timeout 60m $(TESTFLAGS) -run '^Test$(CRASH)' .

bin/.telemetrygen-$(TELEMETRYGEN_VERSION): Makefile
	@mkdir -p bin && rm -f bin/.telemetrygen-*
	GOBIN=$(CURDIR)/bin go install $(TELEMETRYGEN)@$(TELEMETRYGEN_VERSION)
	@touch $@

# The stock checker of tlog-tiles, unmodified, and no dependency of any go.mod here.
bin/.fsck-$(FSCK_VERSION): Makefile
	@mkdir -p bin && rm -f bin/.fsck-*
	GOBIN=$(CURDIR)/bin go install $(FSCK)@$(FSCK_VERSION)
	@touch $@

# Where make bench writes: the disk that is measured. A full run: make bench BENCHFLAGS='-rounds 9 -time 2s -sets required,built,peers,growth'
BENCHDIR   ?= bench/_build
BENCHFLAGS ?= -rounds 3 -time 500ms -sets required,built

.PHONY: bench
bench: bench/_build/otelcol-bench ## this exporter beside its peers, about 3 minutes, table in bench/_build/table.md (BENCHFLAGS)
	@$(GOBUILD) -o bin/auditlog ./cmd/auditlog
	@go -C bench build -buildvcs=$(BUILDVCS) -o _build/bench ./cmd/bench
	bench/_build/bench -dir $(BENCHDIR) -otelcol bench/_build/otelcol-bench -auditlog bin/auditlog -o bench/_build/table.md $(BENCHFLAGS)

.PHONY: pgo
pgo: bench/_build/otelcol-bench ## default.pgo: what the collector's processors do under load
	@$(GOBUILD) -o bin/auditlog ./cmd/auditlog
	@go -C bench build -buildvcs=$(BUILDVCS) -o _build/bench ./cmd/bench
	bench/_build/bench -dir $(BENCHDIR) -otelcol bench/_build/otelcol-bench -auditlog bin/auditlog \
		-sets built -run 'Through a collector.*default' -rounds 1 -time 15s -pgo default.pgo

# Always built anew, of what stands in the tree: go knows what has changed.
.PHONY: bench/_build/otelcol-bench
bench/_build/otelcol-bench:
	go run go.opentelemetry.io/collector/cmd/builder@v0.161.0 --config bench/collector/builder.yaml

# What is compared: make bench-compare REF=v1.0.0 BENCH=Consume/hybrid COUNT=10
BENCH ?= .
COUNT ?= 6

.PHONY: bench-compare
bench-compare: ## benchstat of the Go benchmarks in bench, this tree against a revision (REF=..., BENCH=., COUNT=6)
	@bench/compare "$(REF)" "$(BENCH)" "$(COUNT)"

.PHONY: check
check: fmt-check vet staticcheck race bench-test generated tidy-check ## formatting, vet (linux, darwin, windows), staticcheck, race, generated files, go.mod

.PHONY: fmt
fmt: ## format with gofumpt
	$(GOFUMPT) -w $(GOFILES)

GOFILES = $(shell find . -name "*.go" -not -path "*/_build/*")

.PHONY: fmt-check
fmt-check:
	@unformatted=$$($(GOFUMPT) -l $(GOFILES)) || exit 1; \
	[ -z "$$unformatted" ] || { echo "not gofumpt-formatted (make fmt):" >&2; echo "$$unformatted" >&2; exit 1; }

.PHONY: vet
vet:
	go vet ./...
	GOOS=darwin CGO_ENABLED=0 go vet ./...
	GOOS=windows CGO_ENABLED=0 go vet ./...
	go -C e2e vet ./...
	go -C bench vet ./...

.PHONY: staticcheck
staticcheck:
	go run $(STATICCHECK) ./...
	cd e2e && go run $(STATICCHECK) ./...
	cd bench && go run $(STATICCHECK) ./...

.PHONY: race
race:
	go test -race -timeout 20m $(TESTFLAGS) ./...

# That the benchmarks and their peers still build and run; they time nothing here.
.PHONY: bench-test
bench-test:
	go -C bench test $(TESTFLAGS) ./...

# The state of the tree, uncommitted files included, must be the same after go generate.
TREE = { git diff HEAD; git ls-files -z --others --exclude-standard | xargs -0 -r cat; } | git hash-object --stdin

.PHONY: generated
generated:
	@before=$$($(TREE)); go generate ./... || exit 1; \
	[ "$$before" = "$$($(TREE))" ] || { echo "go generate changed files; commit what it made:" >&2; git status --short >&2; exit 1; }

.PHONY: tidy-check
tidy-check:
	go mod tidy -diff
	go -C e2e mod tidy -diff
	go -C bench mod tidy -diff
	go -C internal/tools mod tidy -diff

.PHONY: clean
clean: ## remove bin and _build (never the log)
	rm -rf bin _build bench/_build
