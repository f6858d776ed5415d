#!/usr/bin/env bash
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "clippy: no warnings, and Cargo.lock is current"
need_component clippy clippy
cargo clippy --workspace --all-targets --locked -- -D warnings
