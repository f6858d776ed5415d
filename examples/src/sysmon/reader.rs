//! The program `sysmon_reader`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use super::cli::ReaderArgs;
use super::error::{Error, exit_code, notice};
use super::exchange::{Reader, WriterState, since};
use super::render;
use super::segment::Sample;
use super::signals::Signals;
use super::terminal::{Screen, stdout_size};
use super::usage::Frame;

/// The time between two checks for a writer.
const POLL: Duration = Duration::from_millis(50);

/// The `main` function of `sysmon_reader`. `args` begin with the program's name.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args = ReaderArgs::parse_from(args);
    exit_code(Signals::block().and_then(|signals| run(&args, &signals)))
}

fn run(args: &ReaderArgs, signals: &Signals) -> Result<(), Error> {
    let mut announced = false;
    let found = find(&args.name, signals, |absent| {
        if !args.wait {
            return Err(absent);
        }
        if !announced {
            let name = &args.name;
            notice(format_args!(
                "waiting for a writer of `{name}`; press Ctrl-C to end"
            ));
            announced = true;
        }
        Ok(())
    })?;
    match found {
        Some((reader, sample)) => show(&reader, sample, args, signals),
        None => Ok(()),
    }
}

/// Waits for a writer and reads a first sample. As long as there is no writer, `absent` is called with the reason; an error
/// that it returns ends the wait. Returns `None` if a signal arrives first.
///
/// # Errors
///
/// Returns the error of `absent`, and errors that waiting does not resolve, such as a segment of another type.
pub fn find(
    name: &str,
    signals: &Signals,
    mut absent: impl FnMut(Error) -> Result<(), Error>,
) -> Result<Option<(Reader, Box<Sample>)>, Error> {
    let mut sample = Box::new(Sample::ZERO);
    loop {
        match try_attach(name, &mut sample) {
            Ok(reader) => return Ok(Some((reader, sample))),
            Err(error @ (Error::NoWriter { .. } | Error::WriterDied { .. })) => absent(error)?,
            Err(error) => return Err(error),
        }
        if signals.wait(POLL)? {
            return Ok(None);
        }
    }
}

/// Attaches if there is a writer. Each call attaches anew: if a waiting reader stayed attached to an orphaned segment, the
/// segment would look used to a process that wants to replace it.
fn try_attach(name: &str, sample: &mut Sample) -> Result<Reader, Error> {
    let reader = Reader::attach(name)?;
    let no_writer = || Error::NoWriter {
        name: name.to_owned(),
    };
    // Without a sample, the writer has not published its first one yet, or was killed before it could.
    if !reader.latest(sample)? {
        return Err(no_writer());
    }
    match reader.writer_state() {
        WriterState::Alive => Ok(reader),
        WriterState::Ended => Err(no_writer()),
        WriterState::Silent(silent) => Err(died(&reader, name, silent)),
    }
}

fn died(reader: &Reader, name: &str, silent: Duration) -> Error {
    Error::WriterDied {
        name: name.to_owned(),
        pid: reader.writer_pid(),
        silent,
    }
}

/// Displays samples until a signal arrives, the count is reached or the writer ends. The first usage is counted from
/// `before`.
///
/// # Errors
///
/// Returns an error if the writer dies, or if writing to standard output fails.
pub fn show(
    reader: &Reader,
    mut before: Box<Sample>,
    args: &ReaderArgs,
    signals: &Signals,
) -> Result<(), Error> {
    let mut now = Box::new(Sample::ZERO);
    let mut frame = None;
    let mut shown = 0;
    let mut view = View::of_stdout();
    while args.count.is_none_or(|count| shown < count) {
        if signals.wait(args.interval)? {
            return Ok(());
        }
        // Loaded before the sample: a writer that has ended by now has published its last sample.
        let state = reader.writer_state();
        if reader.latest(&mut now)? && now.number != before.number {
            let age = since(now.taken_ns);
            let new = Frame::between(&args.name, reader.writer_pid(), &before, &now, age);
            view.show(&new)?;
            frame = Some(new);
            shown += 1;
            std::mem::swap(&mut before, &mut now);
        } else if let Some(frame) = &mut frame {
            frame.age = since(before.taken_ns);
            view.show_age(frame)?;
        }
        match state {
            WriterState::Alive => {}
            WriterState::Ended => {
                drop(view);
                let (name, pid) = (&args.name, reader.writer_pid());
                notice(format_args!(
                    "the writer of `{name}`, process {pid}, has ended"
                ));
                return Ok(());
            }
            WriterState::Silent(silent) => return Err(died(reader, &args.name, silent)),
        }
    }
    Ok(())
}

/// The output.
enum View {
    Table(Screen<io::Stdout>),
    Lines(io::Stdout),
}

impl View {
    fn of_stdout() -> Self {
        let stdout = io::stdout();
        match stdout_size() {
            Some(_) => Self::Table(Screen::new(stdout)),
            None => Self::Lines(stdout),
        }
    }

    fn show(&mut self, frame: &Frame) -> Result<(), Error> {
        let written = match self {
            Self::Table(screen) => {
                // Read each time, because the window may have been resized.
                let size = stdout_size().unwrap_or(render::Size {
                    columns: 80,
                    rows: 24,
                });
                screen.show(&render::table(frame, size), size)
            }
            Self::Lines(out) => {
                let line = render::line(frame);
                out.write_all(line.as_bytes()).and_then(|()| out.flush())
            }
        };
        written.map_err(|error| Error::io("writing to standard output", error))
    }

    /// Updates the age of a frame on a terminal. A pipe gets one line per sample.
    fn show_age(&mut self, frame: &Frame) -> Result<(), Error> {
        match self {
            Self::Table(_) => self.show(frame),
            Self::Lines(_) => Ok(()),
        }
    }
}
