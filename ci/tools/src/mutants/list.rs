//! Lists the changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::Range;
use std::process::Command;

use serde_json::Value;

use super::SOURCES;
use super::source::Source;
use super::weave::{Change, Kind, Way, Woven};
use crate::copy::read;

/// Files with their texts.
pub(super) type Sources = BTreeMap<String, String>;

/// All changes of the project in the present folder, and the files that they are of.
pub(super) fn all() -> Result<(Sources, Vec<Change>), String> {
    let output = Command::new("cargo")
        .args(["mutants", "--list", "--json", "--package", "shm-core"])
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let listed: Vec<Value> = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo mutants: {error}"))?;
    let files: BTreeSet<&str> = listed
        .iter()
        .filter_map(|one| one["file"].as_str())
        .collect();
    let mut sources = Sources::new();
    let mut changes = Vec::new();
    for file in files {
        let text = read(file.as_ref())?;
        let own = listed
            .iter()
            .filter(|one| one["file"].as_str() == Some(file));
        changes.extend(changes_of(file, &text, own)?);
        sources.insert(file.to_owned(), text);
    }
    // Equal ones within one function are numbered.
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for change in &mut changes {
        let count = seen.entry(change.name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            let _ = write!(change.name, " #{count}");
        }
    }
    Ok((sources, changes))
}

/// The changes of a file: those that cargo-mutants lists, and statements that are left out.
pub(super) fn changes_of<'v>(
    file: &str,
    text: &str,
    listed: impl Iterator<Item = &'v Value>,
) -> Result<Vec<Change>, String> {
    let source = Source::parse(text).map_err(|error| format!("{file}: {error}"))?;
    let module = file
        .strip_prefix(SOURCES)
        .unwrap_or(file)
        .trim_end_matches(".rs");
    let mut changes = Vec::new();
    for one in listed {
        let unknown = || format!("{file}: cargo mutants: {one}");
        let name = one["name"].as_str().ok_or_else(unknown)?;
        let (_, what) = name.split_once(": ").ok_or_else(unknown)?;
        let place = range_of(text, &one["span"]).ok_or_else(unknown)?;
        // It knows `cfg(test)`, but no condition that has more to it.
        if source.is_test(place.start) {
            continue;
        }
        let replacement = one["replacement"].as_str().ok_or_else(unknown)?;
        // It does not know that this is a `Result`, and tries all kinds of containers.
        let (what, replacement) = match replacement.strip_prefix("SysResult::") {
            Some(value) => match value.strip_prefix("from(") {
                Some(value) => (
                    what.replace("SysResult::from(", "Ok("),
                    format!("Ok({value}"),
                ),
                None => continue,
            },
            None => (what.to_owned(), replacement.to_owned()),
        };
        let woven = match one["genre"].as_str().ok_or_else(unknown)? {
            "FnValue" => Some((Kind::Return, place.clone())),
            "BinaryOperator" | "UnaryOperator" => {
                let around = source.operations.get(&place.start);
                around.map(|around| (Kind::Expression, around.clone()))
            }
            "MatchArmGuard" => Some((Kind::Guard(replacement == "true"), place.clone())),
            "MatchArm" => {
                let guard = source.arms.get(&place.start);
                guard.map(|guard| (Kind::Arm, guard.clone()))
            }
            "StructField" => {
                let around = source.structures.get(&place.start);
                around.map(|around| (Kind::Expression, around.clone()))
            }
            _ => return Err(unknown()),
        };
        let way = match woven {
            Some((kind, around)) if !source.is_constant(&place) => {
                Way::Woven(Woven { around, kind })
            }
            _ => Way::Alone,
        };
        changes.push(Change {
            name: format!("{module}: {what}"),
            file: file.to_owned(),
            place,
            replacement,
            way,
        });
    }
    for (place, function) in &source.statements {
        let statement = &text[place.clone()];
        let shown = match statement.split_once('\n') {
            Some((first, _)) => format!("{first} .."),
            None => statement.to_owned(),
        };
        let way = if source.is_constant(place) {
            Way::Alone
        } else {
            Way::Woven(Woven {
                around: place.clone(),
                kind: Kind::Statement,
            })
        };
        changes.push(Change {
            name: format!("{module}: delete {shown} in {function}"),
            file: file.to_owned(),
            place: place.clone(),
            replacement: String::new(),
            way,
        });
    }
    Ok(changes)
}

/// The bytes between two places, which cargo-mutants gives as lines and columns from 1.
fn range_of(text: &str, span: &Value) -> Option<Range<usize>> {
    let place = |of: &Value| {
        let line = usize::try_from(of["line"].as_u64()?).ok()?;
        let column = usize::try_from(of["column"].as_u64()?).ok()?;
        let start: usize = text
            .split_inclusive('\n')
            .take(line - 1)
            .map(str::len)
            .sum();
        let within: usize = text[start..]
            .chars()
            .take(column - 1)
            .map(char::len_utf8)
            .sum();
        Some(start + within)
    };
    Some(place(&span["start"])?..place(&span["end"])?)
}
