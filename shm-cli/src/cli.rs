//! The command line.

use clap::{Args, ColorChoice, Parser};

use crate::commands::Command;

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
