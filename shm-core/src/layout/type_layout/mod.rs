//! A type's layout as constant data, which the derive builds and everything else reads.

mod construct;
mod levels;

use super::fingerprint::fnv;
use super::scalar::{AccessWidth, Scalar, ScalarKind, Variant};

/// The layout of a type: its size, its alignment, and the kind of data at each offset.
///
/// Every [`ShmLayout`](crate::ShmLayout) type has one as the constant [`LAYOUT`](crate::ShmLayout::LAYOUT). Every segment
/// contains the same data, encoded as its schema, so that a program without the Rust type can decode the payload.
///
/// Formatted with `{}`, it is a table of the fields and cache lines.
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
    /// The size of an element of the trailing slice, if the type ends in one.
    tail_stride: Option<usize>,
    /// Its [flags](flag).
    flags: u32,
    /// The alignment of level 0.
    base_align: usize,
    /// The bytes that `#[shm(room = ..)]` reserves for later fields.
    room: Option<usize>,
    /// The fingerprint of each level, if a segment says them.
    recorded: Option<&'static [u64]>,
}

/// The kind of a [`TypeLayout`], with its parts.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum LayoutKind {
    /// A number, `bool` or `char`, plain or atomic.
    Scalar(Scalar),
    /// An array.
    #[non_exhaustive]
    Array {
        /// The layout of each element.
        element: &'static TypeLayout,
        /// The number of elements.
        len: usize,
    },
    /// A slice at the end of a struct. The segment records its length.
    #[non_exhaustive]
    Slice {
        /// The layout of each element.
        element: &'static TypeLayout,
    },
    /// A fieldless enum: an integer of which only the discriminants of the variants are valid.
    #[non_exhaustive]
    Enum {
        /// The integer.
        repr: ScalarKind,
        /// The variants, in declaration order.
        variants: &'static [Variant],
    },
    /// A type of this library. A program that does not know its meaning can still read its parts.
    #[non_exhaustive]
    Meaning {
        /// The meaning, such as `str`, `vec` or `offset`.
        meaning: &'static str,
        /// The layout of its parts.
        inner: &'static TypeLayout,
        /// What an offset points to.
        target: Option<OffsetTarget>,
    },
    /// A struct.
    #[non_exhaustive]
    Struct {
        /// The version from `#[shm(version = ..)]`, or 0.
        version: u32,
        /// The fields, in declaration order.
        fields: &'static [FieldLayout],
    },
    /// A type of a later format, which this version does not know: bytes that can be read, but not set. Only the schema of a
    /// segment has it, never a type of this program.
    ///
    /// Its fingerprint cannot be computed and is 0, as are those of the types around it, except that of a whole segment, which is
    /// the header's.
    #[non_exhaustive]
    Unknown {
        /// The tag of its node in the schema.
        tag: u8,
        /// What the node says besides the size and the alignment.
        body: &'static [u8],
    },
}

/// The type that an offset points to.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum OffsetTarget {
    /// A type of this program. The function returns its layout, which may contain the offset.
    Type(fn() -> &'static TypeLayout),
    /// The fingerprint of the type, if the layout comes from a segment's schema, which has no more.
    Fingerprint(u64),
}

impl OffsetTarget {
    /// Returns the fingerprint of the type.
    #[must_use]
    pub fn fingerprint(self) -> u64 {
        match self {
            Self::Type(layout) => layout().fingerprint(),
            Self::Fingerprint(fingerprint) => fingerprint,
        }
    }
}

/// A field of a struct: its name, its offset and the layout of its type.
#[derive(Clone, Copy, Debug)]
pub struct FieldLayout {
    pub(super) name: &'static str,
    pub(super) offset: usize,
    pub(super) layout: &'static TypeLayout,
    pub(super) since: u32,
    /// The [`fnv`] of the name.
    pub(super) name_hash: u64,
}

/// Facts about a type, as bits: a struct inherits most of them from its fields, all in one step.
mod flag {
    use super::AccessWidth;

