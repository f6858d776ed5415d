//! What is wrong with a layout, found and explained at compile time: mostly padding.
//!
//! Padding has no cell. It would carry whatever lay in the writer's memory into that of other processes, and
//! reading it in Rust is undefined. So a shared struct has none, and the error says where to put a field instead.

use super::{FieldLayout, LayoutKind, TypeLayout, meaning};

/// The largest alignment that a mapping can promise on every machine: the smallest page.
const MAX_ALIGN: usize = 4096;

/// Text put together in a constant, for panics.
struct Text {
    bytes: [u8; 2048],
    len: usize,
}

impl Text {
    const fn new() -> Self {
        Self {
            bytes: [0; 2048],
            len: 0,
        }
    }

    /// Adds `text`, as far as there is room: up to the last whole character.
    const fn add(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        if self.len + text.len() <= self.bytes.len() {
            let mut i = 0;
            while i < text.len() {
                self.bytes[self.len] = text[i];
                self.len += 1;
                i += 1;
            }
        }
        self
    }

    const fn number(self, number: usize) -> Self {
        let mut digits = [0; 20];
        let (mut at, mut rest) = (digits.len(), number);
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        match str::from_utf8(digits.split_at(at).1) {
            Ok(digits) => self.add(digits),
            Err(_) => self,
        }
    }

    /// As `{:016x}`.
    const fn hex(self, number: u64) -> Self {
        let mut digits = [0; 16];
        let mut i = 0;
        while i < digits.len() {
            let digit = (number >> (60 - 4 * i)) as u8 & 15;
            digits[i] = if digit < 10 {
                b'0' + digit
            } else {
                b'a' + digit - 10
            };
            i += 1;
        }
        match str::from_utf8(&digits) {
            Ok(digits) => self.add(digits),
            Err(_) => self,
        }
    }

    const fn as_str(&self) -> &str {
        match str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "padding",
        }
    }
}

/// Bytes of padding behind the field with this number, and where they begin.
const fn gap(layout: &TypeLayout, number: usize) -> (usize, usize) {
    let fields = layout.fields();
    let end = fields[number].offset() + fields[number].layout().size();
    let next = if number + 1 < fields.len() {
        fields[number + 1].offset()
    } else {
        layout.size()
    };
    // Where the compiler's size and ours differ there is no gap to speak of; `padded` still says that they do.
    (next.saturating_sub(end), end)
}

/// The field behind which the first padding lies.
const fn first_gap(layout: &TypeLayout) -> Option<usize> {
    let mut number = 0;
    while number < layout.fields().len() {
        if gap(layout, number).0 > 0 {
            return Some(number);
        }
        number += 1;
    }
    None
}

/// Whether the fields have numbers: each has its own, unless it was renamed.
const fn is_tuple(fields: &[FieldLayout]) -> bool {
    let mut number = 0;
    while number < fields.len() {
        if equal(fields[number].name(), Text::new().number(number).as_str()) {
            return true;
        }
        number += 1;
    }
    false
}

/// `_pad`, `_pad1`, `_pad2` and so on.
const fn pad_name(number: usize) -> Text {
    let text = Text::new().add("_pad");
    if number == 0 {
        text
    } else {
        text.number(number)
    }
}

/// The first number from `number` on whose [`pad_name`] no field has.
const fn free_pad(fields: &[FieldLayout], mut number: usize) -> usize {
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
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

const fn explain(layout: &TypeLayout) -> Text {
    let fields = layout.fields();
    let mut text = Text::new()
        .add("`")
        .add(layout.name())
        .add("` has padding, bytes that belong to no field: ");
    let tuple = is_tuple(fields);
    let (mut number, mut gaps, mut total, mut pad) = (0, 0, 0, 0);
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
                .add(name)
                .add("`, add `");
            if !tuple {
                pad = free_pad(fields, pad);
                text = text.add(pad_name(pad).as_str()).add(": ");
                pad += 1;
            }
            text = text.add("[u8; ").number(bytes).add("]` there");
            gaps += 1;
            total += bytes;
        }
        number += 1;
    }
    // Falling alignment leaves no gap between fields, so only what is missing at the end would be left.
    if gaps > 0 && (layout.size() - total).is_multiple_of(layout.align()) {
        text = text.add("; or order the fields from the largest alignment to the smallest");
    }
    text
}

