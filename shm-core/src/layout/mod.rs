//! Which types can be shared, and how they lie in memory.

mod display;
mod fingerprint;
mod impls;
pub mod refuse;
mod scalar;
pub(crate) mod schema;
mod shm_layout;
mod type_layout;
mod verdict;

pub(crate) use fingerprint::Fnv;
pub(crate) use scalar::Step;
pub use scalar::{Scalar, ScalarKind, Variant};
pub use shm_layout::ShmLayout;
pub use type_layout::{FieldLayout, LayoutKind, TypeLayout};
pub(crate) use type_layout::{place, tag, unsized_extent};
pub(crate) use verdict::{
    assert_creatable, assert_has_tail, assert_no_padding_in, assert_shareable, has_drop,
    no_padding_after, pinned,
};
