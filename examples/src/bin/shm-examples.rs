//! The example programs as one, for the integration tests: the first argument says which.

use std::process::ExitCode;

use shm_examples::sysmon::{both, reader, writer};

// The same files that `cargo run --example fork_demo` and its like build.
#[path = "../../examples/fork_demo.rs"]
mod fork_demo;
#[path = "../../examples/lru_cache.rs"]
mod lru_cache;
#[path = "../../examples/pass_fd.rs"]
mod pass_fd;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    match args.peek().and_then(|arg| arg.to_str()) {
        Some("sysmon_writer") => writer::main(args),
        Some("sysmon_reader") => reader::main(args),
        Some("sysmon") => both::main(args, &["sysmon"]),
        Some("fork_demo") => fork_demo::main(),
        Some("lru_cache") => lru_cache::main(),
        Some("pass_fd") => pass_fd::main(),
        _ => {
            eprintln!(
                "usage: shm-examples sysmon_writer|sysmon_reader|sysmon|fork_demo|lru_cache|pass_fd ..."
            );
            ExitCode::FAILURE
        }
    }
}
