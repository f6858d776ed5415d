//! What is wrong with a layout, found and explained at compile time: mostly padding.
//!
//! Padding has no cell. It would carry whatever lay in the writer's memory into that of other processes, and
//! reading it in Rust is undefined. So a shared struct has none, and the error says where to put a field instead.

mod const_string;
mod padding;
mod zero;

use super::{FieldLayout, LayoutKind, TypeLayout, meaning};
use const_string::ConstString;
use padding::{explain, first_gap};

/// The largest alignment that a mapping can promise on every machine: the smallest page.
const MAX_ALIGN: usize = 4096;

/// Whether a type of this library that is [unusable](meaning::is_unusable) is in it, and nobody was told of it.
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

/// The field that an error is reported at: the first whose type is of no use, the one before the first gap, or the first
/// whose type has padding that nobody was told of.
const fn reporting_field(layout: &TypeLayout) -> Option<usize> {
    if !layout.reports_error() {
        return None;
    }
    // First what is of no use: its size, and so the gaps, will change when that is corrected_len.
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

/// Fails the build because of what [`reporting_field`] has found at this field.
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
            .add(inner(field).as_str());
        panic!("{}", text.as_str());
    }
    let text = ConstString::new().add("`").add(layout.name()).add(
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
    if let Some(number) = reporting_field(layout) {
        fail(layout, number);
    }
}

/// As [`no_padding`], if it is the field with this number that is to be reports_error. Of fields that are of no use, each is.
#[track_caller]
pub(crate) const fn no_padding_after(layout: &TypeLayout, number: usize) {
    match reporting_field(layout) {
        Some(found) if found == number || has_unusable(layout.fields()[number].layout()) => {
            fail(layout, number);
        }
        _ => {}
    }
}

/// The explanation of the innermost layout that has padding or is of no use; if some was not reported yet, of that.
const fn inner(layout: &TypeLayout) -> ConstString {
    if let Some(what) = unusable(layout) {
        return ConstString::new().add(meaning::unusable_reason(what));
    }
    match layout.kind() {
        LayoutKind::Array { element, .. } => inner(element),
        LayoutKind::Struct { fields, .. } => {
            let mut number = 0;
            while number < fields.len() {
                let field = fields[number].layout();
                let leads_on = if layout.unreported() {
                    field.unreported()
                } else {
                    field.padded()
                };
                if leads_on {
                    return match unusable(field) {
                        Some(what) => ConstString::new()
                            .add("`")
                            .add(fields[number].name())
                            .add("` of `")
                            .add(layout.name())
                            .add("`: ")
                            .add(meaning::unusable_reason(what))
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
        LayoutKind::Scalar(_) => ConstString::new(),
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
    if layout.is_refused() || is_reported(layout.fields()[number].layout()) {
        return;
    }
    let text = ConstString::new()
        .add("field `")
        .add(layout.fields()[number].name())
        .add("`: an element of the slice has no bytes, so any number of them would fit anywhere; write a type that has some, such as `[u8]`");
    panic!("{}", text.as_str());
}

/// Whether what has no bytes in it is a type that an error is reported for.
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

/// Fails the build if the type has a `Drop`.
#[track_caller]
pub(crate) const fn no_drop(layout: &TypeLayout) {
    if layout.has_drop() && !layout.is_refused() {
        panic!("{}", explain_drop(layout).as_str());
    }
}

const fn explain_drop(layout: &TypeLayout) -> ConstString {
    ConstString::new()
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
    let text = ConstString::new()
        .add("the layout of `")
        .add(layout.name())
        .add("` is not the pinned one: programs built before and after cannot share a segment; undo the change, or write `pin = \"")
        .hex(layout.fingerprint())
        .add("\"` if it is meant");
    panic!("{}", text.as_str());
}

/// Fails the build where a segment would be created of zeroes that are no value of its type. `with` is the way
/// that initialises it.
#[track_caller]
pub(crate) const fn assert_zero_is_valid(layout: &TypeLayout, with: &str) {
    if !layout.zero_is_valid() {
        panic!("{}", zero::explain(layout, with).as_str());
    }
}

/// Both of the above, for what creates a segment of zeroes.
#[track_caller]
pub(crate) const fn assert_creatable(layout: &TypeLayout, with: &str) {
    assert_shareable(layout);
    assert_zero_is_valid(layout, with);
}

/// Fails the build where a length is given for a type that has none to give.
#[track_caller]
pub(crate) const fn assert_has_tail(layout: &TypeLayout) {
    assert!(
        layout.tail_stride().is_some(),
        "only a struct whose last field is a slice, such as `[u8]`, is created with a length"
    );
}
