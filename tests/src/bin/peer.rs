//! The program that tests run as their other processes.

use std::process::ExitCode;

fn main() -> ExitCode {
    shm_tests::peer::run()
}
