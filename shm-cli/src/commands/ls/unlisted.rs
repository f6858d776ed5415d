//! Names that `ls` does not list as segments: those that cannot be opened, and those that are not UTF-8.

use std::io::Write;
use std::os::unix::ffi::OsStringExt;

use crate::failure::Failure;
use crate::output::{Context, style};

/// Where the names are.
const DIRECTORY: &str = "/dev/shm";

/// Names that are not UTF-8, which the library does not list. `is_wanted` gets them with replacement characters.
pub(super) fn not_utf8(is_wanted: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(DIRECTORY).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    let mut names: Vec<Vec<u8>> = names
        .filter(|name| name.to_str().is_none() && is_wanted(&name.to_string_lossy()))
        .map(OsStringExt::into_vec)
        .collect();
    names.sort();
    names
}

/// Files of these names exist, but cannot be opened.
pub(super) fn cannot_open(name: &str, others: usize) -> Failure {
    let (names, verb) = match others {
        0 => (format!("`{name}` exists"), "it"),
        1 => (format!("`{name}` and 1 other name exist"), "them"),
        _ => (format!("`{name}` and {others} other names exist"), "them"),
    };
    Failure::refused(format!(
        "{names}, but this user cannot open {verb}; run `shm` as the user that owns {verb}, or list {verb} with `shm ls --all`"
    ))
}

/// Says how to remove files whose names are not UTF-8.
pub(super) fn print(names: &[Vec<u8>], context: &mut Context) -> Result<(), Failure> {
    /// The most lines.
    const MOST: usize = 20;

    let dim = style::DIM;
    for name in names.iter().take(MOST) {
        // In the syntax of shells.
        let path = format!("$'{DIRECTORY}/{}'", name.escape_ascii());
        writeln!(
            context.out,
            "{dim}foreign: the name of {path} is not UTF-8; `rm {path}` removes the file{dim:#}"
        )?;
    }
    if names.len() > MOST {
        let more = names.len() - MOST;
        writeln!(
            context.out,
            "{dim}{more} more names are not UTF-8; --json has all{dim:#}"
        )?;
    }
    Ok(())
}