/// Whether a type of this library that is [unusable](meaning::is_unusable) is in it, and nobody was told of it.
const fn of_no_use(layout: &TypeLayout) -> bool {
    if !layout.untold() {
        return false;
    }
    match layout.kind() {
        LayoutKind::Array { element, .. } | LayoutKind::Slice { element } => of_no_use(element),
        LayoutKind::Struct { fields, .. } => first_of_no_use(fields).is_some(),
        LayoutKind::Meaning { meaning, inner, .. } => {
            meaning::is_unusable(meaning, inner) || first_of_no_use(inner.fields()).is_some()
        }
        LayoutKind::Scalar(_) | LayoutKind::Enum { .. } => false,
    }
}

const fn first_of_no_use(fields: &[FieldLayout]) -> Option<usize> {
    let mut number = 0;
    while number < fields.len() {
        if of_no_use(fields[number].layout()) {
            return Some(number);
        }
        number += 1;
    }
    None
}

/// The field that an error is reported at: the first whose type is of no use, the one before the first gap, or the first
/// whose type has padding that nobody was told of.
const fn culprit(layout: &TypeLayout) -> Option<usize> {
    if !layout.is_blamed() {
        return None;
    }
    // First what is of no use: its size, and so the gaps, will change when that is mended.
    if let Some(number) = first_of_no_use(layout.fields()) {
        return Some(number);
    }
    if let Some(number) = first_gap(layout) {
        return Some(number);
    }
    let mut number = 0;
    while number < layout.fields().len() {
        if layout.fields()[number].layout().untold() {
            return Some(number);
        }
        number += 1;
    }
    Some(0)
}

/// Fails the build because of what [`culprit`] has found at this field.
#[track_caller]
const fn fail(layout: &TypeLayout, number: usize) -> ! {
    let field = layout.fields()[number].layout();
    if first_gap(layout).is_some() && !of_no_use(field) {
        panic!("{}", explain(layout).as_str());
    }
    if field.untold() {
        let text = Text::new()
            .add("field `")
            .add(layout.fields()[number].name())
            .add("`: ")
            .add(inner(field).as_str());
        panic!("{}", text.as_str());
    }
    let text = Text::new().add("`").add(layout.name()).add(
        "` has no bytes, so there is nothing to share; add a field that has some, or leave the type out",
    );
    panic!("{}", text.as_str());
}

/// Fails the build if `layout` has padding, or no bytes at all.
///
/// Padding inside a field's type is that type's mistake, unless it is an instance of a generic struct: then it shows
/// only here.
#[track_caller]
pub(crate) const fn no_padding(layout: &TypeLayout) {
    if let Some(number) = culprit(layout) {
        fail(layout, number);
    }
}

/// As [`no_padding`], if it is the field with this number that is to be blamed. Of fields that are of no use, each is.
#[track_caller]
pub(crate) const fn no_padding_after(layout: &TypeLayout, number: usize) {
    match culprit(layout) {
        Some(found) if found == number || of_no_use(layout.fields()[number].layout()) => {
            fail(layout, number);
        }
        _ => {}
    }
}

