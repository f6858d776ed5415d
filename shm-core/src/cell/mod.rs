//! Cells: the only way to shared bytes.
//!
//! No `&T` and no `&mut T` into shared memory ever exists. A [`ShmCell`] is a place that holds a `T`, and every
//! access to it is atomic: one relaxed access per leaf, of the leaf's own size (two of 8 bytes for 128-bit
//! numbers). Other processes may therefore write at the same time, and may write any bytes.

mod bulk;
pub(crate) mod checked;
pub(crate) mod copy;
mod debug;
mod impls;
mod leaf;
mod shm_cell;
mod show;
mod slice;
mod value;

pub(crate) use checked::validate;
pub use checked::{Checked, CheckedLeaf};
pub(crate) use debug::Value;
pub use leaf::{AnyLeaf, Leaf, Plain};
pub use shm_cell::ShmCell;
pub(crate) use show::{Offset, Text};
pub use slice::{ShmSlice, SliceIndex};
pub use value::ShmValue;
