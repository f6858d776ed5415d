//! The schema: an encoded layout, from which a program without the Rust type can decode a payload.
//!
//! A schema is one node. A node is a tag (1 byte), three zero bytes, the length of its body (`u32`) and the
//! body. Readers skip nodes with an unknown tag. Integers are in the byte order of the machine that created the segment,
//! which the header records. Names are a length (`u16`) and UTF-8 bytes.
//!
//! | tag | node | body |
//! |---|---|---|
//! | 1 | scalar | code `u8` ([`ScalarKind`]), atomic `u8` (0 or 1), two zero bytes |
//! | 2 | array | number of elements `u64`, node of the element |
//! | 3 | slice, at the end of a struct | node of the element |
//! | 4 | struct | size `u64`, align `u32`, version `u32`, number of fields `u32`, type name, then for each field: name, offset `u64`, node |
//! | 5 | enum | code `u8` of its integer, three zero bytes, number of variants `u32`, type name, then for each variant: name, discriminant `u64` (sign-extended two's complement) |
//! | 6 | meaning | fingerprint of the type that an offset points to `u64` (0 for other meanings), meaning as a name, node of its parts |
//!
//! Tags from 7 on are reserved for later versions. Their bodies begin with the size (`u64`) and alignment (`u32`) of the type,
//! so that a reader can step over its values.

mod decode;
mod difference;
mod node;
#[cfg(test)]
mod tests;
mod type_name;

pub(crate) use decode::{FieldNode, MAX_DEPTH, Node, Schema};
pub(crate) use node::Naming;
pub(crate) use type_name::{TYPE_NAME_PREFIX, peek_type_name};

use super::{FieldLayout, LayoutKind, OffsetTarget, TypeLayout, tag};

const NODE_HEADER: usize = 8;
/// The size of a scalar's node.
pub(crate) const SCALAR_LEN: usize = NODE_HEADER + 4;

/// The size of an array's node.
pub(crate) const fn array_len(element: usize) -> usize {
    NODE_HEADER + 8 + element
}

/// The size of a trailing slice's node.
pub(crate) const fn slice_len(element: usize) -> usize {
    NODE_HEADER + element
}

/// The size of an enum's node without its variants.
pub(crate) const fn enum_len(name: &str) -> usize {
    NODE_HEADER + 4 + 4 + text_len(name)
}

/// The size of the node of a type of this library.
pub(crate) const fn meaning_len(meaning: &str, inner: usize) -> usize {
    NODE_HEADER + 8 + text_len(meaning) + inner
}

/// The size of a node of a later format.
pub(crate) const fn unknown_len(body: &[u8]) -> usize {
    NODE_HEADER + 8 + 4 + body.len()
}

/// The size that a variant adds to its enum's node.
pub(crate) const fn variant_len(name: &str) -> usize {
    text_len(name) + 8
}

/// The size of a struct's node without its fields.
pub(crate) const fn struct_len(name: &str) -> usize {
    NODE_HEADER + 8 + 4 + 4 + 4 + text_len(name)
}

/// The size that a field with a name of length `name` adds to its struct's node, excluding its type's node.
pub(crate) const fn field_len(name: usize) -> usize {
    name_len(name) + 8
}

const fn text_len(text: &str) -> usize {
    name_len(text.len())
}

const fn name_len(len: usize) -> usize {
    assert!(
        len <= u16::MAX as usize,
        "a name in a schema has at most 65535 bytes"
    );
    2 + len
}

/// Encodes level 0 of `layout` in exactly [`schema_len`](TypeLayout::schema_len) bytes.
pub(crate) fn encode(layout: &TypeLayout) -> Vec<u8> {
    encode_level(layout, 0)
}

/// Encodes level `level` of `layout` in exactly [`level_schema_len`](TypeLayout::level_schema_len) bytes.
pub(crate) fn encode_level(layout: &TypeLayout, level: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(layout.level_schema_len(level));
    node(layout, level, &mut out);
    debug_assert_eq!(out.len(), layout.level_schema_len(level));
    out
}

