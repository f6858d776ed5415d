//! Displays the samples of `sysmon_writer`, through a read-only mapping.
//!
//! ```text
//! cargo run --example sysmon_reader -- [--name /shm-sysmon] [--interval 500ms] [--count N] [--wait]
//! ```
//!
//! On a terminal it shows a table that is updated in place: a bar for each processor, memory, load averages, pressure if
//! the kernel reports it, and the age of the sample. In a pipe it prints one line of `key=value` words per sample:
//!
//! ```text
//! cargo run --example sysmon_reader -- --count 3 | cut -d' ' -f2,5
//! ```
//!
//! It ends on Ctrl-C, after `--count N` samples, and when the writer ends. Without a writer it is an error, or with
//! `--wait` it waits for one. Any number of readers can run at once.

use std::process::ExitCode;

use shm_examples::sysmon::reader;

fn main() -> ExitCode {
    reader::main(std::env::args_os())
}
