#!/usr/bin/env bash
# The suites that meet hostile bytes, under AddressSanitizer. Not part of .ci/run: it wants a nightly compiler, and
# takes minutes. Without the assembly of bulk transfers, which the sanitizer does not see.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "asan: hostile files and peers under AddressSanitizer"
export RUSTFLAGS="${RUSTFLAGS:-} -Zsanitizer=address --cfg shm_portable_copy"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/asan"
target="$(rustc -vV | sed -n 's/^host: //p')"
# The leak checker wants /proc, which some of these take away; and some make layouts that live for ever, as constants do.
ASAN_OPTIONS=detect_leaks=0 cargo +nightly test --target "$target" -p shm-core --lib
ASAN_OPTIONS=detect_leaks=0 cargo +nightly test --target "$target" -p shm-tests --test access handles::
ASAN_OPTIONS=detect_leaks=0 cargo +nightly test --target "$target" -p shm-tests --test segment list::
ASAN_OPTIONS=detect_leaks=0 cargo +nightly test --target "$target" -p shm-tests --test system fallback::
cargo +nightly test --target "$target" -p shm-tests --test hostile -- files:: scribble:: --nocapture
# The sanitizer does not work in a process that may make no system calls.
ASAN_OPTIONS=detect_leaks=0 cargo +nightly test --target "$target" -p shm-tests --test claims owners::
ASAN_OPTIONS=detect_leaks=0 cargo +nightly test --target "$target" -p shm-tests --test sync -- --skip large:: \
    --skip no_system_call
ASAN_OPTIONS=detect_leaks=0 cargo +nightly test --target "$target" -p shm-tests --test kill_random -- broadcast:: ring:: \
    seqlock:: waiting::
