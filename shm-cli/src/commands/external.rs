//! `shm foo`: runs `shm-foo` from PATH.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::failure::{Exit, Failure};
use crate::output::Context;

/// What programs begin with that are commands.
const PREFIX: &str = "shm-";

/// Replaces this process by the program, which inherits everything and decides the exit code.
pub(crate) fn run(words: &[OsString], context: &mut Context) -> Result<Exit, Failure> {
    let Some((verb, arguments)) = words.split_first() else {
        return Err(Failure::usage("a command is missing; see `shm --help`"));
    };
    let shown = verb.to_string_lossy();
    if verb.as_bytes().contains(&b'/') {
        return Err(Failure::usage(format!(
            "`{shown}` is not a command; see `shm --help`"
        )));
    }
    let mut program = OsString::from(PREFIX);
    program.push(verb);
    // A directory in PATH that may not be searched is an error of `exec`, too.
    let found = directories()
        .iter()
        .map(|directory| directory.join(&program))
        .find(|path| path.exists());
    if context.json && found.is_some() {
        return Err(Failure::usage(format!(
            "`--json` stands before `{shown}`, which is a program of its own; write options of `{PREFIX}{shown}` after its name"
        )));
    }
    let mut error = Command::new(&program).args(arguments).exec();
    // After a directory that may not be searched, that is the error, whatever is wrong with the program.
    if let Some(path) = &found {
        error = Command::new(path).args(arguments).exec();
    }
    // No program has read its options.
    context.json |= arguments.iter().any(|word| word == "--json");
    if let Some(path) = found {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => "check the interpreter in its first line",
            _ => "check the program and its permissions",
        };
        return Err(Failure::refused(format!(
            "`{}` cannot be run: {error}; {advice}",
            path.display()
        )));
    }
    let similar = match similar(&shown) {
        Some(similar) => format!(". Did you mean `shm {similar}`?"),
        None => String::new(),
    };
    Err(Failure::usage(format!(
        "there is no command `{shown}`, and no program `{PREFIX}{shown}` in PATH; `shm --help` lists the commands{similar}"
    )))
}

/// The commands that programs in PATH provide.
pub(super) fn programs() -> BTreeSet<OsString> {
    let mut found = BTreeSet::new();
    let entries = directories()
        .into_iter()
        .filter_map(|directory| directory.read_dir().ok())
        .flatten()
        .flatten();
    for entry in entries {
        let name = entry.file_name();
        let Some(verb) = name.as_bytes().strip_prefix(PREFIX.as_bytes()) else {
            continue;
        };
        let is_program = std::fs::metadata(entry.path())
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
        if is_program {
            found.insert(OsStr::from_bytes(verb).to_owned());
        }
    }
    found
}

fn directories() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}

/// The command whose name is most like `verb`.
fn similar(verb: &str) -> Option<String> {
    let most = (verb.chars().count() / 3).max(1);
    let own = Cli::command();
    let own = own
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| command.get_name().to_owned());
    let others = programs()
        .into_iter()
        .filter_map(|name| name.into_string().ok());
    own.chain(others)
        .map(|name| (strsim::damerau_levenshtein(verb, &name), name))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, name)| name)
}