/// The explanation of the innermost layout that has padding or is of no use; if some was not reported yet, of that.
const fn inner(layout: &TypeLayout) -> Text {
    if let Some(what) = unusable(layout) {
        return Text::new().add(meaning::why_unusable(what));
    }
    match layout.kind() {
        LayoutKind::Array { element, .. } => inner(element),
        LayoutKind::Struct { fields, .. } => {
            let mut number = 0;
            while number < fields.len() {
                let field = fields[number].layout();
                let leads_on = if layout.untold() {
                    field.untold()
                } else {
                    field.padded()
                };
                if leads_on {
                    return match unusable(field) {
                        Some(what) => Text::new()
                            .add("`")
                            .add(fields[number].name())
                            .add("` of `")
                            .add(layout.name())
                            .add("`: ")
                            .add(meaning::why_unusable(what))
                            .add(", or give `")
                            .add(layout.name())
                            .add("` another argument"),
                        None => inner(field),
                    };
                }
                number += 1;
            }
            if layout.has_drop() && first_gap(layout).is_none() {
                return explain_drop(layout);
            }
            explain(layout)
        }
        LayoutKind::Slice { element } => inner(element),
        LayoutKind::Meaning { inner: parts, .. } => inner(parts),
        LayoutKind::Scalar(_) => Text::new(),
        LayoutKind::Enum { .. } => explain_drop(layout),
    }
}

/// The meaning of the type of this library in `layout` that is [unusable](meaning::is_unusable), if no struct is around it.
const fn unusable(layout: &TypeLayout) -> Option<&'static str> {
    match layout.kind() {
        LayoutKind::Array { element, .. } | LayoutKind::Slice { element } => unusable(element),
        LayoutKind::Meaning { meaning, inner, .. } => {
            if meaning::is_unusable(meaning, inner) {
                return Some(meaning);
            }
            let mut number = 0;
            while number < inner.fields().len() {
                if let Some(what) = unusable(inner.fields()[number].layout()) {
                    return Some(what);
                }
                number += 1;
            }
            None
        }
        LayoutKind::Struct { .. } | LayoutKind::Scalar(_) | LayoutKind::Enum { .. } => None,
    }
}

/// Fails the build, where code for a segment of this layout is generated, if it cannot be shared.
#[track_caller]
pub(crate) const fn assert_shareable(layout: &TypeLayout) {
    assert!(!layout.is_refused(), "a type that cannot be shared");
    if layout.padded() {
        panic!("{}", inner(layout).as_str());
    }
    assert!(
        layout.align() <= MAX_ALIGN,
        "a shared type is aligned to at most 4096 bytes, the size of a page"
    );
    assert!(
        layout.size() > 0 || layout.tail_stride().is_some(),
        "a shared type has at least one byte"
    );
    // The number of such elements would be bounded by nothing, not even by the size of the segment.
    assert!(
        !matches!(layout.tail_stride(), Some(0)),
        "an element of a trailing slice has at least one byte"
    );
}

/// Fails the build if the slice that the struct ends in has elements without bytes.
#[track_caller]
pub(crate) const fn elements_have_bytes(layout: &TypeLayout) {
    let (Some(0), Some(number)) = (layout.tail_stride(), layout.fields().len().checked_sub(1))
    else {
        return;
    };
    // Of a refused element type the size is not known, and of others it was told already that they have no bytes.
    if layout.is_refused() || is_told(layout.fields()[number].layout()) {
        return;
    }
    let text = Text::new()
        .add("field `")
        .add(layout.fields()[number].name())
        .add("`: an element of the slice has no bytes, so any number of them would fit anywhere; write a type that has some, such as `[u8]`");
    panic!("{}", text.as_str());
}

/// Whether what has no bytes in it is a type that an error is reported for.
const fn is_told(layout: &TypeLayout) -> bool {
    match layout.kind() {
        LayoutKind::Slice { element } | LayoutKind::Array { element, len: 1.. } => is_told(element),
        // `PhantomData` is a struct without fields.
        LayoutKind::Struct { fields, .. } => layout.is_blamed() && !fields.is_empty(),
        LayoutKind::Meaning { .. } => of_no_use(layout),
        LayoutKind::Array { .. } | LayoutKind::Scalar(_) | LayoutKind::Enum { .. } => false,
    }
}

