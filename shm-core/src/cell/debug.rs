//! `Debug`: handles, cells and slices print the values that they hold, as the type's own `Debug` would.

use std::fmt;

use super::{Leaf, ShmCell, ShmSlice};
use crate::access::Access;
use crate::layout::{LayoutKind, ScalarKind, ShmLayout, TypeLayout};

/// A value somewhere in shared memory, together with what it is.
pub(crate) struct Value<'a> {
    /// # Invariants
    ///
    /// 1. Live for the lifetime of the borrow that made it, aligned for the layout, readable, and only accessed
    ///    atomically.
    at: *const u8,
    layout: &'a TypeLayout,
}

impl<'a> Value<'a> {
    fn of<T: ShmLayout, A: Access>(cell: &'a ShmCell<T, A>) -> Self {
        Self {
            at: cell.as_ptr().cast(),
            layout: T::LAYOUT,
        }
    }

    /// The value of `layout` at `offset` within this one, which holds one there.
    fn part(&self, offset: usize, layout: &'a TypeLayout) -> Self {
        Self {
            at: self.at.wrapping_add(offset),
            layout,
        }
    }

    fn leaf<T: Leaf>(&self) -> T {
        // SAFETY: the layout says that a `T` lies here; live, aligned and readable by invariant 1.
        unsafe { T::load(self.at.cast_mut().cast()) }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layout.kind() {
            LayoutKind::Scalar(scalar) => match scalar.kind() {
                ScalarKind::U8 => self.leaf::<u8>().fmt(f),
                ScalarKind::U16 => self.leaf::<u16>().fmt(f),
                ScalarKind::U32 => self.leaf::<u32>().fmt(f),
                ScalarKind::U64 => self.leaf::<u64>().fmt(f),
                ScalarKind::U128 => self.leaf::<u128>().fmt(f),
                ScalarKind::I8 => self.leaf::<i8>().fmt(f),
                ScalarKind::I16 => self.leaf::<i16>().fmt(f),
                ScalarKind::I32 => self.leaf::<i32>().fmt(f),
                ScalarKind::I64 => self.leaf::<i64>().fmt(f),
                ScalarKind::I128 => self.leaf::<i128>().fmt(f),
                ScalarKind::F32 => self.leaf::<f32>().fmt(f),
                ScalarKind::F64 => self.leaf::<f64>().fmt(f),
                ScalarKind::Bool => self.leaf::<bool>().fmt(f),
            },
            LayoutKind::Array { element, len } => f
                .debug_list()
                .entries((0..len).map(|i| self.part(i * element.size(), element)))
                .finish(),
            LayoutKind::Struct { fields, .. } => {
                let parts = fields
                    .iter()
                    .map(|field| (field.name(), self.part(field.offset(), field.layout())));
                // A tuple struct's first field is called 0, which no named field can be.
                if fields.first().is_some_and(|field| field.name() == "0") {
                    let mut tuple = f.debug_tuple(self.layout.name());
                    parts.for_each(|(_, value)| {
                        tuple.field(&value);
                    });
                    tuple.finish()
                } else {
                    let mut all = f.debug_struct(self.layout.name());
                    parts.for_each(|(name, value)| {
                        all.field(name, &value);
                    });
                    all.finish()
                }
            }
        }
    }
}

impl<T: ShmLayout, A: Access> fmt::Debug for ShmCell<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Value::of(self).fmt(f)
    }
}

impl<T: ShmLayout, A: Access> fmt::Debug for ShmSlice<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
