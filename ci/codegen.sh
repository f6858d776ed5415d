#!/usr/bin/env bash
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "codegen: access through cells costs nothing"
cargo test -p shm-tests --test derive codegen::
