#!/usr/bin/env bash
# Root may do everything, so what only an ordinary user meets would go untested where CI runs as root. This runs the
# built test programs once more as an ordinary user: CI_USER, or 65534. Left out are the suites that start cargo, read
# the sources or go through many forged files, whose results do not depend on the user.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "unprivileged: the tests as an ordinary user"

if [ "$(id -u)" != 0 ]; then
    echo "this is an ordinary user already: ci/test.sh has done it"
    exit 0
fi
user="${CI_USER:-65534}"
as_user=(setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all)
temp="$(mktemp -d)"
chmod 755 "$temp"
mkdir -m 1777 "$temp/tmp"
trap 'rm -rf "$temp"' EXIT

# One line a test program: its folder, a tab, its path.
programs() {
    cargo test --workspace --lib --bins --tests --no-run --quiet --message-format=json |
        sed -n 's/.*"manifest_path":"\([^"]*\)\/Cargo.toml".*"profile":{[^}]*"test":true}.*"executable":"\([^"]*\)".*/\1\t\2/p'
}

programs >"$temp/programs"
# The first program tells whether the user can reach the target folder, which may be in root's home.
if ! "${as_user[@]}" test -x "$(head -n 1 "$temp/programs" | cut -f 2)"; then
    echo "user $user cannot reach the target folder: building in $temp"
    export CARGO_TARGET_DIR="$temp/target"
    (umask 022 && programs >"$temp/programs")
fi

count=0
while IFS=$'\t' read -r folder program; do
    filter=()
    case "$(basename "$program")" in
        docs-* | shm_attributes-* | shm_derive-*) continue ;;
        derive-*) filter=(type_macros::) ;;
    esac
    echo "--- $(basename "$program")"
    (
        cd "$folder"
        env -u CARGO_TARGET_DIR HOME="$temp/tmp" TMPDIR="$temp/tmp" "${as_user[@]}" "$program" --quiet "${filter[@]}" </dev/null
    )
    count=$((count + 1))
done <"$temp/programs"

if [ "$count" -lt 3 ]; then
    echo "only $count test programs were found" >&2
    exit 1
fi
echo "$count test programs passed as user $user"
