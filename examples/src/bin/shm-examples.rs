//! All example programs in one binary, for the integration tests. The first argument selects the program.

use std::process::ExitCode;

use shm_examples::sysmon::{both, reader, writer};

// The files that `cargo run --example camera` and so on build.
#[path = "../../examples/camera.rs"]
mod camera;
#[path = "../../examples/config_reload.rs"]
mod config_reload;
#[path = "../../examples/fork_demo.rs"]
mod fork_demo;
#[path = "../../examples/lru_cache.rs"]
mod lru_cache;
#[path = "../../examples/pass_fd.rs"]
mod pass_fd;
#[path = "../../examples/rolling_upgrade.rs"]
mod rolling_upgrade;
#[path = "../../examples/telemetry.rs"]
mod telemetry;
#[path = "../../examples/work_queue.rs"]
mod work_queue;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    match args.peek().and_then(|arg| arg.to_str()) {
        Some("sysmon_writer") => writer::main(args),
        Some("sysmon_reader") => reader::main(args),
        Some("sysmon") => both::main(args, &["sysmon"]),
        Some("camera") => camera::main(),
        Some("config_reload") => config_reload::main(),
        Some("fork_demo") => fork_demo::main(),
        Some("lru_cache") => lru_cache::main(),
        Some("pass_fd") => pass_fd::main(),
        Some("rolling_upgrade") => rolling_upgrade::main(),
        Some("telemetry") => telemetry::main(),
        Some("work_queue") => work_queue::main(),
        _ => {
            eprintln!(
                "usage: shm-examples sysmon_writer|sysmon_reader|sysmon|camera|config_reload|fork_demo|lru_cache|pass_fd|rolling_upgrade|telemetry|work_queue ..."
            );
            ExitCode::FAILURE
        }
    }
}
