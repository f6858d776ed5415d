#!/usr/bin/env bash
# The library's own tests as a program for another processor, under qemu-user. It shows that the code does not depend on
# x86-64, and that it stands a kernel that accepts advice and ignores it.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "emulated: the tests of shm-core for aarch64 under qemu-user"

if ! need_command qemu-aarch64 qemu-user || ! need_command aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross; then
    echo "skipped: no qemu-aarch64, or no aarch64-linux-gnu-gcc"
    exit 0
fi
target=aarch64-unknown-linux-gnu
need_target "$target"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
# A test that hangs ends at this deadline.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="timeout 600 qemu-aarch64 -L /usr/aarch64-linux-gnu"

skip=(
    # qemu 7.2 ignores MADV_DONTFORK. Under it a killed participant looks alive as long as a child that it forked lives.
    --skip a_fork_child_does_not_inherit_the_token
    # qemu 7.2 ignores MADV_POPULATE_WRITE.
    --skip options_reach_the_file_and_the_mapping
)
cargo test --quiet -p shm-core --lib --target "$target" -- "${skip[@]}"
