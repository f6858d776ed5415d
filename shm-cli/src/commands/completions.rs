//! `shm completions`: completion of commands, options and names of segments by the shell.
//!
//! The script calls the command itself, with `SHM_COMPLETE` set, for each completion. So it knows the segments of that moment.

use std::ffi::OsStr;

use clap::{Args, Command, CommandFactory, ValueEnum};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, SubcommandCandidates};
use clap_complete::env::{CompleteEnv, Shells};
use shm_core::SegmentState;

use super::external;
use crate::cli::Cli;
use crate::failure::{Exit, Failure};
use crate::output::Context;

/// Set by the scripts to the name of the shell.
const VARIABLE: &str = "SHM_COMPLETE";

/// Print a script that makes a shell complete commands, options and segments
///
/// Load it whenever a shell starts, so that it suits the installed version:
///
///   bash: echo 'source <(shm completions bash)' >> ~/.bashrc
///   zsh:  echo 'source <(shm completions zsh)' >> ~/.zshrc
///   fish: echo 'shm completions fish | source' > ~/.config/fish/completions/shm.fish
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

impl Completions {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let name = self.shell.name();
        let Some(shell) = Shells::builtins().completer(name).map(|shell| {
            let mut script = Vec::new();
            let written = shell.write_registration(VARIABLE, "shm", "shm", "shm", &mut script);
            written.map(|()| script)
        }) else {
            return Err(Failure::usage(format!("no completions for `{name}`")));
        };
        context.out.write_all(&shell?)?;
        Ok(Exit::Ok)
    }
}

/// If a shell asks for completions, prints them and exits.
pub(crate) fn answer_shell() {
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

/// The command line, with the completion of its values.
fn command() -> Command {
    let command = Cli::command().add(SubcommandCandidates::new(|| {
        let programs = external::programs();
        programs.into_iter().map(CompletionCandidate::new).collect()
    }));
    with_names(command)
}

/// Adds the names of segments to the arguments that take one, by the names of their values.
fn with_names(command: Command) -> Command {
    command.mut_subcommands(|verb| {
        verb.mut_args(|arg| {
            let is_name = arg.get_value_names().is_some_and(|names| {
                names
                    .iter()
                    .any(|name| matches!(name.as_str(), "NAME" | "A" | "B"))
            });
            if is_name {
                arg.add(ArgValueCompleter::new(segments))
            } else {
                arg
            }
        })
    })
}

/// The segments whose names begin with `current`, with or without the slash.
fn segments(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else {
        return Vec::new();
    };
    let with_slash = current.starts_with('/');
    let Ok(all) = shm_core::list() else {
        return Vec::new();
    };
    let names = all
        .map_while(Result::ok)
        .filter(|info| !matches!(info.state, SegmentState::Foreign | SegmentState::Unreadable))
        .filter_map(|info| {
            let name = if with_slash {
                info.name.as_str()
            } else {
                info.name.strip_prefix('/')?
            };
            // Shells cannot all quote the others.
            let is_plain = name.chars().all(|char| !char.is_control());
            let fits = name.starts_with(current) && is_plain;
            let about = info.contents.and_then(|contents| contents.type_name);
            let about = about.map(|about| crate::output::escaped(&about).to_string().into());
            fits.then(|| CompletionCandidate::new(name).help(about))
        });
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}
