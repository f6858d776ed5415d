//! Which types can be shared, and how they lie in memory.

mod fingerprint;
mod impls;
mod padding;
pub mod refuse;
pub(crate) mod schema;
mod shm_layout;
mod type_layout;

pub(crate) use fingerprint::Fnv;
pub(crate) use padding::{assert_shareable, no_padding_after};
pub use shm_layout::ShmLayout;
pub use type_layout::{FieldLayout, LayoutKind, Scalar, ScalarKind, TypeLayout};
pub(crate) use type_layout::{Step, place};
