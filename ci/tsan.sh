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
cargo +nightly test --target "$target" -p shm-tests --test threads --test access --test shm_vec --test shm_str \
    --test claims --test claims_losses --test claims_torture --test mutex
# A process that may make no system calls is no place for the sanitizer.
cargo +nightly test --target "$target" -p shm-tests --test seqlock --test seqlock_torture --test ring --test ring_deaths \
    --test ring_torture --test broadcast --test broadcast_torture --test event --test semaphore --test barrier \
    --test waiting_torture -- --skip no_system_call
