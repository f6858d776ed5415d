//! The schema: a layout as bytes, so that a program without the Rust type can decode a payload.
//!
//! A schema is one node. A node is a tag (1 byte), three zero bytes, the length of its body (`u32`) and the
//! body; a reader skips a node whose tag it does not know. Integers are in the byte order of the machine that
//! made the segment, which the header tells. Names are a length (`u16`) and UTF-8 bytes.
//!
//! | tag | node | body |
//! |---|---|---|
//! | 1 | scalar | code `u8` ([`ScalarKind`]), atomic `u8` (0 or 1), two zero bytes |
//! | 2 | array | number of elements `u64`, node of the element |
//! | 4 | struct | size `u64`, align `u32`, version `u32`, number of fields `u32`, type name, then for each field: name, offset `u64`, node |
//!
//! The numbers 3 and from 5 on are for trailing slices, enums and the types of this crate.

use super::type_layout::{FieldLayout, LayoutKind, Scalar, ScalarKind, TypeLayout, tag};

/// Deepest nesting that a reader follows. A layout of the derive is as deep as its structs and arrays nest.
const MAX_DEPTH: usize = 128;

const NODE_HEADER: usize = 8;
/// Bytes of a scalar's node.
pub(crate) const SCALAR_LEN: usize = NODE_HEADER + 4;

/// Bytes of an array's node.
pub(crate) const fn array_len(element: usize) -> usize {
    NODE_HEADER + 8 + element
}

/// Bytes of a struct's node without its fields.
pub(crate) const fn struct_len(name: &str) -> usize {
    NODE_HEADER + 8 + 4 + 4 + 4 + text_len(name)
}

/// Bytes that a field adds to the node of its struct.
pub(crate) const fn field_len(field: &FieldLayout) -> usize {
    text_len(field.name()) + 8 + field.layout().schema_len()
}

const fn text_len(text: &str) -> usize {
    assert!(
        text.len() <= u16::MAX as usize,
        "a name in a schema has at most 65535 bytes"
    );
    2 + text.len()
}

/// Encodes `layout`: exactly [`schema_len`](TypeLayout::schema_len) bytes.
pub(crate) fn encode(layout: &TypeLayout) -> Vec<u8> {
    let mut out = Vec::with_capacity(layout.schema_len());
    node(layout, &mut out);
    debug_assert_eq!(out.len(), layout.schema_len());
    out
}

