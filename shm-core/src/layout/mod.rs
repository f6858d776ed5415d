//! Layouts as data: which types can be shared, and what their bytes mean.

mod check;
mod display;
mod fingerprint;
pub(crate) mod meaning;
mod offsets;
mod scalar;
pub(crate) mod schema;
mod type_layout;

pub(crate) use check::{
    assert_creatable, assert_has_tail, assert_shareable, elements_have_bytes, no_drop, no_padding,
    no_padding_after, pinned,
};
pub(crate) use display::TypeName;
pub(crate) use fingerprint::Fnv;
pub(crate) use offsets::{prefix_extent, with_offsets};
pub(crate) use scalar::{AccessWidth, integer_value, sign_extend};
pub use scalar::{Scalar, ScalarKind, Variant};
pub use type_layout::{FieldLayout, LayoutKind, TypeLayout};
pub(crate) use type_layout::{leaf_repr, tag};
