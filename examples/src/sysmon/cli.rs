//! Command lines.

use std::time::Duration;

use clap::{Parser, value_parser};

/// The default name of the segment.
pub const DEFAULT_NAME: &str = "/shm-sysmon";

/// Samples this machine and publishes the samples in a shared-memory segment, until Ctrl-C
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

/// Displays the samples of sysmon_writer: as a table on a terminal, as lines in a pipe
///
/// Ends with exit code 0 on Ctrl-C, after --count samples, and when the writer ends. Ends with exit code 1 if there is no
/// writer, or if it dies.
#[derive(Debug, Clone, Parser)]
#[command(name = "sysmon_reader")]
pub struct ReaderArgs {
    /// Name of the segment
    #[arg(long, default_value = DEFAULT_NAME)]
    pub name: String,

    /// Time between updates, over which CPU usage is averaged: 100ms, 0.5s, or a number of seconds
    #[arg(long, default_value = "500ms", value_parser = interval)]
    pub interval: Duration,

    /// End after displaying this many samples
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Wait for a writer if there is none yet
    #[arg(long)]
    pub wait: bool,
}

/// Runs a writer and a reader, until Ctrl-C
#[derive(Debug, Clone, Parser)]
#[command(name = "sysmon")]
pub struct BothArgs {
    /// Time between updates, over which CPU usage is averaged: 100ms, 0.5s, or a number of seconds
    #[arg(long, default_value = "500ms", value_parser = interval)]
    pub interval: Duration,

    /// End after displaying this many samples
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    pub count: Option<u64>,
}

/// Parses a time between 10 ms and a day. Without a unit it is in seconds.
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
    fn command_lines_are_valid() {
        WriterArgs::command().debug_assert();
        ReaderArgs::command().debug_assert();
        BothArgs::command().debug_assert();
    }

    #[test]
    fn a_count_of_zero_is_an_error() {
        let parse = |count| ReaderArgs::try_parse_from(["sysmon_reader", "--count", count]);
        assert_eq!(parse("1").unwrap().count, Some(1));
        for count in ["0", "-1", "many"] {
            assert!(parse(count).is_err(), "{count}");
        }
    }

    #[test]
    fn intervals_have_units_and_bounds() {
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
