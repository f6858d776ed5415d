//! Compile-time checks of layouts, mostly for padding, and their error messages.
//!
//! Padding has no cell, reading it in Rust is undefined behavior, and copying it would disclose the writer's memory to
//! other processes. So a shared struct must have none, and the error says where to add a field instead.

mod const_string;
mod padding;
mod zero;

use super::{FieldLayout, LayoutKind, TypeLayout, meaning};
use const_string::ConstString;
use padding::{explain, first_gap};

/// The largest alignment that a mapping has on every machine: the size of the smallest page.
const MAX_ALIGN: usize = 4096;

/// Whether the layout contains an [unusable](meaning::is_unusable) type of this library that has not been reported.
const fn has_unusable(layout: &TypeLayout) -> bool {
    if !layout.unreported() {
        return false;
    }
    match layout.kind() {
        LayoutKind::Array { element, .. } | LayoutKind::Slice { element } => has_unusable(element),
        LayoutKind::Struct { fields, .. } => first_unusable(fields).is_some(),
        LayoutKind::Meaning { meaning, inner, .. } => {
            meaning::is_unusable(meaning, inner) || first_unusable(inner.fields()).is_some()
        }
        LayoutKind::Scalar(_) | LayoutKind::Enum { .. } => false,
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

/// The field at which to report an error: the first with an unusable type, or the one before the first gap, or the first
/// whose type has unreported padding.
const fn reporting_field(layout: &TypeLayout) -> Option<usize> {
    if !layout.reports_error() {
        return None;
    }
    // Unusable types first: correcting them changes their size, and so the gaps.
    if let Some(number) = first_unusable(layout.fields()) {
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
    if first_gap(layout).is_some() && !has_unusable(field) {
        panic!("{}", explain(layout).as_str());
    }
    if field.unreported() {
        let text = ConstString::new()
            .add("field `")
            .add(layout.fields()[number].name())
            .add("`: ")
            .add(explain_innermost(field).as_str());
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
/// type reports its own.
#[track_caller]
pub(crate) const fn no_padding_after(layout: &TypeLayout, number: usize) {
    match reporting_field(layout) {
        Some(found) if found == number || has_unusable(layout.fields()[number].layout()) => {
            fail(layout, number);
        }
        _ => {}
    }
}

/// Explains the innermost layout that has padding or is unusable, preferring one that has not been reported.
const fn explain_innermost(layout: &TypeLayout) -> ConstString {
    if let Some(reason) = unusable(layout) {
        return ConstString::new().add(reason);
    }
    match layout.kind() {
        LayoutKind::Array { element, .. } => explain_innermost(element),
        LayoutKind::Struct { fields, .. } => {
            let mut number = 0;
            while number < fields.len() {
                let field = fields[number].layout();
                let is_cause = if layout.unreported() {
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
            if layout.has_drop() && first_gap(layout).is_none() {
                return explain_drop(layout);
            }
            explain(layout)
        }
        LayoutKind::Slice { element } => explain_innermost(element),
        LayoutKind::Meaning { inner: parts, .. } => explain_innermost(parts),
        LayoutKind::Scalar(_) => ConstString::new(),
        LayoutKind::Enum { .. } => explain_drop(layout),
    }
}

/// The [reason](meaning::unusable_reason) why a type of this library in `layout` is unusable, if it is not inside a struct.
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
        LayoutKind::Struct { .. } | LayoutKind::Scalar(_) | LayoutKind::Enum { .. } => None,
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
        LayoutKind::Array { .. } | LayoutKind::Scalar(_) | LayoutKind::Enum { .. } => false,
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

/// Fails the build if the layout does not have the pinned fingerprint.
#[track_caller]
pub(crate) const fn pinned(layout: &TypeLayout, pin: u64) {
    if layout.is_refused() || layout.fingerprint() == pin {
        return;
    }
    let text = ConstString::new()
        .add("the layout of `")
        .add(layout.name())
        .add("` differs from its pin: programs built before and after the change cannot share a segment; undo it, or write `pin = \"")
        .hex(layout.fingerprint())
        .add("\"` if it is intended");
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
