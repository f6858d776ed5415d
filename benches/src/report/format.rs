//! Numbers in tables.

use crate::harness::{Target, misses};

/// With three or four significant digits, and thousands separated.
pub(super) fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 0.1 || v == 0.0 => 2,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), ""), |split| split);
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0
            && (whole.len() - index) % 3 == 0
            && digit.is_ascii_digit()
            && !out.ends_with('-')
        {
            out.push(',');
        }
        out.push(digit);
    }
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    out
}

/// Nothing if there is no ratio.
pub(super) fn ratio(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

/// A time in nanoseconds as the unit that suits it; other units as they are.
pub(super) fn value(value: f64, unit: &str) -> String {
    match (unit, value) {
        ("ns", v) if v >= 1e7 => format!("{} ms", number(v / 1e6)),
        ("ns", v) if v >= 1e4 => format!("{} µs", number(v / 1e3)),
        ("ns", v) => format!("{} ns", number(v)),
        (unit, v) => format!("{} {unit}", number(v)).trim_end().to_owned(),
    }
}

/// What a target says, and whether `figure` reaches it.
pub(super) fn target(target: Option<Target>, reached: Option<(f64, f64)>) -> String {
    let text = match target {
        None => return String::new(),
        Some(Target::Times(times)) => format!("≤ {}", number(times)),
        Some(Target::Value(value)) => format!("value ≤ {}", number(value)),
    };
    match reached {
        Some(reached) if misses(reached) => format!("{text} missed"),
        Some(_) => format!("{text} met"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{number, value};

    #[test]
    fn thousands_are_separated() {
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(123.4), "123");
        assert_eq!(number(-123_456.0), "-123,456");
        assert_eq!(number(1.234), "1.23");
    }

    #[test]
    fn long_times_get_a_larger_unit() {
        assert_eq!(value(12_340.0, "ns"), "12.3 µs");
        assert_eq!(value(9.87, "ns"), "9.87 ns");
        assert_eq!(value(0.5, "sleeps"), "0.50 sleeps");
    }
}
