//! Finds and describes the first difference between two schemas.

use super::super::meaning;
use super::decode::{FieldNode, Node, Schema};
use super::node::Naming;

impl Schema {
    /// Describes the first difference, for an error message. Returns `None` if the schemas are equal.
    pub(crate) fn first_difference(segment: &Self, program: &Self) -> Option<String> {
        difference("", 0, &segment.root, &program.root)
    }

    /// [`first_difference`](Self::first_difference) between two versions of one level of a struct. If one of them only has more
    /// fields, these may belong to the next level.
    pub(crate) fn difference_at(level: u32, segment: &Self, program: &Self) -> Option<String> {
        let mut text = Self::first_difference(segment, program)?;
        let next = level.saturating_add(1);
        if is_longer(&program.root, &segment.root) {
            text += &format!(" (if this program appends it, write `#[shm(since = {next})]` on it)");
        } else if is_longer(&segment.root, &program.root) {
            text += &format!(
                " (if the segment's program appends it, write `#[shm(since = {next})]` on it there)"
            );
        }
        Some(text)
    }
}

/// Whether a struct has all fields of another one and then more. Nothing can be appended to one that ends in a slice.
fn is_longer(longer: &Node, shorter: &Node) -> bool {
    match (longer, shorter) {
        (
            Node::Struct { fields: longer, .. },
            Node::Struct {
                fields: shorter, ..
            },
        ) => {
            longer.len() > shorter.len()
                && longer.starts_with(shorter)
                && !matches!(&longer[..], [.., last] if matches!(last.node, Node::Slice { .. }))
        }
        _ => false,
    }
}

/// `path` is the path of the field, or "" for the payload itself, and `base` its offset in the payload.
fn difference(path: &str, base: u64, segment: &Node, program: &Node) -> Option<String> {
    let what = if path.is_empty() {
        "the payload".to_owned()
    } else {
        format!("field `{path}`")
    };
    match (segment, program) {
        (Node::Struct { fields: a, .. }, Node::Struct { fields: b, .. }) => {
            fields_differ(path, base, a, b).or_else(|| struct_differs(&what, segment, program))
        }
        (Node::Array { len: a, element: x }, Node::Array { len: b, element: y }) => {
            // Arrays that differ only in length are described as whole types.
            if a != b && x == y {
                return Some(whole(&what, base, segment, program));
            }
            difference(&format!("{path}[0]"), base, x, y)
                .or_else(|| (a != b).then(|| whole(&what, base, segment, program)))
        }
        (
            Node::Meaning {
                meaning: a,
                inner: x,
                ..
            },
            Node::Meaning {
                meaning: b,
                inner: y,
                ..
            },
        ) if a == b && a != meaning::STR => difference(path, base, x, y),
        (Node::Slice { element: x }, Node::Slice { element: y }) => {
            difference(&format!("{path}[0]"), base, x, y)
        }
        (
            Node::Enum {
                repr: r,
                variants: a,
                ..
            },
            Node::Enum {
                repr: s,
                variants: b,
                ..
            },
        ) if r == s => variants_differ(&what, a, b),
        _ => (segment != program).then(|| whole(&what, base, segment, program)),
    }
}

fn variants_differ(
    what: &str,
    segment: &[(String, u64)],
    program: &[(String, u64)],
) -> Option<String> {
    let at = (0..segment.len().max(program.len())).find(|i| segment.get(*i) != program.get(*i))?;
    let say = |side: &[(String, u64)]| match side.get(at) {
        Some((name, bits)) => format!("`{name} = {}`", bits.cast_signed()),
        None => "missing".to_owned(),
    };
    Some(format!(
        "{what} is an enum whose variant number {} is {} in the segment and {} in this program",
        at + 1,
        say(segment),
        say(program)
    ))
}

fn whole(what: &str, base: u64, segment: &Node, program: &Node) -> String {
    format!(
        "{what} is {} at byte {base} in the segment and {} at byte {base} in this program",
        segment.rust_name(Naming::Described),
        program.rust_name(Naming::Described)
    )
}

fn fields_differ(
    path: &str,
    base: u64,
    segment: &[FieldNode],
    program: &[FieldNode],
) -> Option<String> {
    let full = |field: &FieldNode| {
        if path.is_empty() {
            field.name.clone()
        } else {
            format!("{path}.{}", field.name)
        }
    };
    let at = |field: &FieldNode| {
        format!(
            "{} at byte {}",
            field.node.rust_name(Naming::Described),
            base.saturating_add(field.offset)
        )
    };
    for i in 0..segment.len().max(program.len()) {
        let (a, b) = match (segment.get(i), program.get(i)) {
            (Some(a), Some(b)) => (a, b),
            (Some(a), None) => {
                return Some(format!(
                    "field `{}` ({}) is only in the segment",
                    full(a),
                    at(a)
                ));
            }
            (None, Some(b)) => {
                return Some(format!(
                    "field `{}` ({}) is only in this program",
                    full(b),
                    at(b)
                ));
            }
            (None, None) => return None,
        };
        if a.name != b.name {
            let missing =
                |name: &str, side: &[FieldNode]| !side.iter().any(|field| field.name == name);
            let (a_is_missing, b_is_missing) =
                (missing(&a.name, program), missing(&b.name, segment));
            let is_renamed =
                a_is_missing && b_is_missing && a.offset == b.offset && a.node == b.node;
            return Some(if is_renamed {
                let there = &a.name;
                format!(
                    "field `{}` ({}) is called `{there}` in the segment (if it is the same value, add \
                     `#[shm(rename = \"{there}\")]` to it)",
                    full(b),
                    at(b)
                )
            } else if a_is_missing {
                format!("field `{}` ({}) is only in the segment", full(a), at(a))
            } else if b_is_missing {
                format!("field `{}` ({}) is only in this program", full(b), at(b))
            } else {
                format!(
                    "the order of the fields differs: `{}` comes first in the segment and `{}` in this program",
                    full(a),
                    full(b)
                )
            });
        }
        if a.offset != b.offset {
            return Some(format!(
                "field `{}` is {} in the segment and {} in this program",
                full(a),
                at(a),
                at(b)
            ));
        }
        let found = difference(&full(a), base.saturating_add(a.offset), &a.node, &b.node);
        if found.is_some() {
            return found;
        }
    }
    None
}

fn struct_differs(what: &str, segment: &Node, program: &Node) -> Option<String> {
    let (
        Node::Struct {
            size: s1,
            align: a1,
            version: v1,
            ..
        },
        Node::Struct {
            size: s2,
            align: a2,
            version: v2,
            ..
        },
    ) = (segment, program)
    else {
        return None;
    };
    if v1 != v2 {
        Some(format!(
            "{what} has version {v1} in the segment and version {v2} in this program"
        ))
    } else if s1 != s2 {
        Some(format!(
            "{what} has {s1} bytes in the segment and {s2} bytes in this program"
        ))
    } else {
        (a1 != a2).then(|| {
            format!(
                "{what} is aligned to {a1} bytes in the segment and to {a2} bytes in this program"
            )
        })
    }
}
