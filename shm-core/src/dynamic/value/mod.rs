//! [`DynValue`]: a value without its Rust type.

mod fmt;
mod parse;
#[cfg(feature = "serde")]
mod serde;

use std::borrow::Cow;

pub use parse::ParseValueError;

/// A value read from a cell, or to be written to one, without its Rust type.
///
/// # As text
///
/// [`Display`](std::fmt::Display) writes a value in one line, and [`FromStr`](std::str::FromStr) reads it again:
///
/// | | written as | also read |
/// |---|---|---|
/// | an integer | `-12` | `0xff`, `0b101`, `0o17`, `1_000`, `+5` |
/// | a float | `2.5`, `1e300`, `-inf`, `NaN` | `.5`, `1.` |
/// | `bool` | `true` | |
/// | `char` | `'x'`, `'\n'`, `'\u{1f}'` | |
/// | text | `"a \"b\""` | |
/// | bytes: not UTF-8, or of an unknown type | `b"\xffa"` | |
/// | a variant of an enum | `Red`, `` `odd name` `` | |
/// | an array, a slice, a vector | `[1, 2, 3]` | `[1, 2, 3,]` |
/// | a struct | `{x: 1, y: 2.5}` | `{x: 1, y: 2.5,}` |
///
/// Text has no types: a float is read as an [`F64`](Self::F64). Setting a cell converts it, to exactly the bits from which
/// it was written. No control character reaches the output.
///
/// ```
/// use shm_core::dynamic::DynValue;
///
/// let value: DynValue = "{id: 7, mode: Fast, xyz: [0.5, 1.0]}".parse()?;
/// assert_eq!(value.field("id"), Some(&DynValue::from(7)));
/// assert_eq!(value.to_string(), "{id: 7, mode: Fast, xyz: [0.5, 1.0]}");
/// # Ok::<(), shm_core::dynamic::ParseValueError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DynValue {
    /// An integer, or an offset: bytes from the start of the segment, 0 for null.
    Int(i128),
    /// An integer above [`i128::MAX`]. Smaller ones are an [`Int`](Self::Int).
    UInt(u128),
    /// A float of 32 bits.
    F32(f32),
    /// A float of 64 bits.
    F64(f64),
    /// A `bool`.
    Bool(bool),
    /// A `char`.
    Char(char),
    /// The text of a [`ShmStr`](crate::ShmStr).
    Str(String),
    /// The bytes of a [`ShmStr`](crate::ShmStr) that are not UTF-8, or those of a type of a later format.
    Bytes(Vec<u8>),
    /// The name of an enum's variant.
    Name(Cow<'static, str>),
    /// The elements of an array, a slice or a vector.
    List(Vec<DynValue>),
    /// The fields of a struct, with their names.
    Struct(Vec<(Cow<'static, str>, DynValue)>),
}

impl DynValue {
    /// Returns the field of a struct with this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Struct(fields) => {
                let found = fields.iter().find(|(of, _)| of == name);
                found.map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// Returns the elements of a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// Returns the integer, if it is one and an `i128` can hold it.
    #[must_use]
    pub const fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns a number as an `f64`: the nearest one, if it is an integer that an `f64` cannot hold.
    #[must_use]
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::UInt(value) => Some(*value as f64),
            Self::F32(value) => Some(*value as f64),
            Self::F64(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the `bool`.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the text, or the name of the variant.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            Self::Name(name) => Some(name),
            _ => None,
        }
    }

    /// What kind of value it is, for messages.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) | Self::UInt(_) => "an integer",
            Self::F32(_) | Self::F64(_) => "a float",
            Self::Bool(_) => "a bool",
            Self::Char(_) => "a char",
            Self::Str(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Name(_) => "a name",
            Self::List(_) => "a list",
            Self::Struct(_) => "a struct",
        }
    }
}

macro_rules! from_ints {
    ($($ty:ty),*) => {$(
        impl From<$ty> for DynValue {
            fn from(value: $ty) -> Self {
                Self::Int(value.into())
            }
        }
    )*};
}

from_ints!(u8, u16, u32, u64, i8, i16, i32, i64, i128);

impl From<u128> for DynValue {
    fn from(value: u128) -> Self {
        i128::try_from(value).map_or(Self::UInt(value), Self::Int)
    }
}

impl From<f32> for DynValue {
    fn from(value: f32) -> Self {
        Self::F32(value)
    }
}

impl From<f64> for DynValue {
    fn from(value: f64) -> Self {
        Self::F64(value)
    }
}

impl From<bool> for DynValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<char> for DynValue {
    fn from(value: char) -> Self {
        Self::Char(value)
    }
}

impl From<&str> for DynValue {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for DynValue {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl<T: Into<DynValue>> From<Vec<T>> for DynValue {
    fn from(elements: Vec<T>) -> Self {
        elements.into_iter().collect()
    }
}

/// A list.
impl<T: Into<DynValue>> FromIterator<T> for DynValue {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self::List(elements.into_iter().map(Into::into).collect())
    }
}
