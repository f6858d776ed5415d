//! Layouts as data: sizes, offsets, kinds and names of everything in a shared type.
//!
//! Every [`ShmLayout`](crate::ShmLayout) type has its layout as the constant [`LAYOUT`](crate::ShmLayout::LAYOUT), a
//! [`TypeLayout`]. Its [`kind`](TypeLayout::kind) leads to the layouts of its parts, down to [`Scalar`]s:
//!
//! ```
//! use shm_core::ShmLayout;
//! use shm_core::layout::{LayoutKind, ScalarKind};
//!
//! #[derive(ShmLayout)]
//! #[repr(C)]
//! struct Sample { time: u64, values: [f32; 4] }
//!
//! let values = &Sample::LAYOUT.fields()[1];
//! assert_eq!((values.name(), values.offset()), ("values", 8));
//! let LayoutKind::Array { element, len, .. } = values.layout().kind() else {
//!     panic!("not an array");
//! };
//! let LayoutKind::Scalar(scalar) = element.kind() else {
//!     panic!("not a scalar");
//! };
//! assert_eq!((scalar.kind(), len), (ScalarKind::F32, 4));
//! ```

mod check;
mod display;
pub(crate) mod fingerprint;
pub(crate) mod meaning;
mod offsets;
mod placement;
mod scalar;
pub(crate) mod schema;
#[cfg(test)]
pub(crate) mod test_layouts;
mod type_layout;

pub(crate) use check::{
    all_pinned, assert_creatable, assert_has_tail, assert_shareable, elements_have_bytes, no_copy,
    no_drop, no_padding, no_padding_after, pinned,
};
pub(crate) use display::{Row, Table, TypeName, printable};
pub(crate) use fingerprint::fnv;
pub(crate) use meaning::{QueueLayout, SeqLockLayout};
pub(crate) use offsets::{NamedLayout, named_with_offsets, prefix_extent, with_offsets};
pub(crate) use placement::{CACHE_LINE, HEADER_LEN, PAYLOAD_ALIGN, payload_offset, round_up};
pub(crate) use scalar::{AccessWidth, integer_value, sign_extend};
pub use scalar::{Scalar, ScalarKind, Variant};
pub use type_layout::{FieldLayout, LayoutKind, OffsetTarget, TypeLayout};
pub(crate) use type_layout::{leaf_repr, tag};
