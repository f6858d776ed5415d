#!/usr/bin/env bash
# Changes the code of segments, claims and protocols in one place after the other, with cargo-mutants, and expects a test to
# fail. First only the tests of shm-core itself, which take seconds; then, for the changes that they let pass, the tests with
# several processes. Arguments are cargo-mutants' own, for instance `--shard 0/8` or `--re ^shm-core/src/claim/`.
#
# It takes hours. target/mutants/processes/mutants.out/missed.txt has what no test notices; tests/README.md has the reasons.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# A changed sweep may remove segments of other programs, so where this is root, the changes get a /dev/shm and processes of
# their own.
if [ -z "${SHM_MUTANTS_APART:-}" ] && [ "$(id -u)" = 0 ] && unshare --mount --pid --fork true 2>/dev/null; then
    SHM_MUTANTS_APART=1 exec unshare --mount --pid --fork --mount-proc --kill-child "ci/$(basename "$0")" "$@"
fi
[ -z "${SHM_MUTANTS_APART:-}" ] || mount -t tmpfs tmpfs /dev/shm
heading "mutants: a change of segments, claims or protocols fails a test, ${*:-all}"
if ! cargo mutants --version >/dev/null 2>&1; then
    cargo install --locked --quiet cargo-mutants
fi
out="$(realpath -m "${CARGO_TARGET_DIR:-target}/mutants")"
rm -rf "$out"
mkdir -p "$out/unit" "$out/processes"
# Not the compiler's cache of the working folder: cargo-mutants builds in a copy.
unset CARGO_TARGET_DIR
export CARGO_INCREMENTAL=1 CARGO_PROFILE_DEV_DEBUG=0
common=(--package shm-core --colors never)

# Exit code 2 says that something was missed, and 3 that something did not end, which notices a change as well.
cargo mutants "${common[@]}" --output "$out/unit" --minimum-test-timeout 20 "$@" --cargo-test-arg=--lib || [ "$?" -le 3 ]
missed="$out/unit/mutants.out/missed.txt"
if [ ! -s "$missed" ]; then
    exit
fi
# By their names: `--iterate` would leave out what was noticed before it takes a shard, and so try another shard's changes.
mapfile -t names < <(sed 's/[][\.*^$+?(){}|]/\\&/g; s/.*/--re=^&$/' "$missed")
# cargo-mutants tries the unchanged program with shm-core's tests alone, and so cannot do it with these.
tests=(--lib --test segment --test claims --test sync)
cargo test --quiet --package shm-core --package shm-tests "${tests[@]}"
cargo mutants "${common[@]}" --output "$out/processes" --baseline skip --timeout 180 --test-package shm-core,shm-tests \
    "${names[@]}" "${tests[@]/#/--cargo-arg=}" || [ "$?" -eq 3 ]
