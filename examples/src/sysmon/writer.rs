//! The program `sysmon_writer`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use super::cli::WriterArgs;
use super::error::{Error, exit_code};
use super::exchange::{BEAT, Writer};
use super::sampler::Sampler;
use super::segment::Sample;
use super::signals::Signals;

/// The `main` function of `sysmon_writer`. `args` begin with the program's name.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args = WriterArgs::parse_from(args);
    exit_code(Signals::block().and_then(|signals| run(&args, &signals, &mut io::stdout())))
}

/// Publishes samples until a signal arrives or the count is reached, then removes the name.
///
/// # Errors
///
/// Returns an error if the segment already has a writer, if its name is removed, or if sampling fails.
pub fn run(args: &WriterArgs, signals: &Signals, out: &mut impl Write) -> Result<(), Error> {
    let mut sampler = Sampler::new()?;
    let Some(writer) = Writer::start(&args.name, signals)? else {
        return Ok(());
    };
    let mut sample = Box::new(Sample::ZERO);
    let mut due = Instant::now();
    let mut written = 0;
    loop {
        sampler.take(&mut sample)?;
        writer.publish(&mut sample);
        written += 1;
        if written == 1 {
            // Only now, because this line promises that a reader finds a sample.
            announce(args, out)?;
        }
        if args.count == Some(written) {
            return Ok(());
        }
        // Counted from the previous due time, which keeps the rate. A writer that was stopped does not catch up.
        due = (due + args.interval).max(Instant::now());
        if wait_until(due, &writer, signals, &args.name)? {
            return Ok(());
        }
    }
}

fn announce(args: &WriterArgs, out: &mut impl Write) -> Result<(), Error> {
    writeln!(
        out,
        "writing to `{}` every {} ms as process {}; press Ctrl-C to end",
        args.name,
        args.interval.as_millis(),
        std::process::id()
    )
    .and_then(|()| out.flush())
    .map_err(|error| Error::io("writing to standard output", error))
}

/// Waits until `due` and writes heartbeats. Returns `true` if a signal arrived.
fn wait_until(due: Instant, writer: &Writer, signals: &Signals, name: &str) -> Result<bool, Error> {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if signals.wait(left.min(BEAT))? {
            return Ok(true);
        }
        writer.beat();
        if !writer.is_current() {
            let name = name.to_owned();
            return Err(Error::NameLost { name });
        }
        if Instant::now() >= due {
            return Ok(false);
        }
    }
}
