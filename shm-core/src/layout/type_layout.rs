//! A type's layout as constant data: what the derive writes down and everything else reads.

use super::fingerprint::Fnv;
use super::scalar::{Scalar, ScalarKind, Step, Variant};
use super::schema;

/// A type's layout: its size, alignment, and what lies at each offset.
///
/// Every [`ShmLayout`](crate::ShmLayout) type has one as constant data in
/// [`LAYOUT`](crate::ShmLayout::LAYOUT). The same data, encoded, is the schema that every segment carries, so
/// that a program without the Rust type can decode the payload.
///
/// ```
/// use shm_core::ShmLayout;
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Point { x: f64, y: f64 }
///
/// assert_eq!(Point::LAYOUT.size(), 16);
/// assert_eq!(Point::LAYOUT.fields()[1].name(), "y");
/// assert_eq!(Point::LAYOUT.fields()[1].offset(), 8);
/// ```
#[derive(Debug)]
pub struct TypeLayout {
    name: &'static str,
    kind: LayoutKind,
    pub(super) size: usize,
    pub(super) align: usize,
    fingerprint: u64,
    schema_len: usize,
    /// The one way to move every byte of the type, where there is one.
    uniform: Option<Step>,
    /// Whether a `bool` lies anywhere in it: its byte has to be brought to 0 or 1 after a copy.
    has_bool: bool,
    /// Whether bytes of it belong to no field, or a text in it has no room. No segment is ever made of such a type.
    padded: bool,
    /// Whether it has padding that no error was reported for: that of an instance of a generic struct.
    untold: bool,
    /// Whether the derive has to report a mistake at it: padding that no other error tells of, or no bytes at all.
    blamed: bool,
    /// Whether some bytes are no value of it: a `char` or an enum lies in it.
    checked: bool,
    /// Whether zeroes are a value of it.
    zero_valid: bool,
    /// Bytes of one element of the trailing slice that it ends in.
    tail_stride: Option<usize>,
    /// Whether the derive has refused it, or a type in it. That error is enough: checks pass over it.
    refused: bool,
    /// Whether a type in it has owners that may die, so that whoever writes has to be known as alive.
    has_claims: bool,
}

/// What a type is made of.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum LayoutKind {
    /// One number, boolean or atomic.
    Scalar(Scalar),
    /// `len` elements one behind the other.
    #[non_exhaustive]
    Array {
        /// The layout of each element.
        element: &'static TypeLayout,
        /// How many there are.
        len: usize,
    },
    /// As many elements one behind the other as the segment says: the end of a struct.
    #[non_exhaustive]
    Slice {
        /// The layout of each element.
        element: &'static TypeLayout,
    },
    /// An integer of which only some values are valid, each with a name.
    #[non_exhaustive]
    Enum {
        /// The integer.
        repr: ScalarKind,
        /// The variants, in the order of their declaration.
        variants: &'static [Variant],
    },
    /// A type of this library: what it means, and what it is made of. Who does not know the meaning sees the bytes.
    #[non_exhaustive]
    Meaning {
        /// The meaning: `str`, `vec`, `offset`.
        meaning: &'static str,
        /// What it is made of.
        inner: &'static TypeLayout,
        /// What an offset leads to.
        target: Option<fn() -> &'static TypeLayout>,
    },
    /// Named fields at their offsets, in the order of their declaration.
    #[non_exhaustive]
    Struct {
        /// `#[shm(version = ..)]`, 0 without one.
        version: u32,
        /// The fields.
        fields: &'static [FieldLayout],
    },
}

/// A field of a struct: its name, its offset and its type's layout.
#[derive(Clone, Copy, Debug)]
pub struct FieldLayout {
    name: &'static str,
    pub(super) offset: usize,
    pub(super) layout: &'static TypeLayout,
}

