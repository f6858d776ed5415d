//! A type's layout as constant data: what the derive writes down and everything else reads.

mod construct;

use super::scalar::{AccessWidth, Scalar, ScalarKind, Variant};

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
    uniform_width: Option<AccessWidth>,
    /// Whether a `bool` lies anywhere in it: its byte has to be brought to 0 or 1 after a copy.
    has_bool: bool,
    /// Whether bytes of it belong to no field, or a text in it has no room. No segment is ever made of such a type.
    padded: bool,
    /// Whether it has padding that no error was reported for: that of an instance of a generic struct.
    unreported: bool,
    /// Whether the derive has to report a mistake at it: padding that no other error tells of, or no bytes at all.
    reports_error: bool,
    /// Whether some bytes are no value of it: a `char` or an enum lies in it.
    checked: bool,
    /// Whether zeroes are a value of it.
    zero_valid: bool,
    /// Bytes of one element of the trailing slice that it ends in.
    tail_stride: Option<usize>,
    /// Whether the derive has refused it, or a type in it. That error is enough: checks pass over it.
    refused: bool,
    /// Whether the type itself has a `Drop`, which would never run.
    has_drop: bool,
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

impl TypeLayout {
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

    /// Whether zeroes are a value of the type: what a new segment has_cell_at.
    #[must_use]
    pub const fn zero_is_valid(&self) -> bool {
        self.zero_valid
    }

    /// Bytes of the encoded schema.
    pub(crate) const fn schema_len(&self) -> usize {
        self.schema_len
    }

    pub(crate) const fn uniform_width(&self) -> Option<AccessWidth> {
        self.uniform_width
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

    pub(crate) const fn unreported(&self) -> bool {
        self.unreported
    }

    pub(crate) const fn reports_error(&self) -> bool {
        self.reports_error
    }

    pub(crate) const fn has_drop(&self) -> bool {
        self.has_drop
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

/// The integer that a checked leaf is stored as.
pub(crate) const fn leaf_repr(layout: &TypeLayout) -> ScalarKind {
    match layout.kind() {
        LayoutKind::Enum { repr, .. } => repr,
        _ => ScalarKind::U32,
    }
}
