//! Checks of structs that have grown, and their error messages.

use super::const_string::ConstString;
use super::padding::{ALLOW_GAPS, add_pad, is_tuple, may_allow_gaps};
use super::zero;

use crate::layout::placement::PAYLOAD_ALIGN;
use crate::layout::{FieldLayout, TypeLayout};

/// Whether this field cannot be one that a later level adds.
pub(super) const fn is_wrong_field(layout: &TypeLayout, number: usize) -> bool {
    let field = &layout.fields()[number];
    field.since() > 0
        && (!field.layout().zero_is_valid()
            || is_aligned_too_far(layout, field)
            || follows_nothing(layout, number))
}

/// The first field for which [`is_wrong_field`] holds.
pub(crate) const fn first_wrong_field(layout: &TypeLayout) -> Option<usize> {
    if layout.level() == 0 {
        return None;
    }
    let mut number = 0;
    while number < layout.fields().len() {
        if is_wrong_field(layout, number) {
            return Some(number);
        }
        number += 1;
    }
    None
}

/// Whether a segment that a program of level 0 has created may not align the field.
const fn is_aligned_too_far(layout: &TypeLayout, field: &FieldLayout) -> bool {
    let align = field.layout().align();
    align > PAYLOAD_ALIGN && align > layout.level_align(0)
}

/// Whether the field is the first after level 0, which is zero-sized.
const fn follows_nothing(layout: &TypeLayout, number: usize) -> bool {
    number == layout.level_fields(0).len() && layout.level_size(0) == 0
}

/// The error message for a field for which [`is_wrong_field`] holds.
pub(super) const fn explain_field(layout: &TypeLayout, number: usize) -> ConstString {
    let field = &layout.fields()[number];
    let text = ConstString::new().add("field `").add(field.name());
    if !field.layout().zero_is_valid() {
        let (path, part) = zero::find(field.layout());
        let mut text = text
            .add("` has `since = ")
            .number(field.since() as usize)
            .add("`: in an older segment it is all zeros, but ");
        text = if path.as_str().is_empty() {
            text.add("the enum `").add(part.name()).add("` has ")
        } else {
            text.add("its `")
                .add(path.as_str())
                .add("` is the enum `")
                .add(part.name())
                .add("`, which has ")
        };
        return text
            .add("no variant of value 0; give `")
            .add(part.name())
            .add("` such a variant");
    }
    if is_aligned_too_far(layout, field) {
        return text
            .add("` is aligned to ")
            .number(field.layout().align())
            .add(" bytes, but older segments of `")
            .add(layout.name())
            .add("` begin at any multiple of ")
            .number(PAYLOAD_ALIGN)
            .add("; write a type that is aligned to at most ")
            .number(PAYLOAD_ALIGN)
            .add(" bytes");
    }
    text.add("` has `since = ")
        .number(field.since() as usize)
        .add("`, but level 0 of `")
        .add(layout.name())
        .add("` is zero-sized, so older programs have nothing to share; remove this `since`, or add a field that has a size before it")
}

/// The gaps of a struct with levels, each of which must be free of padding. Later fields are placed as if the gaps before them
/// were filled.
pub(super) struct Gaps {
    next: usize,
    end: usize,
    /// Whether the end of the level before the next field has been looked at.
    is_level_complete: bool,
}

/// Some bytes of padding.
pub(super) struct Gap {
    /// The number of the field before them.
    pub(super) after: usize,
    len: usize,
    /// The level that they are a part of.
    level: u32,
}

impl Gaps {
    pub(super) const fn new() -> Self {
        Self {
            next: 0,
            end: 0,
            is_level_complete: true,
        }
    }

    const fn gap(&mut self, after: usize, align: usize, level: u32) -> Option<Gap> {
        let len = self.end.next_multiple_of(align) - self.end;
        if len == 0 {
            return None;
        }
        self.end += len;
        Some(Gap { after, len, level })
    }

    pub(super) const fn next(&mut self, layout: &TypeLayout) -> Option<Gap> {
        let fields = layout.fields();
        loop {
            if !self.is_level_complete {
                self.is_level_complete = true;
                let last = self.next - 1;
                let level = fields[last].since();
                let is_last = self.next == fields.len() || fields[self.next].since() > level;
                if is_last && let Some(gap) = self.gap(last, layout.level_align(level), level) {
                    return Some(gap);
                }
            }
            if self.next == fields.len() {
                return None;
            }
            let field = &fields[self.next];
            // Nothing is in front of the first field.
            if let Some(gap) = self.gap(
                self.next.saturating_sub(1),
                field.layout().align(),
                field.since(),
            ) {
                return Some(gap);
            }
            self.end += field.layout().size();
            self.next += 1;
            self.is_level_complete = false;
        }
    }
}

