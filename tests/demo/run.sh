#!/usr/bin/env bash
# Starts the demo shop, if Go is there, and profpipe on it; both end together.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
data=${DATA_DIR:-./profpipe-data}
profpipe=$target/release/profpipe

if ! command -v go >/dev/null 2>&1; then
  echo "Go is not installed: profpipe profiles itself only"
  exec "$profpipe" run --data-dir "$data" "$@"
fi
(cd tests/demo && go build -o "$target/demo" .)
"$target/demo" -listen 127.0.0.1:6060 >/dev/null &
demo=$!
sleep 0.5
if kill -0 $demo 2>/dev/null; then
  echo "the demo shop is at http://127.0.0.1:6060; its first flame graph comes within 20 seconds"
else
  echo "the demo shop did not start: is port 6060 in use? What listens there is profiled in its place" >&2
fi
"$profpipe" run --config configs/quickstart.yaml --data-dir "$data" "$@" &
main=$!
trap 'kill $main $demo 2>/dev/null || true' INT TERM EXIT
wait $main
