#!/usr/bin/env bash
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "doc: the reference builds without warnings"
RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -Dwarnings" cargo doc --workspace --no-deps
