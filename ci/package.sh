#!/usr/bin/env bash
# Packages the published crates as for the registry, unpacks them elsewhere, builds and runs all examples of the
# documentation from there, and builds the command. It finds files that the code includes but the package lacks.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "package: the packaged crates are complete"
target="${CARGO_TARGET_DIR:-target}"
mkdir -p "$target"
target="$(cd "$target" && pwd)"
unpacked="$(mktemp -d)"
trap 'rm -rf "$unpacked"' EXIT

# Without cargo's own build: the documentation tests build the same files.
packages="$target/package-files"
rm -rf "$packages"
cargo package --quiet --locked --allow-dirty --no-verify --target-dir "$packages" -p shm-derive -p shm-core -p shm-cli
for archive in "$packages"/package/*.crate; do
    tar -xf "$archive" -C "$unpacked"
done
for package in shm-derive shm-core shm-cli; do
    mv "$unpacked/$package"-[0-9]* "$unpacked/$package"
    for file in README.md LICENSE-APACHE LICENSE-MIT; do
        if [ ! -s "$unpacked/$package/$file" ] || [ -L "$unpacked/$package/$file" ]; then
            echo "$package: $file is missing" >&2
            exit 1
        fi
    done
    (cd "$unpacked/$package" && printf '%s: %s files, %s\n' "$package" "$(find . -type f | wc -l)" "$(du -sh . | cut -f 1)")
done

# The registry does not have shm-derive yet, or has that of the last release.
cd "$unpacked/shm-core"
export CARGO_TARGET_DIR="$target/package"
cargo test --doc --config "patch.crates-io.shm-derive.path = '$unpacked/shm-derive'"

# As `cargo install` builds it.
cd "$unpacked/shm-cli"
cargo check --config "patch.crates-io.shm-derive.path = '$unpacked/shm-derive'" \
    --config "patch.crates-io.shm-core.path = '$unpacked/shm-core'"
