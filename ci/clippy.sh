#!/usr/bin/env bash
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "clippy: no warnings, and Cargo.lock is current"
need_component clippy clippy
cargo clippy --workspace --all-targets --locked -- -D warnings
# clippy knows since when each item of the standard library exists (`incompatible_msrv`), but not each piece of syntax.
echo "syntax newer than the oldest supported compiler:"
cargo run --quiet --locked -p shm-ci -- syntax
