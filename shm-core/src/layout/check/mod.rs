//! Compile-time checks of layouts, mostly for padding, and their error messages.
//!
//! Padding has no cell, reading it in Rust is undefined behavior, and copying it would disclose the writer's memory to
//! other processes. So a shared struct must have none, and the error says where to add a field instead.

mod const_string;
mod levels;
mod padding;
mod zero;

use super::{FieldLayout, LayoutKind, TypeLayout, meaning};
use const_string::ConstString;
pub(crate) use levels::first_wrong_field;
use levels::{explain_field, is_wrong_field};
use padding::explain;
pub(crate) use padding::first_gap;

/// The largest alignment that a mapping has on every machine: the size of the smallest page.
const MAX_ALIGN: usize = 4096;

/// Whether this layout of a part contains an [unusable](meaning::is_unusable) type of this library, or a struct that is only a
/// whole segment, that has not been reported.
const fn has_unusable(layout: &TypeLayout) -> bool {
    if layout.is_segment_only() {
        return true;
    }
    if !layout.unreported() {
        return false;
    }
    match layout.kind() {
        LayoutKind::Array { element, .. } | LayoutKind::Slice { element } => has_unusable(element),
        LayoutKind::Struct { fields, .. } => first_unusable(fields).is_some(),
        LayoutKind::Meaning { meaning, inner, .. } => {
            meaning::is_unusable(meaning, inner) || first_unusable(inner.fields()).is_some()
        }
        LayoutKind::Scalar(_) | LayoutKind::Enum { .. } | LayoutKind::Unknown { .. } => false,
    }
}

const fn first_unusable(fields: &[FieldLayout]) -> Option<usize> {
    let mut number = 0;
    while number < fields.len() {
        if has_unusable(fields[number].layout()) {
            return Some(number);
        }
        number += 1;
    }
    None
}

/// The field at which to report an error: the first with an unusable type, or the first that cannot be added by a level, or the
/// one before the first gap, or the first whose type has unreported padding.
const fn reporting_field(layout: &TypeLayout) -> Option<usize> {
    if !layout.reports_error() {
        return None;
    }
    // Unusable types first: correcting them changes their size, and so the gaps.
    if let Some(number) = first_unusable(layout.fields()) {
        return Some(number);
    }
    if let Some(number) = first_wrong_field(layout) {
        return Some(number);
    }
    if let Some(number) = first_gap(layout) {
        return Some(number);
    }
    let mut number = 0;
    while number < layout.fields().len() {
        if layout.fields()[number].layout().unreported() {
            return Some(number);
        }
        number += 1;
    }
    Some(0)
}

/// Fails the build with the error that [`reporting_field`] has found at this field.
#[track_caller]
const fn fail(layout: &TypeLayout, number: usize) -> ! {
    let field = layout.fields()[number].layout();
    if is_wrong_field(layout, number) && !has_unusable(field) {
        panic!("{}", explain_field(layout, number).as_str());
    }
    if first_gap(layout).is_some() && !has_unusable(field) {
        panic!("{}", explain(layout).as_str());
    }
    if field.unreported() || field.is_segment_only() {
        let text = ConstString::new()
            .add("field `")
            .add(layout.fields()[number].name())
            .add("`: ")
            .add(explain_part(field).as_str());
        panic!("{}", text.as_str());
    }
    let text = ConstString::new().add("`").add(layout.name()).add(
        "` is zero-sized, so there is nothing to share; add a field that has a size, or remove the type",
    );
    panic!("{}", text.as_str());
}

/// Fails the build if `layout` has padding or is zero-sized.
///
/// Padding inside a field's type is reported for that type, unless it is an instance of a generic struct, for which it is
/// detected only here.
#[track_caller]
pub(crate) const fn no_padding(layout: &TypeLayout) {
    if let Some(number) = reporting_field(layout) {
        fail(layout, number);
    }
}

/// As [`no_padding`], but only for an error that is reported at the field with this number. Every field with an unusable
/// type reports its own, and so does every field that cannot be added by a level.
#[track_caller]
pub(crate) const fn no_padding_after(layout: &TypeLayout, number: usize) {
    match reporting_field(layout) {
        Some(found)
            if found == number
                || has_unusable(layout.fields()[number].layout())
                || is_wrong_field(layout, number) =>
        {
            fail(layout, number);
        }
        _ => {}
    }
}

