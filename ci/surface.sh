#!/usr/bin/env bash
# Compares the public items of the published crates with the files that list them. `--bless` rewrites the files.
#
# The list comes from rustdoc's JSON, whose format belongs to one version of the compiler: with another one the step
# skips itself. The compiler's flag is unstable, and RUSTC_BOOTSTRAP allows it without a nightly compiler. It rebuilds
# dependencies, so the step has a target folder of its own.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "surface: the public items are those that are listed"
if ! rustc --version | grep -q '^rustc 1\.95\.'; then
    echo "skipped: $(rustc --version) writes another format than Rust 1.95"
    exit 0
fi
target="${CARGO_TARGET_DIR:-target}"
result=0
for package in shm-core shm-derive; do
    RUSTC_BOOTSTRAP=1 cargo rustdoc --quiet --locked --target-dir "$target/surface" -p "$package" --lib -- \
        -Z unstable-options --output-format json --cap-lints allow
    list="$(cargo run --quiet --locked -p shm-ci -- surface "$target/surface/doc/${package//-/_}.json")"
    file="$package/public-api.txt"
    if [ "${1:-}" = --bless ]; then
        echo "$list" >"$file"
    elif ! diff -U 1 "$file" <(echo "$list"); then
        result=1
    else
        echo "$file: $(wc -l <"$file") items"
    fi
done
if [ "$result" != 0 ]; then
    echo "review the difference, then run ci/surface.sh --bless and commit the files"
fi
exit "$result"
