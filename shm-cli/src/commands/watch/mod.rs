//! `shm watch`: values as they change.

mod lines;
#[cfg(feature = "watch")]
mod live;
#[cfg(feature = "watch")]
mod model;
#[cfg(feature = "watch")]
mod terminal;
#[cfg(feature = "watch")]
mod view;

use std::time::Duration;

use clap::Args;

use crate::failure::{Exit, Failure};
use crate::observe::parse_interval;
use crate::output::Context;
use crate::target::Target;

/// Watch values as they change
///
/// The view shows a part in each row, with its value and its last numbers as a curve. What has changed is highlighted for two
/// seconds. Of the types of `sync` it shows the state and the rate of commits, messages, notifications or rounds. Press `?` for the
/// keys, and `q` to quit.
///
/// Only visible rows are read, and nothing is written to the segment, so no writer waits or wakes anybody for the view. If the
/// segment is removed and created again, the view attaches to the new one.
///
/// With `--csv` or `--json`, each sample is a line. Columns such as `jobs#sent` are counters of the types of `sync`.
#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// A segment's name, or `/proc/PID/fd/N`
    #[arg(value_name = "NAME")]
    target: Target,

    /// Parts, such as `position[2]`. `.` is the whole segment
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<String>,

    /// The time between two samples, such as `0.5` (seconds) or `100ms`. Without it, 250 ms, or 1 s with `--csv` or `--json`
    #[arg(long, short = 'i', value_name = "TIME", value_parser = parse_interval)]
    interval: Option<Duration>,

    /// Print comma-separated values: the time in seconds since 1970, and a column for each number
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// With `--csv` or `--json`: print a line only if a value has changed
    #[arg(long)]
    changes: bool,

    /// With `--csv` or `--json`: end after this many lines; `-n` of `shm hz` counts events
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

impl Watch {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        if self.csv || context.json {
            return lines::run(&self, context);
        }
        if self.changes || self.count.is_some() {
            return Err(Failure::usage(
                "`--changes` and `--count` are about lines; add `--csv` or `--json`",
            ));
        }
        self.live(context)
    }

    #[cfg(feature = "watch")]
    fn live(&self, context: &mut Context) -> Result<Exit, Failure> {
        live::run(self, context)
    }

    #[cfg(not(feature = "watch"))]
    fn live(&self, _: &mut Context) -> Result<Exit, Failure> {
        Err(Failure::refused(
            "this `shm` was built without its live view; install it with `cargo install shm-cli --features watch`, or add `--csv` \
             or `--json` to get lines",
        ))
    }
}