/// Explains the innermost layout in a part that has padding or is unusable, preferring one that has not been reported.
const fn explain_part(part: &TypeLayout) -> ConstString {
    match unusable(part) {
        Some(reason) => ConstString::new().add(reason),
        None => explain_innermost(part),
    }
}

/// The same for a whole type, which can be a struct with levels or room.
const fn explain_innermost(layout: &TypeLayout) -> ConstString {
    match layout.kind() {
        LayoutKind::Array { element, .. } | LayoutKind::Slice { element } => explain_part(element),
        LayoutKind::Struct { fields, .. } => {
            let mut number = 0;
            while number < fields.len() {
                let field = fields[number].layout();
                let is_cause = field.is_segment_only()
                    || if layout.unreported() {
                        field.unreported()
                    } else {
                        field.padded()
                    };
                if is_cause {
                    return match unusable(field) {
                        Some(reason) => ConstString::new()
                            .add("`")
                            .add(fields[number].name())
                            .add("` of `")
                            .add(layout.name())
                            .add("`: ")
                            .add(reason)
                            .add(", or give `")
                            .add(layout.name())
                            .add("` another argument"),
                        None => explain_innermost(field),
                    };
                }
                number += 1;
            }
            if let Some(number) = first_wrong_field(layout) {
                return explain_field(layout, number);
            }
            if layout.has_drop() && first_gap(layout).is_none() {
                return explain_drop(layout);
            }
            explain(layout)
        }
        LayoutKind::Meaning { inner: parts, .. } => match unusable(layout) {
            Some(reason) => ConstString::new().add(reason),
            None => explain_innermost(parts),
        },
        LayoutKind::Scalar(_) | LayoutKind::Unknown { .. } => ConstString::new(),
        LayoutKind::Enum { .. } => explain_drop(layout),
    }
}

/// The [reason](meaning::unusable_reason) why a type of this library in this layout of a part is unusable, if it is not inside a
/// struct, or why a struct in it can only be a whole segment.
const fn unusable(layout: &TypeLayout) -> Option<&'static str> {
    match layout.kind() {
        LayoutKind::Array { element, .. } | LayoutKind::Slice { element } => unusable(element),
        LayoutKind::Meaning { meaning, inner, .. } => {
            if let Some(reason) = meaning::unusable_reason(meaning, inner) {
                return Some(reason);
            }
            let mut number = 0;
            while number < inner.fields().len() {
                if let Some(reason) = unusable(inner.fields()[number].layout()) {
                    return Some(reason);
                }
                number += 1;
            }
            None
        }
        LayoutKind::Struct { .. } if layout.level() > 0 => Some(
            "a struct with `#[shm(since = ..)]` must be a segment of its own: inside another type, it would move what follows \
             when it grows; write `since` on the fields of the struct that contains it",
        ),
        LayoutKind::Struct { .. } if layout.is_segment_only() => Some(
            "a struct with `#[shm(room = ..)]` must be a segment of its own: inside another type, it has no room to grow; \
             remove `room`, or write it on the struct that contains it",
        ),
        LayoutKind::Struct { .. }
        | LayoutKind::Scalar(_)
        | LayoutKind::Enum { .. }
        | LayoutKind::Unknown { .. } => None,
    }
}

/// Fails the build if the layout cannot be shared. Evaluated where code for a segment of it is generated.
#[track_caller]
pub(crate) const fn assert_shareable(layout: &TypeLayout) {
    assert!(!layout.is_refused(), "a type that cannot be shared");
    if layout.padded() {
        panic!("{}", explain_innermost(layout).as_str());
    }
    assert!(
        layout.align() <= MAX_ALIGN,
        "a shared type is aligned to at most 4096 bytes, the size of a page"
    );
    assert!(
        layout.size() > 0 || layout.tail_stride().is_some(),
        "a shared type has at least one byte"
    );
    // Nothing would bound the number of such elements, not even the size of the segment.
    assert!(
        !matches!(layout.tail_stride(), Some(0)),
        "an element of a trailing slice has at least one byte"
    );
}

/// Fails the build if the struct's trailing slice has zero-sized elements.
#[track_caller]
pub(crate) const fn elements_have_bytes(layout: &TypeLayout) {
    let (Some(0), Some(number)) = (layout.tail_stride(), layout.fields().len().checked_sub(1))
    else {
        return;
    };
    // The size of a refused element type is unknown, and a zero-sized one may have been reported already.
    if layout.is_refused() || is_reported(layout.fields()[number].layout()) {
        return;
    }
    let text = ConstString::new()
        .add("field `")
        .add(layout.fields()[number].name())
        .add("`: the elements of the slice are zero-sized, so nothing would limit its length; write a type that has a size, such as `[u8]`");
    panic!("{}", text.as_str());
}

