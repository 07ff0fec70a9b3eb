#!/bin/sh
# Installs the Debian packages and the Rust tool chain that the build and the services need.
# Does nothing when all of them are there. Root and sudo install; anyone else is told the exact command.
#     services/packages.sh [tests]     with `tests`, what the tests need beside
set -eu
tests=no
[ "${1:-}" != tests ] || tests=yes

rust_needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")

at_least() { # at_least HAVE WANTED: whether version HAVE is not older
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

missing=""
need() { # need PACKAGE COMMAND...: the package is missing when a command is
    package=$1
    shift
    for command in "$@"; do
        command -v "$command" >/dev/null 2>&1 || { missing="$missing $package"; return; }
    done
}

need build-essential cc c++ make
need protobuf-compiler protoc
need openjdk-17-jdk-headless javac java
need maven mvn
need util-linux setpriv
need curl curl
# The pages are tested in it.
[ "$tests" = no ] || need chromium chromium
[ -x /usr/lib/postgresql/15/bin/postgres ] || missing="$missing postgresql-15"
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing="$missing python3-venv"
[ -e /usr/include/google/protobuf/any.proto ] || command -v protoc >/dev/null 2>&1 || missing="$missing libprotobuf-dev"

have_rust=$(cargo --version 2>/dev/null | cut -d' ' -f2 || true)
if [ -z "$have_rust" ] || ! at_least "$have_rust" "$rust_needed"; then
    missing="$missing cargo-web rustc-web rustfmt-web"
fi

promtool() { # those tests that need it are skipped without it, and say so
    [ "$tests" = no ] || "$(dirname "$0")/promtool" >/dev/null || true
}

[ -n "$missing" ] || { promtool; exit 0; }

set -- env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        set -- sudo "$@"
    else
        echo "missing packages:$missing" >&2
        echo "install them as root, then run this again:" >&2
        echo "    apt-get update && apt-get install -y --no-install-recommends$missing" >&2
        exit 1
    fi
fi
echo "installing$missing"
sudo=""
[ "$1" != sudo ] || sudo=sudo
$sudo apt-get update -qq
"$@" >/dev/null

have_rust=$(cargo --version 2>/dev/null | cut -d' ' -f2 || true)
if [ -z "$have_rust" ] || ! at_least "$have_rust" "$rust_needed"; then
    echo "cargo ${have_rust:-is missing}, $rust_needed or newer is needed;" \
        "where apt has no cargo-web that new, use rustup: https://rustup.rs" >&2
    exit 1
fi
promtool
