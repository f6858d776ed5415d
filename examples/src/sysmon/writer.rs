//! The writer's loop.

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

/// The whole of `sysmon_writer`. `args` begin with the program's name.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args = WriterArgs::parse_from(args);
    exit_code(Signals::block().and_then(|signals| run(&args, &signals, &mut io::stdout())))
}

/// Samples until a signal comes or the count is reached. Then the name is gone.
///
/// # Errors
///
/// When the segment has a writer already, its name is taken away, or sampling fails.
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
            // Not earlier: who has read this line can start a reader.
            announce(args, out)?;
        }
        if args.count == Some(written) {
            return Ok(());
        }
        // Counted from when it was due, so that the rate holds. A writer that was stopped
        // for a while does not make up for what it missed.
        due = (due + args.interval).max(Instant::now());
        if wait_until(due, &writer, signals, &args.name)? {
            return Ok(());
        }
    }
}

fn announce(args: &WriterArgs, out: &mut impl Write) -> Result<(), Error> {
    writeln!(
        out,
        "writing to `{}` every {} ms as process {}; Ctrl-C ends",
        args.name,
        args.interval.as_millis(),
        std::process::id()
    )
    .and_then(|()| out.flush())
    .map_err(|error| Error::io("writing to standard output", error))
}

/// Waits until `due`, giving signs of life. True when a signal came.
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