    /// It contains a `bool`, whose byte must be normalized to 0 or 1 after a copy.
    pub(super) const HAS_BOOL: u32 = 1 << 0;
    /// It contains padding that is not allowed, or a type that is unusable there. No segment is ever created from such a type.
    pub(super) const PADDED: u32 = 1 << 1;
    /// No error has been reported for that yet, as in an instance of a generic struct.
    pub(super) const UNREPORTED: u32 = 1 << 2;
    /// It contains a struct with gaps. It is not `Copy` then, so its bytes are never moved as a whole.
    pub(super) const HAS_GAPS: u32 = 1 << 3;
    /// Some byte patterns are invalid, because it contains a `char` or an enum.
    pub(super) const CHECKED: u32 = 1 << 4;
    /// All zeros are not a valid value.
    pub(super) const ZERO_IS_INVALID: u32 = 1 << 5;
    /// The derive has refused it, or a type in it. Checks skip it, as that error suffices.
    pub(super) const REFUSED: u32 = 1 << 6;
    /// It contains claims, whose owners may die, so that every writer must be a participant.
    pub(super) const HAS_CLAIMS: u32 = 1 << 7;
    /// It is a struct with levels or room, which only a segment as a whole can be.
    pub(super) const SEGMENT_ONLY: u32 = 1 << 8;
    /// It is a struct with `#[shm(padding)]`, so that bytes of it may belong to no field.
    pub(super) const ALLOWS_GAPS: u32 = 1 << 9;
    /// It is a struct whose fields are all `pub`, for messages.
    pub(super) const FIELDS_ARE_PUBLIC: u32 = 1 << 10;
    /// It is known not to be `Copy`.
    pub(super) const NOT_COPY: u32 = 1 << 11;
    /// The derive must report an error for this type: padding without another error, or a size of zero.
    pub(super) const REPORTS_ERROR: u32 = 1 << 12;
    /// The type itself implements `Drop`, which would never run.
    pub(super) const HAS_DROP: u32 = 1 << 13;
    /// It contains a type of a later format.
    pub(super) const HAS_UNKNOWN: u32 = 1 << 14;

    /// Some leaves are accessed in this width. A type without bytes has none of these flags.
    pub(super) const WIDTH_1: u32 = 1 << 16;
    pub(super) const WIDTH_2: u32 = 1 << 17;
    pub(super) const WIDTH_4: u32 = 1 << 18;
    pub(super) const WIDTH_8: u32 = 1 << 19;
    /// Some bytes belong to no leaf.
    pub(super) const UNCOVERED: u32 = 1 << 20;
    pub(super) const WIDTHS: u32 = WIDTH_1 | WIDTH_2 | WIDTH_4 | WIDTH_8 | UNCOVERED;

    const INHERITED: u32 = 0xff | HAS_UNKNOWN | WIDTHS;

    pub(super) const fn of_width(width: AccessWidth) -> u32 {
        match width {
            AccessWidth::W1 => WIDTH_1,
            AccessWidth::W2 => WIDTH_2,
            AccessWidth::W4 => WIDTH_4,
            AccessWidth::W8 => WIDTH_8,
        }
    }

    /// What a type has because a part of it has these flags.
    pub(super) const fn inherited(of_parts: u32) -> u32 {
        let flags = of_parts & INHERITED;
        if of_parts & SEGMENT_ONLY == 0 {
            flags
        } else {
            flags | PADDED | UNREPORTED
        }
    }
}

/// The tags of the kinds, in fingerprints and in schema nodes.
pub(crate) mod tag {
    pub(crate) const SCALAR: u8 = 1;
    pub(crate) const ARRAY: u8 = 2;
    pub(crate) const SLICE: u8 = 3;
    pub(crate) const STRUCT: u8 = 4;
    pub(crate) const ENUM: u8 = 5;
    pub(crate) const MEANING: u8 = 6;
}

impl TypeLayout {
    /// Returns the type's name, which is for display only and not part of the fingerprint.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the kind of the type, with its parts.
    #[must_use]
    pub const fn kind(&self) -> LayoutKind {
        self.kind
    }

    /// Returns the size in bytes. For a struct that ends in a slice this excludes the slice.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Returns the alignment in bytes.
    #[must_use]
    pub const fn align(&self) -> usize {
        self.align
    }

    /// Returns a hash of field names, offsets, kinds, nesting, version and byte order, but not of type names. For a struct with
    /// [levels](Self::level) it is that of level 0, so that it stays the same when fields are appended.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Returns the version from `#[shm(version = ..)]`, or 0.
    #[must_use]
    pub const fn version(&self) -> u32 {
        match self.kind {
            LayoutKind::Struct { version, .. } => version,
            _ => 0,
        }
    }

