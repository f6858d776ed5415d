#!/usr/bin/env bash
# Phrases that plain technical English does without, and names of more than 60 characters: `shm-ci language` has the list.
# Prints each place with what to write; with --count, how many there are in each folder.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "language: no banned phrase, no overlong name"
cargo run --quiet --locked -p shm-ci -- language "$@"
