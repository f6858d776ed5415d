//! Medians and quantiles.

/// The value below which `part` of the values lie. Not a number if there are none.
pub(crate) fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        len => sorted[((len - 1) as f64 * part).round() as usize],
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The lower quartile, the median and the upper quartile.
pub(crate) fn quartiles(values: &[f64]) -> [f64; 3] {
    [0.25, 0.5, 0.75].map(|part| quantile(values, part))
}

#[cfg(test)]
mod tests {
    use super::{median, quartiles};

    #[test]
    fn quartiles_do_not_depend_on_the_order() {
        assert_eq!(quartiles(&[5.0, 1.0, 3.0, 2.0, 4.0]), [2.0, 3.0, 4.0]);
    }

    #[test]
    fn nothing_has_no_median() {
        assert!(median(&[]).is_nan());
    }
}