    /// Returns the fields of a struct, or an empty slice for other kinds.
    #[must_use]
    pub const fn fields(&self) -> &'static [FieldLayout] {
        match self.kind {
            LayoutKind::Struct { fields, .. } => fields,
            _ => &[],
        }
    }

    /// The size of an element of the trailing slice, if the type ends in one.
    pub(crate) const fn tail_stride(&self) -> Option<usize> {
        self.tail_stride
    }

    const fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    /// Returns `true` if some byte patterns are not a valid value of the type, so that reading it can fail.
    #[must_use]
    pub const fn is_checked(&self) -> bool {
        self.has(flag::CHECKED)
    }

    /// Returns `true` if all zeros, the initial content of a segment, are a value of the type.
    #[must_use]
    pub const fn zero_is_valid(&self) -> bool {
        !self.has(flag::ZERO_IS_INVALID)
    }

    /// The size of the encoded schema of level 0.
    pub(crate) const fn schema_len(&self) -> usize {
        self.schema_len
    }

    /// The access width of all leaves, if it is the same for all and they cover every byte.
    pub(crate) const fn uniform_width(&self) -> Option<AccessWidth> {
        match self.flags & flag::WIDTHS {
            flag::WIDTH_1 => Some(AccessWidth::W1),
            flag::WIDTH_2 => Some(AccessWidth::W2),
            flag::WIDTH_4 => Some(AccessWidth::W4),
            flag::WIDTH_8 => Some(AccessWidth::W8),
            _ => None,
        }
    }

    pub(crate) const fn has_bool(&self) -> bool {
        self.has(flag::HAS_BOOL)
    }

    pub(crate) const fn padded(&self) -> bool {
        self.has(flag::PADDED)
    }

    pub(crate) const fn allows_gaps(&self) -> bool {
        self.has(flag::ALLOWS_GAPS)
    }

    /// Whether it is a struct whose fields are all `pub`.
    pub(crate) const fn fields_are_public(&self) -> bool {
        self.has(flag::FIELDS_ARE_PUBLIC)
    }

    /// Whether it contains a struct with gaps.
    pub(crate) const fn has_gaps(&self) -> bool {
        self.has(flag::HAS_GAPS)
    }

    pub(crate) const fn is_known_not_copy(&self) -> bool {
        self.has(flag::NOT_COPY)
    }

    /// Whether it contains claims, whose owners may die.
    pub(crate) const fn has_claims(&self) -> bool {
        self.has(flag::HAS_CLAIMS)
    }

    pub(crate) const fn unreported(&self) -> bool {
        self.has(flag::UNREPORTED)
    }

    pub(crate) const fn reports_error(&self) -> bool {
        self.has(flag::REPORTS_ERROR)
    }

    pub(crate) const fn has_drop(&self) -> bool {
        self.has(flag::HAS_DROP)
    }

    /// Whether it contains a type of a later format.
    pub(crate) const fn has_unknown(&self) -> bool {
        self.has(flag::HAS_UNKNOWN)
    }

    pub(crate) const fn is_refused(&self) -> bool {
        self.has(flag::REFUSED)
    }

    /// Whether it is a struct with levels or room, which cannot be a part of another type.
    pub(crate) const fn is_segment_only(&self) -> bool {
        self.has(flag::SEGMENT_ONLY)
    }
}

impl FieldLayout {
    /// A field whose offset is not set yet.
    pub(crate) const fn new(name: &'static str, layout: &'static TypeLayout) -> Self {
        Self::at(name, 0, layout)
    }

    /// A field at the offset chosen by the compiler, for the types of this library, whose fields may have padding between
    /// them.
    pub(crate) const fn at(name: &'static str, offset: usize, layout: &'static TypeLayout) -> Self {
        Self {
            name,
            offset,
            layout,
            since: 0,
            name_hash: fnv(name.as_bytes()),
        }
    }

    /// A field that `#[shm(since = ..)]` has added.
    pub(crate) const fn with_since(mut self, since: u32) -> Self {
        self.since = since;
        self
    }

    /// Returns the field's name, or its index in a tuple struct.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the offset in bytes from the start of the struct.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Returns the layout of the field's type.
    #[must_use]
    pub const fn layout(&self) -> &'static TypeLayout {
        self.layout
    }

    /// Returns the level from `#[shm(since = ..)]`, or 0: the first [level](TypeLayout::level) that has the field.
    #[must_use]
    pub const fn since(&self) -> u32 {
        self.since
    }
}

/// The integer that an enum or a `char` is stored as.
pub(crate) const fn leaf_repr(layout: &TypeLayout) -> ScalarKind {
    match layout.kind() {
        LayoutKind::Enum { repr, .. } => repr,
        _ => ScalarKind::U32,
    }
}
