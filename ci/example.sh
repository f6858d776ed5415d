#!/usr/bin/env bash
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
heading "example: the examples run"
cargo run --example sysmon -- --count 3
cargo run --example fork_demo
cargo run --example lru_cache
cargo run --example pass_fd
cargo run --example config_reload
cargo run --example work_queue
cargo run --example camera
cargo run --example rolling_upgrade
