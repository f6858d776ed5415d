//! Compares two layouts field by field.

use serde_json::{Value, json};
use shm_core::dynamic::{DynField, DynSchema};

use crate::output::bare;

/// What is different about a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Removed,
    Renamed,
    Moved,
    Retyped,
    /// It is there since another level.
    Level,
}

impl Change {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Renamed => "renamed",
            Self::Moved => "moved",
            Self::Retyped => "retyped",
            Self::Level => "level",
        }
    }
}

/// A field that differs, and what it is on each side.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) change: Change,
    /// In the syntax of paths.
    pub(super) path: String,
    pub(super) first: Option<DynField>,
    pub(super) second: Option<DynField>,
}

impl Difference {
    pub(super) fn document(&self) -> Value {
        let side = |field: &Option<DynField>| match field {
            None => Value::Null,
            Some(field) => json!({
                "name": field.name,
                "offset": field.offset,
                "size": field.size,
                "type": field.type_name,
                "since": field.since,
            }),
        };
        json!({
            "change": self.change.name(),
            "path": self.path,
            "first": side(&self.first),
            "second": side(&self.second),
        })
    }
}

/// A field with its own fields.
struct Tree {
    field: DynField,
    parts: Vec<Tree>,
}

/// Takes the rows of a certain depth, and the rows inside each of them.
fn trees(rows: &mut std::iter::Peekable<std::vec::IntoIter<DynField>>, depth: usize) -> Vec<Tree> {
    let mut all = Vec::new();
    while let Some(field) = rows.next_if(|row| row.depth >= depth) {
        let parts = trees(rows, field.depth + 1);
        // Padding follows from the fields.
        if !field.name.is_empty() {
            all.push(Tree { field, parts });
        }
    }
    all
}

/// The fields that differ. Those inside a field that is on one side only, or has another type, are not listed.
pub(super) fn differences(first: &DynSchema, second: &DynSchema) -> Vec<Difference> {
    let tree = |schema: &DynSchema| trees(&mut schema.fields().into_iter().peekable(), 0);
    let mut found = Vec::new();
    compare("", (0, 0), &tree(first), &tree(second), &mut found);
    found
}

/// Compares the parts of a part. `bases` is where that begins on each side.
fn compare(
    path: &str,
    bases: (usize, usize),
    first: &[Tree],
    second: &[Tree],
    found: &mut Vec<Difference>,
) {
    let named = |trees: &[Tree], name: &str| trees.iter().position(|of| of.field.name == name);
    let full = |field: &DynField| match (path, field.name.starts_with('[')) {
        (path, true) => format!("{path}{}", field.name),
        ("", false) => bare(&field.name),
        (path, false) => format!("{path}.{}", bare(&field.name)),
    };
    // Fields with a partner under another name.
    let mut renamed = Vec::new();
    for of_first in first {
        let a = &of_first.field;
        let Some(position) = named(second, &a.name) else {
            let twin = second.iter().position(|of| {
                let b = &of.field;
                named(first, &b.name).is_none()
                    && b.offset - bases.1 == a.offset - bases.0
                    && (&b.type_name, b.size) == (&a.type_name, a.size)
            });
            renamed.extend(twin);
            found.push(Difference {
                change: match twin {
                    Some(_) => Change::Renamed,
                    None => Change::Removed,
                },
                path: full(a),
                first: Some(a.clone()),
                second: twin.map(|twin| second[twin].field.clone()),
            });
            continue;
        };
        let b = &second[position].field;
        let before = found.len();
        let mut add = |change| {
            found.push(Difference {
                change,
                path: full(a),
                first: Some(a.clone()),
                second: Some(b.clone()),
            });
        };
        if a.offset - bases.0 != b.offset - bases.1 {
            add(Change::Moved);
        }
        if a.since != b.since {
            add(Change::Level);
        }
        // The names of structs do not count, so their fields are compared.
        let (of_a, of_b) = (&of_first.parts, &second[position].parts);
        let is_same_kind = a.type_name == b.type_name || is_struct(a) && is_struct(b);
        if is_same_kind && !of_a.is_empty() && !of_b.is_empty() {
            compare(&full(a), (a.offset, b.offset), of_a, of_b, found);
            if found.len() > before || a.size == b.size {
                continue;
            }
        } else if a.type_name == b.type_name && (a.size, a.align) == (b.size, b.align) {
            continue;
        }
        found.push(Difference {
            change: Change::Retyped,
            path: full(a),
            first: Some(a.clone()),
            second: Some(b.clone()),
        });
    }
    for (position, of_second) in second.iter().enumerate() {
        let b = &of_second.field;
        if named(first, &b.name).is_none() && !renamed.contains(&position) {
            found.push(Difference {
                change: Change::Added,
                path: full(b),
                first: None,
                second: Some(b.clone()),
            });
        }
    }
}

/// Whether a type with parts is a struct of the program, and no array or type of the library, by its name.
fn is_struct(field: &DynField) -> bool {
    !field.type_name.contains(['[', '<', ';'])
}

/// Whether programs of the one type can use segments of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All levels are the same.
    Same,
    /// The types are the same on machines of different byte orders.
    OtherOrder,
    /// The first is the beginning of the second.
    FirstIsPrefix,
    /// The second is the beginning of the first.
    SecondIsPrefix,
    /// They differ at this level.
    Differ(u32),
}

