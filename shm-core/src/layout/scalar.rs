//! The leaves of a layout: numbers, booleans, characters, and variants of enums.

/// A variant of a fieldless enum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    name: &'static str,
    /// The discriminant's 64-bit two's complement.
    bits: u64,
}

impl Variant {
    pub(crate) const fn new(name: &'static str, bits: u64) -> Self {
        Self { name, bits }
    }

    /// Returns the variant's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the discriminant as 64 bits, sign-extended if the enum's integer is signed.
    #[must_use]
    pub const fn bits(&self) -> u64 {
        self.bits
    }
}

/// A leaf of a layout: a number, `bool` or `char`, plain or atomic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scalar {
    kind: ScalarKind,
    atomic: bool,
}

/// The kind of a [`Scalar`]. The discriminants are part of the segment format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
#[allow(missing_docs, reason = "each has the name of its Rust type")]
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
    Char = 14,
}

/// The width in which a leaf is accessed: its size, except that 128-bit numbers take two accesses of eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessWidth {
    W1,
    W2,
    W4,
    W8,
}

impl AccessWidth {
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
    pub(crate) const ALL: [Self; 14] = [
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
        Self::Char,
    ];

    /// Returns the size in bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 | Self::Char => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
            Self::U128 | Self::I128 => 16,
        }
    }

    pub(crate) const fn access_width(self) -> AccessWidth {
        match self.size() {
            1 => AccessWidth::W1,
            2 => AccessWidth::W2,
            4 => AccessWidth::W4,
            _ => AccessWidth::W8,
        }
    }

    /// Whether it is a signed integer.
    pub(crate) const fn is_signed(self) -> bool {
        matches!(
            self,
            Self::I8 | Self::I16 | Self::I32 | Self::I64 | Self::I128
        )
    }

    /// Whether it is an integer of at most eight bytes, and so a possible `repr` of an enum.
    pub(crate) const fn is_word(self) -> bool {
        matches!(
            self,
            Self::U8
                | Self::U16
                | Self::U32
                | Self::U64
                | Self::I8
                | Self::I16
                | Self::I32
                | Self::I64
        )
    }

    /// Returns the name of the Rust type, such as `u64` or `bool`.
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
            Self::Char => "char",
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
            // Rust has no standard atomics of these kinds, but schemas written by other languages may.
            Self::U128 => "atomic u128",
            Self::I128 => "atomic i128",
            Self::F32 => "atomic f32",
            Self::F64 => "atomic f64",
            Self::Char => "atomic char",
        }
    }
}

impl Scalar {
    pub(crate) const fn new(kind: ScalarKind, atomic: bool) -> Self {
        Self { kind, atomic }
    }

    /// Returns the kind of number, `bool` or `char`.
    #[must_use]
    pub const fn kind(self) -> ScalarKind {
        self.kind
    }

    /// Returns `true` for an atomic, such as `AtomicU64`, and `false` for the plain type, such as `u64`.
    #[must_use]
    pub const fn is_atomic(self) -> bool {
        self.atomic
    }

    /// Returns the name of the Rust type, such as `u64` or `AtomicU64`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        if self.atomic {
            self.kind.atomic_name()
        } else {
            self.kind.name()
        }
    }
}

/// Extends the bits of an integer to 64, with the sign if `kind` is signed.
pub(crate) const fn sign_extend(kind: ScalarKind, bits: u64) -> u64 {
    let unused = 64 - 8 * kind.access_width().bytes() as u32;
    if kind.is_signed() {
        ((bits << unused).cast_signed() >> unused).cast_unsigned()
    } else {
        bits << unused >> unused
    }
}

/// The value of an integer, from its bits extended by [`sign_extend`].
pub(crate) fn integer_value(kind: ScalarKind, bits: u64) -> i128 {
    if kind.is_signed() {
        bits.cast_signed().into()
    } else {
        bits.into()
    }
}
