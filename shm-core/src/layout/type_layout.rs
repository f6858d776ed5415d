//! A type's layout as constant data: what the derive writes down and everything else reads.

use super::fingerprint::Fnv;
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
    size: usize,
    align: usize,
    fingerprint: u64,
    schema_len: usize,
    /// The one way to move every byte of the type, where there is one.
    uniform: Option<Step>,
    /// Whether a `bool` lies anywhere in it: its byte has to be brought to 0 or 1 after a copy.
    has_bool: bool,
    /// Whether bytes of it belong to no field. No segment is ever made of such a type.
    padded: bool,
    /// Whether the derive has refused it, or a type in it. That error is enough: checks pass over it.
    refused: bool,
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
    offset: usize,
    layout: &'static TypeLayout,
}

/// A leaf of a layout: what one cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scalar {
    kind: ScalarKind,
    atomic: bool,
}

/// The kinds of [`Scalar`]. The numbers are part of the segment format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
#[allow(missing_docs, reason = "each is named as the Rust type is")]
pub enum ScalarKind {
    U8 = 1,
    U16 = 2,
    U32 = 3,
    U64 = 4,
    U128 = 5,
    I8 = 6,
    I16 = 7,
    I32 = 8,
    I64 = 9,
    I128 = 10,
    F32 = 11,
    F64 = 12,
    Bool = 13,
}

/// How the bytes of a leaf are moved: one access of this width, or two of eight bytes for 128-bit numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    W1,
    W2,
    W4,
    W8,
}

impl Step {
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::W1 => 1,
            Self::W2 => 2,
            Self::W4 => 4,
            Self::W8 => 8,
        }
    }
}

impl ScalarKind {
    pub(crate) const ALL: [Self; 13] = [
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::U128,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::I128,
        Self::F32,
        Self::F64,
        Self::Bool,
    ];

    /// Size in bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
            Self::U128 | Self::I128 => 16,
        }
    }

    pub(crate) const fn step(self) -> Step {
        match self.size() {
            1 => Step::W1,
            2 => Step::W2,
            4 => Step::W4,
            _ => Step::W8,
        }
    }

    /// The name of the Rust type: `u64`, `bool`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::U128 => "u128",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::I128 => "i128",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Bool => "bool",
        }
    }

    const fn atomic_name(self) -> &'static str {
        match self {
            Self::U8 => "AtomicU8",
            Self::U16 => "AtomicU16",
            Self::U32 => "AtomicU32",
            Self::U64 => "AtomicU64",
            Self::I8 => "AtomicI8",
            Self::I16 => "AtomicI16",
            Self::I32 => "AtomicI32",
            Self::I64 => "AtomicI64",
            Self::Bool => "AtomicBool",
            // There is no standard atomic of these; the name serves schemas of other languages.
            Self::U128 => "atomic u128",
            Self::I128 => "atomic i128",
            Self::F32 => "atomic f32",
            Self::F64 => "atomic f64",
        }
    }
}

impl Scalar {
    pub(crate) const fn new(kind: ScalarKind, atomic: bool) -> Self {
        Self { kind, atomic }
    }

    /// Which number or boolean it is.
    #[must_use]
    pub const fn kind(self) -> ScalarKind {
        self.kind
    }

    /// Whether it is a standard atomic (`AtomicU64`) and not the plain type (`u64`).
    #[must_use]
    pub const fn is_atomic(self) -> bool {
        self.atomic
    }

    /// The name of the Rust type: `u64`, `AtomicU64`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        if self.atomic {
            self.kind.atomic_name()
        } else {
            self.kind.name()
        }
    }
}

/// Tags that keep the fingerprints of different kinds apart; the same numbers tag schema nodes.
pub(crate) mod tag {
    pub(crate) const SCALAR: u8 = 1;
    pub(crate) const ARRAY: u8 = 2;
    pub(crate) const STRUCT: u8 = 4;
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
            refused: false,
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
            refused: element.refused,
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
        let mut padded = false;
        let mut refused = false;
        let mut uniform: Option<Step> = None;
        let mut mixed = false;
        let mut i = 0;
        while i < fields.len() {
            let field = &fields[i];
            hash = hash
                .text(field.name)
                .word(field.offset as u64)
                .word(field.layout.fingerprint);
            schema_len += schema::field_len(field);
            bytes += field.layout.size;
            has_bool |= field.layout.has_bool;
            padded |= field.layout.padded;
            refused |= field.layout.refused;
            if field.layout.size > 0 {
                match (uniform, field.layout.uniform) {
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
            refused,
        }
    }

    /// What stands in for the layout of a type that the derive has refused.
    pub(crate) const fn refused() -> Self {
        let mut layout = Self::structure("refused", 0, 0, 1, &[]);
        layout.refused = true;
        layout
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
        None
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

const fn round_up(offset: usize, align: usize) -> usize {
    offset.next_multiple_of(align)
}

/// Gives every field its offset by the rule of `repr(C)`: each at the next multiple of its alignment.
pub(crate) const fn place<const N: usize>(mut fields: [FieldLayout; N]) -> [FieldLayout; N] {
    let mut end = 0;
    let mut i = 0;
    while i < N {
        fields[i].offset = round_up(end, fields[i].layout.align);
        end = fields[i].offset + fields[i].layout.size;
        i += 1;
    }
    fields
}
