#!/usr/bin/env bash
# Changes the code of segments, claims and protocols in one place after the other, with cargo-mutants, and expects a test to
# fail. First only the tests of shm-core itself, which take seconds; then, for the changes that they let pass, the tests with
# several processes. Arguments are cargo-mutants' own, for instance `--shard 0/8` or `--re attach.rs`.
#
# It takes hours. mutants.out/missed.txt has what no test notices; tests/README.md has the reasons.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "mutants: a change of segments, claims or protocols fails a test"
if ! cargo mutants --version >/dev/null 2>&1; then
    cargo install --locked --quiet cargo-mutants
fi
# Not the compiler's cache of the working folder: cargo-mutants builds in a copy.
unset CARGO_TARGET_DIR
common=(--package shm-core --no-shuffle --colors never "$@")
# Exit code 2 says that something was missed, and 3 that something did not end.
cargo mutants "${common[@]}" --cargo-test-arg=--lib || [ "$?" -le 3 ]
cargo mutants "${common[@]}" --iterate --test-package shm-core,shm-tests --cargo-test-arg=--lib \
    --cargo-test-arg=--test=segment --cargo-test-arg=--test=claims --cargo-test-arg=--test=sync
