//! The command line.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, ColorChoice, Parser};

use crate::commands::Command;
use crate::failure::{Failure, Kind};
use crate::output::Context;

/// Looks into shared-memory segments without their Rust types.
#[derive(Debug, Parser)]
#[command(name = "shm", version, propagate_version = true, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 found something, 2 wrong usage, 3 not there, 4 refused.
`shm foo` runs the program `shm-foo` from PATH if `foo` is not one of the commands above.";

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// Print JSON, for other programs
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// When to use colors. `auto` uses them on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,
}

/// Prints help, the version, or why the command line is wrong. The result is the exit code.
pub(crate) fn not_parsed(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os()
        .take_while(|word| word != "--")
        .any(|word| word == "--json");
    let mut context = Context::new(&Global {
        json,
        color: ColorChoice::Auto,
    });
    if error.use_stderr() {
        if json {
            context.report(&Failure::usage(in_a_line(&error.to_string())));
        } else {
            let _ = error.print();
        }
        return Kind::Usage.into();
    }
    match error.print().and_then(|()| io::stdout().flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            context.report(&error.into());
            Kind::Refused.into()
        }
    }
}

/// What a message of the parser says, without the usage that follows.
fn in_a_line(message: &str) -> String {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let lines = message.lines().map(str::trim);
    let lines = lines.take_while(|line| !line.starts_with("Usage:"));
    let lines: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with("For more information"))
        .collect();
    format!("{}; see `shm --help`", lines.join("; "))
}
