#!/usr/bin/env bash
# Starts the demo shop, if Go is there, and profpipe on it; both end together.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
data=${DATA_DIR:-./profpipe-data}
profpipe=$target/release/profpipe

# Asks for what the pages show, ten times a second until nobody answers: a profpipe that nobody
# uses takes next to no CPU, and would have nothing to show of itself.
visit() {
  local host=$1 of='service=profpipe&type=cpu:cpu' path
  while sleep 0.1; do
    for path in /api/v1/services "/api/v1/flame?$of" "/api/v1/top?$of" "/api/v1/series?$of"; do
      exec 3<>"/dev/tcp/${host%:*}/${host##*:}"
      printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$path" "$host" >&3
      cat <&3 >/dev/null
      exec 3>&-
    done
  done 2>/dev/null
}

# Passes on what profpipe says, and visits it where it says it is.
visit_what_starts() {
  local line
  while read -r line; do
    echo "$line"
    case $line in "profpipe is at http://"*) visit "${line##*/}" & ;; esac
  done
}

demo=
if command -v go >/dev/null 2>&1; then
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
else
  echo "Go is not installed: profpipe profiles itself only, at work for a visitor; its first flame graph comes within 20 seconds"
  "$profpipe" run --data-dir "$data" "$@" > >(visit_what_starts) &
fi
main=$!
trap 'kill $main $demo 2>/dev/null || true' INT TERM EXIT
wait $main
