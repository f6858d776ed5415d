//! What to write: each part of a value becomes the accesses of its leaves.

use std::fmt::{self, Write as _};

use crate::cell::{AnyLeaf, ShmCell};
use crate::collections::write_text;
use crate::dynamic::DynValue;
use crate::dynamic::error::DynError;
use crate::dynamic::name::Name;
use crate::layout::{FieldLayout, LayoutKind, ScalarKind, TypeLayout, TypeName, meaning};
use crate::primitive::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

pub(super) const WORD: &str = "only the protocol of the type writes its words";
const PROTECTED: &str = "a lock protects it; set it by its own path";
pub(super) const UNKNOWN: &str =
    "it has a type of a later format, which this version does not know";

/// One access, or those of a text.
enum Write {
    Leaf {
        offset: usize,
        bits: u128,
        size: usize,
        /// Whether it is stored with release ordering.
        releases: bool,
    },
    Text {
        offset: usize,
        capacity: usize,
        text: Vec<u8>,
    },
}

/// What to write, in this order.
pub(super) struct Plan {
    writes: Vec<Write>,
    /// The path of the part that is checked.
    path: String,
}

pub(super) type Result<T = (), E = DynError> = std::result::Result<T, E>;

impl Plan {
    /// An empty plan for the part with this path.
    pub(super) const fn new(path: String) -> Self {
        Self {
            writes: Vec::new(),
            path,
        }
    }

    pub(super) fn wrong<T>(&self, reason: impl Into<String>) -> Result<T> {
        Err(DynError::WrongValue {
            path: self.shown_path(),
            reason: reason.into(),
        })
    }

    fn shown_path(&self) -> String {
        let path = self.path.strip_prefix('.').unwrap_or(&self.path);
        if path.is_empty() { "." } else { path }.to_owned()
    }

    fn within(
        &mut self,
        part: fmt::Arguments<'_>,
        add: impl FnOnce(&mut Self) -> Result,
    ) -> Result {
        let len = self.path.len();
        // Writing to a `String` does not fail.
        let _ = self.path.write_fmt(part);
        add(self)?;
        self.path.truncate(len);
        Ok(())
    }

    /// Adds what writes `value` to the part of `layout` at `offset`.
    pub(super) fn add(
        &mut self,
        offset: usize,
        layout: &'static TypeLayout,
        tail: usize,
        value: &DynValue,
    ) -> Result {
        match layout.kind() {
            LayoutKind::Scalar(scalar) => {
                let bits = self.scalar(scalar.kind(), value)?;
                self.leaf(offset, scalar.kind(), bits, scalar.is_atomic());
                Ok(())
            }
            LayoutKind::Enum { repr, variants } => {
                let bits = self.variant(layout, repr, variants, value)?;
                self.leaf(offset, repr, bits.into(), false);
                Ok(())
            }
            LayoutKind::Array { element, len } => self.elements(offset, element, len, value),
            LayoutKind::Slice { element } => self.elements(offset, element, tail, value),
            LayoutKind::Struct { fields, .. } => self.fields(offset, fields, tail, value),
            LayoutKind::Meaning { meaning, inner, .. } => match meaning {
                meaning::STR => self.text(offset, inner.size(), value),
                meaning::OFFSET => self.add(offset, inner, 0, value),
                meaning::VEC => self.vector(offset, layout, value),
                meaning::MUTEX | meaning::SEQLOCK => self.not_settable(PROTECTED),
                _ => self.not_settable(WORD),
            },
            LayoutKind::Unknown { .. } => self.not_settable(UNKNOWN),
        }
    }

    fn not_settable(&self, reason: &'static str) -> Result {
        Err(DynError::NotSettable {
            path: self.shown_path(),
            reason,
        })
    }

    fn leaf(&mut self, offset: usize, kind: ScalarKind, bits: u128, releases: bool) {
        self.writes.push(Write::Leaf {
            offset,
            bits,
            size: kind.size(),
            releases,
        });
    }

    pub(super) fn elements(
        &mut self,
        offset: usize,
        element: &'static TypeLayout,
        len: usize,
        value: &DynValue,
    ) -> Result {
        match value {
            DynValue::List(values) if values.len() == len => {
                self.each_element(offset, element, values)
            }
            DynValue::List(values) => self.wrong(format!(
                "it has {len} elements, and the list has {}",
                values.len()
            )),
            other => self.wrong(format!(
                "it takes a list of {len} values of type `{}`, and not {}",
                shown(element),
                other.kind()
            )),
        }
    }

    fn each_element(
        &mut self,
        offset: usize,
        element: &'static TypeLayout,
        values: &[DynValue],
    ) -> Result {
        for (number, value) in values.iter().enumerate() {
            self.within(format_args!("[{number}]"), |plan| {
                plan.add(offset + number * element.size(), element, 0, value)
            })?;
        }
        Ok(())
    }

