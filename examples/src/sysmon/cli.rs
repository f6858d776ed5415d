//! Command lines.

use std::time::Duration;

use clap::{Parser, value_parser};

/// The name that writer and reader agree on unless told otherwise.
pub const DEFAULT_NAME: &str = "/shm-sysmon";

/// Samples this machine into a shared-memory segment, until Ctrl-C.
#[derive(Debug, Clone, Parser)]
#[command(name = "sysmon_writer")]
pub struct WriterArgs {
    /// Name of the segment: a slash, then up to 255 bytes without one
    #[arg(long, default_value = DEFAULT_NAME)]
    pub name: String,

    /// Time between samples: 100ms, 0.5s, or a number of seconds
    #[arg(long, default_value = "100ms", value_parser = interval)]
    pub interval: Duration,

    /// End after this many samples
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    pub count: Option<u64>,
}

/// Shows what sysmon_writer samples: a table in place on a terminal, lines in a pipe.
///
/// Ends on Ctrl-C, after --count samples, and when the writer ends, all with exit code 0.
/// A writer that is not there, or dies without a word, is an error, with exit code 1.
#[derive(Debug, Clone, Parser)]
#[command(name = "sysmon_reader")]
pub struct ReaderArgs {
    /// Name of the segment
    #[arg(long, default_value = DEFAULT_NAME)]
    pub name: String,

    /// Time between looks, over which CPU usage is averaged: 100ms, 0.5s, or a number of seconds
    #[arg(long, default_value = "500ms", value_parser = interval)]
    pub interval: Duration,

    /// End after showing this many samples
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Wait for a writer when there is none yet
    #[arg(long)]
    pub wait: bool,
}

/// Runs a writer and a reader for a look: both end on Ctrl-C.
#[derive(Debug, Clone, Parser)]
#[command(name = "sysmon")]
pub struct BothArgs {
    /// Time between looks, over which CPU usage is averaged: 100ms, 0.5s, or a number of seconds
    #[arg(long, default_value = "500ms", value_parser = interval)]
    pub interval: Duration,

    /// End after showing this many samples
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    pub count: Option<u64>,
}

/// Reads a time between 10 ms and a day. Without a unit it is in seconds.
fn interval(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number.parse::<f64>().map(|number| number * unit);
    match seconds {
        Ok(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Ok(_) => Err("not between 10ms and a day".into()),
        Err(_) => Err("not a time such as 100ms, 0.5s or 2".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_lines_are_well_formed() {
        WriterArgs::command().debug_assert();
        ReaderArgs::command().debug_assert();
        BothArgs::command().debug_assert();
    }

    #[test]
    fn a_count_of_nothing_is_refused() {
        let parse = |count| ReaderArgs::try_parse_from(["sysmon_reader", "--count", count]);
        assert_eq!(parse("1").unwrap().count, Some(1));
        for count in ["0", "-1", "many"] {
            assert!(parse(count).is_err(), "{count}");
        }
    }

    #[test]
    fn intervals() {
        let millis = |text| interval(text).map(|time| time.as_millis());
        assert_eq!(millis("100ms"), Ok(100));
        assert_eq!(millis("0.5s"), Ok(500));
        assert_eq!(millis("2"), Ok(2000));
        for text in ["0", "9ms", "-1", "NaN", "inf", "86401"] {
            assert_eq!(millis(text), Err("not between 10ms and a day".into()));
        }
        for text in ["", "s", "ms", "1m", "fast"] {
            assert_eq!(
                millis(text),
                Err("not a time such as 100ms, 0.5s or 2".into())
            );
        }
    }
}
