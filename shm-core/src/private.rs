//! What the derive's expansion calls. Not part of the public interface: it changes without notice.

use crate::layout::{self, FieldLayout, ShmLayout, TypeLayout};

pub use crate::cell::Plain;
pub use crate::layout::refuse::Refused;

/// A field that has no place yet.
#[must_use]
pub const fn field(name: &'static str, layout: &'static TypeLayout) -> FieldLayout {
    FieldLayout::new(name, layout)
}

/// The layout of an array.
#[must_use]
pub const fn array(element: &'static TypeLayout, len: usize) -> TypeLayout {
    TypeLayout::array(element, len)
}

/// Gives the fields of a `repr(C)` struct their offsets.
#[must_use]
pub const fn place<const N: usize>(fields: [FieldLayout; N]) -> [FieldLayout; N] {
    layout::place(fields)
}

/// The layout of the struct `S`.
#[must_use]
pub const fn structure<S>(
    name: &'static str,
    version: u32,
    fields: &'static [FieldLayout],
) -> TypeLayout {
    TypeLayout::structure(name, version, size_of::<S>(), align_of::<S>(), fields)
}

/// Fails the build if the first padding of `S` lies behind this field.
#[track_caller]
pub const fn no_padding_after<S: ShmLayout>(number: usize) {
    layout::no_padding_after(S::LAYOUT, number);
}

/// The layout of a type that the derive has refused.
pub const REFUSED: TypeLayout = TypeLayout::refused();

/// [`REFUSED`], after the types of the fields have met their bounds.
#[must_use]
pub const fn refused(_: &[FieldLayout]) -> &'static TypeLayout {
    &REFUSED
}
