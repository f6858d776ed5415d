//! Changes the code of segments, claims and protocols in one place after the other, and runs the tests.
//!
//! cargo-mutants lists the changes; to these come statements that are left out. A build for each would take hours, so one
//! program has them all, and makes the one whose number is in the environment. What the compiler has to know, as a constant,
//! is built by itself.
//!
//! Before that, each test runs by itself and records the changes that it reaches, and how long it takes. A change is tried with
//! these tests only, the quickest first, and until one fails.
//!
//! A change that no test notices has to be in a reviewed list with a reason, and one of the list that a test does notice is a
//! mistake in the list.

mod bench;
mod list;
mod programs;
mod reach;
mod source;
mod suite;
#[cfg(test)]
mod tests;
mod weave;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use self::bench::Bench;
use crate::copy::{Copy, read};
use crate::equivalents::Equivalents;

/// Where the crate is, whose modules name the changes.
const SOURCES: &str = "shm-core/src/";

/// Tries the changes whose names contain one of `wanted`, or all if there are none, and compares those that no test notices with
/// `list`. `scratch` is for the copy, and `target` for its builds.
pub(crate) fn run(
    list: &Path,
    scratch: &Path,
    target: &Path,
    wanted: &[&str],
) -> Result<String, String> {
    let text = read(list)?;
    let (sources, mut changes) = list::all()?;
    let exists = |name: &str| changes.iter().any(|change| change.name == name);
    let equivalents = Equivalents::of_file(list, &text, exists)?;
    changes
        .retain(|change| wanted.is_empty() || wanted.iter().any(|part| change.name.contains(part)));
    if changes.is_empty() {
        return Err("no change has such a name".to_owned());
    }
    let bench = Bench::new(Copy::create(scratch, target)?, &sources, &changes);
    let (mut outcomes, reach) = bench.woven(target, &mut changes)?;
    outcomes.extend(bench.rest(&changes, &reach)?);

    let mut mistakes = String::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, outcome) in &outcomes {
        let kind = match outcome {
            Outcome::Noticed(_) => "noticed",
            Outcome::Hangs => "do not end",
            Outcome::Refused => "refused by the compiler",
            Outcome::Survives => "survive",
        };
        *counts.entry(kind).or_default() += 1;
        let listed = equivalents.contains(name);
        if *outcome == Outcome::Survives && !listed {
            let _ = writeln!(
                mistakes,
                "{name}: no test fails, and {} has no reason",
                list.display()
            );
        } else if *outcome != Outcome::Survives && listed {
            let _ = writeln!(
                mistakes,
                "{name}: {outcome}, so it does not belong in {}",
                list.display()
            );
        }
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let summary = format!("{} changes: {}\n", outcomes.len(), counts.join(", "));
    if mistakes.is_empty() {
        Ok(summary)
    } else {
        Err(mistakes + &summary)
    }
}

/// What became of a change.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Noticed(String),
    Hangs,
    Refused,
    Survives,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Noticed(test) => write!(f, "noticed by {test}"),
            Self::Hangs => f.write_str("does not end"),
            Self::Refused => f.write_str("refused by the compiler"),
            Self::Survives => f.write_str("SURVIVES"),
        }
    }
}
