#!/usr/bin/env bash
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "test: everything"
cargo test --workspace
