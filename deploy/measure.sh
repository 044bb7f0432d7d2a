#!/usr/bin/env bash
# Builds the file that deploy/Dockerfile puts into its image, and says how large the image is and how
# much memory and CPU profpipe takes as a sidecar of one Go process, with configs/sidecar.yaml.
# The file runs with nothing around it but certificates, under another user id, on a read-only root.
set -euo pipefail
cd "$(dirname "$0")/.."

target="$(rustc -vV | sed -n 's/^host: //p')"
folder="${CARGO_TARGET_DIR:-target}/$target/release-slim"
if [ -z "${PROFPIPE:-}" ]; then
  RUSTFLAGS="-C target-feature=+crt-static" cargo rustc --locked --profile release-slim \
    --no-default-features --target "$target" --bin profpipe -- \
    -C opt-level=z -C llvm-args=-inline-threshold=10 \
    -C link-arg=-Wl,--icf=all -C link-arg=-Wl,-z,pack-relative-relocs
  PROFPIPE="$folder/profpipe"
fi
if ldd "$PROFPIPE" 2>/dev/null | grep -q '=>'; then
  echo "$PROFPIPE is not static" >&2
  exit 1
fi

image="$(mktemp -d)"
trap 'kill ${app:-} ${own:-} 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$image"' EXIT
mkdir -p "$image"/{etc/ssl/certs,etc/profpipe,var/lib/profpipe,tmp,dev}
install "$PROFPIPE" "$image/profpipe"
cp configs/sidecar.yaml "$image/etc/profpipe/config.yaml"
cp /etc/ssl/certs/ca-certificates.crt "$image/etc/ssl/certs/"
pulled="$(tar -C "$image" -c . | gzip -9 | wc -c)"
du -sb "$image" | awk -v pulled="$pulled" \
  '{printf "image: %.1f MB, as it is pulled: %.1f MB\n", $1 / 1e6, pulled / 1e6}'

(cd tests/go && go build -o "$image/hold" ./cmd/hold)
mkfifo "$image/stay"
exec 9<> "$image/stay" # It ends with its standard input.
"$image/hold" < "$image/stay" > "$image/hold.log" &
app=$!
for _ in $(seq 50); do [ -s "$image/hold.log" ] && break; sleep 0.1; done
address="$(grep -o '[0-9.]*:[0-9]*' "$image/hold.log" | head -1)"

# Nobody takes what is sent: the spool has to keep it. Only addresses are others than in the config.
unshare --map-root-user --mount --root "$image" /profpipe run --config /etc/profpipe/config.yaml \
  --data-dir /var/lib/profpipe \
  --set "receivers::pprof::static_configs=[{targets: [\"$address\"], labels: {service.name: hold}}]" \
  --set receivers::otlp::protocols::grpc::endpoint=127.0.0.1:0 \
  --set extensions::health_check::endpoint=127.0.0.1:0 \
  --set exporters::otlp_grpc::endpoint=127.0.0.1:9 2> "$image/log" &
own=$!
rss() { awk '/^VmRSS/ {printf "%.1f MiB", $2 / 1024}' "/proc/$own/status"; }
ticks() { awk '{print $14 + $15}' "/proc/$own/stat"; }
sleep 5
echo "RSS after 5 s: $(rss)"
before="$(ticks)"
sleep 180
awk -v used="$(($(ticks) - before))" -v hertz="$(getconf CLK_TCK)" \
  'BEGIN {printf "CPU in the 180 s after that: %.1f millicores\n", used / hertz / 180 * 1000}'
echo "RSS then: $(rss), peak $(awk '/^VmHWM/ {printf "%.1f MiB", $2 / 1024}' /proc/$own/status)"
echo "what waits: $(du -sb "$image/var/lib/profpipe" | cut -f1) bytes"
