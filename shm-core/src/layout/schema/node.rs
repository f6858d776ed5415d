//! A type as a tree of nodes: made of a layout, and its sizes and names.

use super::super::{FieldLayout, LayoutKind, OffsetTarget, TypeLayout, TypeName, meaning};
use super::decode::{DisplayName, FieldNode, Node, Schema};

/// How the name of a type is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Structs and enums are named, if they have a name.
    Named,
    /// As `Named`, and an enum with its integer.
    WithIntegers,
    /// Structs and enums are described: their names do not matter where two types are compared.
    Described,
}

/// How much of a layout to make nodes of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Whole,
    /// Structs that have a name get no fields.
    Name,
}

impl Schema {
    /// The name of the type, for display.
    pub(crate) fn type_name(&self) -> String {
        self.root.rust_name(Naming::Named)
    }
}

impl Node {
    /// The newest level of a layout. It has what the schema has, and the names of the types that offsets lead to.
    pub(crate) fn of(layout: &TypeLayout) -> Self {
        Self::build(layout, Extent::Whole)
    }

    /// As much of a layout as its name needs. The type that an offset leads to may contain the offset.
    pub(crate) fn for_name(layout: &TypeLayout) -> Self {
        Self::build(layout, Extent::Name)
    }

    fn build(layout: &TypeLayout, extent: Extent) -> Self {
        match layout.kind() {
            LayoutKind::Scalar(scalar) => Self::Scalar(scalar),
            LayoutKind::Array { element, len } => Self::Array {
                len: len as u64,
                element: Box::new(Self::build(element, extent)),
            },
            LayoutKind::Slice { element } => Self::Slice {
                element: Box::new(Self::build(element, extent)),
            },
            LayoutKind::Meaning {
                meaning,
                inner,
                target,
            } => Self::Meaning {
                meaning: meaning.to_owned(),
                target: target.map_or(0, OffsetTarget::fingerprint),
                target_name: match target {
                    Some(OffsetTarget::Type(target)) => {
                        Some(DisplayName(TypeName(target()).to_string()))
                    }
                    _ => None,
                },
                inner: Box::new(match inner.kind() {
                    // Its name is not shown, but those of its fields.
                    LayoutKind::Struct { version, fields } => {
                        Self::of_struct(inner, version, fields, extent)
                    }
                    _ => Self::build(inner, extent),
                }),
            },
            LayoutKind::Enum { repr, variants } => Self::Enum {
                name: DisplayName(layout.name().to_owned()),
                repr,
                variants: variants
                    .iter()
                    .map(|variant| (variant.name().to_owned(), variant.bits()))
                    .collect(),
            },
            LayoutKind::Struct { version, fields } => {
                let is_named = extent == Extent::Name && !layout.name().is_empty();
                let fields = if is_named { &[] } else { fields };
                Self::of_struct(layout, version, fields, extent)
            }
            LayoutKind::Unknown { tag, body } => Self::Unknown {
                tag,
                size: layout.size() as u64,
                align: layout.align() as u32,
                body: body.to_vec(),
            },
        }
    }

    fn of_struct(
        layout: &TypeLayout,
        version: u32,
        fields: &[FieldLayout],
        extent: Extent,
    ) -> Self {
        Self::Struct {
            name: DisplayName(layout.name().to_owned()),
            size: layout.size() as u64,
            align: layout.align() as u32,
            version,
            fields: fields
                .iter()
                .map(|field| FieldNode {
                    name: field.name().to_owned(),
                    offset: field.offset() as u64,
                    node: Self::build(field.layout(), extent),
                })
                .collect(),
        }
    }

    /// The fields of a struct.
    pub(crate) fn fields(&self) -> &[FieldNode] {
        match self {
            Self::Struct { fields, .. } => fields,
            _ => &[],
        }
    }

