//! Finds padding and explains how to remove it.

use super::const_string::ConstString;
use super::levels::{self, Gaps};
use crate::layout::{FieldLayout, LayoutKind, ScalarKind, TypeLayout};

/// The size of the padding after the field with this number, and its offset.
const fn gap(layout: &TypeLayout, number: usize) -> (usize, usize) {
    let fields = layout.fields();
    let end = fields[number].offset() + fields[number].layout().size();
    let next = if number + 1 < fields.len() {
        fields[number + 1].offset()
    } else {
        layout.size()
    };
    // If the compiler's size is smaller than expected there is no gap, but `padded` is still set.
    (next.saturating_sub(end), end)
}

/// The number of the first field that padding follows, unless padding is allowed.
pub(crate) const fn first_gap(layout: &TypeLayout) -> Option<usize> {
    if layout.level() > 0 {
        return match Gaps::new().next(layout) {
            Some(gap) if !layout.allows_gaps() => Some(gap.after),
            _ => None,
        };
    }
    let mut number = 0;
    while number < layout.fields().len() && !layout.allows_gaps() {
        if gap(layout, number).0 > 0 {
            return Some(number);
        }
        number += 1;
    }
    None
}

/// Whether the struct is a tuple struct: some field has its index as its name. Others may have been renamed.
pub(super) const fn is_tuple(fields: &[FieldLayout]) -> bool {
    let mut number = 0;
    while number < fields.len() {
        if equal(
            fields[number].name(),
            ConstString::new().number(number).as_str(),
        ) {
            return true;
        }
        number += 1;
    }
    false
}

/// `_pad`, `_pad1`, `_pad2` and so on.
const fn pad_name(number: usize) -> ConstString {
    let text = ConstString::new().add("_pad");
    if number == 0 {
        text
    } else {
        text.number(number)
    }
}

/// The first number, starting at `number`, whose [`pad_name`] is not the name of a field.
const fn first_free_pad(fields: &[FieldLayout], mut number: usize) -> usize {
    let mut at = 0;
    while at < fields.len() {
        if equal(fields[at].name(), pad_name(number).as_str()) {
            number += 1;
            at = 0;
        } else {
            at += 1;
        }
    }
    number
}

const fn equal(a: &str, b: &str) -> bool {
    a.len() == b.len() && begins(a, b)
}

