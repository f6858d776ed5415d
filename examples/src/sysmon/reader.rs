//! The reader's loop.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use super::cli::ReaderArgs;
use super::error::{Error, exit_code, notice};
use super::exchange::{Reader, Writing, since};
use super::render;
use super::segment::Sample;
use super::signals::Signals;
use super::terminal::{Screen, stdout_size};
use super::usage::Frame;

/// How often a reader looks whether the writer that it waits for has come.
const LOOK: Duration = Duration::from_millis(50);

/// The whole of `sysmon_reader`. `args` begin with the program's name.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args = ReaderArgs::parse_from(args);
    exit_code(Signals::block().and_then(|signals| run(&args, &signals)))
}

fn run(args: &ReaderArgs, signals: &Signals) -> Result<(), Error> {
    let mut told = false;
    let found = find(&args.name, signals, |absent| {
        if !args.wait {
            return Err(absent);
        }
        if !told {
            let name = &args.name;
            notice(format_args!(
                "waiting for a writer of `{name}`; Ctrl-C ends"
            ));
            told = true;
        }
        Ok(())
    })?;
    match found {
        Some((reader, sample)) => show(&reader, sample, args, signals),
        None => Ok(()),
    }
}

/// Looks for a writer until there is one, and reads a first sample. While there is none,
/// `absent` gets the reason, and ends the search by returning an error. None when a
/// signal came first.
///
/// # Errors
///
/// What `absent` returns, and whatever waiting cannot cure, such as a segment that holds
/// something else.
pub fn find(
    name: &str,
    signals: &Signals,
    mut absent: impl FnMut(Error) -> Result<(), Error>,
) -> Result<Option<(Reader, Box<Sample>)>, Error> {
    let mut sample = Box::new(Sample::ZERO);
    loop {
        match look(name, &mut sample) {
            Ok(reader) => return Ok(Some((reader, sample))),
            Err(error @ (Error::NoWriter { .. } | Error::WriterDied { .. })) => absent(error)?,
            Err(error) => return Err(error),
        }
        if signals.wait(LOOK)? {
            return Ok(None);
        }
    }
}

/// One look. It attaches anew each time: a leftover that a waiting process kept attached
/// would look like a segment in use to whoever wants to replace it.
fn look(name: &str, sample: &mut Sample) -> Result<Reader, Error> {
    let reader = Reader::attach(name)?;
    let no_writer = || Error::NoWriter {
        name: name.to_owned(),
    };
    // No sample: a writer that is about to take its first, or was killed before it could.
    if !reader.latest(sample)? {
        return Err(no_writer());
    }
    match reader.writing() {
        Writing::Alive => Ok(reader),
        Writing::Ended => Err(no_writer()),
        Writing::Silent(silent) => Err(died(&reader, name, silent)),
    }
}

fn died(reader: &Reader, name: &str, silent: Duration) -> Error {
    Error::WriterDied {
        name: name.to_owned(),
        pid: reader.writer_pid(),
        silent,
    }
}

/// Shows samples until a signal comes, the count is reached or the writer ends. `before`
/// is where the first usage is counted from.
///
/// # Errors
///
/// When the writer dies, or standard output cannot be written to.
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
        // Asked before looking: a writer that has ended then has published its last sample.
        let writing = reader.writing();
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
        match writing {
            Writing::Alive => {}
            Writing::Ended => {
                drop(view);
                let (name, pid) = (&args.name, reader.writer_pid());
                notice(format_args!(
                    "the writer of `{name}`, process {pid}, has ended"
                ));
                return Ok(());
            }
            Writing::Silent(silent) => return Err(died(reader, &args.name, silent)),
        }
    }
    Ok(())
}

/// Where frames go.
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
                // Asked each time: the window may have been resized.
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

    /// Shows again a frame of which only the age has changed. In a pipe it is one line a sample.
    fn show_age(&mut self, frame: &Frame) -> Result<(), Error> {
        match self {
            Self::Table(_) => self.show(frame),
            Self::Lines(_) => Ok(()),
        }
    }
}
