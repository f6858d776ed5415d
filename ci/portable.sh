#!/usr/bin/env bash
# The copy loop of machines without the assembly, on this one. A target folder of its own keeps the flags of the other
# steps from rebuilding everything.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "portable: bulk transfers without assembly"
export RUSTFLAGS="${RUSTFLAGS:-} --cfg shm_portable_copy"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/portable"
cargo test -p shm-core
cargo test -p shm-tests --test access handles::
