#!/usr/bin/env bash
# On a system other than Linux the library is one error that says so, with nothing after it. `cargo check` runs neither a
# linker nor the program, so no tools of that system are needed.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "foreign: one error on other systems"

for target in x86_64-pc-windows-gnu x86_64-pc-windows-msvc aarch64-apple-darwin; do
    need_target "$target"
    # The examples stand for a program that uses the library.
    for package in shm-core shm-examples; do
        if output="$(cargo check --quiet --locked -p "$package" --lib --target "$target" --message-format short 2>&1)"; then
            echo "$package can be built for $target"
            exit 1
        fi
        # cargo's own last line says only how many errors there were.
        messages="$(grep -v '^error: could not compile `shm-core` (lib) due to 1 previous error$' <<<"$output" || true)"
        if [ "$(wc -l <<<"$messages")" != 1 ] || [[ "$messages" != *'error: shm-core runs on Linux only'* ]]; then
            printf '%s for %s gives more than the one error:\n%s\n' "$package" "$target" "$output"
            exit 1
        fi
    done
    echo "$target: $messages"
done

# The derive runs on the machine that compiles, so it must not depend on the system at all.
if grep -rnE 'std::os::|target_os|\b(libc|nix)::' shm-derive/src; then
    echo "shm-derive depends on the system"
    exit 1
fi
