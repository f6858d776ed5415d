# Sourced by the scripts next to it: strict mode, the repository's root as the working directory, a heading.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

heading() {
    printf '\n=== %s\n' "$*"
}

# Adds a component of the toolchain in use, where rustup is there and the component is not.
need_component() {
    if ! cargo "$1" --version >/dev/null 2>&1; then
        rustup component add "$2"
    fi
}

# Adds the standard library for a target, where rustup is there and the library is not.
need_target() {
    if [ ! -d "$(rustc --print target-libdir --target "$1")" ]; then
        rustup target add "$1"
    fi
}

# Installs the Debian packages that follow a command, as root, where the command is missing. Fails if it stays missing.
need_command() {
    if ! command -v "$1" >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update --quiet && apt-get install --yes --quiet "${@:2}"
    fi
    command -v "$1" >/dev/null
}
