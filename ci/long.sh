#!/usr/bin/env bash
# The long form, which is run before each release: every command of the table in CONTRIBUTING.md that begins with
# "| command |", in order. With arguments, only the commands that contain one of them. All of them run even if one
# fails. The last lines are a table of the results.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "long form"
mapfile -t commands < <(sed -n '/^| command | does |$/,/^$/ s/^| `\([^`]*\)` | .*/\1/p' CONTRIBUTING.md)
if [ "${#commands[@]}" = 0 ]; then
    echo "CONTRIBUTING.md has no table of commands" >&2
    exit 1
fi

is_wanted() {
    local command="$1" part
    shift
    if [ "$#" = 0 ]; then
        return 0
    fi
    for part in "$@"; do
        if [[ "$command" == *"$part"* ]]; then
            return 0
        fi
    done
    return 1
}

rows=()
failed=0
for command in "${commands[@]}"; do
    if ! is_wanted "$command" "$@"; then
        continue
    fi
    heading "$command"
    start=$SECONDS
    if bash -euo pipefail -c "$command"; then
        result=ok
    else
        result=FAILED
        failed=1
    fi
    rows+=("| \`$command\` | $result | $((SECONDS - start)) |")
done
printf '\n%s, %s, nightly %s, Linux %s, %s processors\n\n' "$(date -u +%F)" "$(rustc --version)" \
    "$(rustc +nightly --version 2>/dev/null || echo missing)" "$(uname -r)" "$(nproc)"
printf '| command | result | seconds |\n|---|---|---|\n'
printf '%s\n' "${rows[@]}"
exit "$failed"
