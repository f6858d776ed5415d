//! What the derive's expansion calls. Not part of the public interface: it changes without notice.

use crate::layout::{self, FieldLayout, ShmLayout, TypeLayout};

pub use crate::cell::Plain;
pub use crate::layout::refuse::Refused;

/// A type that may be a field. It says the same as [`ShmLayout`], but error messages that end here do not list
/// all the types that are shareable.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot lie in shared memory",
    label = "not a type that processes can share",
    note = "if `{Self}` is a struct of yours, give it `#[derive(ShmLayout)]` and `#[repr(C)]`; otherwise store its \
            value in fields of fixed-width integers, floats, `bool`s, arrays or such structs"
)]
pub trait Share: ShmLayout {}

impl<T: ShmLayout> Share for T {}

/// A field that has no place yet.
#[must_use]
pub const fn field<T: Share>(name: &'static str) -> FieldLayout {
    FieldLayout::new(name, T::LAYOUT)
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
