#!/usr/bin/env bash
# Root may do everything, so what only an ordinary user meets would go untested where CI runs as root. And tests that pass in a
# tidy environment may rely on it. This runs the built test programs once more as an ordinary user (CI_USER, or 65534) in
# surroundings that users have: inherited descriptors, umask 077, few open files, a Turkish locale, no HOME, a TMPDIR with a
# space, a terminal, and a /dev/shm full of foreign files. Left out are the suites that start cargo or read the sources, whose
# results do not depend on the user; and of the forged files, most.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# With mounts of its own, root spares the /dev/shm of the system.
if [ "$(id -u)" = 0 ] && [ -z "${OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
    OWN_MOUNTS=1 exec unshare --mount --propagation private "${BASH_SOURCE[0]}"
fi
heading "unprivileged: the tests as an ordinary user, in odd surroundings"

temp="$(mktemp -d)"
foreign="/dev/shm/foreign-$(basename "$temp")"
chmod 755 "$temp"
mkdir -m 1777 "$temp/with spaces ğüş"
trap 'rm -rf "$temp" "$foreign"-*' EXIT
as_user=()
user="$(id -u)"
if [ "$user" = 0 ]; then
    user="${CI_USER:-65534}"
    as_user=(setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all)
    [ -z "${OWN_MOUNTS:-}" ] || mount -t tmpfs -o mode=1777 shm /dev/shm
fi

for number in $(seq 98); do
    echo text >"$foreign-$number"
    head -c 5000 /dev/zero >"$foreign-private-$number"
    chmod 600 "$foreign-private-$number"
done
mkfifo "$foreign-fifo"
mkdir "$foreign-directory"
ln -s nowhere "$foreign-link"
ln -s /etc/passwd "$foreign-link-elsewhere"

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

# In Turkish the capital of "i" is not "I", and a decimal point is a comma. Where the locale cannot be compiled, the variables
# name it all the same: programs that read them see it, and the C library falls back to "C".
mkdir "$temp/locales"
locale=tr_TR.UTF-8
compiled=
if ! localedef -i tr_TR -f UTF-8 "$temp/locales/$locale"; then
    compiled=", which localedef could not compile"
    echo "LC_ALL and LANG are $locale$compiled"
fi
terminal=()
if need_command script bsdutils; then
    terminal=(script --quiet --return --command)
fi

# What runs in the terminal: `surroundings PROGRAM FILTER..`. The user may not run cargo, which insta asks where the workspace is.
cat >"$temp/surroundings" <<END
umask 077
ulimit -n 256
exec 3</dev/null 4</dev/null 5</etc/passwd 6<>/dev/null 7>/dev/null 8<. 9</dev/null
exec env -u CARGO_TARGET_DIR -u OWN_MOUNTS -u HOME TMPDIR="$temp/with spaces ğüş" LOCPATH="$temp/locales" LC_ALL=$locale LANG=$locale \
    INSTA_WORKSPACE_ROOT="$PWD" SHM_HOSTILE_FILES=10000 RUST_BACKTRACE=1 NO_COLOR=1 CARGO_TERM_COLOR=always TERM=xterm ${as_user[@]} "\$@"
END

count=0
failed=()
while IFS=$'\t' read -r folder program; do
    filter=()
    case "$(basename "$program")" in
        docs-* | shm_attributes-* | shm_derive-*) continue ;;
        derive-*) filter=(type_macros::) ;;
    esac
    echo "--- $(basename "$program")"
    (
        cd "$folder" || exit 1
        if [ "${#terminal[@]}" -gt 0 ]; then
            command="$(printf '%q ' bash "$temp/surroundings" "$program" --quiet "${filter[@]}")"
            "${terminal[@]}" "$command" /dev/null
        else
            bash "$temp/surroundings" "$program" --quiet "${filter[@]}"
        fi </dev/null
    ) || failed+=("$(basename "$program")")
    count=$((count + 1))
done <"$temp/programs"

if [ "${#failed[@]}" -gt 0 ]; then
    echo "failed: ${failed[*]}" >&2
    exit 1
fi
if [ "$count" -lt 3 ]; then
    echo "only $count test programs were found" >&2
    exit 1
fi
kept="$(find /dev/shm -mindepth 1 -name "$(basename "$foreign")-*" | wc -l)"
if [ "$kept" != 200 ]; then
    echo "of 200 foreign files, $kept are left" >&2
    exit 1
fi
# `.ci/run` sees only what is left in the system's own.
if [ -n "${OWN_MOUNTS:-}" ] && find /dev/shm -mindepth 1 ! -name "$(basename "$foreign")-*" | grep .; then
    echo "these names were left behind" >&2
    exit 1
fi
echo "$count test programs passed as user $user, LC_ALL=$locale$compiled, ${terminal[*]:+in a terminal}"
