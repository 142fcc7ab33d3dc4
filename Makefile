# `make help` explains the targets. Nothing here is needed to use Millrace: `go run ./examples/sales` and
# `go test ./...` work on a fresh clone.

SHELL := bash
.DEFAULT_GOAL := help

TOOL := go tool -modfile=$(CURDIR)/tools/go.mod

# How long each fuzz target runs, as `go test -fuzztime` takes it.
FUZZTIME ?= 20s
# What `make test`, `make race` and `make fuzz` look at.
PKG ?= ./...
# Flags for `make sales`, such as SALES='-rows 1000000'.
SALES ?=
# Flags for `make bench`, such as BENCH='-rounds 9 -only sales'.
BENCH ?=

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^[a-z][a-z0-9-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 } \
		/^[A-Z]+ \?=/ { split($$0, v, " [?]= ?"); vars = vars sprintf("  %-17s %s\n", v[1] "=" v[2], about) } \
		{ about = /^# / ? substr($$0, 3) : "" } \
		END { printf "\nVariables, with their defaults:\n%s", vars }' $(MAKEFILE_LIST)

.PHONY: test
test: ## Run all tests (needs Docker or installed Postgres server binaries)
	go test $(PKG)

.PHONY: race
race: ## Run all tests under the race detector
	go test -race $(PKG)

.PHONY: sales
sales: ## Run the main job on a private Postgres
	go run ./examples/sales $(SALES)

.PHONY: fuzz
fuzz: ## Run every fuzz target in turn, FUZZTIME each
	@set -euo pipefail; found=0; \
	for pkg in $$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' $(PKG)); do \
		names=$$(go test -list '^Fuzz' "$$pkg"); \
		for name in $$(grep '^Fuzz' <<<"$$names" || true); do \
			found=1; echo "--- $$pkg $$name"; \
			run() { go test -run '^$$' -fuzz "^$$name\$$" -fuzztime '$(FUZZTIME)' "$$pkg" 2>&1 | tee "$$log"; }; \
			log=$$(mktemp); \
			if ! run; then \
				: "The fuzzer of Go sometimes fails by its own deadline (https://go.dev/issue/75804); an input that fails is written down."; \
				if grep -q 'Failing input written' "$$log" || ! grep -q 'context deadline exceeded' "$$log"; then rm -f "$$log"; exit 1; fi; \
				echo "--- again: the fuzzer's own deadline passed"; run || { rm -f "$$log"; exit 1; }; \
			fi; \
			rm -f "$$log"; \
		done; \
	done; \
	if [ $$found = 0 ]; then echo "no fuzz target in $(PKG)"; exit 1; fi

.PHONY: proof
proof: ## Kill processes, databases and connections, hundreds of times (some minutes)
	MILLRACE_PROOF=full go test -count=1 -timeout 40m -v ./internal/proof ./runs/internal/schedule
	MILLRACE_PROOF=full go test -count=1 -timeout 40m -run Model ./runs
	MILLRACE_PROOF=full go test -count=1 -timeout 40m -run RandomGraphs ./pipeline
	cd blob && MILLRACE_PROOF=full go test -count=1 -timeout 40m -v -run 'Killed|Memory' .

.PHONY: bench
bench: ## Compare with psql, pgx, gocsv, csvutil, DuckDB and pandas, as far as installed (some minutes)
	cd bench && go run . $(BENCH)

.PHONY: e2e
e2e: browser deployment ## Run the tests in a browser and those of the deployment

.PHONY: browser
browser: ## Test the page and the console in a browser (needs Chromium); E2E_PICTURES=DIR keeps pictures
	cd e2e && go test -count=1 -timeout 20m ./...

.PHONY: deployment
deployment: ## Bring the deployment up, kill and scale parts of it, take it down (needs Docker)
	MILLRACE_DEPLOYMENT=1 go test -count=1 -timeout 40m -v ./internal/deploytest

.PHONY: lint
lint: ## Run the linters, the import law among them (compiles golangci-lint at first)
	@set -euo pipefail; for mod in $$(git ls-files '*go.mod' | xargs -n 1 dirname | grep -vxE 'tools|bench|e2e' | sort); do \
		echo "--- $$mod"; (cd "$$mod" && $(TOOL) golangci-lint run --allow-parallel-runners ./...); \
	done

.PHONY: fmt
fmt: ## Format the code
	$(TOOL) golangci-lint fmt ./...

.PHONY: vet
vet: ## Run go vet
	go vet ./...

.PHONY: vuln
vuln: ## Look for known vulnerabilities that our code calls (needs vuln.go.dev)
	$(TOOL) govulncheck ./...

.PHONY: tidy-check
tidy-check: ## Fail if go mod tidy would change anything
	go mod tidy -diff
	cd tools && go mod tidy -diff

.PHONY: ci
ci: ## Run what CI runs
	.ci/run