/// The error message for padding in a struct with levels.
pub(super) const fn explain_gaps(layout: &TypeLayout) -> ConstString {
    let mut text = ConstString::new().add("`").add(layout.name()).add(
        "` has padding, bytes that belong to no field, and each of its levels must have none: ",
    );
    let fields = layout.fields();
    let tuple = is_tuple(fields);
    let (mut gaps, mut count, mut pad) = (Gaps::new(), 0, 0);
    while let Some(Gap { after, len, level }) = gaps.next(layout) {
        if count > 0 {
            text = text.add("; ");
        }
        count += 1;
        text = text
            .add("level ")
            .number(level as usize)
            .add(" lacks ")
            .number(len)
            .add(if len == 1 {
                " byte after `"
            } else {
                " bytes after `"
            })
            .add(fields[after].name())
            .add("`, add `");
        if level > 0 {
            text = text.add("#[shm(since = ").number(level as usize).add(")] ");
        }
        (text, pad) = add_pad(text, layout, tuple, pad, len);
    }
    if may_allow_gaps(layout) {
        text = text.add(ALLOW_GAPS);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::test_layouts::{U8, U32, U64, array};
    use crate::layout::{ScalarKind, Variant, with_offsets};

    const fn field(name: &'static str, layout: &'static TypeLayout, since: u32) -> FieldLayout {
        FieldLayout::new(name, layout).with_since(since)
    }

    fn grown<const N: usize>(fields: [FieldLayout; N]) -> TypeLayout {
        let fields = Box::leak(Box::new(with_offsets(fields)));
        let align = fields.iter().map(|field| field.layout().align()).max();
        let end = fields[N - 1].offset() + fields[N - 1].layout().size();
        let size = end.next_multiple_of(align.unwrap());
        TypeLayout::structure("Grown", 0, size, align.unwrap(), fields).with_levels(1)
    }

    #[test]
    fn each_level_has_no_padding() {
        // The whole struct has none, but level 0 ends in four bytes of it.
        let layout = grown([
            field("beat", U64, 0),
            field("flags", U32, 0),
            field("heat", U32, 1),
        ]);
        assert_eq!(layout.size(), 16);
        assert!(layout.padded() && layout.reports_error());
        assert_eq!(
            explain_gaps(&layout).as_str(),
            "`Grown` has padding, bytes that belong to no field, and each of its levels must have none: level 0 lacks 4 bytes \
             after `flags`, add `_pad: [u8; 4]` there; level 1 lacks 4 bytes after `heat`, add `#[shm(since = 1)] _pad1: [u8; 4]` \
             there"
        );
    }

    #[test]
    fn bytes_before_a_new_field_belong_to_its_level() {
        let layout = grown([
            field("flags", U32, 0),
            field("beat", U64, 1),
            field("name", array![U8; 9], 2),
        ]);
        assert_eq!(
            explain_gaps(&layout).as_str(),
            "`Grown` has padding, bytes that belong to no field, and each of its levels must have none: level 1 lacks 4 bytes \
             after `flags`, add `#[shm(since = 1)] _pad: [u8; 4]` there; level 2 lacks 7 bytes after `name`, add \
             `#[shm(since = 2)] _pad1: [u8; 7]` there"
        );
        let filled = grown([
            field("flags", U32, 0),
            field("_pad", U32, 1),
            field("beat", U64, 1),
        ]);
        assert!(!filled.padded() && !filled.reports_error());
    }

    #[test]
    fn zeros_must_be_a_value_of_a_new_field() {
        const MODE: &TypeLayout =
            &TypeLayout::enumeration("Mode", ScalarKind::U8, const { &[Variant::new("On", 1)] });
        let layout = grown([
            field("first", MODE, 0),
            field("modes", array![MODE; 2], 1),
            field("mode", MODE, 2),
        ]);
        assert_eq!(first_wrong_field(&layout), Some(1));
        assert_eq!(
            explain_field(&layout, 1).as_str(),
            "field `modes` has `since = 1`: in an older segment it is all zeros, but its `[..]` is the enum `Mode`, which has no \
             variant of value 0; give `Mode` such a variant"
        );
        assert_eq!(
            explain_field(&layout, 2).as_str(),
            "field `mode` has `since = 2`: in an older segment it is all zeros, but the enum `Mode` has no variant of value 0; give `Mode` such a variant"
        );
    }
}
