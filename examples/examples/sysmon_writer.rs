//! Samples this machine ten times per second and publishes the samples in a segment.
//!
//! ```text
//! cargo run --example sysmon_writer -- [--name /shm-sysmon] [--interval 100ms] [--count N]
//! ```
//!
//! Prints a single line with the name of the segment. To display the samples, run `sysmon_reader` in a second terminal:
//!
//! ```text
//! cargo run --example sysmon_reader
//! ```
//!
//! Worth trying:
//! * a second writer fails, and prints the process id of the first;
//! * Ctrl-C removes the name from /dev/shm, and readers report that the writer has ended;
//! * after `kill -9`, readers report it two seconds later; a writer that starts before that continues in the same
//!   segment, and the readers continue too.

use std::process::ExitCode;

use shm_examples::sysmon::writer;

fn main() -> ExitCode {
    writer::main(std::env::args_os())
}
