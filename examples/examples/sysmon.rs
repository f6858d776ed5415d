//! A system monitor: runs `sysmon_writer` and `sysmon_reader` in one command.
//!
//! ```text
//! cargo run --example sysmon -- [--interval 500ms] [--count N]
//! ```
//!
//! Shows the reader's table until Ctrl-C. The samples come from a second process, which this one starts, and which ends
//! with it, even if it is killed. They share only a segment named `/shm-sysmon-` and the process id:
//!
//! ```text
//! ls -l /dev/shm
//! ```

use std::process::ExitCode;

use shm_examples::sysmon::both;

fn main() -> ExitCode {
    both::main(std::env::args_os(), &[])
}
