//! Which types can be shared, and how they lie in memory.

mod fingerprint;
mod impls;
mod padding;
mod place;
pub mod refuse;
mod scalar;
pub(crate) mod schema;
mod shm_layout;
mod type_layout;

pub(crate) use fingerprint::Fnv;
pub(crate) use padding::{
    assert_has_tail, assert_shareable, assert_zero_is_valid, no_padding, no_padding_after,
};
pub(crate) use place::{place, unsized_extent};
pub(crate) use scalar::Step;
pub use scalar::{Scalar, ScalarKind, Variant};
pub use shm_layout::ShmLayout;
pub(crate) use type_layout::tag;
pub use type_layout::{FieldLayout, LayoutKind, TypeLayout};
