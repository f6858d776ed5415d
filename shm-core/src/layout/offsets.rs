//! The offsets of fields in a `repr(C)` struct.

use super::{FieldLayout, TypeLayout};

/// The size up to the slice, and the alignment, of a `repr(C)` struct that ends in a slice.
///
/// In a constant the compiler provides neither for an unsized type, so this applies the rule of `repr(C)`.
pub(crate) const fn prefix_extent(fields: &[FieldLayout], min_align: usize) -> (usize, usize) {
    let (mut end, mut align, mut i) = (0, min_align, 0);
    while i < fields.len() {
        end = fields[i].offset + fields[i].layout.size;
        if fields[i].layout.align > align {
            align = fields[i].layout.align;
        }
        i += 1;
    }
    (end, align)
}

/// A field as the derive describes it.
#[derive(Clone, Copy, Debug)]
pub struct NamedLayout {
    pub(crate) name: &'static str,
    /// The [`fnv`](super::fnv) of the name.
    pub(crate) hash: u64,
    /// The layout of the field's type.
    pub(crate) layout: &'static TypeLayout,
}

/// The fields, with offsets by the rule of `repr(C)`: the next multiple of their alignment.
pub(crate) const fn named_with_offsets<const N: usize>(
    fields: &[NamedLayout; N],
) -> [FieldLayout; N] {
    const NONE: FieldLayout = FieldLayout::new("", &TypeLayout::refused());
    let (mut found, mut end, mut i) = ([NONE; N], 0, 0);
    while i < N {
        let NamedLayout { name, hash, layout } = fields[i];
        // Written out, because calls are slow in constant evaluation.
        let over = end % layout.align;
        if over > 0 {
            end += layout.align - over;
        }
        found[i] = FieldLayout {
            name,
            offset: end,
            layout,
            since: 0,
            name_hash: hash,
        };
        end += layout.size;
        i += 1;
    }
    found
}

/// [`named_with_offsets`] of fields whose offsets are not set yet.
pub(crate) const fn with_offsets<const N: usize>(mut fields: [FieldLayout; N]) -> [FieldLayout; N] {
    let mut end = 0;
    let mut i = 0;
    while i < N {
        let layout = fields[i].layout;
        // Written out, because calls are slow in constant evaluation.
        let over = end % layout.align;
        if over > 0 {
            end += layout.align - over;
        }
        fields[i].offset = end;
        end += layout.size;
        i += 1;
    }
    fields
}
