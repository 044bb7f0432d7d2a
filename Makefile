# What people do with profpipe's source. Each target installs what it lacks, as far as that needs no
# more than Debian's packages, Cargo, Go, npm and PyPI.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
web := exporter/web

.PHONY: run local test test-long bench e2e-otlp measure-sidecar ui setup setup-test lint test-rust test-go test-web \
  fuzz help

help: ## Show the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

run: setup ## Profile a demo shop and profpipe itself; the web app is at http://127.0.0.1:8989
	cargo build --release --locked
	CARGO_TARGET_DIR=$(CARGO_TARGET_DIR) tests/demo/run.sh

local: run ## The same, by its name in rancher-profiling

test: setup-test lint test-go test-web test-rust fuzz ## All tests, within 40 minutes on two cores
	@echo "all tests passed"

test-long: setup-test ## What takes longer: 1,000 kills, 36,000 crash cases, full disks, all faults of a Collector, minutes of fuzzing
	SPOOL_CRASH_CASES=12000 cargo test --locked -p pipeline --test spool_crash -- --nocapture
	LAKE_CRASH_SEEDS=10000 cargo test --locked -p lake --lib crash
	KILL_ROUNDS=1000 PROFPIPE_REQUIRE_TOOLS=1 cargo test --locked --test main kill -- --nocapture
	PROFPIPE_DISKS=1 PROFPIPE_REQUIRE_TOOLS=1 cargo test --locked --test main disk:: -- --nocapture
	PROFPIPE_FAULTS=all PROFPIPE_REQUIRE_TOOLS=1 cargo test --locked --test main every_fault -- --nocapture
	$(MAKE) fuzz FUZZ_SECONDS=120

e2e-otlp: setup-test ## What goes through a real OpenTelemetry Collector, and its faults; part of test
	PROFPIPE_REQUIRE_TOOLS=1 cargo test --locked --test main e2e:: -- --nocapture

bench: setup-test ## Figures against peers and physical limits, written to docs/benchmarks.md
	tests/bench/run.sh

measure-sidecar: ## Size of the image, memory and CPU of a sidecar; docs/sidecar.md has the figures
	deploy/measure.sh

ui: ## Check, test and build the web app; what it builds is committed
	cd $(web) && npm ci --no-audit --no-fund && npm run check && npm test && npm run build && npm run size

setup:
	@tests/support/setup.sh build

setup-test:
	@tests/support/setup.sh test

lint:
	cargo fmt --all --check
	cargo metadata --locked --format-version 1 --manifest-path tests/fuzz/Cargo.toml >/dev/null
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --no-default-features -p profpipe -- -D warnings
	if cargo deny --version >/dev/null 2>&1; then cargo deny check licenses bans sources; fi

test-go:
	cd tests/go && test -z "$$(gofmt -l .)" && go vet ./... && go test ./...
	cd tests/demo && test -z "$$(gofmt -l .)" && go vet ./...

test-web:
	cd $(web) && npm ci --no-audit --no-fund && npm run check && npm test && npm run size

test-rust:
	PROFPIPE_REQUIRE_TOOLS=1 cargo test --locked --workspace

FUZZ_SECONDS ?= 10
fuzz:
	tests/fuzz/run.sh $(FUZZ_SECONDS)