/// Tags that keep the fingerprints of different kinds apart; the same numbers tag schema nodes.
pub(crate) mod tag {
    pub(crate) const SCALAR: u8 = 1;
    pub(crate) const ARRAY: u8 = 2;
    pub(crate) const SLICE: u8 = 3;
    pub(crate) const STRUCT: u8 = 4;
    pub(crate) const ENUM: u8 = 5;
    pub(crate) const MEANING: u8 = 6;
}

/// Every fingerprint begins with its kind and the machine's byte order.
const fn seed(tag: u8) -> Fnv {
    Fnv::new().byte(tag).byte(cfg!(target_endian = "big") as u8)
}

impl TypeLayout {
    pub(crate) const fn scalar(kind: ScalarKind, atomic: bool, align: usize) -> Self {
        let scalar = Scalar::new(kind, atomic);
        Self {
            name: scalar.name(),
            kind: LayoutKind::Scalar(scalar),
            size: kind.size(),
            align,
            fingerprint: seed(tag::SCALAR)
                .byte(kind as u8)
                .byte(atomic as u8)
                .finish(),
            schema_len: schema::SCALAR_LEN,
            uniform: Some(kind.step()),
            has_bool: matches!(kind, ScalarKind::Bool),
            padded: false,
            untold: false,
            blamed: false,
            checked: matches!(kind, ScalarKind::Char),
            zero_valid: true,
            tail_stride: None,
            refused: false,
            has_claims: false,
        }
    }

    /// The same under another name: the name is for people.
    pub(crate) const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The layout of an enum without fields.
    pub(crate) const fn enumeration(
        name: &'static str,
        repr: ScalarKind,
        variants: &'static [Variant],
    ) -> Self {
        let mut hash = seed(tag::ENUM).byte(repr as u8).word(variants.len() as u64);
        let mut schema_len = schema::enum_len(name);
        let mut zero_valid = false;
        let mut i = 0;
        while i < variants.len() {
            hash = hash.text(variants[i].name()).word(variants[i].bits());
            schema_len += schema::variant_len(&variants[i]);
            zero_valid |= variants[i].bits() == 0;
            i += 1;
        }
        Self {
            name,
            kind: LayoutKind::Enum { repr, variants },
            size: repr.size(),
            align: repr.size(),
            fingerprint: hash.finish(),
            schema_len,
            uniform: Some(repr.step()),
            has_bool: false,
            padded: false,
            untold: false,
            blamed: false,
            checked: true,
            zero_valid,
            tail_stride: None,
            refused: false,
            has_claims: false,
        }
    }

    /// The layout of a type of this library. Padding between the fields of `inner` is allowed, since such types are never
    /// moved as a whole, but none in the types of the fields.
    pub(crate) const fn meaning(
        meaning: &'static str,
        inner: &'static TypeLayout,
        target: Option<fn() -> &'static TypeLayout>,
    ) -> Self {
        // No such type is empty, but a text without room.
        let (mut padded, mut untold, mut i) = (inner.size == 0, inner.size == 0, 0);
        while i < inner.fields().len() {
            padded |= inner.fields()[i].layout.padded;
            untold |= inner.fields()[i].layout.untold;
            i += 1;
        }
        // Only as many elements of a vector as its length says are values, and the length can be too large.
        let is_vec = matches!(meaning.as_bytes(), b"vec");
        // No slot of a queue is looked at before a message is in it, and each message is checked when it is received.
        let is_queue = matches!(meaning.as_bytes(), b"ring" | b"broadcast");
        Self {
            name: meaning,
            kind: LayoutKind::Meaning {
                meaning,
                inner,
                target,
            },
            // The target stays out: a type may have offsets to itself, whose fingerprint would need its own.
            fingerprint: seed(tag::MEANING)
                .text(meaning)
                .word(inner.fingerprint)
                .finish(),
            schema_len: schema::meaning_len(meaning, inner.schema_len),
            padded,
            checked: (inner.checked && !is_queue) || is_vec,
            zero_valid: inner.zero_valid || is_vec || is_queue,
            untold,
            uniform: if inner.padded { None } else { inner.uniform },
            ..inner.copied()
        }
    }

