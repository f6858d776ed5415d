#!/usr/bin/env bash
# Which module of shm-core uses which, from the code. Fails on an arrow that points up in ci/graph.layers.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "graph: modules use only what is below them"
cargo run --quiet --locked -p shm-ci -- graph shm-core/src/lib.rs ci/graph.layers
