//! A reader of segments that follows `shm-core/docs/format.md` and shares nothing with the library.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{SystemTime, UNIX_EPOCH};

use shm_core::ShmLayout;
use shm_core::layout::{LayoutKind, OffsetTarget, TypeLayout};

pub(super) fn bytes_of(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(bytes[at..at + 2].try_into().unwrap())
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A schema node, as the document describes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Scalar {
        code: u8,
        atomic: u8,
    },
    Array {
        len: u64,
        element: Box<Node>,
    },
    Slice {
        element: Box<Node>,
    },
    Enum {
        code: u8,
        name: String,
        variants: Vec<(String, u64)>,
    },
    Struct {
        size: u64,
        align: u32,
        version: u32,
        name: String,
        fields: Vec<(String, u64, Node)>,
    },
    Meaning {
        target: u64,
        meaning: String,
        inner: Box<Node>,
    },
}

fn text(bytes: &mut &[u8]) -> String {
    let len = usize::from(u16_at(bytes, 0));
    let text = String::from_utf8(bytes[2..2 + len].to_vec()).unwrap();
    *bytes = &bytes[2 + len..];
    text
}

fn several_fields(body: &mut &[u8], count: u32) -> Vec<(String, u64, Node)> {
    let mut fields = Vec::new();
    for _ in 0..count {
        let name = text(body);
        let offset = u64_at(body, 0);
        *body = &body[8..];
        fields.push((name, offset, node(body)));
    }
    fields
}

pub(super) fn node(bytes: &mut &[u8]) -> Node {
    let (tag, zeros, len) = (bytes[0], &bytes[1..4], u32_at(bytes, 4) as usize);
    assert_eq!(zeros, [0; 3]);
    let mut body = &bytes[8..8 + len];
    *bytes = &bytes[8 + len..];
    let node = match tag {
        1 => {
            assert_eq!(body[2..], [0, 0]);
            let node = Node::Scalar {
                code: body[0],
                atomic: body[1],
            };
            body = &[];
            node
        }
        2 => {
            let len = u64_at(body, 0);
            body = &body[8..];
            Node::Array {
                len,
                element: Box::new(node(&mut body)),
            }
        }
        3 => Node::Slice {
            element: Box::new(node(&mut body)),
        },
        5 => {
            let code = body[0];
            assert_eq!(body[1..4], [0; 3]);
            let count = u32_at(body, 4);
            body = &body[8..];
            let name = text(&mut body);
            let mut variants = Vec::new();
            for _ in 0..count {
                let name = text(&mut body);
                variants.push((name, u64_at(body, 0)));
                body = &body[8..];
            }
            Node::Enum {
                code,
                name,
                variants,
            }
        }
        4 => {
            let (size, align, version) = (u64_at(body, 0), u32_at(body, 8), u32_at(body, 12));
            let count = u32_at(body, 16);
            body = &body[20..];
            let name = text(&mut body);
            let fields = several_fields(&mut body, count);
            Node::Struct {
                size,
                align,
                version,
                name,
                fields,
            }
        }
        6 => {
            let target = u64_at(body, 0);
            body = &body[8..];
            Node::Meaning {
                target,
                meaning: text(&mut body),
                inner: Box::new(node(&mut body)),
            }
        }
        other => panic!("tag {other} is not in the document"),
    };
    assert!(body.is_empty(), "a node is as long as its content");
    node
}

/// The fingerprint of a node, as the document describes it.
fn fingerprint(node: &Node) -> u64 {
    mix(&numbers(node))
}

fn mix(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0xcbf2_9ce4_8422_2325, |hash, number| {
        let hash = (hash ^ number).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^ (hash >> 32)
    })
}

/// The numbers that the document lists for a node.
fn numbers(node: &Node) -> Vec<u64> {
    let end = if cfg!(target_endian = "big") { 256 } else { 0 };
    match node {
        Node::Scalar { code, atomic } => vec![1 + end, (*code).into(), (*atomic).into()],
        Node::Array { len, element } => vec![2 + end, *len, fingerprint(element)],
        Node::Slice { element } => vec![3 + end, fingerprint(element)],
        Node::Enum { code, variants, .. } => {
            let mut numbers = vec![5 + end, (*code).into(), variants.len() as u64];
            for (name, bits) in variants {
                numbers.extend([fnv(name.as_bytes()), *bits]);
            }
            numbers
        }
        Node::Meaning { meaning, inner, .. } => {
            vec![6 + end, fnv(meaning.as_bytes()), fingerprint(inner)]
        }
        Node::Struct {
            size,
            align,
            version,
            fields,
            ..
        } => {
            let (align, version) = (u64::from(*align), u64::from(*version));
            let mut numbers = vec![4 + end, *size, align, version, fields.len() as u64];
            for (name, offset, field) in fields {
                numbers.extend([fnv(name.as_bytes()), *offset, fingerprint(field)]);
            }
            numbers
        }
    }
}