    /// The same layout, of a type whose owners may die.
    pub(crate) const fn claiming(mut self) -> Self {
        self.has_claims = true;
        self
    }

    const fn copied(&self) -> Self {
        Self {
            name: self.name,
            kind: self.kind,
            size: self.size,
            align: self.align,
            fingerprint: self.fingerprint,
            schema_len: self.schema_len,
            uniform: self.uniform,
            has_bool: self.has_bool,
            padded: self.padded,
            untold: self.untold,
            blamed: false,
            checked: self.checked,
            zero_valid: self.zero_valid,
            tail_stride: self.tail_stride,
            refused: self.refused,
            has_claims: self.has_claims,
        }
    }

    /// The layout of a trailing slice: none of its elements count into the size.
    pub(crate) const fn slice(element: &'static TypeLayout) -> Self {
        Self {
            name: "slice",
            kind: LayoutKind::Slice { element },
            size: 0,
            align: element.align,
            fingerprint: seed(tag::SLICE).word(element.fingerprint).finish(),
            schema_len: schema::slice_len(element.schema_len),
            uniform: None,
            has_bool: element.has_bool,
            padded: element.padded,
            untold: element.untold,
            blamed: false,
            checked: element.checked,
            zero_valid: element.zero_valid,
            tail_stride: Some(element.size),
            refused: element.refused,
            has_claims: element.has_claims,
        }
    }

    pub(crate) const fn array(element: &'static TypeLayout, len: usize) -> Self {
        Self {
            name: "array",
            kind: LayoutKind::Array { element, len },
            size: element.size * len,
            align: element.align,
            fingerprint: seed(tag::ARRAY)
                .word(len as u64)
                .word(element.fingerprint)
                .finish(),
            schema_len: schema::array_len(element.schema_len),
            uniform: element.uniform,
            has_bool: element.has_bool && len > 0,
            padded: element.padded && len > 0,
            untold: element.untold && len > 0,
            blamed: false,
            checked: element.checked && len > 0,
            zero_valid: element.zero_valid || len == 0,
            tail_stride: None,
            refused: element.refused,
            has_claims: element.has_claims && len > 0,
        }
    }

    /// The layout of a `#[repr(C)]` struct whose fields have been [placed](place).
    pub(crate) const fn structure(
        name: &'static str,
        version: u32,
        size: usize,
        align: usize,
        fields: &'static [FieldLayout],
    ) -> Self {
        let mut hash = seed(tag::STRUCT)
            .word(size as u64)
            .word(align as u64)
            .word(version as u64)
            .word(fields.len() as u64);
        let mut schema_len = schema::struct_len(name);
        let mut bytes = 0;
        let mut has_bool = false;
        let (mut padded, mut untold) = (false, false);
        let (mut checked, mut zero_valid, mut tail_stride) = (false, true, None);
        let (mut refused, mut has_claims) = (false, false);
        let mut uniform: Option<Step> = None;
        let mut mixed = false;
        let (mut i, len) = (0, fields.len());
        while i < len {
            let field = &fields[i];
            let (layout, name) = (field.layout, field.name.as_bytes());
            hash = hash.field(name, field.offset as u64, layout.fingerprint);
            schema_len += schema::field_len(name.len()) + layout.schema_len;
            bytes += layout.size;
            has_bool |= layout.has_bool;
            padded |= layout.padded;
            untold |= layout.untold;
            checked |= layout.checked;
            zero_valid &= layout.zero_valid;
            // Only the last field of a struct can be unsized, so no other overrides this.
            tail_stride = layout.tail_stride;
            refused |= layout.refused;
            has_claims |= layout.has_claims;
            if layout.size > 0 {
                match (uniform, layout.uniform) {
                    (None, step) if step.is_some() => uniform = step,
                    (Some(a), Some(b)) if a as u8 == b as u8 => {}
                    _ => mixed = true,
                }
            }
            i += 1;
        }
        Self {
            name,
            kind: LayoutKind::Struct { version, fields },
            size,
            align,
            fingerprint: hash.finish(),
            schema_len,
            uniform: if mixed || bytes != size {
                None
            } else {
                uniform
            },
            has_bool,
            padded: padded || bytes != size,
            untold: false,
            // A struct of no bytes ends in a slice, or has to be told about.
            blamed: !refused && (untold || bytes != size || (size == 0 && tail_stride.is_none())),
            checked,
            zero_valid,
            tail_stride,
            refused,
            has_claims,
        }
    }

