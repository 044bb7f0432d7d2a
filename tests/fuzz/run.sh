#!/bin/sh
# Builds the fuzz targets and runs each for SECONDS (10 unless said); fails with the path of the
# input where one finds something. Stable Rust is enough: the coverage pass is a part of LLVM, and
# an address sanitizer would have nothing to find in safe code.
#
#     tests/fuzz/run.sh [SECONDS] [TARGET...]
#
# Corpus, findings and logs go below the target directory and are kept from run to run. To repeat a
# finding: target/fuzz/HOST/release/TARGET PATH.
set -eu

seconds=${1:-10}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- pprof otlp pyroscope record segment cursor

here=$(cd "$(dirname "$0")" && pwd)
work=${CARGO_TARGET_DIR:-$here/../../target}/fuzz
host=$(cd "$here" && rustc -vV | sed -n 's/^host: //p')

llvm=sanitizer-coverage
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
-Cllvm-args=-$llvm-level=4 -Cllvm-args=-$llvm-inline-8bit-counters \
-Cllvm-args=-$llvm-pc-table -Cllvm-args=-$llvm-trace-compares"
export RUSTFLAGS
cargo build --quiet --release --locked --manifest-path "$here/Cargo.toml" \
  --target "$host" --target-dir "$work"

failed=0
for name in "$@"; do
  mkdir -p "$work/corpus/$name" "$work/findings/$name" "$work/logs"
  log=$work/logs/$name.log
  status=0
  FUZZ_SEEDS=$work/corpus/$name "$work/$host/release/$name" \
    -max_total_time="$seconds" -rss_limit_mb=512 -timeout=2 -max_len=4096 \
    -print_final_stats=1 -artifact_prefix="$work/findings/$name/" \
    "$work/corpus/$name" >"$log" 2>&1 || status=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
  echo "fuzz $name: ${runs:-?} runs, ${rate:-?}/s, $(ls "$work/corpus/$name" | wc -l) inputs kept"
  if [ "$status" -ne 0 ]; then
    failed=1
    grep -E 'panicked at|ERROR:|assertion|left:|right:' "$log" | head -8 || tail -20 "$log"
    sed -n 's/.*Test unit written to /  finding: /p' "$log"
    echo "  log: $log"
  fi
done
exit $failed