/// Compares what was decoded with the library's description of the type.
pub(super) fn same(node: &Node, layout: &TypeLayout) {
    assert_eq!(fingerprint(node), layout.fingerprint(), "{node:?}");
    match (node, layout.kind()) {
        (Node::Scalar { code, atomic }, LayoutKind::Scalar(scalar)) => {
            assert_eq!(
                (*code, *atomic == 1),
                (scalar.kind() as u8, scalar.is_atomic())
            );
        }
        (
            Node::Array { len, element },
            LayoutKind::Array {
                element: expected,
                len: count,
                ..
            },
        ) => {
            assert_eq!(*len, count as u64);
            same(element, expected);
        }
        (
            Node::Slice { element },
            LayoutKind::Slice {
                element: expected, ..
            },
        ) => same(element, expected),
        (
            Node::Enum {
                code,
                name,
                variants,
            },
            LayoutKind::Enum {
                repr,
                variants: expected,
                ..
            },
        ) => {
            assert_eq!((*code, name.as_str()), (repr as u8, layout.name()));
            let expected: Vec<_> = expected
                .iter()
                .map(|variant| (variant.name().to_owned(), variant.bits()))
                .collect();
            assert_eq!(*variants, expected);
        }
        (
            Node::Struct {
                size,
                align,
                version,
                name,
                fields,
            },
            LayoutKind::Struct {
                version: expected, ..
            },
        ) => {
            assert_eq!((name.as_str(), *version), (layout.name(), expected));
            let whole = fields.len() == layout.fields().len();
            if whole {
                assert_eq!(
                    (*size as usize, *align as usize),
                    (layout.size(), layout.align())
                );
            }
            same_fields(node, layout, 0);
        }
        (
            Node::Meaning {
                target,
                meaning,
                inner,
            },
            LayoutKind::Meaning {
                meaning: expected,
                inner: parts,
                target: leads_to,
                ..
            },
        ) => {
            assert_eq!(meaning, expected);
            assert_eq!(*target, leads_to.map_or(0, OffsetTarget::fingerprint));
            same(inner, parts);
        }
        other => panic!("two different kinds: {other:?}"),
    }
}

/// Compares the fields of a struct at this level.
fn same_fields(node: &Node, layout: &TypeLayout, level: u32) {
    let Node::Struct { fields, .. } = node else {
        panic!("only structs have fields: {node:?}");
    };
    let expected = layout.fields().iter();
    let expected: Vec<_> = expected.filter(|field| field.since() <= level).collect();
    assert_eq!(fields.len(), expected.len());
    for ((name, offset, node), field) in fields.iter().zip(expected) {
        assert_eq!(
            (name.as_str(), *offset as usize),
            (field.name(), field.offset())
        );
        same(node, field.layout());
    }
}

/// The record of a level.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) begin: usize,
    fingerprint: u64,
    /// The struct cut behind the level's fields.
    pub(super) whole: Node,
}

/// The records at the end of a file, from level 1 on.
pub(super) fn records(bytes: &[u8], root: &Node) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut end = bytes.len();
    for _ in 0..u32_at(bytes, 208) {
        let len = u32_at(bytes, end - 16) as usize;
        assert_eq!(u32_at(bytes, end - 12), 0);
        let fingerprint = u64_at(bytes, end - 8);
        let begin = end - 16 - len.next_multiple_of(8);
        assert!(bytes[begin + len..end - 16].iter().all(|byte| *byte == 0));
        let mut body = &bytes[begin..begin + len];
        let (size, align, count) = (u64_at(body, 0), u32_at(body, 8), u32_at(body, 12));
        body = &body[16..];
        let before = records.last().map_or(root, |record| &record.whole);
        let Node::Struct { version, name, .. } = root else {
            panic!("only structs have levels");
        };
        let Node::Struct { fields, .. } = before else {
            unreachable!("a record is that of a struct");
        };
        let mut fields = fields.clone();
        fields.extend(several_fields(&mut body, count));
        assert!(body.is_empty(), "a record is as long as its content");
        records.push(Record {
            begin,
            fingerprint,
            whole: Node::Struct {
                size,
                align,
                version: *version,
                name: name.clone(),
                fields,
            },
        });
        end = begin;
    }
    records
}

