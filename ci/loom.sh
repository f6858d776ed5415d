#!/usr/bin/env bash
# The protocols on shared words in every order that the memory model allows, and the same with one mistake each, which must
# be found. A target folder of its own keeps the flag of this build from rebuilding everything. Then a sample of what
# ci/orderings.sh does in full.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "loom: the protocols, in every order"
RUSTFLAGS="${RUSTFLAGS:-} --cfg loom" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom" \
    cargo test -p shm-core --release --lib protocol::loom
ci/orderings.sh --sample