const fn begins(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() < b.len() {
        return false;
    }
    let mut at = 0;
    while at < b.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The length that an explicit padding field, which is itself followed by padding, should have: the smallest that leaves
/// no gap after it and does not change the gaps after later fields. `None` if the field is not explicit padding.
const fn corrected_len(layout: &TypeLayout, number: usize) -> Option<usize> {
    let fields = layout.fields();
    let LayoutKind::Array { element, len } = fields[number].layout().kind() else {
        return None;
    };
    let LayoutKind::Scalar(scalar) = element.kind() else {
        return None;
    };
    let is_byte = matches!(scalar.kind(), ScalarKind::U8) && !scalar.is_atomic();
    if !is_byte || !begins(fields[number].name(), pad_name(0).as_str()) {
        return None;
    }
    // The later fields, and the end unless it is a slice, may only move by a multiple of their largest alignment.
    let mut align = if layout.tail_stride().is_some() {
        1
    } else {
        layout.align()
    };
    let mut later = number + 1;
    while later < fields.len() {
        if fields[later].layout().align() > align {
            align = fields[later].layout().align();
        }
        later += 1;
    }
    Some((len + gap(layout, number).0) % align)
}

/// Appends the declaration of a padding field of `bytes` bytes, whose name has the number `pad` or a later one. Returns the next
/// number as well.
pub(super) const fn add_pad(
    mut text: ConstString,
    layout: &TypeLayout,
    tuple: bool,
    mut pad: usize,
    bytes: usize,
) -> (ConstString, usize) {
    // A private field would rule out the struct's literals elsewhere.
    if layout.fields_are_public() {
        text = text.add("pub ");
    }
    if !tuple {
        pad = first_free_pad(layout.fields(), pad);
        text = text.add(pad_name(pad).as_str()).add(": ");
        pad += 1;
    }
    (text.add("[u8; ").number(bytes).add("]` there"), pad)
}

/// Whether the fields contain a sync type, so that the struct cannot be `Copy`.
const fn holds_sync(fields: &[FieldLayout]) -> bool {
    let mut number = 0;
    while number < fields.len() {
        if is_sync(fields[number].layout()) {
            return true;
        }
        number += 1;
    }
    false
}

const fn is_sync(layout: &TypeLayout) -> bool {
    match layout.kind() {
        LayoutKind::Scalar(_) | LayoutKind::Enum { .. } | LayoutKind::Unknown { .. } => false,
        LayoutKind::Array { element, .. } | LayoutKind::Slice { element } => is_sync(element),
        LayoutKind::Struct { fields, .. } => holds_sync(fields),
        LayoutKind::Meaning { meaning, .. } => {
            !matches!(meaning.as_bytes(), b"str" | b"vec" | b"offset")
        }
    }
}

/// The error message: where the padding is, and what to write.
pub(super) const fn explain(layout: &TypeLayout) -> ConstString {
    if layout.level() > 0 {
        return levels::explain_gaps(layout);
    }
    let fields = layout.fields();
    let mut text = ConstString::new()
        .add("`")
        .add(layout.name())
        .add(if layout.unreported() {
            "` has padding with these arguments, bytes that belong to no field: "
        } else {
            "` has padding, bytes that belong to no field: "
        });
    let tuple = is_tuple(fields);
    let (mut number, mut gaps, mut pad) = (0, 0, 0);
    let (mut total, mut added) = (0, 0);
    while number < fields.len() {
        let (bytes, _) = gap(layout, number);
        if bytes > 0 {
            if gaps > 0 {
                text = text.add("; ");
            }
            let name = fields[number].name();
            text = text
                .number(bytes)
                .add(if bytes == 1 {
                    " byte after `"
                } else {
                    " bytes after `"
                })
                .add(name);
            text = match corrected_len(layout, number) {
                Some(0) => text.add("`, remove `").add(name).add("`"),
                Some(len) => text
                    .add("`, write `")
                    .add(name)
                    .add(": [u8; ")
                    .number(len)
                    .add("]`"),
                None => {
                    added += bytes;
                    (text, pad) = add_pad(text.add("`, add `"), layout, tuple, pad, bytes);
                    text
                }
            };
            gaps += 1;
            total += bytes;
        }
        number += 1;
    }
    // Ordered by decreasing alignment, the fields have no gaps between them and could only have one at the end. Not
    // suggested to authors who have added padding fields, as they have chosen the order.
    if gaps > 0 && added == total && (layout.size() - total).is_multiple_of(layout.align()) {
        text = text.add("; or order the fields from the largest alignment to the smallest");
    }
    // A fix for this instance of a generic struct may add padding to another.
    if gaps > 0 && layout.unreported() {
        text = text.add("; or use it with arguments that leave none");
    }
    if gaps > 0 && may_allow_gaps(layout) {
        text = text.add(ALLOW_GAPS);
    }
    text
}

/// Whether [`ALLOW_GAPS`] is a remedy.
pub(super) const fn may_allow_gaps(layout: &TypeLayout) -> bool {
    layout.is_known_not_copy() || holds_sync(layout.fields())
}

pub(super) const ALLOW_GAPS: &str = "; or write `#[shm(padding)]` on the struct, which leaves the bytes unused and rules out `Copy`";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::test_layouts::{U8, U16, U32, U64, U128, array};
    use crate::layout::with_offsets;

    const A: &TypeLayout = &TypeLayout::structure(
        "Mixed",
        0,
        24,
        8,
        const {
            &with_offsets([
                FieldLayout::new("flags", U32),
                FieldLayout::new("mode", U64),
                FieldLayout::new("last", U8),
            ])
        },
    );

    #[test]
    fn all_gaps_are_listed_with_a_remedy_each() {
        assert_eq!(
            explain(A).as_str(),
            "`Mixed` has padding, bytes that belong to no field: 4 bytes after `flags`, add `_pad: [u8; 4]` there; \
             7 bytes after `last`, add `_pad1: [u8; 7]` there"
        );
        assert_eq!(first_gap(A), Some(0));
        assert!(A.padded());
    }

    #[test]
    fn padding_of_public_fields_is_public() {
        const PUBLIC: &TypeLayout = &TypeLayout::structure(
            "Public",
            0,
            16,
            8,
            const {
                &with_offsets([
                    FieldLayout::new("flags", U32),
                    FieldLayout::new("mode", U64),
                ])
            },
        )
        .with_public_fields();
        assert_eq!(
            explain(PUBLIC).as_str(),
            "`Public` has padding, bytes that belong to no field: 4 bytes after `flags`, add `pub _pad: [u8; 4]` there"
        );
    }

    #[test]
    fn suggested_names_are_unused_and_renames_count_as_names() {
        const PADDED: &TypeLayout = &TypeLayout::structure(
            "Padded",
            0,
            32,
            8,
            const {
                &with_offsets([
                    FieldLayout::new("0x", U32),
                    FieldLayout::new("_pad", U64),
                    FieldLayout::new("a", U8),
                    FieldLayout::new("_pad2", U64),
                ])
            },
        );
        assert_eq!(
            explain(PADDED).as_str(),
            "`Padded` has padding, bytes that belong to no field: 4 bytes after `0x`, add `_pad1: [u8; 4]` there; 7 bytes \
             after `a`, add `_pad3: [u8; 7]` there"
        );
        const NUMBERED: &TypeLayout = &TypeLayout::structure(
            "Numbered",
            0,
            16,
            8,
            const { &with_offsets([FieldLayout::new("first", U64), FieldLayout::new("1", U32)]) },
        );
        assert!(
            explain(NUMBERED)
                .as_str()
                .ends_with("4 bytes after `1`, add `[u8; 4]` there")
        );
    }

    #[test]
    fn reordering_is_suggested_if_it_removes_all_gaps() {
        const SWAPPED: &TypeLayout = &TypeLayout::structure(
            "Swapped",
            0,
            24,
            8,
            const {
                &with_offsets([
                    FieldLayout::new("a", U32),
                    FieldLayout::new("b", U64),
                    FieldLayout::new("c", U32),
                ])
            },
        );
        assert!(
            explain(SWAPPED)
                .as_str()
                .ends_with("; or order the fields from the largest alignment to the smallest")
        );
    }

    const fn bytes<const N: usize>() -> &'static TypeLayout {
        array![U8; N]
    }

    #[test]
    fn padding_fields_get_the_correct_length() {
        // The next field is aligned to 128 bytes: 68 bytes of padding are 4 too many, and 64 suffice.
        const LINE: &TypeLayout = &TypeLayout::structure(
            "Line",
            0,
            128,
            128,
            const { &with_offsets([FieldLayout::new("bytes", array![U64; 16])]) },
        );
        const LONG: &TypeLayout = &TypeLayout::structure(
            "Long",
            0,
            384,
            128,
            const {
                &with_offsets([
                    FieldLayout::new("head", array![U64; 8]),
                    FieldLayout::new("_pad", bytes::<68>()),
                    FieldLayout::new("line", LINE),
                ])
            },
        );
        assert_eq!(
            explain(LONG).as_str(),
            "`Long` has padding, bytes that belong to no field: 124 bytes after `_pad`, write `_pad: [u8; 64]`"
        );

        const SHORT: &TypeLayout = &TypeLayout::structure(
            "Short",
            0,
            32,
            8,
            const {
                &with_offsets([
                    FieldLayout::new("a", U8),
                    FieldLayout::new("_pad_a", bytes::<2>()),
                    FieldLayout::new("b", U64),
                    FieldLayout::new("_pad_b", bytes::<3>()),
                    FieldLayout::new("c", U64),
                ])
            },
        );
        assert_eq!(
            explain(SHORT).as_str(),
            "`Short` has padding, bytes that belong to no field: 5 bytes after `_pad_a`, write `_pad_a: [u8; 7]`; 5 bytes \
             after `_pad_b`, remove `_pad_b`"
        );
    }

    #[test]
    fn corrected_padding_preserves_later_alignment() {
        // With 4 bytes instead of 5, `b` would be at offset 8, and 8 bytes of padding would follow before `d`.
        const STEP: &TypeLayout = &TypeLayout::structure(
            "AccessWidth",
            0,
            48,
            16,
            const {
                &with_offsets([
                    FieldLayout::new("a", U32),
                    FieldLayout::new("_pad", bytes::<5>()),
                    FieldLayout::new("b", U64),
                    FieldLayout::new("c", U64),
                    FieldLayout::new("d", U128),
                ])
            },
        );
        assert!(
            explain(STEP)
                .as_str()
                .ends_with(": 7 bytes after `_pad`, write `_pad: [u8; 12]`"),
            "{}",
            explain(STEP).as_str()
        );
    }

    #[test]
    fn fields_that_are_not_padding_keep_their_length() {
        const DATA: &TypeLayout = &TypeLayout::structure(
            "Data",
            0,
            24,
            8,
            const {
                &with_offsets([
                    FieldLayout::new("pad", bytes::<3>()),
                    FieldLayout::new("a", U64),
                    FieldLayout::new("_padding", array![U16; 1]),
                ])
            },
        );
        assert_eq!(
            explain(DATA).as_str(),
            "`Data` has padding, bytes that belong to no field: 5 bytes after `pad`, add `_pad: [u8; 5]` there; 6 bytes after \
             `_padding`, add `_pad1: [u8; 6]` there"
        );
    }
}