    /// The size in bytes. The tree must have been checked.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Scalar(scalar) => scalar.kind().size() as u64,
            Self::Array { len, element } => len * element.size(),
            Self::Slice { .. } => 0,
            Self::Meaning { inner, .. } => inner.size(),
            Self::Enum { repr, .. } => repr.size() as u64,
            Self::Struct { size, .. } => *size,
            Self::Unknown { size, .. } => *size,
        }
    }

    /// The alignment in bytes, if 128-bit integers are aligned to `wide_align`.
    pub(crate) fn align(&self, wide_align: usize) -> usize {
        match self {
            Self::Scalar(scalar) => match scalar.kind().size() {
                16 => wide_align,
                size => size,
            },
            Self::Array { element, .. } | Self::Slice { element } => element.align(wide_align),
            Self::Meaning { inner, .. } => inner.align(wide_align),
            Self::Enum { repr, .. } => repr.size(),
            Self::Struct { align, .. } => *align as usize,
            Self::Unknown { align, .. } => *align as usize,
        }
    }

    /// Whether it is a trailing slice, or ends in one.
    pub(crate) fn has_tail(&self) -> bool {
        match self {
            Self::Slice { .. } => true,
            Self::Struct { fields, .. } => fields.last().is_some_and(|last| last.node.has_tail()),
            _ => false,
        }
    }

    /// The type in Rust's syntax, as far as the tree has it.
    pub(crate) fn rust_name(&self, naming: Naming) -> String {
        match self {
            Self::Struct { name, .. } if naming != Naming::Described && !name.0.is_empty() => {
                name.0.clone()
            }
            Self::Enum { name, repr, .. } if naming != Naming::Described && !name.0.is_empty() => {
                match naming {
                    Naming::WithIntegers => format!("{} ({})", name.0, repr.name()),
                    _ => name.0.clone(),
                }
            }
            Self::Scalar(scalar) => scalar.name().to_owned(),
            Self::Meaning {
                meaning,
                inner,
                target_name,
                ..
            } => meaning_name(meaning, inner, target_name.as_ref(), naming),
            Self::Slice { element } => format!("[{}]", element.rust_name(naming)),
            Self::Enum { repr, variants, .. } => {
                format!(
                    "an enum of {} variants in a {}",
                    variants.len(),
                    repr.name()
                )
            }
            Self::Array { len, element } => format!("[{}; {len}]", element.rust_name(naming)),
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

/// The name of a type of this library, or of another one that has a meaning.
fn meaning_name(
    meaning: &str,
    inner: &Node,
    target_name: Option<&DisplayName>,
    naming: Naming,
) -> String {
    let parts = inner.fields();
    let last = parts.last().map(|part| &part.node);
    match (meaning, inner, last) {
        (meaning::STR, Node::Array { len, .. }, _) => format!("ShmStr<{len}>"),
        (meaning::OFFSET, ..) => match target_name {
            Some(target) if naming != Naming::Described => format!("ShmOffset<{}>", target.0),
            _ => "ShmOffset".to_owned(),
        },
        (meaning::VEC, _, Some(Node::Array { len, element })) => {
            format!("ShmVec<{}, {len}>", element.rust_name(naming))
        }
        (meaning::MUTEX, _, Some(value)) => format!("Mutex<{}>", value.rust_name(naming)),
        (meaning::EVENT, ..) => "Event".to_owned(),
        (meaning::SEMAPHORE, ..) => "Semaphore".to_owned(),
        (meaning::BARRIER, _, Some(Node::Array { len, .. })) => format!("Barrier<{len}>"),
        // A slot's padding is not shown.
        (meaning::SLOT, _, Some(value)) if parts.len() == 1 => value.rust_name(naming),
        (_, _, Some(Node::Array { len, element })) => match meaning::slotted_type_name(meaning) {
            Some(name) => format!("{name}<{}, {len}>", element.rust_name(naming)),
            None => format!("{meaning} of {}", inner.rust_name(naming)),
        },
        _ => format!("{meaning} of {}", inner.rust_name(naming)),
    }
}
