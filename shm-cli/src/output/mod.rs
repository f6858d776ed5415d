//! What commands print with.

mod escape;
pub(crate) mod json;
pub(crate) mod number;
mod table;
mod type_name;

use std::io::{BufWriter, Write};

use anstream::StripStream;
use anstream::stream::IsTerminal;
use clap::ColorChoice;

use crate::cli::Global;
use crate::failure::{Failure, Kind};

pub(crate) use escape::{bare, escaped};
pub(crate) use json::Document;
pub(crate) use table::{Align, Table, cut, cut_styled};
pub(crate) use type_name::type_name;

/// The name of a user, or the number of one that has no name.
pub(crate) fn user_name(uid: u32) -> String {
    match nix::unistd::User::from_uid(uid.into()) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

/// Whether standard output shows colors.
pub(crate) fn is_colored() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}

/// Whether the locale is one of UTF-8, so that lines can be drawn with more than ASCII.
pub(crate) fn is_utf8() -> bool {
    // The first that is set and not empty decides.
    let variables = ["LC_ALL", "LC_CTYPE", "LANG"];
    let mut set = variables.iter().filter_map(std::env::var_os);
    set.find(|locale| !locale.is_empty()).is_some_and(|locale| {
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        locale.ends_with("utf-8")
            || locale.ends_with("utf8")
            || locale.contains("utf-8@")
            || locale.contains("utf8@")
    })
}

/// Styles, so that a thing has the same color in every command.
pub(crate) mod style {
    use anstyle::{AnsiColor, Style};

    /// The head of a table.
    pub(crate) const HEAD: Style = Style::new().bold();
    /// Names of segments and fields.
    pub(crate) const NAME: Style = AnsiColor::Cyan.on_default();
    /// Types. Blue that is not bright is hard to read on black.
    pub(crate) const TYPE: Style = AnsiColor::BrightBlue.on_default();
    /// What matters less.
    pub(crate) const DIM: Style = Style::new().dimmed();
    /// In order.
    pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
    /// Worth a look.
    pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
    /// An error.
    pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
}

/// Bytes that are printed at a time.
pub(crate) const BUFFER: usize = 1 << 16;

/// Columns of a terminal that does not say how many it has.
const DEFAULT_WIDTH: usize = 80;

/// Where and how a command prints.
pub(crate) struct Context {
    /// Standard output. It drops styles if the user does not want them.
    pub(crate) out: Box<dyn Write>,
    /// Standard error.
    err: Box<dyn Write>,
    /// `--json`.
    pub(crate) json: bool,
    /// Whether a person watches.
    pub(crate) terminal: bool,
    worst: Option<Kind>,
}

impl Context {
    pub(crate) fn new(global: &Global) -> Self {
        let choice = match global.color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
        let stdout = std::io::stdout();
        let terminal = stdout.is_terminal();
        let is_colored = is_colored();
        // Standard output is written to at each end of a line, and at each style that is dropped, unless it gets long pieces.
        let stdout: Box<dyn Write> = Box::new(BufWriter::with_capacity(BUFFER, stdout));
        Self {
            out: match is_colored {
                true => stdout,
                false => Box::new(BufWriter::new(StripStream::new(stdout))),
            },
            err: Box::new(anstream::stderr()),
            json: global.json,
            terminal,
            worst: None,
        }
    }

    /// A context that prints to these.
    #[cfg(test)]
    pub(crate) fn to(out: Box<dyn Write>, err: Box<dyn Write>, json: bool) -> Self {
        Self {
            out,
            err,
            json,
            terminal: false,
            worst: None,
        }
    }

    /// Columns of the terminal, or what `COLUMNS` says instead. `None` if nothing should be cut or wrapped to fit, as in a pipe.
    pub(crate) fn width(&self) -> Option<usize> {
        if !self.terminal {
            return None;
        }
        let wanted = std::env::var("COLUMNS").ok();
        let wanted = wanted.and_then(|columns| columns.parse().ok());
        let size = || {
            let size = terminal_size::terminal_size();
            size.map(|(terminal_size::Width(width), _)| usize::from(width))
        };
        let width = wanted.filter(|columns| *columns > 0).or_else(size);
        // Some terminals do not know their size.
        Some(width.unwrap_or(DEFAULT_WIDTH))
    }

    /// Prints what was not printed yet.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    /// Lets a failure decide the exit code, without a message.
    pub(crate) fn fail(&mut self, failure: &Failure) {
        self.worst = self.worst.max(Some(failure.exit()));
    }

    /// The worst kind of failure that was reported.
    pub(crate) const fn worst(&self) -> Option<Kind> {
        self.worst
    }

    /// Prints a line on standard error that is not an error.
    pub(crate) fn note(&mut self, text: &str) {
        let _ = self.out.flush();
        let dim = style::DIM;
        let _ = writeln!(self.err, "{dim}{}{dim:#}", escaped(text));
    }

    /// Prints what a person should know of a command that did what it should, on standard error.
    pub(crate) fn warn(&mut self, message: &str) {
        let warn = style::WARN;
        let message = escaped(message).to_string();
        if self.json {
            let document = Document::new("note").with("message", message);
            let _ = document.write(&mut self.err);
        } else {
            let _ = writeln!(self.err, "{warn}note{warn:#}: {message}");
        }
    }

    /// Reports a failure on standard error; with `--json`, as a document. A command that is about several segments goes on with the
    /// next one.
    pub(crate) fn report(&mut self, failure: &Failure) {
        self.fail(failure);
        let _ = self.out.flush();
        let bad = style::BAD;
        let message = escaped(&failure.to_string()).to_string();
        if self.json {
            let document = Document::new("error").with("message", message);
            let _ = document.write(&mut self.err);
        } else {
            let _ = writeln!(self.err, "{bad}error{bad:#}: {message}");
        }
    }
}
