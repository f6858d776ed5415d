//! Spans of time: read from the command line, and shown.

use std::time::Duration;

/// Reads `0.5`, `0.5s`, `200ms`, `100us` or `2m`. A number without a unit is in seconds.
pub(crate) fn parse_interval(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic() || char == 'µ');
    let (number, unit) = text.split_at(digits.len());
    let scale = match unit {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "us" | "µs" => 1e-6,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(EXPECTED.to_owned()),
    };
    let number: f64 = number.trim().parse().map_err(|_| EXPECTED.to_owned())?;
    let seconds = number * scale;
    if !(seconds > 0.0 && seconds <= 86_400.0 * 365.0) {
        return Err(
            "it must be more than 0 and at most a year, such as `0.5`, `200ms` or `2m`".to_owned(),
        );
    }
    Ok(Duration::from_secs_f64(seconds))
}

const EXPECTED: &str =
    "write seconds, or a number and a unit, such as `0.5`, `200ms`, `100us` or `2m`";

/// A span in three digits and the unit that fits: `812 us`, `1.02 ms`, `30 s`.
pub(crate) fn span(seconds: f64) -> String {
    let (scaled, unit) = match seconds.abs() {
        ..1e-6 => (seconds * 1e9, "ns"),
        ..0.999_5e-3 => (seconds * 1e6, "us"),
        ..0.999_5 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    format!("{} {unit}", three_digits(scaled))
}

/// A number below 1000 in three digits, and a larger one as an integer.
pub(crate) fn three_digits(number: f64) -> String {
    let decimals = match number.abs() {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_units() {
        for (text, wanted) in [
            ("1", 1_000_000),
            ("0.25", 250_000),
            ("2s", 2_000_000),
            ("200ms", 200_000),
            ("100us", 100),
            ("5 ms", 5_000),
            ("2m", 120_000_000),
        ] {
            let wanted = Duration::from_micros(wanted);
            assert_eq!(parse_interval(text), Ok(wanted), "{text}");
        }
        for text in ["", "x", "0", "-1", "1x", "inf", "NaN", "1e30", "ms"] {
            let error = parse_interval(text).unwrap_err();
            assert!(error.contains("`200ms`"), "{text}: {error}");
        }
    }

    #[test]
    fn spans_have_three_digits_and_a_unit() {
        for (seconds, wanted) in [
            (0.0, "0.00 ns"),
            (2e-7, "200 ns"),
            (0.000_812, "812 us"),
            (0.000_999_9, "1.00 ms"),
            (0.001_024, "1.02 ms"),
            (0.25, "250 ms"),
            (0.999_9, "1.00 s"),
            (1.5, "1.50 s"),
            (30.0, "30.0 s"),
            (1234.0, "1234 s"),
        ] {
            assert_eq!(span(seconds), wanted);
        }
    }
}