/// Fails the build if the type has a `Drop`.
#[track_caller]
pub(crate) const fn no_drop(layout: &TypeLayout) {
    if layout.has_drop() && !layout.is_refused() {
        panic!("{}", explain_drop(layout).as_str());
    }
}

const fn explain_drop(layout: &TypeLayout) -> Text {
    Text::new()
        .add("`")
        .add(layout.name())
        .add("` has a `Drop`, which would never run: nobody owns what lies in shared memory; remove it, and clean up where the handle is dropped")
}

/// Fails the build if the layout has changed since its fingerprint was written down.
#[track_caller]
pub(crate) const fn pinned(layout: &TypeLayout, pin: u64) {
    if layout.is_refused() || layout.fingerprint() == pin {
        return;
    }
    let text = Text::new()
        .add("the layout of `")
        .add(layout.name())
        .add("` is not the pinned one: programs built before and after cannot share a segment; undo the change, or write `pin = \"")
        .hex(layout.fingerprint())
        .add("\"` if it is meant");
    panic!("{}", text.as_str());
}

/// Fails the build where a segment would be created of zeroes that are no value of its type.
#[track_caller]
pub(crate) const fn assert_zero_is_valid(layout: &TypeLayout) {
    assert!(
        layout.zero_is_valid(),
        "a new segment is zeroes, and this type has an enum without a variant of value 0: write it in `create_with`"
    );
}

/// Both of the above, for what creates a segment of zeroes.
#[track_caller]
pub(crate) const fn assert_creatable(layout: &TypeLayout) {
    assert_shareable(layout);
    assert_zero_is_valid(layout);
}

/// Fails the build where a length is given for a type that has none to give.
#[track_caller]
pub(crate) const fn assert_has_tail(layout: &TypeLayout) {
    assert!(
        layout.tail_stride().is_some(),
        "only a struct whose last field is a slice, such as `[u8]`, is created with a length"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{ShmLayout, place};

    const A: &TypeLayout = &TypeLayout::structure(
        "Mixed",
        0,
        24,
        8,
        const {
            &place([
                FieldLayout::new("flags", u32::LAYOUT),
                FieldLayout::new("mode", u64::LAYOUT),
                FieldLayout::new("last", u8::LAYOUT),
            ])
        },
    );

    #[test]
    fn all_gaps_are_listed_with_their_remedies() {
        assert_eq!(
            explain(A).as_str(),
            "`Mixed` has padding, bytes that belong to no field: 4 bytes after `flags`, add `_pad: [u8; 4]` there; \
             7 bytes after `last`, add `_pad1: [u8; 7]` there"
        );
        assert_eq!(first_gap(A), Some(0));
        assert!(A.padded());
    }

    #[test]
    fn a_suggested_name_is_free_and_a_rename_is_no_number() {
        const PADDED: &TypeLayout = &TypeLayout::structure(
            "Padded",
            0,
            32,
            8,
            const {
                &place([
                    FieldLayout::new("0x", u32::LAYOUT),
                    FieldLayout::new("_pad", u64::LAYOUT),
                    FieldLayout::new("a", u8::LAYOUT),
                    FieldLayout::new("_pad2", u64::LAYOUT),
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
            const {
                &place([
                    FieldLayout::new("first", u64::LAYOUT),
                    FieldLayout::new("1", u32::LAYOUT),
                ])
            },
        );
        assert!(
            explain(NUMBERED)
                .as_str()
                .ends_with("4 bytes after `1`, add `[u8; 4]` there")
        );
    }

    #[test]
    fn an_order_that_helps_is_named() {
        const SWAPPED: &TypeLayout = &TypeLayout::structure(
            "Swapped",
            0,
            24,
            8,
            const {
                &place([
                    FieldLayout::new("a", u32::LAYOUT),
                    FieldLayout::new("b", u64::LAYOUT),
                    FieldLayout::new("c", u32::LAYOUT),
                ])
            },
        );
        assert!(
            explain(SWAPPED)
                .as_str()
                .ends_with("; or order the fields from the largest alignment to the smallest")
        );
    }
}
