#!/usr/bin/env bash
# Installs what a build (`build`) or the tests (`test`) need and this machine lacks.
set -euo pipefail

need() { # need COMMAND PACKAGE: installs a Debian package where the command is missing
  command -v "$1" >/dev/null 2>&1 && return
  echo "setup: $1 is missing, installing $2"
  if [ "$(id -u)" != 0 ]; then
    echo "setup: run 'apt-get install $2' as root, then try again" >&2
    exit 1
  fi
  [ -n "${updated:-}" ] || apt-get update -qq
  updated=1
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

have() { # have COMMAND HINT: these come with the machine
  command -v "$1" >/dev/null 2>&1 && return
  echo "setup: $1 is missing: $2" >&2
  exit 1
}

need cc gcc
need make make
have cargo "install Rust by rustup, https://rustup.rs"
cargo --version >/dev/null # Installs the toolchain that rust-toolchain.toml names.
if [ "${1:-build}" = test ]; then
  have go "install Go 1.24 or later"
  have node "install Node 20.19 or later"
  have npm "install Node with npm"
  have python3 "install Python 3.9 or later"
  python3 -c 'import ensurepip' 2>/dev/null || need "python3 -m venv" python3-venv
  need git git
  need chromium chromium
  "$(dirname "$0")/../e2e/collector/build.sh" >/dev/null # 90 seconds, once.
fi
