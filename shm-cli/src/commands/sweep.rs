//! `shm sweep`: removes what killed processes have left.

use std::time::SystemTime;

use anstyle::Style;
use clap::Args;
use serde_json::{Value, json};
use shm_core::SegmentInfo;
use shm_core::segment::Sweep as CoreSweep;

use crate::failure::{Exit, Failure};
use crate::output::{Align, Context, Document, Table, escaped, number, style};
use crate::pattern::Pattern;

/// Remove orphaned segments: those whose processes have all been killed
///
/// Without `--yes`, lists what would be removed, and removes nothing. Segments that are in use or persistent are never removed, and
/// neither is anything that is not a segment.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 nothing to remove, or removed; 1 something would be removed."
)]
pub(crate) struct Sweep {
    /// Only these names: a prefix, or a pattern with `*` and `?`. The slash may be left out
    #[arg(value_name = "NAME")]
    names: Vec<Pattern>,

    /// Remove them
    #[arg(short, long)]
    yes: bool,

    /// Also segments of other users, which only root can remove
    #[arg(long)]
    all_users: bool,
}

impl Sweep {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let names = &self.names;
        let wanted = |name: &str| {
            let name = name.strip_prefix('/').unwrap_or(name);
            names.is_empty() || names.iter().any(|pattern| pattern.matches(name))
        };
        let mut sweep = CoreSweep::new().names(wanted);
        if self.all_users {
            sweep = sweep.all_users();
        }
        let mut found: Vec<Orphan> = sweep.find()?.into_iter().map(Orphan::of).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        if self.yes {
            let removed = sweep.remove()?;
            // One that became orphaned in between.
            for name in &removed {
                if !found.iter().any(|orphan| orphan.name == *name) {
                    found.push(Orphan::gone(name));
                }
            }
            for orphan in &mut found {
                orphan.removed = removed.contains(&orphan.name);
            }
        }
        self.print(&found, context)?;
        let is_left = found.iter().any(|orphan| !orphan.removed);
        Ok(if is_left { Exit::Found } else { Exit::Ok })
    }

    fn print(&self, found: &[Orphan], context: &mut Context) -> Result<(), Failure> {
        if context.json {
            let segments: Vec<Value> = found.iter().map(Orphan::json).collect();
            let document = Document::new("sweep")
                .with("dry_run", !self.yes)
                .with("segments", segments);
            return document.write(&mut context.out);
        }
        if found.is_empty() {
            let (dim, out) = (style::DIM, &mut context.out);
            return Ok(writeln!(out, "{dim}nothing to remove{dim:#}")?);
        }
        let mut table = Table::new(vec![
            ("NAME", Align::Left),
            ("SIZE", Align::Right),
            ("AGE", Align::Right),
            (if self.yes { "RESULT" } else { "WHY" }, Align::Left),
        ]);
        for orphan in found {
            table.row(orphan.row(self.yes));
        }
        table.write(&mut context.out)?;
        if !self.yes {
            let (dim, out) = (style::DIM, &mut context.out);
            writeln!(
                out,
                "{dim}nothing was removed; run it again with --yes to remove them{dim:#}"
            )?;
        }
        Ok(())
    }
}

/// A segment that a sweep removes.
struct Orphan {
    name: String,
    /// `None` if it could not be looked at, as one that was never completed.
    info: Option<SegmentInfo>,
    why: String,
    removed: bool,
}

impl Orphan {
    fn of(name: String) -> Self {
        let info = SegmentInfo::of(&name).ok();
        let contents = info.as_ref().and_then(|info| info.contents.as_ref());
        let why = match contents {
            Some(contents) => format!(
                "no process is attached, and process {} that made it did not remove it",
                contents.creator_pid
            ),
            None => "it was never completed, and its creator is gone".to_owned(),
        };
        Self {
            name,
            info,
            why,
            removed: false,
        }
    }

    fn gone(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            info: None,
            why: "no process is attached".to_owned(),
            removed: true,
        }
    }

    fn json(&self) -> Value {
        let info = self.info.as_ref();
        json!({
            "name": self.name,
            "file_len": info.map(|info| info.file_len),
            "owner": info.map(|info| info.owner),
            "why": self.why,
            "removed": self.removed,
        })
    }

    fn row(&self, yes: bool) -> Vec<(String, Style)> {
        let plain = |text: String| (text, Style::new());
        let size = self.info.as_ref().map(|info| number::bytes(info.file_len));
        let contents = self.info.as_ref().and_then(|info| info.contents.as_ref());
        let age = contents.map(|of| {
            let age = SystemTime::now().duration_since(of.created_at);
            number::age(age.unwrap_or_default())
        });
        let last = match (yes, self.removed) {
            (false, _) => plain(self.why.clone()),
            (true, true) => ("removed".to_owned(), style::GOOD),
            (true, false) => (
                "kept: it is in use again, or another process is replacing it".to_owned(),
                style::WARN,
            ),
        };
        vec![
            (escaped(&self.name).to_string(), style::NAME),
            plain(size.unwrap_or_else(|| "-".to_owned())),
            plain(age.unwrap_or_else(|| "-".to_owned())),
            last,
        ]
    }
}
