#!/usr/bin/env bash
# The licences, versions and sources of all dependencies, against deny.toml. Installs cargo-deny if it is missing, which
# takes a minute; a build without optimisation is quick enough for it. Then it needs no network.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "deny: licences, versions and sources of the dependencies"
if ! cargo deny --version >/dev/null 2>&1; then
    env -u CARGO_TARGET_DIR cargo install --quiet --locked --debug --config profile.dev.debug=0 cargo-deny --version 0.20.2
fi
cargo fetch --quiet --locked
cargo deny --offline --locked check licenses bans sources
