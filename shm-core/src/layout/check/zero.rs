//! The error message for a layout with an enum that has no value 0.

use super::const_string::ConstString;
use crate::layout::{FieldLayout, LayoutKind, TypeLayout};

const fn first_invalid(fields: &[FieldLayout]) -> Option<usize> {
    let mut number = 0;
    while number < fields.len() {
        if !fields[number].layout().zero_is_valid() {
            return Some(number);
        }
        number += 1;
    }
    None
}

/// The path of the first enum without a variant of value 0, which the layout must contain, and its layout.
pub(super) const fn find(layout: &TypeLayout) -> (ConstString, &TypeLayout) {
    let (mut at, mut path) = (layout, ConstString::new());
    loop {
        at = match at.kind() {
            LayoutKind::Struct { fields, .. } => match first_invalid(fields) {
                Some(number) => {
                    if !path.as_str().is_empty() {
                        path = path.add(".");
                    }
                    path = path.add(fields[number].name());
                    fields[number].layout()
                }
                None => break,
            },
            LayoutKind::Array { element, .. } | LayoutKind::Slice { element } => {
                path = path.add("[..]");
                element
            }
            LayoutKind::Meaning { inner, .. } => part(inner),
            LayoutKind::Scalar(_) | LayoutKind::Enum { .. } | LayoutKind::Unknown { .. } => break,
        };
    }
    (path, at)
}

/// Names the enum that [`find`] finds. `with` is the function that initializes a segment.
pub(super) const fn explain(layout: &TypeLayout, with: &str) -> ConstString {
    let (path, at) = find(layout);
    let mut text = ConstString::new().add("a new segment is all zeros, but ");
    if !path.as_str().is_empty() {
        text = text.add("`").add(path.as_str()).add("`");
        if let LayoutKind::Struct { .. } = layout.kind() {
            text = text.add(" of `").add(layout.name()).add("`");
        }
        text = text.add(" is the enum ");
    }
    text.add("`")
        .add(at.name())
        .add(if path.as_str().is_empty() {
            "` has no"
        } else {
            "`, which has no"
        })
        .add(" variant of value 0: set it in `")
        .add(with)
        .add("`, or give `")
        .add(at.name())
        .add("` such a variant")
}

/// The layout of the value in a type of this library. The names of its fields and slots mean nothing to users.
const fn part(inner: &'static TypeLayout) -> &'static TypeLayout {
    let part = match first_invalid(inner.fields()) {
        Some(number) => inner.fields()[number].layout(),
        None => inner,
    };
    match part.kind() {
        LayoutKind::Array { element, .. } if is_slot(element) => element,
        _ => part,
    }
}

const fn is_slot(layout: &TypeLayout) -> bool {
    matches!(layout.kind(), LayoutKind::Meaning { meaning, .. } if matches!(meaning.as_bytes(), b"slot"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::test_layouts::{U8, U32};
    use crate::layout::{ScalarKind, Variant, with_offsets};

    const MODE: &TypeLayout =
        &TypeLayout::enumeration("Mode", ScalarKind::U8, const { &[Variant::new("On", 1)] });
    const MOTOR: &TypeLayout = &TypeLayout::structure(
        "Motor",
        0,
        2,
        1,
        const {
            &with_offsets([
                FieldLayout::new("speed", U8),
                FieldLayout::new("mode", MODE),
            ])
        },
    );

    #[test]
    fn the_message_names_the_enum_and_its_path() {
        assert_eq!(
            explain(MODE, "create_with").as_str(),
            "a new segment is all zeros, but `Mode` has no variant of value 0: set it in `create_with`, or give `Mode` such \
             a variant"
        );
        const ROBOT: &TypeLayout = &TypeLayout::structure(
            "Robot",
            0,
            9,
            1,
            const {
                &with_offsets([
                    FieldLayout::new("id", U8),
                    FieldLayout::new("motors", const { &TypeLayout::array(MOTOR, 4) }),
                ])
            },
        );
        assert_eq!(
            explain(ROBOT, "options().create_anonymous_with").as_str(),
            "a new segment is all zeros, but `motors[..].mode` of `Robot` is the enum `Mode`, which has no variant of value 0: \
             set it in `options().create_anonymous_with`, or give `Mode` such a variant"
        );
    }

    #[test]
    fn fields_of_library_types_are_not_named() {
        const SLOT: &TypeLayout = &TypeLayout::meaning(
            "slot",
            const {
                &TypeLayout::structure(
                    "slot",
                    0,
                    6,
                    1,
                    const {
                        &with_offsets([FieldLayout::new(
                            "value",
                            const { &TypeLayout::array(MOTOR, 3) },
                        )])
                    },
                )
            },
            None,
        );
        const SLOTS: &TypeLayout = &TypeLayout::structure(
            "parts",
            0,
            28,
            4,
            const {
                &with_offsets([
                    FieldLayout::new("word", U32),
                    FieldLayout::new("slots", const { &TypeLayout::array(SLOT, 4) }),
                ])
            },
        );
        const LOCK: &TypeLayout = &TypeLayout::meaning("seqlock", SLOTS, None);
        assert!(
            explain(LOCK, "create_with").as_str().starts_with(
                "a new segment is all zeros, but `[..].mode` is the enum `Mode`, which"
            ),
            "{}",
            explain(LOCK, "create_with").as_str()
        );
    }
}
