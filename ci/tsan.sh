#!/usr/bin/env bash
# What several threads of a process do at once, under ThreadSanitizer. Not part of .ci/run: it wants a nightly compiler.
#
# Without the assembly of bulk transfers, which the sanitizer does not see. It knows addresses and not files, so what it
# watches are threads that share one handle; the processes that some of these tests start are watched each for itself.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "tsan: threads under ThreadSanitizer"
export RUSTFLAGS="${RUSTFLAGS:-} -Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg shm_portable_copy"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/tsan"
export TSAN_OPTIONS="suppressions=$PWD/ci/tsan.supp ${TSAN_OPTIONS:-}"
target="$(rustc -vV | sed -n 's/^host: //p')"
cargo +nightly test --target "$target" -p shm-core --lib
cargo +nightly test --target "$target" -p shm-tests --test access --test claims
# The sanitizer does not work in a process that may make no system calls.
cargo +nightly test --target "$target" -p shm-tests --test sync -- --skip large:: --skip no_system_call
cargo +nightly test --target "$target" -p shm-tests --test kill_random -- --skip creation::
