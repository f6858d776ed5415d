//! `shm check`: everything about a segment that can be wrong.

mod facts;
mod lifetime;
mod sync;
mod values;

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use shm_core::dynamic::DynSegment;
use shm_core::{SegmentInfo, SegmentState, ShmError};

use crate::failure::{Exit, Failure};
use crate::later::{self, Later};
use crate::output::{Context, Document, escaped, style};
use crate::pattern::Pattern;
use crate::sigbus;
use crate::target::{Refused, Target};

/// The most findings about one segment that are listed.
const MOST_FINDINGS: usize = 100;

/// Check segments or dumps: header, schema, values, locks, queues, owner and permissions
///
/// Looking disturbs nobody: no lock is taken, and nothing is written.
#[derive(Args, Debug)]
#[command(after_help = "\
Exit codes, for monitoring: 0 all is in order, 1 something was found, 3 there is no such segment, 4 it cannot be read.")]
pub(crate) struct Check {
    /// Segments' names, or patterns of them with `*` and `?`; paths of dumps, or `/proc/PID/fd/N`
    #[arg(value_name = "NAME", required_unless_present = "all")]
    targets: Vec<Target>,

    /// Check all segments of the system
    #[arg(long, conflicts_with = "targets")]
    all: bool,

    /// Print nothing, for the exit code only
    #[arg(short, long)]
    quiet: bool,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    /// Something that can do harm, or will.
    Warning,
    /// Something that must not be.
    Error,
}

/// Something that is not in order.
#[derive(Debug)]
struct Finding {
    severity: Severity,
    /// A word for scripts.
    kind: &'static str,
    /// The part of the segment that it is about.
    path: Option<String>,
    message: String,
    /// What to do.
    advice: String,
}

/// What was found about a segment.
#[derive(Debug)]
struct Report {
    name: String,
    findings: Vec<Finding>,
    /// Whether everything was looked at.
    complete: bool,
    /// Parts of which only the bytes are known.
    later: Vec<Later>,
}

impl Report {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            findings: Vec::new(),
            complete: true,
            later: Vec::new(),
        }
    }

    fn error(&mut self, kind: &'static str, message: impl Into<String>, advice: impl Into<String>) {
        self.add(Severity::Error, kind, None, message, advice);
    }

    fn warning(
        &mut self,
        kind: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(Severity::Warning, kind, None, message, advice);
    }

    fn add(
        &mut self,
        severity: Severity,
        kind: &'static str,
        path: Option<&str>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        if self.is_full() {
            self.complete = false;
            return;
        }
        self.findings.push(Finding {
            severity,
            kind,
            path: path.map(str::to_owned),
            message: message.into(),
            advice: advice.into(),
        });
    }

    fn is_full(&self) -> bool {
        self.findings.len() >= MOST_FINDINGS
    }

    fn print(&self, context: &mut Context) -> Result<(), Failure> {
        if context.json {
            let findings: Vec<Value> = self.findings.iter().map(Finding::json).collect();
            let later: Vec<&str> = self.later.iter().map(|part| part.path.as_str()).collect();
            let document = Document::new("check")
                .with("name", &self.name)
                .with("ok", self.findings.is_empty())
                .with("complete", self.complete)
                .with("later_formats", later)
                .with("findings", findings);
            return document.write(&mut context.out);
        }
        let (name, out) = (escaped(&self.name), &mut context.out);
        for finding in &self.findings {
            let color = match finding.severity {
                Severity::Warning => style::WARN,
                Severity::Error => style::BAD,
            };
            let kind = finding.kind;
            let path = match &finding.path {
                Some(path) => format!("`{}` ", escaped(path)),
                None => String::new(),
            };
            let message = escaped(&finding.message);
            let advice = escaped(&finding.advice);
            writeln!(
                out,
                "{name}: {color}{kind}{color:#}: {path}{message}; {advice}"
            )?;
        }
        let dim = style::DIM;
        for Later { path, tag } in &self.later {
            let path = escaped(path);
            writeln!(
                out,
                "{name}: {dim}`{path}` was not checked: it has a type of a later format (tag {tag}){dim:#}"
            )?;
        }
        if !self.complete {
            writeln!(
                out,
                "{name}: {dim}not everything was checked, because there is too much of it{dim:#}"
            )?;
        } else if self.findings.is_empty() {
            let good = style::GOOD;
            writeln!(out, "{name}: {good}ok{good:#}")?;
        }
        Ok(())
    }
}

