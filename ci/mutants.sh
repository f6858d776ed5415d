#!/usr/bin/env bash
# Changes the code of segments, claims and protocols in one place after the other, and expects a test to fail. ci/mutants.list
# has the changes that no test notices. Arguments select changes by a part of their names, for instance `claim/wait`.
#
# cargo-mutants only lists the changes. All of them are built into one program, which makes the one that a variable names.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "mutants: each change of segments, claims and protocols fails a test, ${*:-all}"
if ! cargo mutants --version >/dev/null 2>&1; then
    cargo install --locked --quiet cargo-mutants
fi
target="$(realpath -m "${CARGO_TARGET_DIR:-target}/mutants")"
mkdir -p "$target"
cargo run --quiet --locked -p shm-ci -- mutants ci/mutants.list "$target/copy" "$target/build" "$@"
