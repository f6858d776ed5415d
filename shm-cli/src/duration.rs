//! Time spans on the command line.

use std::time::Duration;

/// Reads `2s`, `100ms`, `20us`, `1m`, or a number of seconds such as `0.5`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 5] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("ms", 1e-3),
        ("m", 60.0),
        ("s", 1.0),
    ];

    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
    let (digits, seconds) = match unit {
        Some((unit, seconds)) => (&text[..text.len() - unit.len()], *seconds),
        None => (text, 1.0),
    };
    let count: Option<f64> = digits.parse().ok();
    let span = count.and_then(|count| Duration::try_from_secs_f64(count * seconds).ok());
    span.ok_or_else(|| {
        "write a time such as `2s`, `100ms` or `0.5`, which is in seconds".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_or_are_seconds() {
        for (text, wanted) in [
            ("2", Duration::from_secs(2)),
            ("0.5", Duration::from_millis(500)),
            ("2s", Duration::from_secs(2)),
            ("100ms", Duration::from_millis(100)),
            ("20us", Duration::from_micros(20)),
            ("1.5m", Duration::from_secs(90)),
            ("0", Duration::ZERO),
        ] {
            assert_eq!(parse(text).as_ref(), Ok(&wanted), "{text}");
        }
        for text in ["", "s", "-1", "1h", "x", "inf", "NaN"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
