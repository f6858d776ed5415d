//! `shm set`: writes values.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io::Write;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use shm_core::SegmentInfo;
use shm_core::dynamic::{DynCell, DynError, DynSegment, DynValue, SyncState};
use shm_core::layout::{LayoutKind, ScalarKind};

use crate::attached::{Mappings, in_words, users_of_descriptor};
use crate::duration;
use crate::failure::{Exit, Failure};
use crate::observe::sync_meaning;
use crate::output::{Context, Document, escaped, json, style};
use crate::target::Target;

/// Set parts of a segment to values
///
/// All values are checked before the first is written. They are written in the given order. Those that follow one another and are
/// in the same `Mutex` or `SeqLock` are written together: under the lock, or as one commit. The others are written one by one, and
/// so are the fields of a struct: `pose='{x: 1, y: 2}'`. Fields that are not named stay as they are.
///
/// Other processes may rely on what they have written, so this refuses to write while there are any, unless `--yes` is given.
#[derive(Args, Debug)]
#[command(after_help = VALUES)]
pub(crate) struct Set {
    /// A segment's name, or `/proc/PID/fd/N`
    #[arg(value_name = "NAME")]
    target: Target,

    /// Parts and their values, such as `position[2]=2.5`
    #[arg(value_name = "PATH=VALUE", required = true)]
    assignments: Vec<Assignment>,

    /// Write even if other processes are attached
    #[arg(short, long)]
    yes: bool,

    /// Check everything, but write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// How long to wait for the lock of a `Mutex`, or the writer's role of a `SeqLock`
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration::parse)]
    timeout: Duration,
}

const VALUES: &str = "\
Values: 12, 0xff, 2.5, true, 'x', \"text\", Variant, [1, 2, 3], {field: 1, other: 2.5}. They are what `shm get` prints.
For a text or a character, the quotes may be left out: label=hello.";

/// `PATH=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Assignment {
    path: String,
    /// `None` if there is no `=`.
    value: Option<String>,
}

impl FromStr for Assignment {
    type Err = Infallible;

    /// The path ends at the first `=` that is not in a name in backquotes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut is_quoted = false;
        let mut is_escaped = false;
        for (at, character) in text.char_indices() {
            match character {
                _ if is_escaped => is_escaped = false,
                '\\' if is_quoted => is_escaped = true,
                '`' => is_quoted = !is_quoted,
                '=' if !is_quoted => {
                    return Ok(Self {
                        path: text[..at].trim_end().to_owned(),
                        value: Some(text[at + 1..].to_owned()),
                    });
                }
                _ => {}
            }
        }
        Ok(Self {
            path: text.to_owned(),
            value: None,
        })
    }
}

/// What was, or would be, written.
struct Change {
    path: String,
    before: DynValue,
    after: DynValue,
}

impl Set {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        for Assignment { path, value } in &self.assignments {
            if value.is_none() {
                return Err(Failure::usage(format!(
                    "`{path}` has no value; write `{path}=VALUE`, or print it with `shm get {} {path}`",
                    self.target
                )));
            }
        }
        // Before this process is attached, too.
        let users = self.users()?;
        let segment = self.target.writable()?;
        let mut wanted: Vec<(DynCell, DynValue)> = Vec::new();
        for Assignment { path, value } in &self.assignments {
            let cell = segment.at(path)?;
            let value = read(&cell, value.as_deref().unwrap_or_default())?;
            cell.accepts(&value)?;
            wanted.push((cell, value));
        }
        if let Some(users) = users
            && !self.dry_run
            && !self.yes
        {
            return Err(self.in_use(&users));
        }
        let mut changes = Vec::new();
        let mut inconsistent = BTreeSet::new();
        let mut look = |cell: &DynCell| {
            inconsistent.extend(without_consistent_value(&segment, cell.path()));
        };
        let mut failed = None;
        let locks: Vec<Option<String>> = wanted
            .iter()
            .map(|(cell, _)| lock_around(&segment, cell.path()))
            .collect();
        let mut wanted = &wanted[..];
        for locks in locks.chunk_by(|a, b| a.is_some() && a == b) {
            let together;
            (together, wanted) = wanted.split_at(locks.len());
            together.iter().for_each(|(cell, _)| look(cell));
            match self.write(together) {
                Ok(written) => changes.extend(written),
                Err(error) => {
                    failed = Some(self.failed(error));
                    break;
                }
            }
            // An owner may have died meanwhile.
            together.iter().for_each(|(cell, _)| look(cell));
        }
        // If one failed, those before it are written.
        let printed = self.print(segment.name(), &changes, context);
        let printed = printed.and_then(|()| context.finish());
        if !self.dry_run && !changes.is_empty() {
            for path in inconsistent {
                context.warn(&format!(
                    "`{path}`: its last owner died or panicked while it held the lock; the value stays marked as inconsistent \
                     until a program marks it as consistent (`shm check {}` shows it)",
                    self.target
                ));
            }
        }
        match failed {
            Some(failure) => Err(failure),
            None if self.dry_run => printed.map(|()| Exit::Ok),
            None => printed
                .map(|()| Exit::Ok)
                .map_err(|failure| failure.after("the values were set")),
        }
    }

    /// The processes that are attached, in words. `None` if there are none.
    fn users(&self) -> Result<Option<String>, Failure> {
        let (attached, processes) = match &self.target {
            Target::Name(name) => {
                let info = SegmentInfo::of(name)?;
                let attached = info.contents.as_ref().is_some_and(|of| of.attached);
                let users = match attached {
                    true => Mappings::of_segments().users(&info),
                    false => Vec::new(),
                };
                (attached, users)
            }
            Target::Descriptor(path) => {
                let users = users_of_descriptor(path);
                (!users.is_empty(), users)
            }
            // It is refused later.
            Target::Dump(_) => (false, Vec::new()),
        };
        Ok(attached.then(|| in_words(&processes)))
    }

    fn in_use(&self, users: &str) -> Failure {
        Failure::refused(format!(
            "`{}` is in use by {users}, which may rely on what is there; to write all the same, add `--yes`",
            self.target
        ))
    }

    fn failed(&self, error: DynError) -> Failure {
        match error {
            DynError::Locked { path, owner, .. } => Failure::refused(format!(
                "`{path}` cannot be set: {owner} held the lock for {:?}; wait longer with `--timeout`, or find out what the \
                 process waits for",
                self.timeout
            )),
            other => other.into(),
        }
    }

    /// Writes values that are in the same lock, or one.
    fn write(&self, wanted: &[(DynCell, DynValue)]) -> Result<Vec<Change>, DynError> {
        let before = wanted.iter().map(|(cell, _)| cell.get());
        let before = before.collect::<Result<Vec<_>, _>>()?;
        if !self.dry_run {
            DynCell::set_all(wanted, self.timeout)?;
        }
        let changes = wanted.iter().zip(before).map(|((cell, value), before)| {
            Ok(Change {
                path: cell.path().to_owned(),
                before,
                after: match self.dry_run {
                    true => value.clone(),
                    false => cell.get()?,
                },
            })
        });
        changes.collect()
    }

    fn print(&self, name: &str, changes: &[Change], context: &mut Context) -> Result<(), Failure> {
        if context.json {
            let changes = changes.iter().map(|change| {
                json!({
                    "path": change.path,
                    "before": json::value(&change.before),
                    "after": json::value(&change.after),
                })
            });
            let document = Document::new("set")
                .with("name", name)
                .with("dry_run", self.dry_run)
                .with("changes", changes.collect::<Vec<Value>>());
            return document.write(&mut context.out);
        }
        let (path_style, dim) = (style::NAME, style::DIM);
        for Change {
            path,
            before,
            after,
        } in changes
        {
            let (path, before, after) = (escaped(path), before.to_string(), after.to_string());
            let (before, after) = (escaped(&before), escaped(&after));
            let note = if self.dry_run { " (not written)" } else { "" };
            writeln!(
                context.out,
                "{path_style}{path}{path_style:#}: {dim}{before} ->{dim:#} {after}{note}"
            )?;
        }
        Ok(())
    }
}

