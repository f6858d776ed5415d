//! Layouts of primitive types, for unit tests. `ShmLayout` provides them elsewhere, but depends on this module.

use super::{ScalarKind, TypeLayout};

pub(crate) const U8: &TypeLayout = &TypeLayout::scalar(ScalarKind::U8, false, 1);
pub(crate) const I8: &TypeLayout = &TypeLayout::scalar(ScalarKind::I8, false, 1);
pub(crate) const U16: &TypeLayout = &TypeLayout::scalar(ScalarKind::U16, false, 2);
pub(crate) const I16: &TypeLayout = &TypeLayout::scalar(ScalarKind::I16, false, 2);
pub(crate) const U32: &TypeLayout = &TypeLayout::scalar(ScalarKind::U32, false, 4);
pub(crate) const I32: &TypeLayout = &TypeLayout::scalar(ScalarKind::I32, false, 4);
pub(crate) const ATOMIC_U32: &TypeLayout = &TypeLayout::scalar(ScalarKind::U32, true, 4);
pub(crate) const U64: &TypeLayout = &TypeLayout::scalar(ScalarKind::U64, false, 8);
pub(crate) const ATOMIC_U64: &TypeLayout = &TypeLayout::scalar(ScalarKind::U64, true, 8);
pub(crate) const U128: &TypeLayout =
    &TypeLayout::scalar(ScalarKind::U128, false, align_of::<u128>());
pub(crate) const F32: &TypeLayout = &TypeLayout::scalar(ScalarKind::F32, false, 4);
pub(crate) const F64: &TypeLayout = &TypeLayout::scalar(ScalarKind::F64, false, 8);

/// The layout of an array, written as its type is.
macro_rules! array {
    [$element:expr; $len:expr] => {
        const { &$crate::layout::TypeLayout::array($element, $len) }
    };
}

pub(crate) use array;
