//! Numbers, for people.

use std::time::Duration;

/// Bytes in the largest binary unit that leaves at least 1, with three digits: `4 KiB`, `1.25 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

    if count < 1024 {
        return format!("{count} B");
    }
    let mut scaled = count as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"KiB");
    // Above this, three digits would be rounded up to 1024.
    while scaled >= 1023.5 {
        let Some(next) = units.next() else { break };
        unit = next;
        scaled /= 1024.0;
    }
    let decimals = match scaled {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    let digits = format!("{scaled:.decimals$}");
    let digits = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => &digits,
    };
    format!("{digits} {unit}")
}

/// The decimal digits of an integer, in groups of three with `_` between them if there are more than four. Rust and `shm set` read
/// such numbers.
pub(crate) fn grouped(digits: &str) -> String {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits),
    };
    if digits.len() <= 4 {
        return format!("{sign}{digits}");
    }
    let mut out = String::from(sign);
    for (number, digit) in digits.chars().enumerate() {
        if number > 0 && (digits.len() - number).is_multiple_of(3) {
            out.push('_');
        }
        out.push(digit);
    }
    out
}

/// A number of elements: `1 element`, `5000 elements`.
pub(crate) fn elements(count: usize) -> String {
    match count {
        1 => "1 element".to_owned(),
        count => format!("{} elements", grouped(&count.to_string())),
    }
}

/// A time span in its largest unit: `12s`, `5m`, `3h`, `9d`.
pub(crate) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits_and_a_unit() {
        for (count, wanted) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (4096, "4 KiB"),
            (4352, "4.25 KiB"),
            (10_752, "10.5 KiB"),
            (1_048_575, "1 MiB"),
            (1 << 20, "1 MiB"),
            (100 << 20, "100 MiB"),
            (1 << 30, "1 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(bytes(count), wanted, "{count}");
        }
    }

    #[test]
    fn long_numbers_are_grouped() {
        for (digits, wanted) in [
            ("0", "0"),
            ("1234", "1234"),
            ("-1234", "-1234"),
            ("12345", "12_345"),
            ("-123456", "-123_456"),
            ("1234567", "1_234_567"),
        ] {
            assert_eq!(grouped(digits), wanted);
        }
    }

    #[test]
    fn ages_have_one_unit() {
        for (seconds, wanted) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m"),
            (7200, "2h"),
            (90_000, "1d"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), wanted);
        }
    }
}
