//! The command `shm`: looks into shared-memory segments without their Rust types.
//!
//! `cli` is the command line, `commands` has a module per verb, and `output` what they print with. A verb returns an [`Exit`], or
//! a [`Failure`](failure::Failure) that says what to do next.

mod attached;
mod cli;
mod commands;
mod duration;
mod failure;
#[cfg(test)]
mod hostile;
mod later;
mod nearby;
mod observe;
mod output;
mod pattern;
mod sigbus;
mod target;
mod user;

use std::process::ExitCode;

use clap::Parser;

use failure::Exit;
use output::Context;

fn main() -> ExitCode {
    commands::answer_shell();
    sigbus::install();
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::not_parsed(&error),
    };
    let mut context = Context::new(&cli.global);
    let result = commands::run(cli.command, &mut context);
    let result = result.and_then(|exit| context.finish().map(|()| exit));
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => {
            if !failure.is_closed_pipe() {
                context.report(&failure);
            }
            Exit::Ok
        }
    };
    if let Some(failure) = sigbus::take() {
        context.report(&failure);
    }
    match context.worst() {
        Some(kind) => kind.into(),
        None => exit.into(),
    }
}
