//! What a row is, and how its contenders take turns.
//!
//! On a shared machine, times drift by more than the differences that matter. So all contenders of a case run in turns, a
//! fraction of a millisecond each, in rounds: the figures are medians over the rounds, and a ratio is the median of the
//! ratios within one round.

mod case;
mod measure;
pub(crate) mod stats;
mod table;
pub(crate) mod watchdog;

use std::time::Duration;

pub(crate) use case::Case;
pub(crate) use measure::{Measure, Sample, calls, each, measured};
pub(crate) use stats::median;
pub(crate) use table::{Line, Table, Target, misses};

pub(crate) type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// The second process of a row, with its arguments.
pub(crate) type Helper = fn(&[&str]) -> Result<()>;

/// One row of the comparison: a question, and code that measures the answers.
pub(crate) struct Row {
    /// What selects it on the command line.
    pub(crate) name: &'static str,
    /// What is measured, and with what.
    pub(crate) about: &'static str,
    pub(crate) run: fn(&mut Bench) -> Result<()>,
    /// What the row's second process does with the rest of its arguments.
    pub(crate) helper: Option<Helper>,
}

impl Row {
    pub(crate) const fn new(
        name: &'static str,
        about: &'static str,
        run: fn(&mut Bench) -> Result<()>,
    ) -> Self {
        Self {
            name,
            about,
            run,
            helper: None,
        }
    }

    pub(crate) const fn helper(mut self, helper: Helper) -> Self {
        self.helper = Some(helper);
        self
    }
}

/// The role of a contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// What nothing can beat, or the reference that the target names.
    Limit,
    /// This library.
    Ours,
    /// Another way to do the same.
    Peer,
}

/// How long and how often to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Whether every number is small: for checking that the rows run, not for measuring.
    pub(crate) short: bool,
    /// The number of rounds, if the command line has it.
    pub(crate) rounds: Option<usize>,
}

impl Settings {
    /// `full`, or `short` in the short form.
    pub(crate) fn count<T>(&self, full: T, short: T) -> T {
        if self.short { short } else { full }
    }

    /// The time of one turn of a contender that is called in a loop.
    fn turn(&self) -> Duration {
        self.count(Duration::from_micros(300), Duration::from_micros(20))
    }
}

/// Measures the cases of one row and collects the tables.
pub(crate) struct Bench {
    pub(crate) settings: Settings,
    row: &'static str,
    tables: Vec<Table>,
    skipped: bool,
    /// Receives each table as soon as it is complete.
    show: fn(&Table),
}

impl Bench {
    pub(crate) fn new(row: &'static str, settings: Settings, show: fn(&Table)) -> Self {
        Self {
            settings,
            row,
            tables: Vec::new(),
            skipped: false,
            show,
        }
    }

    /// A case: contenders that do the same and take turns.
    pub(crate) fn case<'c>(&'c mut self, name: impl Into<String>) -> Case<'c> {
        Case::new(self, name.into())
    }

    /// Adds a finished table.
    pub(crate) fn add(&mut self, table: Table) {
        (self.show)(&table);
        self.tables.push(table);
    }

    /// Ends a row that this system cannot run.
    pub(crate) fn skip(&mut self, reason: &str) -> Result<()> {
        println!("skipped: {reason}");
        self.skipped = true;
        Ok(())
    }

    pub(crate) fn skipped(&self) -> bool {
        self.skipped
    }

    pub(crate) fn row(&self) -> &'static str {
        self.row
    }

    pub(crate) fn into_tables(self) -> Vec<Table> {
        self.tables
    }
}
