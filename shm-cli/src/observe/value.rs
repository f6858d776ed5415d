//! Values, compared and as numbers.

use shm_core::TypeLayout;
use shm_core::dynamic::DynValue;

/// Whether two values are the same, bit by bit: a `NaN` that stays has not changed.
pub(crate) fn is_same(a: &DynValue, b: &DynValue) -> bool {
    match (a, b) {
        (DynValue::F32(a), DynValue::F32(b)) => a.to_bits() == b.to_bits(),
        (DynValue::F64(a), DynValue::F64(b)) => a.to_bits() == b.to_bits(),
        (DynValue::List(a), DynValue::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (DynValue::Struct(a), DynValue::Struct(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|((of_a, a), (of_b, b))| of_a == of_b && is_same(a, b))
        }
        _ => a == b,
    }
}

/// How many elements of a list of `len` are worth a look: elements without bytes are all the same one, however many a schema says.
pub(crate) fn places(element: &TypeLayout, len: usize) -> usize {
    match element.size() {
        0 => len.min(1),
        _ => len,
    }
}

/// A number or a `bool`, for a curve.
#[cfg(feature = "watch")]
pub(crate) fn number(value: &DynValue) -> Option<f64> {
    match value {
        DynValue::Bool(value) => Some(f64::from(u8::from(*value))),
        value => value.as_f64().filter(|number| number.is_finite()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_that_stays_has_not_changed() {
        let same = |a: &str, b: &str| is_same(&a.parse().unwrap(), &b.parse().unwrap());
        assert!(same("{x: NaN, y: [1, NaN]}", "{x: NaN, y: [1, NaN]}"));
        assert!(!same("{x: NaN}", "{x: 1.0}"));
        assert!(!same("0.0", "-0.0"));
        assert!(!same("[1]", "[1, 2]"));
        assert!(!same("{x: 1}", "{y: 1}"));
        assert!(same("\"a\"", "\"a\"") && !same("1", "2"));
    }

    #[cfg(feature = "watch")]
    #[test]
    fn bools_are_numbers_and_texts_are_not() {
        let of = |text: &str| number(&text.parse().unwrap());
        assert_eq!(
            [of("true"), of("false"), of("3")],
            [Some(1.0), Some(0.0), Some(3.0)]
        );
        assert_eq!([of("NaN"), of("inf"), of("\"3\""), of("[3]")], [None; 4]);
    }
}