/// A part and those around it, the outermost first.
fn around<'a>(segment: &'a DynSegment, path: &'a str) -> impl Iterator<Item = DynCell> + 'a {
    let ends = path.match_indices(['.', '[']).map(|(at, _)| at);
    let mut around: Vec<&str> = vec![""];
    around.extend(ends.map(|at| &path[..at]));
    around.push(path);
    around.dedup();
    // What ends in a name in backquotes is no path.
    around.into_iter().filter_map(|path| {
        let path = if path.is_empty() { "." } else { path };
        segment.at(path).ok()
    })
}

/// The path of the innermost lock at or around a part.
fn lock_around(segment: &DynSegment, path: &str) -> Option<String> {
    let is_lock = |cell: &DynCell| matches!(sync_meaning(cell.layout()), Some("mutex" | "seqlock"));
    let lock = around(segment, path).filter(is_lock).last()?;
    Some(lock.path().to_owned())
}

/// The paths of the `Mutex`es at and around a part whose last owner died or panicked under the lock.
fn without_consistent_value(segment: &DynSegment, path: &str) -> Vec<String> {
    around(segment, path)
        .filter(|cell| match cell.sync_state() {
            Ok(Some(SyncState::MutexState {
                owner, poisoned, ..
            })) => poisoned || owner.is_some_and(|owner| !owner.is_alive()),
            _ => false,
        })
        .map(|cell| cell.path().to_owned())
        .collect()
}

/// Reads a value for a part. Of a text or a character, the quotes may be left out.
fn read(cell: &DynCell, text: &str) -> Result<DynValue, Failure> {
    let parsed = text.parse::<DynValue>();
    match (cell.layout().kind(), &parsed) {
        (_, Ok(DynValue::Str(_) | DynValue::Bytes(_) | DynValue::Char(_) | DynValue::List(_))) => {}
        (LayoutKind::Meaning { meaning: "str", .. }, _) if !text.starts_with(['"', '\'']) => {
            return Ok(DynValue::Str(text.to_owned()));
        }
        (LayoutKind::Scalar(scalar), _) if scalar.kind() == ScalarKind::Char => {
            let mut characters = text.chars();
            if let (Some(character), None) = (characters.next(), characters.next()) {
                return Ok(DynValue::Char(character));
            }
        }
        _ => {}
    }
    parsed.map_err(|error| {
        Failure::usage(format!(
            "`{}` cannot be set to `{text}`: {error}; `shm set --help` shows how values are written",
            cell.path()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_ends_at_the_first_equals_sign() {
        for (text, path, value) in [
            ("a=1", "a", Some("1")),
            ("a.b[2] = 1", "a.b[2]", Some(" 1")),
            ("label=a=b", "label", Some("a=b")),
            ("label=", "label", Some("")),
            ("`a=b`.x=1", "`a=b`.x", Some("1")),
            (r"`a\`=b`=1", r"`a\`=b`", Some("1")),
            ("a", "a", None),
            ("`a=1", "`a=1", None),
        ] {
            let parsed: Assignment = text.parse().unwrap();
            let wanted = Assignment {
                path: path.to_owned(),
                value: value.map(str::to_owned),
            };
            assert_eq!(parsed, wanted, "{text}");
        }
    }
}
