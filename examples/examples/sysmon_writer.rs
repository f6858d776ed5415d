//! Samples this machine ten times a second into a shared-memory segment.
//!
//! ```text
//! cargo run --example sysmon_writer -- [--name /shm-sysmon] [--interval 100ms] [--count N]
//! ```
//!
//! One sees a single line that tells the segment's name. The samples are seen by
//! `sysmon_reader`, in a second terminal:
//!
//! ```text
//! cargo run --example sysmon_reader
//! ```
//!
//! Worth trying:
//! * a second writer: it is refused, and told the first one's process id;
//! * Ctrl-C: the name is gone from /dev/shm, and readers say that the writer has ended;
//! * `kill -9`: readers say so after two seconds; a writer that is started earlier
//!   goes on in the same segment, and readers just go on too.

use std::process::ExitCode;

use shm_examples::sysmon::writer;

fn main() -> ExitCode {
    writer::main(std::env::args_os())
}
