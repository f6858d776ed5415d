//! A generated case: a few definitions, the last of which use the first.

/// A leaf type.
#[derive(Debug)]
pub(crate) struct Scalar {
    /// Rust source.
    pub written: &'static str,
    /// The name that the layout gives to it.
    pub name: &'static str,
    /// Bytes; the alignment is the same.
    pub size: u64,
}

const fn scalar(written: &'static str, name: &'static str, size: u64) -> Scalar {
    Scalar {
        written,
        name,
        size,
    }
}

/// All leaf types, in several spellings.
pub(crate) const SCALARS: &[Scalar] = &[
    scalar("u8", "u8", 1),
    scalar("i8", "i8", 1),
    scalar("u16", "u16", 2),
    scalar("i16", "i16", 2),
    scalar("u32", "u32", 4),
    scalar("i32", "i32", 4),
    scalar("u64", "u64", 8),
    scalar("i64", "i64", 8),
    scalar("u128", "u128", 16),
    scalar("i128", "i128", 16),
    scalar("f32", "f32", 4),
    scalar("f64", "f64", 8),
    scalar("bool", "bool", 1),
    scalar("char", "char", 4),
    scalar("::core::primitive::u64", "u64", 8),
    scalar("std::primitive::f32", "f32", 4),
    scalar("AtomicU8", "AtomicU8", 1),
    scalar("AtomicI8", "AtomicI8", 1),
    scalar("AtomicBool", "AtomicBool", 1),
    scalar("AtomicU16", "AtomicU16", 2),
    scalar("AtomicI16", "AtomicI16", 2),
    scalar("AtomicU32", "AtomicU32", 4),
    scalar("AtomicI32", "AtomicI32", 4),
    scalar("AtomicU64", "AtomicU64", 8),
    scalar("std::sync::atomic::AtomicI64", "AtomicI64", 8),
    scalar("Option<NonZeroU8>", "u8", 1),
    scalar("Option<NonZeroI16>", "i16", 2),
    scalar("Option<std::num::NonZeroU32>", "u32", 4),
    scalar("Option<NonZero<i32>>", "i32", 4),
    scalar("core::option::Option<NonZeroU64>", "u64", 8),
    scalar("Option<NonZero<u128>>", "u128", 16),
    // Names that suggest another size than the type behind them has.
    scalar("crate::other::U8", "u64", 8),
    scalar("crate::other::U64", "u8", 1),
    scalar("crate::other::AtomicU16", "u32", 4),
    scalar("crate::other::u32", "u16", 2),
];

/// Types that a shared struct cannot contain. Each compiles as a field of an ordinary struct.
pub(crate) const FORBIDDEN: &[&str] = &[
    "*const u8",
    "*mut [u64; 2]",
    "*const ()",
    "&'static u8",
    "&'static str",
    "&'static [u32]",
    "&'static mut u32",
    "&'static dyn Send",
    "fn(u32) -> u32",
    "extern \"C\" fn()",
    "std::ptr::NonNull<u8>",
    "AtomicPtr<u8>",
    "Box<u8>",
    "Box<[u16]>",
    "Box<dyn Fn()>",
    "Vec<u8>",
    "String",
    "std::rc::Rc<u32>",
    "std::sync::Arc<u32>",
    "std::sync::Weak<u32>",
    "std::path::PathBuf",
    "std::borrow::Cow<'static, str>",
    "std::collections::HashMap<u8, u8>",
    "std::collections::BTreeMap<u8, u8>",
    "std::collections::VecDeque<u8>",
    "std::pin::Pin<Box<u8>>",
    "std::mem::ManuallyDrop<Box<u8>>",
    "std::mem::ManuallyDrop<u32>",
    "std::mem::MaybeUninit<u32>",
    "usize",
    "isize",
    "::core::primitive::usize",
    "AtomicUsize",
    "AtomicIsize",
    "NonZeroU8",
    "NonZero<u64>",
    "std::num::NonZeroI128",
    "NonZeroUsize",
    "Option<NonZeroUsize>",
    "Option<&'static u8>",
    "Option<Box<u8>>",
    "Option<fn()>",
    "Option<std::ptr::NonNull<u8>>",
    "Option<u32>",
    "Option<bool>",
    "Option<char>",
    "Option<AtomicU32>",
    "Result<u32, u8>",
    "std::cmp::Ordering",
    "std::ops::Range<u32>",
    "()",
    "(u32, u32)",
    "(u8,)",
    "std::cell::Cell<u32>",
    "std::cell::RefCell<u32>",
    "std::cell::UnsafeCell<u64>",
    "std::sync::Mutex<u32>",
    "std::sync::RwLock<u32>",
    "std::sync::OnceLock<u32>",
    "std::sync::LazyLock<u32>",
    "std::time::Duration",
    "std::time::Instant",
    "std::net::Ipv4Addr",
    "std::fs::File",
    "std::any::TypeId",
    "std::cmp::Reverse<u32>",
    "std::num::Saturating<u32>",
    "std::marker::PhantomPinned",
    "crate::other::Foreign",
    "crate::other::ForeignUnion",
    "crate::other::ForeignEnum",
    "crate::other::ForeignPair<u8>",
    "[usize; 0]",
    "[[&'static u8; 2]; 3]",
    "Wrapping<usize>",
    "Wrapping<Vec<u8>>",
];

