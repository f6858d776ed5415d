//! A module per verb.

mod get;
mod ls;

use clap::Subcommand;

use crate::failure::{Exit, Failure};
use crate::output::Context;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Ls(ls::Ls),
    Get(get::Get),
}

pub(crate) fn run(command: Command, context: &mut Context) -> Result<Exit, Failure> {
    match command {
        Command::Ls(args) => args.run(context),
        Command::Get(args) => args.run(context),
    }
}
