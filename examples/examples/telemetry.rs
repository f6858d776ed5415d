//! One process writes samples, others show the newest one. Kill the writer and start it again: readers keep its last sample,
//! and the new writer continues.
//!
//! ```text
//! cargo run --example telemetry -- write [NAME]
//! cargo run --example telemetry -- read [NAME]
//! ```
//!
//! The README shows it in a terminal. Ctrl-C ends a writer normally, so its segment goes with it.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{Write, stdout};
use std::process::{ExitCode, id};
use std::thread::sleep;
use std::time::Duration;

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;
use shm_examples::child::exit_code;
use shm_examples::sysmon::signals::Signals;

#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
struct Sample {
    frame: u64,
    position: [f64; 3],
}

/// Readers always find a whole sample, even if the writer is killed in the middle of one.
type Telemetry = SeqLock<Sample>;

const INTERVAL: Duration = Duration::from_millis(100);

pub(crate) fn main() -> ExitCode {
    let mut args = std::env::args().skip_while(|arg| arg != "write" && arg != "read");
    let role = args.next();
    let name = args.next().unwrap_or_else(|| "/shm-telemetry".into());
    exit_code(match role.as_deref() {
        Some("write") => write(&name),
        Some(_) => read(&name),
        None => Err("usage: telemetry write|read [NAME]".into()),
    })
}

fn write(name: &str) -> Result<(), Box<dyn Error>> {
    let signals = Signals::block()?;
    // Creates the segment, or continues with the one that a killed writer left.
    let shm = Telemetry::open_or_create(name)?;
    let mut sample = shm.write_timeout(Duration::from_secs(1))?;
    writeln!(
        stdout(),
        "writer {}: continues after frame {}",
        id(),
        sample.frame
    )?;
    while !signals.wait(INTERVAL)? {
        sample.frame += 1;
        sample.position[0] += 0.5;
        sample.publish()?;
    }
    Ok(())
}

fn read(name: &str) -> Result<(), Box<dyn Error>> {
    let options = Telemetry::options().wait(Duration::MAX);
    let shm = options.attach_read_only(name)?;
    let mut reported = None;
    // A writer that ends normally takes the name along.
    while shm.is_current() {
        let is_alive = shm.has_owner();
        if reported != Some(is_alive) {
            let Sample { frame, position } = shm.read()?;
            let state = if is_alive { "is alive" } else { "was killed" };
            writeln!(
                stdout(),
                "reader: the writer {state}; frame {frame} at {position:?}"
            )?;
            reported = Some(is_alive);
        }
        sleep(INTERVAL);
    }
    writeln!(stdout(), "reader: the writer has ended")?;
    Ok(())
}