/// Checks everything that the document says about the bytes before the payload, and returns the payload.
pub(super) fn check<T: ShmLayout>(file: &File) -> Vec<u8> {
    check_before::<T>(file, 1)
}

/// The same, after participants up to but not including this one have registered.
pub(super) fn check_before<T: ShmLayout>(file: &File, participant: u64) -> Vec<u8> {
    let bytes = bytes_of(file);
    assert_eq!(bytes[..8], [0x89, b'S', b'H', b'M', 0x0d, 0x0a, 0x1a, 0x0a]);
    assert_eq!(u16_at(&bytes, 8), 2, "format version");
    assert_eq!(u16_at(&bytes, 10), 256, "header length");
    assert_eq!(bytes[12], if cfg!(target_endian = "big") { 2 } else { 1 });
    assert_eq!(bytes[13..16], [0; 3]);
    assert_eq!(u64_at(&bytes, 16), bytes.len() as u64, "length of the file");
    assert_eq!(bytes.len(), T::PAGE_ROUNDED_SIZE);
    assert_eq!(u64_at(&bytes, 24), 256, "offset of the schema");
    let schema_len = u64_at(&bytes, 32) as usize;
    let payload = u64_at(&bytes, 40) as usize;
    assert_eq!(
        payload,
        (256 + schema_len).next_multiple_of(T::ALIGN.max(128))
    );
    let size = match &node(&mut &bytes[256..256 + schema_len]) {
        Node::Struct { size, .. } => *size,
        _ => T::SIZE as u64,
    };
    assert_eq!(u64_at(&bytes, 48), size, "length of the payload at level 0");
    let root = node(&mut &bytes[256..256 + schema_len]);
    let records = records(&bytes, &root);
    let end = records.last().map_or(bytes.len(), |record| record.begin);
    let room = match (&root, T::LAYOUT.room()) {
        (Node::Struct { .. }, room) => room.unwrap_or(1024),
        _ => 0,
    };
    assert_eq!(
        bytes.len(),
        (payload + T::SIZE + room + bytes.len() - end).next_multiple_of(4096),
        "whole pages"
    );
    let align = match &root {
        Node::Struct { align, .. } => *align,
        _ => T::ALIGN as u32,
    };
    assert_eq!(u32_at(&bytes, 56), align);
    assert_eq!(u32_at(&bytes, 60), T::LAYOUT.version());
    assert_eq!((u64_at(&bytes, 64), u64_at(&bytes, 72)), (0, 0), "no slice");
    assert_eq!(u64_at(&bytes, 80), T::FINGERPRINT);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let age = now.as_nanos() as i128 - i128::from(u64_at(&bytes, 96));
    assert!(age.abs() < 3_600_000_000_000, "created {age} ns ago");
    assert_eq!(u32_at(&bytes, 104), std::process::id());
    assert_eq!(u32_at(&bytes, 108), file.metadata().unwrap().uid());
    assert_eq!(u64_at(&bytes, 112), 0);
    assert_eq!(u64_at(&bytes, 120), fnv(&bytes[..120]), "checksum");
    assert_eq!(bytes[128..192], [0; 64]);
    assert_eq!(u32_at(&bytes, 196), 0);
    assert_eq!(u64_at(&bytes, 200), participant, "the next participant");
    assert_eq!(u32_at(&bytes, 208), T::LEVEL, "the number of levels");
    assert_eq!(bytes[212..256], [0; 44]);

    let mut rest = &bytes[256..256 + schema_len];
    node(&mut rest);
    assert!(rest.is_empty(), "the schema is one node");
    same(&root, T::LAYOUT);
    for (level, record) in (1..).zip(&records) {
        assert_eq!(fingerprint(&record.whole), record.fingerprint);
        same_fields(&record.whole, T::LAYOUT, level);
    }
    assert!(
        bytes[256 + schema_len..payload]
            .iter()
            .all(|byte| *byte == 0)
    );
    let fields_end = payload + T::SIZE;
    assert!(bytes[fields_end..end].iter().all(|byte| *byte == 0));
    bytes[payload..fields_end].to_vec()
}
