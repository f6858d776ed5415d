//! A module per verb.

mod check;
mod completions;
mod diff;
mod dump;
mod export;
mod external;
mod get;
mod hz;
mod layout;
mod ls;
mod man;
mod restore;
mod rm;
mod set;
mod show;
mod sweep;
mod watch;

use std::ffi::OsString;

use clap::Subcommand;

use crate::failure::{Exit, Failure};
use crate::output::Context;

pub(crate) use completions::answer_shell;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Ls(ls::Ls),
    Show(show::Show),
    Get(get::Get),
    Set(set::Set),
    Watch(watch::Watch),
    Hz(hz::Hz),
    Layout(layout::Layout),
    Diff(diff::Diff),
    Export(export::Export),
    Check(check::Check),
    Dump(dump::Dump),
    Restore(restore::Restore),
    Rm(rm::Rm),
    Sweep(sweep::Sweep),
    Completions(completions::Completions),
    Man(man::Man),
    #[command(external_subcommand)]
    External(Vec<OsString>),
}

pub(crate) fn run(command: Command, context: &mut Context) -> Result<Exit, Failure> {
    match command {
        Command::Ls(args) => args.run(context),
        Command::Show(args) => args.run(context),
        Command::Get(args) => args.run(context),
        Command::Set(args) => args.run(context),
        Command::Watch(args) => args.run(context),
        Command::Hz(args) => args.run(context),
        Command::Layout(args) => args.run(context),
        Command::Diff(args) => args.run(context),
        Command::Export(args) => args.run(context),
        Command::Check(args) => args.run(context),
        Command::Dump(args) => args.run(context),
        Command::Restore(args) => args.run(context),
        Command::Rm(args) => args.run(context),
        Command::Sweep(args) => args.run(context),
        Command::Completions(args) => args.run(context),
        Command::Man(args) => args.run(context),
        Command::External(words) => external::run(&words, context),
    }
}