fn node(layout: &TypeLayout, out: &mut Vec<u8>) {
    let tag = match layout.kind() {
        LayoutKind::Scalar(_) => tag::SCALAR,
        LayoutKind::Array { .. } => tag::ARRAY,
        LayoutKind::Struct { .. } => tag::STRUCT,
    };
    out.extend([tag, 0, 0, 0]);
    out.extend(int32(layout.schema_len() - NODE_HEADER).to_ne_bytes());
    match layout.kind() {
        LayoutKind::Scalar(scalar) => {
            out.extend([scalar.kind() as u8, u8::from(scalar.is_atomic()), 0, 0])
        }
        LayoutKind::Array { element, len } => {
            out.extend((len as u64).to_ne_bytes());
            node(element, out);
        }
        LayoutKind::Struct { version, fields } => {
            out.extend((layout.size() as u64).to_ne_bytes());
            out.extend(int32(layout.align()).to_ne_bytes());
            out.extend(version.to_ne_bytes());
            out.extend(int32(fields.len()).to_ne_bytes());
            text(layout.name(), out);
            for field in fields {
                text(field.name(), out);
                out.extend((field.offset() as u64).to_ne_bytes());
                node(field.layout(), out);
            }
        }
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    // `text_len` has checked the length when the layout was made.
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(len.to_ne_bytes());
    out.extend(text.as_bytes());
}

/// Schemas stay far below 4 GiB: the limit for a whole segment's schema is 16 MiB.
fn int32(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A schema read back from bytes that anybody may have written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Schema {
    root: Node,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Scalar(Scalar),
    Array {
        len: u64,
        element: Box<Node>,
    },
    Struct {
        size: u64,
        align: u32,
        version: u32,
        fields: Vec<Field>,
    },
    /// A node that a later version of the format defines.
    Unknown {
        tag: u8,
        body: Vec<u8>,
    },
}

#[derive(Clone, Debug, PartialEq)]
struct Field {
    name: String,
    offset: u64,
    node: Node,
}

/// Reads from the front of a slice; every length is checked against what is left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let (head, rest) = self
            .0
            .split_at_checked(len)
            .ok_or_else(|| format!("the schema ends where {len} more bytes are due"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.array().map(u32::from_ne_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_ne_bytes)
    }

    fn text(&mut self) -> Result<String, String> {
        let len = u16::from_ne_bytes(self.array()?);
        let bytes = self.take(usize::from(len))?;
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| "a name in the schema is not UTF-8".to_owned())
    }

    fn node(&mut self, depth: usize) -> Result<Node, String> {
        if depth > MAX_DEPTH {
            return Err(format!("the schema nests deeper than {MAX_DEPTH} levels"));
        }
        let [tag, zeros @ ..] = self.array::<4>()?;
        if zeros != [0; 3] {
            return Err("a reserved byte in the schema is not zero".to_owned());
        }
        let len = self.u32()?;
        let mut body = Reader(self.take(len as usize)?);
        let node = match tag {
            tag::SCALAR => body.scalar()?,
            tag::ARRAY => Node::Array {
                len: body.u64()?,
                element: Box::new(body.node(depth + 1)?),
            },
            tag::STRUCT => body.structure(depth)?,
            _ => Node::Unknown {
                tag,
                body: std::mem::take(&mut body.0).to_vec(),
            },
        };
        if body.0.is_empty() {
            Ok(node)
        } else {
            Err(format!("a node with tag {tag} is longer than its content"))
        }
    }

    fn scalar(&mut self) -> Result<Node, String> {
        let [code, atomic, zeros @ ..] = self.array::<4>()?;
        let kind = ScalarKind::ALL.into_iter().find(|kind| *kind as u8 == code);
        match (kind, atomic, zeros) {
            (Some(kind), 0 | 1, [0, 0]) => Ok(Node::Scalar(Scalar::new(kind, atomic == 1))),
            _ => Err(format!(
                "the schema holds an unknown scalar (code {code}, atomic {atomic})"
            )),
        }
    }

    fn structure(&mut self, depth: usize) -> Result<Node, String> {
        let (size, align, version, count) = (self.u64()?, self.u32()?, self.u32()?, self.u32()?);
        self.text()?;
        // Grown as fields are read, never reserved by `count`: a lying count cannot make this allocate.
        let mut fields = Vec::new();
        for _ in 0..count {
            fields.push(Field {
                name: self.text()?,
                offset: self.u64()?,
                node: self.node(depth + 1)?,
            });
        }
        Ok(Node::Struct {
            size,
            align,
            version,
            fields,
        })
    }
}

impl Schema {
    /// Reads a schema; the error says what is wrong with it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader(bytes);
        let root = reader.node(0)?;
        if reader.0.is_empty() {
            Ok(Self { root })
        } else {
            Err("the schema is followed by stray bytes".to_owned())
        }
    }

    /// The first place where the two differ, as a clause of an error message; `None` if they describe the same.
    pub(crate) fn first_difference(segment: &Self, program: &Self) -> Option<String> {
        difference("", 0, &segment.root, &program.root)
    }
}

/// `path` is the field's path with dots, "" for the payload itself; `base` its offset in the payload.
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
            // The same element in another number reads best as the two whole types.
            if a != b && x == y {
                return Some(whole(&what, base, segment, program));
            }
            difference(&format!("{path}[0]"), base, x, y)
                .or_else(|| (a != b).then(|| whole(&what, base, segment, program)))
        }
        _ => (segment != program).then(|| whole(&what, base, segment, program)),
    }
}

fn whole(what: &str, base: u64, segment: &Node, program: &Node) -> String {
    format!(
        "{what} is {} at byte {base} in the segment and {} at byte {base} in this program",
        segment.describe(),
        program.describe()
    )
}

