//! Checks a decoded schema, which any process may have written, before anything relies on it.
//!
//! A tree that passes has these properties, on which the accesses of [`DynCell`](super::DynCell) depend:
//!
//! 1. Every part lies within the part around it, at a multiple of its alignment, and no two fields overlap. So no byte belongs to
//!    two leaves, and each leaf is accessed by one width.
//! 2. No size or offset overflows, and the whole is not larger than an object can be.
//! 3. A meaning that this library knows has exactly the parts that its own type has. The fixed parts are compared with those of
//!    the type's layout, and the others follow from the element.
//! 4. Names in a struct or an enum are distinct, and so are discriminants.
//! 5. The fingerprint is computed from the tree, so the header can be compared with it.
//!
//! A node of a later format has a size and an alignment, and a place as any other, so its bytes can be read. The rest of it, and so
//! the fingerprint of the whole, is unknown: nothing writes such bytes, and no segment is created from such a tree.
//!
//! [`MAX_DEPTH`](crate::layout::schema::MAX_DEPTH) bounds the recursion, and the length of the schema the number of nodes.

mod levels;
mod parts;
mod structure;

use std::fmt::{self, Write};

use super::name::Name;
use crate::layout::fingerprint::{self, ByteOrder};
use crate::layout::schema::{self, FieldNode, Node, Schema};
use crate::layout::{ScalarKind, sign_extend};
use crate::segment::Expected;

pub(super) use parts::reference;
use structure::repeated;

/// A schema that contradicts itself or the format.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SchemaError {
    /// The part that is wrong, in the syntax of paths.
    path: String,
    reason: String,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, reason) = (Part(&self.path), &self.reason);
        write!(f, "its schema is invalid: {part} {reason}")
    }
}

/// A part with a node of a later version of the format.
#[derive(Clone, Debug)]
pub(super) struct Later {
    /// The part, in the syntax of paths.
    path: String,
    tag: u8,
}

impl fmt::Display for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (part, tag) = (Part(&self.path), self.tag);
        write!(f, "{part} is a type of a later format (tag {tag})")
    }
}

/// A path in a message.
struct Part<'a>(&'a str);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => f.write_str("the payload"),
            path => write!(f, "`{path}`"),
        }
    }
}

/// What is known of a schema that was checked.
pub(super) struct Checked {
    /// The numbers that the header must agree with. The fingerprint is 0 if a part is of a later format.
    pub(super) expected: Expected,
    /// The first part of a later format.
    pub(super) later: Option<Later>,
}

/// What is to be known about the machine that wrote a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Machine {
    pub(super) order: ByteOrder,
    /// The alignment of 128-bit integers. That of all other scalars is their size.
    pub(super) wide_align: usize,
}

impl Machine {
    /// This machine.
    pub(super) const NATIVE: Self = Self {
        order: ByteOrder::Native,
        wide_align: align_of::<u128>(),
    };

    pub(super) const fn align(self, kind: ScalarKind) -> usize {
        match kind.size() {
            16 => self.wide_align,
            size => size,
        }
    }
}

/// The fields that a level appends to the struct that is the payload.
#[derive(Clone)]
pub(super) struct Level {
    /// A struct of these fields, with the size and alignment of the whole.
    pub(super) root: Node,
    /// What the record says.
    pub(super) fingerprint: u64,
}

impl Level {
    pub(super) fn fields(&self) -> &[FieldNode] {
        self.root.fields()
    }
}

/// Checks a schema that a machine wrote, and the levels from 1 on.
pub(super) fn check(
    schema: &Schema,
    levels: &[Level],
    machine: Machine,
) -> Result<Checked, SchemaError> {
    let mut checker = Checker {
        machine,
        path: String::new(),
        later: None,
    };
    let root = checker.node(&schema.root, Place::Payload)?;
    let size = match levels {
        [] => root.size,
        _ => checker.levels(&schema.root, &root, levels)?,
    };
    let (version, is_struct) = match &schema.root {
        Node::Struct { version, .. } => (*version, true),
        _ => (0, false),
    };
    let expected = Expected {
        size,
        base_size: root.size,
        base_align: root.align,
        tail_stride: root.tail_stride,
        schema_len: root.schema_len,
        fingerprint: match checker.later {
            Some(_) => 0,
            None => root.fingerprint,
        },
        version,
        level: levels.len() as u32,
        records_len: 0,
        grows: is_struct && root.tail_stride.is_none(),
        room: 0,
    };
    let later = checker.later;
    Ok(Checked { expected, later })
}

/// Where a node is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The payload itself.
    Payload,
    /// The last field of the payload's struct, which may be a slice.
    LastField,
    /// Directly inside a meaning.
    Parts,
    Inside,
}

/// What is known of a checked node.
#[derive(Clone, Copy)]
struct CheckedNode {
    size: usize,
    align: usize,
    fingerprint: u64,
    schema_len: usize,
    tail_stride: Option<usize>,
    /// Whether values of it can be copied: they have no atomics, no words of sync types, no length of a vector.
    is_copy: bool,
    /// Whether it has bytes that belong to no field, apart from those inside meanings.
    has_gaps: bool,
}

struct Checker {
    machine: Machine,
    /// The path of the node that is checked.
    path: String,
    /// The first part of a later format.
    later: Option<Later>,
}

