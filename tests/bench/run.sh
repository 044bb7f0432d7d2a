#!/usr/bin/env bash
# Builds what the benchmark runs, then runs it. It leaves nothing in the tree but docs/benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
work=$CARGO_TARGET_DIR/bench
cargo build --release --locked --bin profpipe --example measure --example limits
(cd tests/go && go build -o "$work/bin/" ./cmd/gen ./cmd/hold ./cmd/oracle ./cmd/crowd)
exec python3 tests/bench/run.py "$CARGO_TARGET_DIR/release" "$work" "$@"
