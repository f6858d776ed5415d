#!/usr/bin/env bash
# Valgrind assigns addresses from the bottom up, where the kernel does it from the top down. Segments with claims must be a
# gigabyte apart all the same.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "valgrind: many segments with locks in one process"

if ! need_command valgrind valgrind; then
    echo "skipped: no valgrind"
    exit 0
fi
host="$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')"
export "CARGO_TARGET_${host}_RUNNER=timeout 300 valgrind --quiet --error-exitcode=1"
test=owners::participants_of_many_segments_stay_apart
output="$(cargo test --quiet -p shm-tests --test claims -- --exact "$test" 2>&1)" || {
    printf '%s\n' "$output"
    exit 1
}
printf '%s\n' "$output"
grep -q '1 passed' <<<"$output"