impl Verdict {
    pub(super) fn of(first: &DynSchema, second: &DynSchema) -> Self {
        let both = first.level().min(second.level());
        let differ = (0..=both)
            .find(|level| first.level_fingerprint(*level) != second.level_fingerprint(*level));
        match differ {
            // The fingerprint depends on the byte order, and the text does not.
            Some(_) if first.first_difference(second).is_none() => Self::OtherOrder,
            Some(level) => Self::Differ(level),
            None if first.level() == second.level() => Self::Same,
            None if first.level() < second.level() => Self::FirstIsPrefix,
            None => Self::SecondIsPrefix,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::OtherOrder => "other byte order",
            Self::FirstIsPrefix => "first is prefix",
            Self::SecondIsPrefix => "second is prefix",
            Self::Differ(_) => "different",
        }
    }

    /// Whether a program of one of the types attaches to a segment of the other.
    pub(super) const fn attaches(self) -> bool {
        matches!(
            self,
            Self::Same | Self::FirstIsPrefix | Self::SecondIsPrefix
        )
    }

    /// What that means, for a person.
    pub(super) fn text(self, first: &DynSchema, second: &DynSchema) -> String {
        let levels = |few: &DynSchema, many: &DynSchema| match (few.level() + 1, many.level()) {
            (from, to) if from == to => format!("level {to}"),
            (from, to) => format!("levels {from} to {to}"),
        };
        match self {
            Self::Same => "The layouts are the same.".to_owned(),
            Self::OtherOrder => {
                "The layouts are the same, on machines of different byte orders. No program attaches to a segment of the \
                 other machine."
                    .to_owned()
            }
            Self::FirstIsPrefix => format!(
                "The first is the beginning of the second, which adds {}. Programs of both use the same segment: those of the first \
                 attach to the second, and those of the second to the first if it has room for the fields.",
                levels(first, second)
            ),
            Self::SecondIsPrefix => format!(
                "The second is the beginning of the first, which adds {}. Programs of both use the same segment: those of the \
                 second attach to the first, and those of the first to the second if it has room for the fields.",
                levels(second, first)
            ),
            Self::Differ(level) => {
                let at = match first.level().max(second.level()) {
                    0 => String::new(),
                    _ => format!(" at level {level}"),
                };
                let why = match first.first_difference(second) {
                    Some(text) => format!(": {text}"),
                    None => String::new(),
                };
                format!(
                    "The layouts differ{at}{why}. A program of one does not attach to a segment of the other."
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_core::{ShmLayout, TypeLayout};

    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    struct Old {
        frame: u64,
        at: Point,
        gone: u32,
        count: u32,
    }

    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    struct Point {
        x: f32,
        y: f32,
    }

    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    struct Place {
        x: f32,
        y: u32,
    }

    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    struct New {
        frame: u64,
        new: u64,
        at: Place,
        number: u32,
        gone: [u8; 4],
    }

    fn found(first: &TypeLayout, second: &TypeLayout) -> (Verdict, Vec<String>) {
        let first = DynSchema::of_layout(first).unwrap();
        let second = DynSchema::of_layout(second).unwrap();
        let all = differences(&first, &second);
        let all = all
            .iter()
            .map(|found| format!("{} {}", found.change.name(), found.path));
        (Verdict::of(&first, &second), all.collect())
    }

    #[test]
    fn each_kind_of_change_is_found() {
        let (verdict, all) = found(Old::LAYOUT, New::LAYOUT);
        assert_eq!(verdict, Verdict::Differ(0));
        assert_eq!(
            all,
            [
                "moved at",
                "retyped at.y",
                "moved gone",
                "retyped gone",
                "removed count",
                "added new",
                "added number"
            ]
        );
    }

    #[test]
    fn names_of_types_do_not_count() {
        #[derive(Clone, Copy, ShmLayout)]
        #[repr(C)]
        struct Pair {
            x: f32,
            y: f32,
        }
        assert_eq!(found(Point::LAYOUT, Pair::LAYOUT), (Verdict::Same, vec![]));
        let (verdict, all) = found(<[Point; 3]>::LAYOUT, <[Point; 3]>::LAYOUT);
        assert_eq!((verdict, all.len()), (Verdict::Same, 0));
    }

    #[test]
    fn a_field_with_another_name_is_renamed() {
        #[derive(Clone, Copy, ShmLayout)]
        #[repr(C)]
        struct Named {
            x: f32,
            z: f32,
        }
        let (verdict, all) = found(Point::LAYOUT, Named::LAYOUT);
        assert_eq!(
            (verdict, all),
            (Verdict::Differ(0), vec!["renamed y".to_owned()])
        );
    }

    #[test]
    fn a_struct_that_has_grown_begins_with_what_it_was() {
        #[derive(ShmLayout)]
        #[repr(C)]
        struct Grown {
            x: f32,
            y: f32,
            #[shm(since = 1)]
            z: f64,
        }
        #[derive(ShmLayout)]
        #[repr(C)]
        struct Other {
            x: f32,
            y: f32,
            #[shm(since = 1)]
            w: u64,
        }
        assert_eq!(
            found(Point::LAYOUT, Grown::LAYOUT),
            (Verdict::FirstIsPrefix, vec!["added z".to_owned()])
        );
        assert_eq!(
            found(Grown::LAYOUT, Point::LAYOUT),
            (Verdict::SecondIsPrefix, vec!["removed z".to_owned()])
        );
        assert_eq!(found(Grown::LAYOUT, Other::LAYOUT).0, Verdict::Differ(1));
    }
}
