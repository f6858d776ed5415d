//! `shm man`: manual pages.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use crate::cli::Cli;
use crate::failure::{Exit, Failure};
use crate::output::Context;

/// Write the manual pages, for packages, or print the first one
///
/// There is a page for the command, `shm.1`, and one for each of its commands, such as `shm-ls.1`.
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// A directory that exists, such as `~/.local/share/man/man1`. Without it, prints `shm.1`, for `shm man | man -l -`
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    directory: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let command = Cli::command();
        let Some(directory) = self.directory else {
            clap_mangen::Man::new(command).render(&mut context.out)?;
            return Ok(Exit::Ok);
        };
        clap_mangen::generate_to(command, &directory).map_err(|error| {
            let doing = format!("write manual pages to {}", directory.display());
            Failure::file(&doing, &error)
        })?;
        Ok(Exit::Ok)
    }
}