    fn vector(&mut self, offset: usize, layout: &'static TypeLayout, value: &DynValue) -> Result {
        let Some(vec) = layout.as_vec() else {
            return self.not_settable(WORD);
        };
        match value {
            DynValue::List(values) if values.len() <= vec.capacity => {
                self.each_element(offset + vec.items, vec.element, values)?;
                // A reader that sees the length sees the elements.
                self.leaf(offset, ScalarKind::U64, values.len() as u128, true);
                Ok(())
            }
            DynValue::List(values) => self.wrong(format!(
                "it has room for {} elements, and the list has {}",
                vec.capacity,
                values.len()
            )),
            other => self.wrong(format!(
                "it takes a list of at most {} values of type `{}`, and not {}",
                vec.capacity,
                shown(vec.element),
                other.kind()
            )),
        }
    }

    fn fields(
        &mut self,
        offset: usize,
        fields: &'static [FieldLayout],
        tail: usize,
        value: &DynValue,
    ) -> Result {
        let DynValue::Struct(values) = value else {
            return self.wrong(format!(
                "it is a struct, which takes `{{name: value, ..}}`, and not {}",
                value.kind()
            ));
        };
        for (name, value) in values {
            let Some(field) = fields.iter().find(|field| field.name() == name) else {
                return self.wrong(format!("the struct has no field `{}`", Name(name)));
            };
            let dot = if self.path.is_empty() { "" } else { "." };
            self.within(format_args!("{dot}{}", Name(name)), |plan| {
                plan.add(offset + field.offset(), field.layout(), tail, value)
            })?;
        }
        Ok(())
    }

    fn text(&mut self, offset: usize, capacity: usize, value: &DynValue) -> Result {
        let text = match value {
            DynValue::Str(text) => text.as_bytes(),
            DynValue::Bytes(bytes) => bytes,
            other => {
                return self.wrong(format!(
                    "it is text, which is written as `\"..\"`, and not {}",
                    other.kind()
                ));
            }
        };
        if text.contains(&0) {
            return self.wrong("text ends at a NUL, so it cannot have one");
        }
        if text.len() > capacity {
            return self.wrong(format!(
                "it has room for {capacity} bytes, and the text has {}",
                text.len()
            ));
        }
        self.writes.push(Write::Text {
            offset,
            capacity,
            text: text.to_vec(),
        });
        Ok(())
    }

    /// Writes all of it.
    ///
    /// # Safety
    ///
    /// `at` points to the part that the plan was made for: live, aligned, writable, and only accessed atomically.
    pub(super) unsafe fn write(&self, at: *mut u8) {
        for write in &self.writes {
            match write {
                Write::Leaf {
                    offset,
                    bits,
                    size,
                    releases,
                } => {
                    let at = at.wrapping_add(*offset);
                    // SAFETY: by the caller; the part has a leaf of this size there.
                    unsafe { store(at, *bits, *size, *releases) };
                }
                Write::Text {
                    offset,
                    capacity,
                    text,
                } => {
                    let at = at.wrapping_add(*offset).cast::<ShmCell<u8>>();
                    // SAFETY: by the caller; the part has an array of so many bytes there, each of which is a cell that may be
                    // written.
                    let bytes = unsafe { std::slice::from_raw_parts(at, *capacity) };
                    write_text(bytes, text);
                }
            }
        }
    }
}

/// A type's name, for a message. A name from a segment may be long, and may have control characters.
pub(super) fn shown(layout: &TypeLayout) -> String {
    let name = TypeName(layout).to_string();
    let short: String = name.chars().take(100).collect();
    short.escape_debug().to_string()
}

/// Stores a leaf of `size` bytes.
///
/// # Safety
///
/// `at` points to a leaf of this size: live, aligned, writable, and only accessed atomically.
unsafe fn store(at: *mut u8, bits: u128, size: usize, releases: bool) {
    macro_rules! store {
        ($ty:ty, $atomic:ty) => {{
            let bits = bits as $ty;
            if releases {
                // SAFETY: by the caller.
                let word = unsafe { <$atomic>::from_ptr(at.cast()) };
                word.store(bits, Ordering::Release);
            } else {
                // SAFETY: by the caller.
                unsafe { <$ty>::store(at.cast(), bits) };
            }
        }};
    }
    match size {
        1 => store!(u8, AtomicU8),
        2 => store!(u16, AtomicU16),
        4 => store!(u32, AtomicU32),
        8 => store!(u64, AtomicU64),
        // SAFETY: by the caller: two leaves of eight bytes.
        _ => unsafe { u128::store(at.cast(), bits) },
    }
}
