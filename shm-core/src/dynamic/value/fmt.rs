//! Values as text.

use std::fmt::{self, Write};

use super::DynValue;
use crate::dynamic::name::{Name, Quoted};

/// In one line, as [the table](DynValue#as-text) shows.
impl fmt::Display for DynValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::UInt(value) => write!(f, "{value}"),
            Self::F32(value) => write_f32(f, *value),
            Self::F64(value) => write!(f, "{value:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Char(value) => write!(f, "{value:?}"),
            Self::Str(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii()),
            // It would be read as a number.
            Self::Name(name) if name.starts_with(|char: char| char.is_ascii_digit()) => {
                write!(f, "{}", Quoted(name))
            }
            Self::Name(name) => write!(f, "{}", Name(name)),
            Self::List(elements) => {
                f.write_char('[')?;
                for (number, element) in elements.iter().enumerate() {
                    f.write_str(if number > 0 { ", " } else { "" })?;
                    write!(f, "{element}")?;
                }
                f.write_char(']')
            }
            Self::Struct(fields) => {
                f.write_char('{')?;
                for (number, (name, value)) in fields.iter().enumerate() {
                    f.write_str(if number > 0 { ", " } else { "" })?;
                    write!(f, "{}: {value}", Name(name))?;
                }
                f.write_char('}')
            }
        }
    }
}

/// Writes the shortest number from which the same `f32` is read, also by way of an `f64`.
fn write_f32(f: &mut fmt::Formatter<'_>, value: f32) -> fmt::Result {
    let short = format!("{value:?}");
    // Rounding to an `f64` first can end at the middle between two `f32`s, and then at the other one.
    let is_exact = |wide: f64| (wide as f32).to_bits() == value.to_bits();
    match short.parse::<f64>() {
        Ok(wide) if !value.is_finite() || is_exact(wide) => f.write_str(&short),
        _ => write!(f, "{:?}", f64::from(value)),
    }
}
