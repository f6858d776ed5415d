//! Decodes an untrusted schema.

use super::super::fingerprint::ByteOrder;
use super::super::{Scalar, ScalarKind, tag};

/// The maximum nesting depth. Each struct, array or slice is one level.
pub(crate) const MAX_DEPTH: usize = 128;

/// A schema decoded from untrusted bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Schema {
    pub(crate) root: Node,
}

/// The name of a type, for display: all names compare equal.
#[derive(Clone, Debug)]
pub(crate) struct DisplayName(pub(crate) String);

impl PartialEq for DisplayName {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Scalar(Scalar),
    Array {
        len: u64,
        element: Box<Node>,
    },
    Slice {
        element: Box<Node>,
    },
    Meaning {
        meaning: String,
        target: u64,
        /// The type that an offset leads to, which a schema does not say.
        target_name: Option<DisplayName>,
        inner: Box<Node>,
    },
    Enum {
        name: DisplayName,
        repr: ScalarKind,
        variants: Vec<(String, u64)>,
    },
    Struct {
        name: DisplayName,
        size: u64,
        align: u32,
        version: u32,
        fields: Vec<FieldNode>,
    },
    /// A node of a later version of the format.
    Unknown {
        tag: u8,
        size: u64,
        align: u32,
        /// What that version defines.
        body: Vec<u8>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldNode {
    pub(crate) name: String,
    pub(crate) offset: u64,
    pub(crate) node: Node,
}

/// Reads from the front of a slice. Every length is checked against the remaining bytes.
struct Decoder<'a>(&'a [u8], ByteOrder);

impl<'a> Decoder<'a> {
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

    /// The bytes of a number, in the order of this machine.
    fn number<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = self.array()?;
        if self.1 == ByteOrder::Swapped {
            bytes.reverse();
        }
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.number().map(u32::from_ne_bytes)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.number().map(u64::from_ne_bytes)
    }

    fn text(&mut self) -> Result<String, String> {
        let len = u16::from_ne_bytes(self.number()?);
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
        let mut body = Decoder(self.take(len as usize)?, self.1);
        let node = match tag {
            tag::SCALAR => body.scalar()?,
            tag::ARRAY => Node::Array {
                len: body.u64()?,
                element: Box::new(body.node(depth + 1)?),
            },
            tag::SLICE => Node::Slice {
                element: Box::new(body.node(depth + 1)?),
            },
            tag::STRUCT => body.structure(depth)?,
            tag::ENUM => body.enumeration()?,
            tag::MEANING => Node::Meaning {
                target: body.u64()?,
                meaning: body.text()?,
                target_name: None,
                inner: Box::new(body.node(depth + 1)?),
            },
            // The size and alignment, and what a later version defines.
            _ if body.0.len() < 12 => {
                return Err(format!(
                    "a node with tag {tag} lacks its size and alignment"
                ));
            }
            _ => Node::Unknown {
                tag,
                size: body.u64()?,
                align: body.u32()?,
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
                "the schema has an unknown scalar (code {code}, atomic {atomic})"
            )),
        }
    }

    fn enumeration(&mut self) -> Result<Node, String> {
        let [code, zeros @ ..] = self.array::<4>()?;
        let repr = ScalarKind::ALL
            .into_iter()
            .find(|kind| *kind as u8 == code && kind.is_word())
            .filter(|_| zeros == [0; 3])
            .ok_or_else(|| format!("the schema has an enum of an unknown integer (code {code})"))?;
        let count = self.u32()?;
        let name = DisplayName(self.text()?);
        let mut variants = Vec::new();
        for _ in 0..count {
            variants.push((self.text()?, self.u64()?));
        }
        Ok(Node::Enum {
            name,
            repr,
            variants,
        })
    }

    fn structure(&mut self, depth: usize) -> Result<Node, String> {
        let (size, align, version, count) = (self.u64()?, self.u32()?, self.u32()?, self.u32()?);
        let name = DisplayName(self.text()?);
        let fields = self.fields(count, depth)?;
        Ok(Node::Struct {
            name,
            size,
            align,
            version,
            fields,
        })
    }

    fn fields(&mut self, count: u32, depth: usize) -> Result<Vec<FieldNode>, String> {
        // No capacity is reserved for `count`, so that a false count cannot cause a large allocation.
        let mut fields = Vec::new();
        for _ in 0..count {
            fields.push(FieldNode {
                name: self.text()?,
                offset: self.u64()?,
                node: self.node(depth + 1)?,
            });
        }
        Ok(fields)
    }
}

impl Schema {
    /// Decodes a schema. The error describes what is wrong with it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        Self::decode_in(bytes, ByteOrder::Native)
    }

    /// Decodes a schema whose numbers have this byte order.
    pub(crate) fn decode_in(bytes: &[u8], order: ByteOrder) -> Result<Self, String> {
        let mut decoder = Decoder(bytes, order);
        let root = decoder.node(0)?;
        if decoder.0.is_empty() {
            Ok(Self { root })
        } else {
            Err("the schema is followed by stray bytes".to_owned())
        }
    }

    /// Decodes the record of a level as a struct of the fields that it adds.
    pub(crate) fn decode_level(body: &[u8], order: ByteOrder) -> Result<Self, String> {
        let mut decoder = Decoder(body, order);
        let (size, align, count) = (decoder.u64()?, decoder.u32()?, decoder.u32()?);
        let fields = decoder.fields(count, 0)?;
        if !decoder.0.is_empty() {
            return Err("the record is longer than its content".to_owned());
        }
        let root = Node::Struct {
            name: DisplayName(String::new()),
            size,
            align,
            version: 0,
            fields,
        };
        Ok(Self { root })
    }
}
