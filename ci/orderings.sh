#!/usr/bin/env bash
# Weakens each memory ordering of the protocols, one at a time, and expects a model under loom to fail. ci/orderings.list has
# those that make no difference. `--sample` weakens a few, which models of several protocols have to notice; other arguments
# select weakenings by a part of their names.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "orderings: each weaker ordering fails a model, ${*:-all}"
if [ "${1:-}" = --sample ]; then
    set -- \
        "claim_word::CLAIM: Acquire -> Relaxed" \
        "claim_word::WakeOne::RELEASE: Release -> Relaxed" \
        "barrier::BarrierWords::ARRIVE: Release -> Relaxed" \
        "barrier::BarrierWords::LOAD: Acquire -> Relaxed" \
        "counter::WakeSome::COUNT: Release -> Relaxed"
fi
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
cargo run --quiet --locked -p shm-ci -- orderings ci/orderings.list "$target/orderings" "$target/loom" "$@"