fn fields_differ(path: &str, base: u64, segment: &[Field], program: &[Field]) -> Option<String> {
    let full = |field: &Field| {
        if path.is_empty() {
            field.name.clone()
        } else {
            format!("{path}.{}", field.name)
        }
    };
    let at = |field: &Field| {
        format!(
            "{} at byte {}",
            field.node.describe(),
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
            let missing = |name: &str, side: &[Field]| !side.iter().any(|field| field.name == name);
            return Some(if missing(&a.name, program) {
                format!("field `{}` ({}) is only in the segment", full(a), at(a))
            } else if missing(&b.name, segment) {
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

impl Node {
    /// The type as Rust would write it, as far as the schema tells.
    fn describe(&self) -> String {
        match self {
            Self::Scalar(scalar) => scalar.name().to_owned(),
            Self::Array { len, element } => format!("[{}; {len}]", element.describe()),
            Self::Struct { size, fields, .. } => {
                let plural = if fields.len() == 1 { "" } else { "s" };
                format!(
                    "a struct of {} field{plural} and {size} bytes",
                    fields.len()
                )
            }
            Self::Unknown { tag, .. } => format!("a type of a later format (tag {tag})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ShmLayout;
    use crate::layout::type_layout::place;

    const U32: &TypeLayout = u32::LAYOUT;
    const F64: &TypeLayout = f64::LAYOUT;
    const fn field(name: &'static str, layout: &'static TypeLayout) -> FieldLayout {
        FieldLayout::new(name, layout)
    }

    const PAIR: &TypeLayout = &TypeLayout::structure(
        "Pair",
        3,
        8,
        4,
        const { &place([field("a", U32), field("b", u32::LAYOUT)]) },
    );
    const NEST: &TypeLayout = &TypeLayout::structure(
        "Nest",
        0,
        56,
        8,
        const {
            &place([
                field("x", F64),
                field("pairs", <[f64; 3]>::LAYOUT),
                field("p", PAIR),
                field("q", PAIR),
                field("z", u64::LAYOUT),
            ])
        },
    );

    fn decoded(layout: &TypeLayout) -> Schema {
        Schema::decode(&encode(layout)).unwrap()
    }

    #[test]
    fn length_is_known_beforehand() {
        for layout in [U32, PAIR, NEST, <[[u8; 3]; 4]>::LAYOUT] {
            assert_eq!(encode(layout).len(), layout.schema_len());
        }
    }

    #[test]
    fn bytes_are_as_specified() {
        assert_eq!(
            encode(U32),
            [&[1, 0, 0, 0], &4u32.to_ne_bytes()[..], &[3, 0, 0, 0]].concat()
        );
        let array = encode(<[u8; 5]>::LAYOUT);
        assert_eq!(array[..4], [2, 0, 0, 0]);
        assert_eq!(array[8..16], 5u64.to_ne_bytes());
        assert_eq!(array[16..20], [1, 0, 0, 0]);
        let pair = encode(PAIR);
        assert_eq!(pair[8..16], 8u64.to_ne_bytes(), "size");
        assert_eq!(pair[16..20], 4u32.to_ne_bytes(), "align");
        assert_eq!(pair[20..24], 3u32.to_ne_bytes(), "version");
        assert_eq!(pair[24..28], 2u32.to_ne_bytes(), "fields");
        assert_eq!(pair[28..34], [&4u16.to_ne_bytes()[..], b"Pair"].concat());
        assert_eq!(pair[34..37], [&1u16.to_ne_bytes()[..], b"a"].concat());
    }

    #[test]
    fn every_prefix_is_an_error_and_every_changed_byte_is_no_panic() {
        let bytes = encode(NEST);
        for end in 0..bytes.len() {
            assert!(Schema::decode(&bytes[..end]).is_err(), "{end} bytes");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                if let Ok(schema) = Schema::decode(&changed) {
                    let _ = Schema::first_difference(&schema, &decoded(NEST));
                }
            }
        }
    }

    #[test]
    fn deep_nesting_and_a_lying_count_are_errors() {
        let mut bytes = encode(U32);
        for _ in 0..MAX_DEPTH + 1 {
            let body = [&1u64.to_ne_bytes()[..], &bytes].concat();
            bytes = [
                &[2, 0, 0, 0][..],
                &u32::try_from(body.len()).unwrap().to_ne_bytes(),
                &body,
            ]
            .concat();
        }
        assert!(Schema::decode(&bytes).unwrap_err().contains("deeper"));

        let mut bytes = encode(PAIR);
        bytes[24..28].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert!(Schema::decode(&bytes).is_err());
    }

    #[test]
    fn an_unknown_node_is_kept_and_differs() {
        let unknown =
            Schema::decode(&[&[200, 0, 0, 0][..], &3u32.to_ne_bytes(), &[1, 2, 3]].concat())
                .unwrap();
        assert_eq!(
            Schema::first_difference(&unknown, &decoded(U32)).unwrap(),
            "the payload is a type of a later format (tag 200) at byte 0 in the segment and u32 at byte 0 in this program"
        );
    }

    fn told(segment: &TypeLayout, program: &TypeLayout) -> String {
        Schema::first_difference(&decoded(segment), &decoded(program)).unwrap()
    }

    macro_rules! layout {
        ($size:expr, $version:expr, $($name:literal: $ty:ty),*) => {
            &TypeLayout::structure("S", $version, $size, 8, const { &place([$(field($name, <$ty>::LAYOUT)),*]) })
        };
    }

    #[test]
    fn differences_are_told_in_words() {
        assert_eq!(
            Schema::first_difference(&decoded(NEST), &decoded(NEST)),
            None
        );
        let base: &TypeLayout = layout!(16, 0, "a": u64, "b": f32, "c": u32);
        assert_eq!(
            told(base, layout!(16, 0, "a": u64, "b": u32, "c": u32)),
            "field `b` is f32 at byte 8 in the segment and u32 at byte 8 in this program"
        );
        assert_eq!(
            told(base, layout!(16, 0, "a": u64, "b": f64)),
            "field `b` is f32 at byte 8 in the segment and f64 at byte 8 in this program"
        );
        assert_eq!(
            told(layout!(8, 0, "a": u64), layout!(16, 0, "a": u64, "b": u64)),
            "field `b` (u64 at byte 8) is only in this program"
        );
        assert_eq!(
            told(layout!(16, 0, "x": u64, "a": u64), layout!(8, 0, "a": u64)),
            "field `x` (u64 at byte 0) is only in the segment"
        );
        assert_eq!(
            told(
                layout!(16, 0, "x": u64, "a": u64),
                layout!(16, 0, "a": u64, "x": u64)
            ),
            "the order of the fields differs: `x` comes first in the segment and `a` in this program"
        );
        assert_eq!(
            told(layout!(8, 1, "a": u64), layout!(8, 2, "a": u64)),
            "the payload has version 1 in the segment and version 2 in this program"
        );
        assert_eq!(
            told(layout!(8, 0, "a": [u8; 8]), layout!(16, 0, "a": [u8; 16])),
            "field `a` is [u8; 8] at byte 0 in the segment and [u8; 16] at byte 0 in this program"
        );
        assert_eq!(
            told(
                layout!(8, 0, "a": [[u8; 2]; 4]),
                layout!(8, 0, "a": [[i8; 2]; 4])
            ),
            "field `a[0][0]` is u8 at byte 0 in the segment and i8 at byte 0 in this program"
        );
        assert_eq!(
            told(
                layout!(8, 0, "a": u64),
                layout!(8, 0, "a": std::sync::atomic::AtomicU64)
            ),
            "field `a` is u64 at byte 0 in the segment and AtomicU64 at byte 0 in this program"
        );
    }

    #[test]
    fn nested_differences_name_the_path_and_the_offset_in_the_payload() {
        const OTHER: &TypeLayout = &TypeLayout::structure(
            "Pair",
            3,
            8,
            4,
            const { &place([field("a", U32), field("b", i32::LAYOUT)]) },
        );
        let outer = |inner: &'static TypeLayout| -> TypeLayout {
            let fields = Box::leak(Box::new(place([
                field("n", u64::LAYOUT),
                field("pair", inner),
            ])));
            TypeLayout::structure("Outer", 0, 16, 8, fields)
        };
        assert_eq!(
            told(&outer(PAIR), &outer(OTHER)),
            "field `pair.b` is u32 at byte 12 in the segment and i32 at byte 12 in this program"
        );
    }
}
