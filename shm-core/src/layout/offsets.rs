//! Where the fields of a `repr(C)` struct lie.

use super::FieldLayout;

/// Size and alignment of a `repr(C)` struct that ends in a trailing slice, up to the slice. Nothing the compiler says
/// about an unsized type can be used in a constant, so this follows the rule of `repr(C)`.
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

/// Gives every field its offset by the rule of `repr(C)`: each at the next multiple of its alignment.
pub(crate) const fn with_offsets<const N: usize>(mut fields: [FieldLayout; N]) -> [FieldLayout; N] {
    let mut end = 0;
    let mut i = 0;
    while i < N {
        let layout = fields[i].layout;
        // Written out, as calls are what the compiler's interpreter spends its time on.
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
