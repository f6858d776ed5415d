//! Shows what `sysmon_writer` samples, through a read-only mapping.
//!
//! ```text
//! cargo run --example sysmon_reader -- [--name /shm-sysmon] [--interval 500ms] [--count N] [--wait]
//! ```
//!
//! On a terminal one sees a table that is renewed in place: a bar for each processor,
//! memory, load averages, pressure where the kernel tells it, and how old the sample is.
//! In a pipe it is one line a sample, in words of `key=value`:
//!
//! ```text
//! cargo run --example sysmon_reader -- --count 3 | cut -d' ' -f2,5
//! ```
//!
//! It ends on Ctrl-C, after `--count N` samples, and when the writer ends. Without a
//! writer it says so, or waits for one with `--wait`. As many as one likes can run at once.

use std::process::ExitCode;

use shm_examples::sysmon::reader;

fn main() -> ExitCode {
    reader::main(std::env::args_os())
}