/// Appends what [`encode`] returns.
pub(crate) fn encode_into(layout: &TypeLayout, out: &mut Vec<u8>) {
    node(layout, 0, out);
}

/// Appends the fields that level `level` has added to the one below it, as in a struct's body, in exactly
/// [`new_fields_len`](TypeLayout::new_fields_len) bytes.
pub(crate) fn encode_new_fields(layout: &TypeLayout, level: u32, out: &mut Vec<u8>) {
    fields(layout.new_fields(level), out);
}

/// The length of the node at the front of bytes, as it says; the bytes may be fewer.
pub(crate) fn first_node_len(bytes: &[u8]) -> Option<usize> {
    let (len, _) = bytes.get(4..)?.split_first_chunk()?;
    NODE_HEADER.checked_add(u32::from_ne_bytes(*len) as usize)
}

/// The name of a type, in the same form as [`Schema::type_name`].
pub(crate) fn type_name(layout: &TypeLayout) -> String {
    Node::for_name(layout).rust_name(Naming::Named)
}

/// `level` is that of the payload. Its parts have no levels.
fn node(layout: &TypeLayout, level: u32, out: &mut Vec<u8>) {
    let tag = match layout.kind() {
        LayoutKind::Scalar(_) => tag::SCALAR,
        LayoutKind::Array { .. } => tag::ARRAY,
        LayoutKind::Slice { .. } => tag::SLICE,
        LayoutKind::Enum { .. } => tag::ENUM,
        LayoutKind::Meaning { .. } => tag::MEANING,
        LayoutKind::Struct { .. } => tag::STRUCT,
        LayoutKind::Unknown { tag, .. } => tag,
    };
    out.extend([tag, 0, 0, 0]);
    out.extend(int32(layout.level_schema_len(level) - NODE_HEADER).to_ne_bytes());
    match layout.kind() {
        LayoutKind::Scalar(scalar) => {
            out.extend([scalar.kind() as u8, u8::from(scalar.is_atomic()), 0, 0])
        }
        LayoutKind::Array { element, len } => {
            out.extend((len as u64).to_ne_bytes());
            node(element, 0, out);
        }
        LayoutKind::Slice { element } => node(element, 0, out),
        LayoutKind::Meaning {
            meaning,
            inner,
            target,
        } => {
            let target = target.map_or(0, OffsetTarget::fingerprint);
            out.extend(target.to_ne_bytes());
            text(meaning, out);
            node(inner, 0, out);
        }
        LayoutKind::Enum { repr, variants } => {
            out.extend([repr as u8, 0, 0, 0]);
            out.extend(int32(variants.len()).to_ne_bytes());
            text(layout.name(), out);
            for variant in variants {
                text(variant.name(), out);
                out.extend(variant.bits().to_ne_bytes());
            }
        }
        LayoutKind::Struct { version, .. } => {
            let of_level = layout.level_fields(level);
            out.extend((layout.level_size(level) as u64).to_ne_bytes());
            out.extend(int32(layout.level_align(level)).to_ne_bytes());
            out.extend(version.to_ne_bytes());
            out.extend(int32(of_level.len()).to_ne_bytes());
            text(layout.name(), out);
            fields(of_level, out);
        }
        LayoutKind::Unknown { body, .. } => {
            out.extend((layout.size() as u64).to_ne_bytes());
            out.extend(int32(layout.align()).to_ne_bytes());
            out.extend(body);
        }
    }
}

fn fields(fields: &[FieldLayout], out: &mut Vec<u8>) {
    for field in fields {
        text(field.name(), out);
        out.extend((field.offset() as u64).to_ne_bytes());
        node(field.layout(), 0, out);
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    // `name_len` checked the length when the layout was built.
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(len.to_ne_bytes());
    out.extend(text.as_bytes());
}

/// Schemas are far below 4 GiB: a segment's schema has at most 16 MiB.
fn int32(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
