//! Items used by the derive's expansion. Not part of the public interface: they change without notice.

use crate::cell::CheckedLeaf;
use crate::diagnostics::UnknownTypes;
use crate::layout::{self, FieldLayout, LayoutKind, NamedLayout, ScalarKind, TypeLayout};
use crate::shm_layout::ShmLayout;

pub use crate::cell::{Checked, Plain};
pub use crate::diagnostics::{Refused, StoredTypes};
pub use crate::layout::Variant;
pub use std::marker::PhantomData;
pub use std::mem::{ManuallyDrop, offset_of};
pub use std::ptr::slice_from_raw_parts;

/// A field whose offset is not set yet. The hash is that of its name.
///
/// Without a call for each field, the compiler would report only the first one whose type has no layout.
#[must_use]
pub const fn named(name: &'static str, hash: u64, layout: &'static TypeLayout) -> NamedLayout {
    NamedLayout { name, hash, layout }
}

/// The layout of an array.
#[must_use]
#[track_caller]
pub const fn array(element: &'static TypeLayout, len: usize) -> TypeLayout {
    TypeLayout::array(element, len)
}

/// Facts about `S` that need no bounds: each constant is the inherent one below if its bounds hold, and otherwise that of
/// [`NoExtent`]. `HAS_DROP` is about the type itself, not about its fields.
#[derive(Debug)]
pub struct Extent<S: ?Sized>(PhantomData<S>);

impl<S> Extent<S> {
    /// The size and alignment of a sized type.
    pub const OF: Option<(usize, usize)> = Some((size_of::<S>(), align_of::<S>()));
}

#[expect(
    drop_bounds,
    reason = "whether the type itself implements `Drop` is the question"
)]
impl<S: Drop + ?Sized> Extent<S> {
    /// The type implements `Drop`.
    pub const HAS_DROP: bool = true;
}

impl<S: Copy> Extent<S> {
    /// The type is `Copy`.
    pub const IS_COPY: bool = true;
}

/// Implemented by the derive for generic structs that store an associated type of a parameter.
///
/// `P` is the [`StoredTypes`]. It is a parameter because an associated type could not contain private types.
pub trait Stores<P>: ListsStored {}

/// Implemented next to [`Stores`].
pub trait ListsStored {}

/// Stands for the types that `S` stores.
#[derive(Debug)]
pub struct ListOf<S: ?Sized>(PhantomData<S>);

/// Leads the compiler from [`ListOf`] a type to its [`StoredTypes`].
pub trait Infers<P> {
    /// Both types.
    const BOTH: (PhantomData<Self>, PhantomData<P>) = (PhantomData, PhantomData);
}

impl<S: Stores<P> + ?Sized, P> Infers<P> for ListOf<S> {}

impl Infers<UnknownTypes> for UnknownTypes {}

impl<S: ListsStored + ?Sized> Extent<S> {
    /// The type lists what it stores.
    pub const STORED: PhantomData<ListOf<S>> = PhantomData;
}

/// The layout of a type, for which the compiler infers `L` from `Extent::STORED`, and `P` from `L`.
#[must_use]
pub const fn layout_by_parts<L, P>(
    _: PhantomData<L>,
    _: (PhantomData<L>, PhantomData<P>),
    layout: (&'static TypeLayout, PhantomData<P>),
    _: (),
) -> &'static TypeLayout {
    layout.0
}

/// The constants of [`Extent`] for types that do not meet the bounds of the inherent ones.
pub trait NoExtent {
    /// The type is unsized.
    const OF: Option<(usize, usize)> = None;
    /// The type does not implement `Drop`.
    const HAS_DROP: bool = false;
    /// The type is not `Copy`.
    const IS_COPY: bool = false;
    /// What the type stores is unknown.
    const STORED: PhantomData<UnknownTypes> = PhantomData;
    /// Uses the import of this trait even if all other constants are inherent, so that the compiler does not warn.
    const SHM_IN_USE: () = ();
}

impl<S: ?Sized> NoExtent for Extent<S> {}

/// Facts about a struct from the compiler.
#[derive(Clone, Copy, Debug)]
pub struct TypeFacts {
    extent: Option<(usize, usize)>,
    has_drop: bool,
    is_copy: bool,
}

