#!/usr/bin/env bash
# Builds the Collector of builder.yaml, about 90 seconds on two cores, and prints where it is. It is
# kept outside of the clone under a name made of its pins, so that it is built once.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
ocb=go.opentelemetry.io/collector/cmd/builder@v0.159.0
pins=$(cat "$here/builder.yaml" "$here/build.sh" | sha256sum | cut -c1-16)
kept=${PROFPIPE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/profpipe}/otelcol
program=$kept/$pins/otelcol-profiles
mkdir -p "$kept"
exec 9>"$kept/lock"
flock 9 # Another run may be building it.
if [ ! -x "$program" ]; then
  work=$(mktemp -d "$kept/work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  cd "$work"
  echo "building an OpenTelemetry Collector for the tests" >&2
  if ! go run "$ocb" --config "$here/builder.yaml" >log 2>&1; then
    cat log >&2
    exit 1
  fi
  mkdir -p "$kept/$pins"
  mv src/otelcol-profiles "$program"
fi
echo "$program"
