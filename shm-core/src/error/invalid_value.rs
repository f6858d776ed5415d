//! The error for bytes that are not a valid value of their type.

use std::error::Error;
use std::fmt;

use super::debug::Fields;
use crate::layout::{LayoutKind, TypeLayout, integer_value, leaf_repr, printable};

/// A place in shared memory holds bytes that are not a valid value of its type.
///
/// Another process has written them, or the place was never written and zero is not a value of the type.
#[derive(Clone)]
pub struct InvalidValue {
    /// In a box, so that what returns it or a small value does that in registers.
    found: Box<Found>,
}

#[derive(Clone)]
struct Found {
    path: String,
    bits: u64,
    layout: &'static TypeLayout,
}

impl InvalidValue {
    #[cold]
    pub(crate) fn new(layout: &'static TypeLayout, bits: u64) -> Self {
        Self {
            found: Box::new(Found {
                path: String::new(),
                bits,
                layout,
            }),
        }
    }

    /// The same one level further out.
    pub(crate) fn within(mut self, outer: &str) -> Self {
        self.found.path.insert_str(0, outer);
        self
    }

    /// The path of the field that holds it, such as `inner.modes[3]`; empty for a cell that was read alone.
    #[must_use]
    pub fn path(&self) -> &str {
        let path = &self.found.path;
        path.strip_prefix('.').unwrap_or(path)
    }

    /// The number that was found.
    #[must_use]
    pub fn found(&self) -> i128 {
        integer_value(leaf_repr(self.found.layout), self.found.bits)
    }

    /// The name of the type that it is not a value of.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.found.layout.name()
    }
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LayoutKind::Enum { variants, repr } = self.found.layout.kind() else {
            let vec = self.found.layout.as_vec();
            let what = if vec.is_some() { "vector" } else { "`char`" };
            match self.path() {
                "" => write!(f, "a cell of a {what}")?,
                path => write!(f, "field `{path}`")?,
            }
            write!(f, " holds {}, which is not a ", self.found())?;
            return match vec {
                Some(vec) => write!(f, "length of a vector of at most {}", vec.capacity),
                None => f.write_str(what),
            };
        };
        match self.path() {
            "" => write!(f, "a cell of the enum `{}`", printable(self.type_name()))?,
            path => write!(f, "field `{path}`")?,
        }
        write!(f, " holds {}, which is ", self.found())?;
        write!(f, "not a variant of `{}` (", printable(self.type_name()))?;
        // Enough to see what was meant.
        for (number_of, variant) in variants.iter().take(8).enumerate() {
            let comma = if number_of > 0 { ", " } else { "" };
            write!(
                f,
                "{comma}{} = {}",
                printable(variant.name()),
                integer_value(repr, variant.bits())
            )?;
        }
        f.write_str(if variants.len() > 8 { ", ..)" } else { ")" })
    }
}

impl Error for InvalidValue {}

impl fmt::Debug for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} (")?;
        self.fmt_fields(f)?;
        f.write_str(")")
    }
}

impl Fields for InvalidValue {
    fn fmt_fields(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidValue")
            .field("path", &self.path())
            .field("found", &self.found())
            .field("type_name", &self.type_name())
            .finish()
    }
}
