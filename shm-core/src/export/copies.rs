//! Copies between shared memory and private values, leaf by leaf.

use super::model::{Leaf, Member, Shape};

/// How a language reads and writes a place.
pub(super) trait Places {
    /// An expression for the value of a leaf. `place` is an expression for the leaf in shared memory.
    fn load(&self, leaf: Leaf, place: &str) -> String;
    /// A statement that writes a leaf.
    fn store(&self, leaf: Leaf, place: &str, value: &str) -> String;
    /// An expression for a half of a 128-bit integer in shared memory.
    fn half(&self, place: &str, half: usize) -> String;
    /// An expression for a byte of a text in shared memory.
    fn byte(&self, place: &str, at: &str) -> String;
    /// Statements that copy a struct, by its number.
    fn load_struct(&self, number: usize, place: &str, value: &str) -> String;
    fn store_struct(&self, number: usize, place: &str, value: &str) -> String;
}

/// What a copy does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Load,
    Store,
}

/// Statements that copy a member between `place`, in shared memory, and `value`, which is private.
pub(super) fn copy(
    places: &impl Places,
    member: &Member,
    place: &str,
    value: &str,
    direction: Direction,
) -> String {
    let mut out = String::new();
    let (mut place, mut value) = (place.to_owned(), value.to_owned());
    for (depth, len) in member.dims.iter().enumerate() {
        let pad = "    ".repeat(depth + 1);
        out += &format!("{pad}for (size_t i{depth} = 0; i{depth} < {len}u; i{depth}++) {{\n");
        place += &format!("[i{depth}]");
        value += &format!("[i{depth}]");
    }
    let pad = "    ".repeat(member.dims.len() + 1);
    let statements = innermost(places, member.shape, &place, &value, direction);
    for statement in statements {
        out += &format!("{pad}{statement}\n");
    }
    for depth in (0..member.dims.len()).rev() {
        out += &format!("{}}}\n", "    ".repeat(depth + 1));
    }
    out
}

fn innermost(
    places: &impl Places,
    shape: Shape,
    place: &str,
    value: &str,
    direction: Direction,
) -> Vec<String> {
    match (shape, direction) {
        // A struct with bytes of an unknown type is not copied.
        (Shape::Gap | Shape::Unknown(_), _) => Vec::new(),
        (Shape::Leaf(leaf), _) if leaf.kind.size() == 16 => {
            let word = Leaf {
                kind: crate::layout::ScalarKind::U64,
                ..leaf
            };
            let halves = [0, 1].map(|half| {
                let (place, value) = (places.half(place, half), format!("{value}[{half}]"));
                match direction {
                    Direction::Load => format!("{value} = {};", places.load(word, &place)),
                    Direction::Store => places.store(word, &place, &value),
                }
            });
            halves.to_vec()
        }
        (Shape::Leaf(leaf), Direction::Load) => {
            vec![format!("{value} = {};", places.load(leaf, place))]
        }
        (Shape::Leaf(leaf), Direction::Store) => vec![places.store(leaf, place, value)],
        (Shape::Text(len), _) => {
            let byte = Leaf {
                kind: crate::layout::ScalarKind::U8,
                order: super::model::Order::Relaxed,
                of_enum: None,
            };
            let at = places.byte(place, "c");
            let copied = match direction {
                Direction::Load => format!("{value}[c] = (char){};", places.load(byte, &at)),
                Direction::Store => places.store(byte, &at, &format!("(unsigned char){value}[c]")),
            };
            vec![
                format!("for (size_t c = 0; c < {len}u; c++) {{"),
                format!("    {copied}"),
                "}".to_owned(),
            ]
        }
        (Shape::Struct(number), Direction::Load) => {
            vec![places.load_struct(number, place, value)]
        }
        (Shape::Struct(number), Direction::Store) => {
            vec![places.store_struct(number, place, value)]
        }
    }
}