/// Collects the constants of [`Extent`].
#[must_use]
pub const fn facts(
    extent: Option<(usize, usize)>,
    has_drop: bool,
    is_copy: bool,
    _: (),
) -> TypeFacts {
    TypeFacts {
        extent,
        has_drop,
        is_copy,
    }
}

/// The fields of a struct with their offsets, and facts about it.
#[derive(Debug)]
pub struct StructParts<F: ?Sized> {
    facts: TypeFacts,
    /// The bytes of all names of fields.
    names_len: usize,
    fields: F,
}

/// Sets the offsets of the fields of a `repr(C)` struct.
#[must_use]
pub const fn with_offsets<const N: usize>(
    fields: &[NamedLayout; N],
    names_len: usize,
    facts: TypeFacts,
) -> StructParts<[FieldLayout; N]> {
    StructParts {
        facts,
        names_len,
        fields: layout::named_with_offsets(fields),
    }
}

/// [`with_offsets`] of fields of which some have a `since`.
#[must_use]
pub const fn with_offsets_since<const N: usize>(
    fields: &[NamedLayout; N],
    since: [u32; N],
    names_len: usize,
    facts: TypeFacts,
) -> StructParts<[FieldLayout; N]> {
    let mut fields = layout::named_with_offsets(fields);
    let mut number = 0;
    while number < N {
        fields[number] = fields[number].with_since(since[number]);
        number += 1;
    }
    StructParts {
        facts,
        names_len,
        fields,
    }
}

/// The layout of a struct. An unsized one, whose last field is unsized, is refused.
#[must_use]
pub const fn structure(
    name: &'static str,
    version: u32,
    parts: &'static StructParts<[FieldLayout]>,
) -> TypeLayout {
    let (facts, fields) = (parts.facts, &parts.fields);
    let layout = match facts.extent {
        Some((size, align)) => {
            TypeLayout::named_structure(name, version, size, align, fields, parts.names_len)
        }
        None => {
            let (size, align) = layout::prefix_extent(fields, 1);
            TypeLayout::structure(name, version, size, align, fields).into_refused()
        }
    };
    layout
        .with_drop(facts.has_drop)
        .with_not_copy(!facts.is_copy)
}

/// The layout of a struct in which some fields have a `since`.
#[must_use]
pub const fn with_levels(layout: TypeLayout, min_align: usize) -> TypeLayout {
    layout.with_levels(min_align)
}

/// The layout of a struct with `#[shm(room = ..)]`.
#[must_use]
pub const fn with_room(layout: TypeLayout, room: usize) -> TypeLayout {
    layout.with_room(room)
}

/// The layout of a struct with `#[shm(padding)]`.
#[must_use]
pub const fn with_gaps(layout: TypeLayout) -> TypeLayout {
    layout.with_gaps()
}

/// A struct whose fields are all `pub`, and so are the fields that messages suggest.
#[must_use]
pub const fn with_public_fields(layout: TypeLayout) -> TypeLayout {
    layout.with_public_fields()
}

/// The layout of an instance of a generic struct or enum, whose padding and `Drop` are reported where it is used.
#[must_use]
pub const fn instance(layout: TypeLayout) -> TypeLayout {
    layout.into_instance()
}

/// The layout of the enum `E` with the `repr` of the integer `R`.
#[must_use]
pub const fn enumeration<E, R: ShmLayout>(
    name: &'static str,
    facts: TypeFacts,
    variants: &'static [Variant],
) -> TypeLayout {
    let LayoutKind::Scalar(scalar) = R::LAYOUT.kind() else {
        panic!("an enum is stored as an integer");
    };
    assert!(
        size_of::<E>() == size_of::<R>(),
        "an enum is as large as its integer"
    );
    TypeLayout::enumeration(name, scalar.kind(), variants).with_drop(facts.has_drop)
}