/// Whether an error is reported for the zero-sized type itself.
const fn is_reported(layout: &TypeLayout) -> bool {
    match layout.kind() {
        LayoutKind::Slice { element } | LayoutKind::Array { element, len: 1.. } => {
            is_reported(element)
        }
        // `PhantomData` is a struct without fields.
        LayoutKind::Struct { fields, .. } => layout.reports_error() && !fields.is_empty(),
        LayoutKind::Meaning { .. } => has_unusable(layout),
        LayoutKind::Array { .. }
        | LayoutKind::Scalar(_)
        | LayoutKind::Enum { .. }
        | LayoutKind::Unknown { .. } => false,
    }
}

/// Fails the build if the type implements `Drop`.
#[track_caller]
pub(crate) const fn no_drop(layout: &TypeLayout) {
    if layout.has_drop() && !layout.is_refused() {
        panic!("{}", explain_drop(layout).as_str());
    }
}

/// Fails the build if the type is `Copy`, although it has gaps.
#[track_caller]
pub(crate) const fn no_copy(layout: &TypeLayout) {
    if layout.is_known_not_copy() || layout.is_refused() {
        return;
    }
    let text = ConstString::new().add("`").add(layout.name()).add(
        "` is `Copy`, but a struct with `#[shm(padding)]` is never copied as a whole; remove `Copy`, or remove \
         `#[shm(padding)]` and fill the gaps with fields",
    );
    panic!("{}", text.as_str());
}

const fn explain_drop(layout: &TypeLayout) -> ConstString {
    ConstString::new()
        .add("`")
        .add(layout.name())
        .add("` implements `Drop`, which would never run: values in shared memory have no owner; remove it, and clean up where the handle is dropped")
}

/// Fails the build if level `level` of the layout does not have the pinned fingerprint.
#[track_caller]
pub(crate) const fn pinned(layout: &TypeLayout, level: u32, pin: u64) {
    if layout.is_refused() || layout.level_fingerprint(level) == pin {
        return;
    }
    let mut text = ConstString::new();
    if layout.level() == 0 {
        text = text.add("the layout of `");
    } else {
        text = text.add("level ").number(level as usize).add(" of `");
    }
    text = text
        .add(layout.name())
        .add("` differs from its pin: programs built before and after the change cannot share a segment; undo it, or write ");
    if layout.level() == 0 {
        text = text.add("`pin = ");
    } else {
        text = text.add("`");
    }
    text = text
        .add("\"")
        .hex(layout.level_fingerprint(level))
        .add("\"` if it is intended");
    panic!("{}", text.as_str());
}

/// Fails the build, because only the first `count` levels of the layout have a pinned fingerprint.
#[track_caller]
pub(crate) const fn all_pinned(layout: &TypeLayout, count: u32) {
    if layout.is_refused() {
        return;
    }
    let mut text = ConstString::new()
        .add("`pin` needs a fingerprint for each level, and level ")
        .number(count as usize)
        .add(" of `")
        .add(layout.name())
        .add("` has none; write `pin = [");
    let mut level = 0;
    while level <= layout.level() {
        if level > 0 {
            text = text.add(", ");
        }
        text = text
            .add("\"")
            .hex(layout.level_fingerprint(level))
            .add("\"");
        level += 1;
    }
    text = text.add("]`");
    panic!("{}", text.as_str());
}

/// Fails the build if all zeros, the initial content of a segment, are not a value of the type. `with` is the function that
/// initializes one.
#[track_caller]
pub(crate) const fn assert_zero_is_valid(layout: &TypeLayout, with: &str) {
    if !layout.zero_is_valid() {
        panic!("{}", zero::explain(layout, with).as_str());
    }
}

/// [`assert_shareable`] and [`assert_zero_is_valid`], for functions that create a zeroed segment.
#[track_caller]
pub(crate) const fn assert_creatable(layout: &TypeLayout, with: &str) {
    assert_shareable(layout);
    assert_zero_is_valid(layout, with);
}

/// Fails the build if the type does not end in a slice.
#[track_caller]
pub(crate) const fn assert_has_tail(layout: &TypeLayout) {
    assert!(
        layout.tail_stride().is_some(),
        "only a struct whose last field is a slice, such as `[u8]`, is created with a length"
    );
}