/// The length of an array, or a constant argument.
#[derive(Clone, Debug)]
pub(crate) enum Len {
    Literal(u64),
    /// `{ a + b }`, whose value the tokens do not tell.
    Sum(u64, u64),
    /// The const parameter of the definition.
    Param,
}

/// A type as it is written.
#[derive(Clone, Debug)]
pub(crate) enum Ty {
    Scalar(&'static Scalar),
    Array(Box<Ty>, Len),
    /// The end of an unsized struct.
    Slice(Box<Ty>),
    Wrapping(Box<Ty>),
    Phantom(Box<Ty>),
    Paren(Box<Ty>),
    /// An alias for the type, defined next to the struct.
    Alias(Box<Ty>),
    /// An associated type, of a type defined next to the struct.
    Associated(Box<Ty>),
    /// `crate::other::Holder<_>`, a derived struct with one field.
    Holder(Box<Ty>),
    /// An earlier definition of the case, with its arguments if it is generic.
    Def(usize, Option<Box<Ty>>, Option<Len>),
    /// The type parameter of the definition.
    Param,
    Forbidden(&'static str),
}

/// All forms of `#[repr(..)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repr {
    C,
    CAlign(u64),
    AlignC(u64),
    TwoAttributes(u64),
    Transparent,
    /// The rest must be refused.
    Missing,
    Rust,
    AlignOnly(u64),
    Packed,
    PackedTo(u64),
}

impl Repr {
    pub(crate) fn min_align(self) -> u64 {
        match self {
            Self::CAlign(align) | Self::AlignC(align) | Self::TwoAttributes(align) => align,
            _ => 1,
        }
    }

    pub(crate) fn is_packed(self) -> bool {
        matches!(self, Self::Packed | Self::PackedTo(_))
    }

    pub(crate) fn is_fault(self) -> bool {
        self.is_packed() || matches!(self, Self::Missing | Self::Rust | Self::AlignOnly(_))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// As written, so perhaps `r#type`; the number in a tuple struct.
    pub name: String,
    pub rename: Option<String>,
    pub visibility: &'static str,
    pub ty: Ty,
    /// The level of `#[shm(since = ..)]`, or 0.
    pub since: u32,
}

impl Field {
    /// The name in the layout.
    pub(crate) fn layout_name(&self) -> &str {
        let plain = self.name.strip_prefix("r#").unwrap_or(&self.name);
        self.rename.as_deref().unwrap_or(plain)
    }
}

/// An error of a struct as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StructFault {
    Lifetime,
    /// Two fields of one name in the layout.
    SameName,
    Union,
}

#[derive(Clone, Debug)]
pub(crate) struct Struct {
    pub repr: Repr,
    pub tuple: bool,
    pub has_type_param: bool,
    pub has_const_param: bool,
    pub fields: Vec<Field>,
    pub fault: Option<StructFault>,
    pub version: u32,
    /// Written by a macro, which gets the fields' types as `$t:ty`.
    pub by_macro: bool,
    /// Has `#[shm(padding)]`.
    pub allows_gaps: bool,
    /// The bytes of `#[shm(room = ..)]`, or 0.
    pub room: u32,
}

impl Struct {
    pub(crate) fn is_generic(&self) -> bool {
        self.has_type_param || self.has_const_param
    }

    /// The newest level.
    pub(crate) fn level(&self) -> u32 {
        self.fields.last().map_or(0, |field| field.since)
    }

    pub(crate) fn tail(&self) -> Option<&Ty> {
        match &self.fields.last()?.ty {
            Ty::Slice(element) => Some(element),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnumRepr {
    Int(&'static str, u64),
    /// The rest must be refused.
    Missing,
    C,
    Usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Enum {
    pub repr: EnumRepr,
    /// Discriminants, in the order of declaration; whether each is written down.
    pub variants: Vec<(i64, bool)>,
    /// The variant that carries data, which must be refused.
    pub data: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum Def {
    Struct(Struct),
    Enum(Enum),
}

/// Definitions that go into a module of their own. A definition refers to earlier ones only.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub defs: Vec<Def>,
}