/// The variant of `value`, with its discriminant as 64 bits, sign-extended if `R` is signed.
///
/// The value is read, not cast, because the compiler rejects a cast of an enum that implements `Drop`, with an error that
/// points at the derive.
#[must_use]
pub const fn variant<E: CheckedLeaf, R: ShmLayout>(
    name: &'static str,
    value: &ManuallyDrop<E>,
) -> Variant {
    let LayoutKind::Scalar(scalar) = R::LAYOUT.kind() else {
        panic!("an enum is stored as an integer");
    };
    assert!(
        size_of::<E>() == size_of::<R>(),
        "an enum is as large as its integer"
    );
    let at: *const ManuallyDrop<E> = value;
    macro_rules! read {
        ($ty:ty) => {{
            // SAFETY: `E` is a fieldless enum (the contract of `CheckedLeaf`) of the size of `R`, which is this integer's.
            let number = unsafe { at.cast::<$ty>().read_unaligned() };
            number as u64
        }};
    }
    let bits = match scalar.kind() {
        ScalarKind::U8 => read!(u8),
        ScalarKind::U16 => read!(u16),
        ScalarKind::U32 => read!(u32),
        ScalarKind::U64 => read!(u64),
        ScalarKind::I8 => read!(i8),
        ScalarKind::I16 => read!(i16),
        ScalarKind::I32 => read!(i32),
        ScalarKind::I64 => read!(i64),
        _ => panic!("an enum is stored as an integer of at most eight bytes"),
    };
    Variant::new(name, bits)
}

/// The layout of a struct whose last field is a slice.
#[must_use]
pub const fn unsized_structure(
    name: &'static str,
    version: u32,
    min_align: usize,
    parts: &'static StructParts<[FieldLayout]>,
) -> TypeLayout {
    let (facts, fields) = (parts.facts, &parts.fields);
    let (size, align) = layout::prefix_extent(fields, min_align);
    TypeLayout::structure(name, version, size, align, fields)
        .with_drop(facts.has_drop)
        .with_not_copy(true)
}

/// The layout of a trailing slice.
#[must_use]
pub const fn slice(element: &'static TypeLayout) -> TypeLayout {
    TypeLayout::slice(element)
}

/// Fails the build if `S` has padding or implements `Drop`.
#[track_caller]
pub const fn no_padding<S: ShmLayout + ?Sized>() {
    layout::no_padding(S::LAYOUT);
    no_drop::<S>();
}

/// Fails the build if `S` ends in a slice of zero-sized elements.
#[track_caller]
pub const fn elements_have_bytes<S: ShmLayout + ?Sized>() {
    layout::elements_have_bytes(S::LAYOUT);
}

/// Fails the build if the first padding of `S` follows this field.
#[track_caller]
pub const fn no_padding_after<S: ShmLayout + ?Sized>(number: usize) {
    layout::no_padding_after(S::LAYOUT, number);
}

/// The layout of a type that the derive has refused.
pub const REFUSED: TypeLayout = TypeLayout::refused();

/// Returns [`REFUSED`]. The argument makes the compiler check the bounds of the fields' types.
#[must_use]
pub const fn refused(_: &[NamedLayout]) -> &'static TypeLayout {
    &REFUSED
}

/// Fails the build if level `level` of `S` does not have the pinned fingerprint.
#[track_caller]
pub const fn pinned<S: ShmLayout + ?Sized>(level: u32, fingerprint: u64) {
    layout::pinned(S::LAYOUT, level, fingerprint);
}

/// Fails the build, because only the first `count` levels of `S` have a pinned fingerprint.
#[track_caller]
pub const fn all_pinned<S: ShmLayout + ?Sized>(count: u32) {
    layout::all_pinned(S::LAYOUT, count);
}

/// Fails the build if `S`, which has gaps, is `Copy`.
#[track_caller]
pub const fn no_copy<S: ShmLayout + ?Sized>() {
    layout::no_copy(S::LAYOUT);
}

/// Fails the build if `S` implements `Drop`.
#[track_caller]
pub const fn no_drop<S: ShmLayout + ?Sized>() {
    layout::no_drop(S::LAYOUT);
}

/// Fails the build if the fields do not have the offsets that the compiler has chosen.
#[track_caller]
pub const fn assert_offsets<S: ShmLayout + ?Sized>(offsets: &[usize]) {
    let _ = layout_with_offsets(S::LAYOUT, offsets);
}

/// Returns the layout. Fails the build if its fields do not have the offsets that the compiler has chosen.
#[must_use]
#[track_caller]
pub const fn layout_with_offsets(
    layout: &'static TypeLayout,
    offsets: &[usize],
) -> &'static TypeLayout {
    let mut number = 0;
    while number < offsets.len() {
        assert!(
            layout.fields()[number].offset() == offsets[number],
            "an attribute macro below the derive has changed the struct: put it above the derive"
        );
        number += 1;
    }
    layout
}

/// The type that a pointer points to.
#[must_use]
pub const fn type_of<T: ?Sized>(_: *const T) -> PhantomData<T> {
    PhantomData
}
