//! Weakens each memory ordering of the protocols, one at a time in a copy of the project, and runs the models under loom.
//!
//! A weakening that no model notices has to be in a reviewed list, with the reason why it makes no difference, or why loom
//! cannot see it. One of the list that a model does notice is a mistake in the list.

mod site;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use site::Weakening;

use crate::copy::{Copy, read};
use crate::equivalents::Equivalents;
use crate::tracked;

/// Where the orderings of the protocols are: a folder, and the file with the steps that all of them use.
const PROTOCOLS: &str = "shm-core/src/protocol/";
const SHARED_STEPS: &str = "shm-core/src/primitive.rs";

/// Builds the models. That takes a tenth of the time without optimization, and they take as long, since loom itself is
/// optimized.
pub(crate) const BUILD: [&str; 8] = [
    "test",
    "--no-run",
    "--release",
    "-p",
    "shm-core",
    "--lib",
    "--config",
    "profile.release.package.shm-core.opt-level=0",
];

/// How long the models may take, in seconds.
const LIMIT: &str = "900";

/// Weakens the orderings whose names contain one of `wanted`, or all if there are none, and compares what the models do not
/// notice with `list`. `scratch` is for the copy, and `target` for its builds.
pub(crate) fn run(
    list: &Path,
    scratch: &Path,
    target: &Path,
    wanted: &[&str],
) -> Result<String, String> {
    let text = read(list)?;
    let weakenings = all()?;
    let known: BTreeSet<&str> = weakenings.iter().map(|each| each.name.as_str()).collect();
    let equivalents = Equivalents::of_file(list, &text, |name| known.contains(name))?;
    for part in wanted {
        if !known.iter().any(|name| name.contains(part)) {
            return Err(format!("no weakening has `{part}` in its name"));
        }
    }
    let copy = Models(Copy::create(scratch, target)?);
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part));
    let chosen: Vec<&Weakening> = weakenings
        .iter()
        .filter(|each| is_wanted(&each.name))
        .collect();
    let protocols: BTreeSet<&str> = chosen.iter().map(|each| each.protocol.as_str()).collect();
    let started = Instant::now();
    for protocol in protocols {
        if let Some(failed) = copy.run(&models_of(protocol))? {
            return Err(format!("{failed} fails without a weakening"));
        }
    }
    println!("unchanged: passes, {} s", started.elapsed().as_secs());

    let mut mistakes = String::new();
    let mut count = 0;
    for weakening in chosen {
        let started = Instant::now();
        let caught = copy.with(weakening, || {
            // The models of its own protocol catch most of them, in seconds.
            let own = models_of(&weakening.protocol);
            match copy.run(&own)? {
                Some(failed) => Ok(Some(failed)),
                None => {
                    let others = own.iter().flat_map(|model| ["--skip", model]);
                    copy.run(
                        &["protocol::loom"]
                            .into_iter()
                            .chain(others)
                            .collect::<Vec<_>>(),
                    )
                }
            }
        })?;
        let seconds = started.elapsed().as_secs();
        let name = &weakening.name;
        match (&caught, equivalents.contains(name)) {
            (Some(model), _) => println!("{name}: caught by {model}, {seconds} s"),
            (None, true) => println!("{name}: passes, as listed, {seconds} s"),
            (None, false) => println!("{name}: PASSES, {seconds} s"),
        }
        match (caught, equivalents.contains(name)) {
            (None, false) => {
                let _ = writeln!(
                    mistakes,
                    "{name}: no model fails, and {} has no reason",
                    list.display()
                );
            }
            (Some(model), true) => {
                let _ = writeln!(
                    mistakes,
                    "{name}: {model} fails, so it does not belong in {}",
                    list.display()
                );
            }
            _ => {}
        }
        count += 1;
    }
    if mistakes.is_empty() {
        Ok(format!("{count} weakenings, all as expected\n"))
    } else {
        Err(mistakes)
    }
}

/// The tests under loom that are made for a protocol.
pub(crate) fn models_of(protocol: &str) -> Vec<String> {
    let models: &[&str] = match protocol {
        "counter" => &["event", "semaphore"],
        "primitive" => &["broadcast", "ring", "seqlock"],
        own => &[own],
    };
    models
        .iter()
        .map(|model| format!("protocol::loom::{model}::"))
        .collect()
}

/// All weakenings of the project in the present folder.
fn all() -> Result<Vec<Weakening>, String> {
    let mut sources = Vec::new();
    for file in tracked::files(&["rs"])? {
        let is_protocol = file
            .strip_prefix(PROTOCOLS)
            .is_some_and(|rest| !rest.starts_with("loom/"));
        if is_protocol || file == SHARED_STEPS {
            let text = read(file.as_ref())?;
            sources.push((file, text));
        }
    }
    site::weakenings(&sources)
}

/// A copy of the project, whose protocols are weakened.
struct Models<'a>(Copy<'a>);

impl Models<'_> {
    /// Runs `work` with one weakening.
    fn with<R>(
        &self,
        weakening: &Weakening,
        work: impl FnOnce() -> Result<R, String>,
    ) -> Result<R, String> {
        let original = read(&weakening.file)?;
        self.0.write(&weakening.file, &weakening.apply(&original))?;
        let result = work();
        self.0.write(&weakening.file, &original)?;
        result.map_err(|error| format!("{}: {error}", weakening.name))
    }

    /// Runs the models that match, but not those with a seeded mistake. Returns the name of one that fails.
    fn run(&self, filter: &[impl AsRef<OsStr>]) -> Result<Option<String>, String> {
        let program = self.build()?;
        let output = Command::new("timeout")
            .arg(LIMIT)
            .arg(program)
            .args(filter)
            .args(["--skip", "caught"])
            .output()
            .map_err(|error| format!("timeout: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        match output.status.code() {
            Some(0) if text.contains("test result: ok.") && !text.contains(" 0 passed") => Ok(None),
            Some(0) => Err(text.into_owned()),
            Some(124) => Ok(Some("a model that does not end".to_owned())),
            _ => {
                let failed = text
                    .lines()
                    .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
                    .next();
                // A deadlock ends the process.
                Ok(Some(failed.unwrap_or("a deadlock").to_owned()))
            }
        }
    }

    /// Builds the models, and returns the program.
    fn build(&self) -> Result<PathBuf, String> {
        let (success, text) = self.0.cargo(&BUILD, "--cfg loom")?;
        if !success {
            return Err(text);
        }
        let program = text.lines().find_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            message["executable"].as_str().map(PathBuf::from)
        });
        program.ok_or(text)
    }
}