impl Finding {
    fn json(&self) -> Value {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        json!({
            "severity": severity,
            "kind": self.kind,
            "path": self.path,
            "message": self.message,
            "advice": self.advice,
        })
    }
}

impl Check {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        // With each, whether it was listed.
        let mut targets: Vec<(Target, bool)> = Vec::new();
        if self.all {
            targets.extend(listed(|_| true)?.map(|target| (target, true)));
        }
        for target in self.targets {
            let pattern = match &target {
                Target::Name(name) => Pattern::with_wildcards(name),
                _ => None,
            };
            let Some(pattern) = pattern else {
                targets.push((target, false));
                continue;
            };
            let mut found = listed(|name| pattern.matches(name))?.peekable();
            if found.peek().is_none() {
                let failure = Failure::not_there(format!(
                    "no segment has a name like `{pattern}`; `shm ls` lists those that there are"
                ));
                match self.quiet {
                    true => context.fail(&failure),
                    false => context.report(&failure),
                }
            }
            targets.extend(found.map(|target| (target, true)));
        }
        let mut exit = Exit::Ok;
        for (target, is_listed) in &targets {
            match check(target) {
                Ok(report) => {
                    if !report.findings.is_empty() {
                        exit = Exit::Found;
                    }
                    if !self.quiet {
                        report.print(context)?;
                    }
                }
                // Removed since it was listed.
                Err(failure) if *is_listed && failure.is_not_there() => {}
                Err(failure) if self.quiet => context.fail(&failure),
                Err(failure) => context.report(&failure),
            }
        }
        Ok(exit)
    }
}

/// The segments of the system whose names, without the slash, are wanted, in the order of their names.
fn listed(is_wanted: impl Fn(&str) -> bool) -> Result<impl Iterator<Item = Target>, Failure> {
    let mut names = Vec::new();
    for info in shm_core::list()? {
        let info = info?;
        let name = info.name.strip_prefix('/').unwrap_or(&info.name);
        let is_segment = !matches!(info.state, SegmentState::Foreign | SegmentState::Unreadable);
        if is_segment && is_wanted(name) {
            names.push(info.name);
        }
    }
    names.sort();
    Ok(names.into_iter().map(Target::Name))
}

/// Checks a segment. Its damage is a finding; a failure means that there is none that can be checked.
fn check(target: &Target) -> Result<Report, Failure> {
    let mut report = Report::new(&target.to_string());
    let path: PathBuf = match target {
        Target::Name(name) => Path::new("/dev/shm").join(&name[1..]),
        Target::Dump(path) | Target::Descriptor(path) => path.clone(),
    };
    let before = match target {
        Target::Name(name) => {
            let info = SegmentInfo::of(name)?;
            if !lifetime::check(&info, &path, &mut report)? {
                return Ok(report);
            }
            lifetime::identity(&path)
        }
        Target::Dump(_) | Target::Descriptor(_) => None,
    };
    match target.try_read_only() {
        Ok(segment) => contents(&segment, &path, &mut report),
        Err(Refused::Segment(ShmError::Corrupt { reason, .. })) => report.error(
            "damaged",
            reason,
            "no program can attach to it: remove it with `shm rm`, and restart the program that creates it",
        ),
        Err(refused) => return Err(refused.into()),
    }
    if let Some(lost) = sigbus::take() {
        let text = lost.to_string();
        let (message, advice) = text.split_once("; ").unwrap_or((&text, "run it again"));
        report.error("truncated", message, advice);
    }
    if let Some(before) = before {
        lifetime::check_again(before, &path, &mut report);
    }
    Ok(report)
}

/// The first finding that must not be.
pub(super) fn first_error(target: &Target) -> Result<Option<String>, Failure> {
    let report = check(target)?;
    let mut errors = report
        .findings
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error);
    Ok(errors.next().map(|finding| match finding.path {
        Some(path) => format!("`{path}` {}", finding.message),
        None => finding.message,
    }))
}

fn contents(segment: &DynSegment, path: &Path, report: &mut Report) {
    // Without it, what only bytes tell is left out.
    let file = File::open(path).ok();
    values::check(segment, file.as_ref(), report);
    report.later = later::parts(segment.layout());
}

#[cfg(test)]
mod tests;