    /// The layout of an instance of a generic struct: the derive, which sees no arguments, has reported no padding of it.
    pub(crate) const fn of_instance(mut self) -> Self {
        self.untold = self.blamed && self.size > 0;
        self
    }

    /// What stands in for the layout of a type that the derive has refused.
    pub(crate) const fn refused() -> Self {
        Self::structure("refused", 0, 0, 1, &[]).of_no_size()
    }

    /// The same layout, refused: that of a struct without a size, because its last field has none.
    pub(crate) const fn of_no_size(mut self) -> Self {
        self.refused = true;
        self
    }

    /// The type's name, for people: not part of the fingerprint.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What the type is made of.
    #[must_use]
    pub const fn kind(&self) -> LayoutKind {
        self.kind
    }

    /// Size in bytes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Alignment in bytes.
    #[must_use]
    pub const fn align(&self) -> usize {
        self.align
    }

    /// A hash over field names, offsets, kinds, nesting, version and byte order; never over the names of types.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// `#[shm(version = ..)]`, 0 without one.
    #[must_use]
    pub const fn version(&self) -> u32 {
        match self.kind {
            LayoutKind::Struct { version, .. } => version,
            _ => 0,
        }
    }

    /// The fields of a struct; empty for everything else.
    #[must_use]
    pub const fn fields(&self) -> &'static [FieldLayout] {
        match self.kind {
            LayoutKind::Struct { fields, .. } => fields,
            _ => &[],
        }
    }

    /// Bytes of one element of the trailing slice, where the type ends in one.
    pub(crate) const fn tail_stride(&self) -> Option<usize> {
        self.tail_stride
    }

    /// Whether some bytes are no value of the type, so that reading it can fail.
    #[must_use]
    pub const fn is_checked(&self) -> bool {
        self.checked
    }

    /// Whether zeroes are a value of the type: what a new segment holds.
    #[must_use]
    pub const fn zero_is_valid(&self) -> bool {
        self.zero_valid
    }

    /// Bytes of the encoded schema.
    pub(crate) const fn schema_len(&self) -> usize {
        self.schema_len
    }

    pub(crate) const fn uniform(&self) -> Option<Step> {
        self.uniform
    }

    pub(crate) const fn has_bool(&self) -> bool {
        self.has_bool
    }

    pub(crate) const fn padded(&self) -> bool {
        self.padded
    }

    /// Whether a type in it has owners that may die.
    pub(crate) const fn has_claims(&self) -> bool {
        self.has_claims
    }

    pub(crate) const fn untold(&self) -> bool {
        self.untold
    }

    pub(crate) const fn is_blamed(&self) -> bool {
        self.blamed
    }

    pub(crate) const fn is_refused(&self) -> bool {
        self.refused
    }
}

impl FieldLayout {
    /// A field whose offset is not known yet.
    pub(crate) const fn new(name: &'static str, layout: &'static TypeLayout) -> Self {
        Self {
            name,
            offset: 0,
            layout,
        }
    }

    /// A field at the offset that the compiler has given it: in the types of this library, whose fields may be further
    /// apart than their alignments say.
    pub(crate) const fn at(name: &'static str, offset: usize, layout: &'static TypeLayout) -> Self {
        Self {
            name,
            offset,
            layout,
        }
    }

    /// The field's name, or its number in a tuple struct.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Offset in bytes from the start of the struct.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The layout of the field's type.
    #[must_use]
    pub const fn layout(&self) -> &'static TypeLayout {
        self.layout
    }
}
