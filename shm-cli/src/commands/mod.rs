//! A module per verb.

mod get;

use clap::Subcommand;

use crate::failure::{Exit, Failure};
use crate::output::Context;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Get(get::Get),
}

pub(crate) fn run(command: Command, context: &mut Context) -> Result<Exit, Failure> {
    match command {
        Command::Get(args) => args.run(context),
    }
}
