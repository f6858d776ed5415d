//! The bits of scalars and enums, which a value must have exactly.

use std::fmt::Write as _;

use super::plan::{Plan, Result, shown};
use crate::dynamic::DynValue;
use crate::dynamic::cell::resolve::nearest;
use crate::dynamic::name::Name;
use crate::layout::{ScalarKind, TypeLayout, Variant, integer_value};

/// What floats take.
const A_NUMBER: &str = "a number";

impl Plan {
    /// The bits of a scalar.
    pub(super) fn scalar(&self, kind: ScalarKind, value: &DynValue) -> Result<u128> {
        match kind {
            ScalarKind::Bool => match value {
                DynValue::Bool(value) => Ok((*value).into()),
                other => self.mismatch("a bool", "`true` or `false`", other),
            },
            ScalarKind::Char => {
                let char = match value {
                    DynValue::Char(char) => Some(*char),
                    DynValue::Str(text) => {
                        let mut chars = text.chars();
                        chars.next().filter(|_| chars.next().is_none())
                    }
                    _ => None,
                };
                match char {
                    Some(char) => Ok(u32::from(char).into()),
                    None => self.mismatch("a char", "one character, as `'x'`", value),
                }
            }
            ScalarKind::F32 => match value {
                DynValue::F32(value) => Ok(value.to_bits().into()),
                DynValue::F64(wide) => {
                    let value = *wide as f32;
                    if wide.is_finite() && !value.is_finite() {
                        return self.wrong(format!("{wide:?} is too large for an f32"));
                    }
                    Ok(value.to_bits().into())
                }
                other => match self.exact(other, "an f32")? {
                    wide if f64::from(wide as f32) == wide => Ok((wide as f32).to_bits().into()),
                    _ => self.wrong(format!("an f32 cannot hold exactly {other}")),
                },
            },
            ScalarKind::F64 => match value {
                DynValue::F32(value) => Ok(f64::from(*value).to_bits().into()),
                DynValue::F64(value) => Ok(value.to_bits().into()),
                other => Ok(self.exact(other, "an f64")?.to_bits().into()),
            },
            _ => self.integer(kind, value),
        }
    }

    fn mismatch<T>(&self, what: &str, takes: &str, value: &DynValue) -> Result<T> {
        let found = value.kind();
        let meant = match value.as_str().map(str::to_ascii_lowercase).as_deref() {
            Some("nan") if takes == A_NUMBER => "; did you mean `NaN`?",
            Some("inf" | "infinity") if takes == A_NUMBER => "; did you mean `inf`?",
            _ => "",
        };
        self.wrong(format!(
            "it is {what}, which takes {takes}, and not {found}{meant}"
        ))
    }

    /// An integer as a float of the same value.
    fn exact(&self, value: &DynValue, what: &str) -> Result<f64> {
        let float = match value {
            DynValue::Int(int) => {
                let float = *int as f64;
                // Not for `i128::MAX`, to which a cast of 2^127 saturates.
                (float < i128::MAX as f64 && float as i128 == *int).then_some(float)
            }
            DynValue::UInt(_) => None,
            other => return self.mismatch(what, A_NUMBER, other),
        };
        match float {
            Some(float) => Ok(float),
            None => self.wrong(format!("{what} cannot hold exactly {value}")),
        }
    }

    fn integer(&self, kind: ScalarKind, value: &DynValue) -> Result<u128> {
        let unused = 128 - 8 * kind.size() as u32;
        let (least, most) = if kind.is_signed() {
            (i128::MIN >> unused, (i128::MAX >> unused).cast_unsigned())
        } else {
            (0, u128::MAX >> unused)
        };
        let bits = match value {
            DynValue::Int(value) if *value < 0 => {
                (*value >= least).then_some(value.cast_unsigned())
            }
            DynValue::Int(value) => Some(value.cast_unsigned()).filter(|value| *value <= most),
            DynValue::UInt(value) => Some(*value).filter(|value| *value <= most),
            other => {
                let what = format!("of type {}", kind.name());
                return self.mismatch(&what, "an integer", other);
            }
        };
        match bits {
            Some(bits) => Ok(bits),
            None => self.wrong(format!(
                "{value} is no {}, which is an integer from {least} to {most}",
                kind.name()
            )),
        }
    }

    /// The bits of a variant.
    pub(super) fn variant(
        &self,
        layout: &TypeLayout,
        repr: ScalarKind,
        variants: &[Variant],
        value: &DynValue,
    ) -> Result<u64> {
        let found = match value {
            DynValue::Name(_) | DynValue::Str(_) => value.as_str(),
            _ => None,
        };
        let variant = variants
            .iter()
            .find(|variant| Some(variant.name()) == found);
        if let Some(variant) = variant {
            return Ok(variant.bits());
        }
        let mut names = String::new();
        for (number, variant) in variants.iter().take(16).enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            let value = integer_value(repr, variant.bits());
            let _ = write!(names, "{comma}`{}` ({value})", Name(variant.name()));
        }
        let more = if variants.len() > 16 { ", .." } else { "" };
        let of_number = |variant: &&Variant| {
            let number = integer_value(repr, variant.bits());
            matches!(value, DynValue::Int(value) if *value == number)
        };
        let meant = if let Some(variant) = variants.iter().find(of_number) {
            format!("; write the name: `{}`", Name(variant.name()))
        } else {
            let all: Vec<&str> = variants.iter().map(Variant::name).collect();
            found
                .and_then(|found| nearest(found, &all))
                .map_or_else(String::new, |name| {
                    format!("; did you mean `{}`?", Name(name))
                })
        };
        self.wrong(format!(
            "{value} is no variant of `{}`: {names}{more}{meant}",
            shown(layout)
        ))
    }
}
