#!/usr/bin/env bash
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "fmt: the code is formatted"
need_component fmt rustfmt
cargo fmt --all --check