type Result<T, E = SchemaError> = std::result::Result<T, E>;

impl Checker {
    fn invalid<T>(&self, reason: impl Into<String>) -> Result<T> {
        Err(SchemaError {
            path: self.path.clone(),
            reason: reason.into(),
        })
    }

    /// Checks with `part` appended to the path. After an error the path stays, as the error is the last thing.
    fn within<T>(
        &mut self,
        part: fmt::Arguments<'_>,
        check: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let len = self.path.len();
        // Writing to a `String` does not fail.
        let _ = self.path.write_fmt(part);
        let result = check(self)?;
        self.path.truncate(len);
        Ok(result)
    }

    fn node(&mut self, node: &Node, place: Place) -> Result<CheckedNode> {
        match node {
            Node::Scalar(scalar) => Ok(CheckedNode {
                size: scalar.kind().size(),
                align: self.machine.align(scalar.kind()),
                fingerprint: fingerprint::scalar(
                    self.machine.order,
                    scalar.kind(),
                    scalar.is_atomic(),
                ),
                schema_len: schema::SCALAR_LEN,
                tail_stride: None,
                is_copy: !scalar.is_atomic(),
                has_gaps: false,
            }),
            Node::Array { len, element } => {
                let element = self.within(format_args!("[0]"), |checker| {
                    checker.node(element, Place::Inside)
                })?;
                let len = usize::try_from(*len);
                let size = len.ok().and_then(|len| element.size.checked_mul(len));
                let (Ok(len), Some(size)) = (len, size.filter(|size| is_possible(*size))) else {
                    return self.invalid("is an array with more bytes than an object can have");
                };
                Ok(CheckedNode {
                    size,
                    fingerprint: fingerprint::array(self.machine.order, len, element.fingerprint),
                    schema_len: schema::array_len(element.schema_len),
                    has_gaps: element.has_gaps && len > 0,
                    ..element
                })
            }
            Node::Slice { element } => {
                if place != Place::LastField {
                    return self.invalid(
                        "is a slice without a length, which only the last field of the payload can be",
                    );
                }
                let element = self.within(format_args!("[0]"), |checker| {
                    checker.node(element, Place::Inside)
                })?;
                Ok(CheckedNode {
                    size: 0,
                    fingerprint: fingerprint::slice(self.machine.order, element.fingerprint),
                    schema_len: schema::slice_len(element.schema_len),
                    tail_stride: Some(element.size),
                    ..element
                })
            }
            Node::Enum {
                name,
                repr,
                variants,
            } => self.enumeration(&name.0, *repr, variants),
            Node::Struct {
                name,
                size,
                align,
                version,
                fields,
            } => {
                let of_struct = (&*name.0, *size, *align, *version);
                let (checked, _) = self.structure(of_struct, fields, place)?;
                Ok(checked)
            }
            Node::Meaning {
                meaning,
                target,
                inner,
                ..
            } => self.meaning(meaning, *target, inner),
            Node::Unknown {
                tag,
                size,
                align,
                body,
            } => self.later(*tag, *size, *align, body),
        }
    }

    /// Checks what every node of a later format says of itself.
    fn later(&mut self, tag: u8, size: u64, align: u32, body: &[u8]) -> Result<CheckedNode> {
        let (size, align) = self.extent(size, align)?;
        if !size.is_multiple_of(align) {
            return self.invalid(format!(
                "has {size} bytes, which is no multiple of its alignment"
            ));
        }
        self.later.get_or_insert_with(|| Later {
            path: self.path.clone(),
            tag,
        });
        Ok(CheckedNode {
            size,
            align,
            fingerprint: 0,
            schema_len: schema::unknown_len(body),
            tail_stride: None,
            // Its bytes can be copied. Whether its values can, only a program that knows it decides.
            is_copy: true,
            has_gaps: false,
        })
    }

    fn enumeration(
        &self,
        name: &str,
        repr: ScalarKind,
        variants: &[(String, u64)],
    ) -> Result<CheckedNode> {
        let mut hash = fingerprint::enumeration(self.machine.order, repr, variants.len());
        let mut schema_len = schema::enum_len(name);
        for (variant, bits) in variants {
            if sign_extend(repr, *bits) != *bits {
                let (name, repr) = (Name(variant), repr.name());
                return self.invalid(format!(
                    "is an enum whose variant `{name}` does not fit into a {repr}"
                ));
            }
            hash = hash.text(variant).number(*bits);
            schema_len += schema::variant_len(variant);
        }
        if let Some((name, _)) = repeated(variants, |(name, _)| name) {
            return self.invalid(format!("has two variants `{}`", Name(name)));
        }
        if let Some((name, _)) = repeated(variants, |(_, bits)| bits) {
            return self.invalid(format!(
                "has two variants with the number of `{}`",
                Name(name)
            ));
        }
        Ok(CheckedNode {
            size: repr.size(),
            align: repr.size(),
            fingerprint: hash.finish(),
            schema_len,
            tail_stride: None,
            is_copy: true,
            has_gaps: false,
        })
    }
}

/// Whether an object can have this size, also with a header and a schema before it.
const fn is_possible(size: usize) -> bool {
    size <= isize::MAX as usize >> 1
}
