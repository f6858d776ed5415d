//! What the derive's expansion calls. Not part of the public interface: it changes without notice.

use crate::cell::CheckedLeaf;
use crate::layout::{self, FieldLayout, LayoutKind, ScalarKind, TypeLayout};
use crate::shm_layout::ShmLayout;

pub use crate::cell::{Checked, Plain};
pub use crate::diagnostics::Refused;
pub use crate::layout::Variant;
pub use std::marker::PhantomData;
pub use std::mem::{ManuallyDrop, offset_of};
pub use std::ptr::slice_from_raw_parts;

/// A field that has no place yet.
#[must_use]
pub const fn field(name: &'static str, layout: &'static TypeLayout) -> FieldLayout {
    FieldLayout::new(name, layout)
}

/// The layout of an array.
#[must_use]
#[track_caller]
pub const fn array(element: &'static TypeLayout, len: usize) -> TypeLayout {
    TypeLayout::array(element, len)
}

/// Tells the size and alignment of `S`, if it has any: `Extent::<S>::OF` is this constant for every type of one size,
/// and that of [`NoExtent`] for all others. And so `HAS_DROP` whether it has a `Drop` itself, whatever its fields have.
#[derive(Debug)]
pub struct Extent<S: ?Sized>(PhantomData<S>);

impl<S> Extent<S> {
    /// Size and alignment.
    pub const OF: Option<(usize, usize)> = Some((size_of::<S>(), align_of::<S>()));
}

#[expect(
    drop_bounds,
    reason = "it is the `Drop` of the type itself that is asked for"
)]
impl<S: Drop + ?Sized> Extent<S> {
    /// It has.
    pub const HAS_DROP: bool = true;
}

impl<S: Copy> Extent<S> {
    /// It is.
    pub const IS_COPY: bool = true;
}

/// See [`Extent`].
pub trait NoExtent {
    /// No size.
    const OF: Option<(usize, usize)> = None;
    /// No `Drop`.
    const HAS_DROP: bool = false;
    /// Not `Copy`.
    const IS_COPY: bool = false;
    /// Makes the import of this trait a used one, also where [`Extent`] has its own constant.
    const SHM_IN_USE: () = ();
}

impl<S: ?Sized> NoExtent for Extent<S> {}

/// What the compiler knows of a struct.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    extent: Option<(usize, usize)>,
    has_drop: bool,
    is_copy: bool,
}

/// What [`Extent`] tells.
#[must_use]
pub const fn known(extent: Option<(usize, usize)>, has_drop: bool, is_copy: bool, _: ()) -> Known {
    Known {
        extent,
        has_drop,
        is_copy,
    }
}

/// The fields of a struct at their places, and what the compiler knows of it.
#[derive(Debug)]
pub struct StructParts<F: ?Sized> {
    known: Known,
    fields: F,
}

/// Gives the fields of a `repr(C)` struct their offsets.
#[must_use]
pub const fn with_offsets<const N: usize>(
    fields: [FieldLayout; N],
    known: Known,
) -> StructParts<[FieldLayout; N]> {
    StructParts {
        known,
        fields: layout::with_offsets(fields),
    }
}

/// The layout of a struct. One without an extent ends in a field of no size, and is refused.
#[must_use]
pub const fn structure(
    name: &'static str,
    version: u32,
    parts: &'static StructParts<[FieldLayout]>,
) -> TypeLayout {
    let (known, fields) = (parts.known, &parts.fields);
    let layout = match known.extent {
        Some((size, align)) => TypeLayout::structure(name, version, size, align, fields),
        None => {
            let (size, align) = layout::prefix_extent(fields, 1);
            TypeLayout::structure(name, version, size, align, fields).into_refused()
        }
    };
    layout
        .with_drop(known.has_drop)
        .with_not_copy(!known.is_copy)
}

/// The layout of a struct with `#[shm(padding)]`.
#[must_use]
pub const fn with_gaps(layout: TypeLayout) -> TypeLayout {
    layout.with_gaps()
}

/// The layout of an instance of a generic struct or enum, whose padding and `Drop` are found where the instance is used.
#[must_use]
pub const fn instance(layout: TypeLayout) -> TypeLayout {
    layout.into_instance()
}

/// The layout of the enum `E`, whose integer is `R`.
#[must_use]
pub const fn enumeration<E, R: ShmLayout>(
    name: &'static str,
    known: Known,
    variants: &'static [Variant],
) -> TypeLayout {
    let LayoutKind::Scalar(scalar) = R::LAYOUT.kind() else {
        panic!("an enum is stored as an integer");
    };
    assert!(
        size_of::<E>() == size_of::<R>(),
        "an enum is as large as its integer"
    );
    TypeLayout::enumeration(name, scalar.kind(), variants).with_drop(known.has_drop)
}

/// The variant that `value` is, with its discriminant as 64 bits: extended with its sign, if `R` has one.
///
/// The value is read, not cast, because the compiler casts no enum that has a `Drop`, and speaks of the derive instead.
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

/// The layout of a struct that ends in a trailing slice. `fields` have their places; the last one is the slice.
#[must_use]
pub const fn unsized_structure(
    name: &'static str,
    version: u32,
    min_align: usize,
    parts: &'static StructParts<[FieldLayout]>,
) -> TypeLayout {
    let (known, fields) = (parts.known, &parts.fields);
    let (size, align) = layout::prefix_extent(fields, min_align);
    TypeLayout::structure(name, version, size, align, fields)
        .with_drop(known.has_drop)
        .with_not_copy(true)
}

/// The layout of a trailing slice.
#[must_use]
pub const fn slice(element: &'static TypeLayout) -> TypeLayout {
    TypeLayout::slice(element)
}

/// Fails the build if `S` has padding, or something to do when it is dropped.
#[track_caller]
pub const fn no_padding<S: ShmLayout + ?Sized>() {
    layout::no_padding(S::LAYOUT);
    no_drop::<S>();
}

/// Fails the build if the elements of the slice that `S` ends in have no bytes.
#[track_caller]
pub const fn elements_have_bytes<S: ShmLayout + ?Sized>() {
    layout::elements_have_bytes(S::LAYOUT);
}

/// Fails the build if the first padding of `S` lies behind this field.
#[track_caller]
pub const fn no_padding_after<S: ShmLayout + ?Sized>(number: usize) {
    layout::no_padding_after(S::LAYOUT, number);
}

/// The layout of a type that the derive has refused.
pub const REFUSED: TypeLayout = TypeLayout::refused();

/// [`REFUSED`], after the types of the fields have met their bounds.
#[must_use]
pub const fn refused(_: &[FieldLayout]) -> &'static TypeLayout {
    &REFUSED
}

/// Fails the build if the layout of `S` is not the pinned one.
#[track_caller]
pub const fn pinned<S: ShmLayout + ?Sized>(fingerprint: u64) {
    layout::pinned(S::LAYOUT, fingerprint);
}

/// Fails the build if `S`, which has gaps, is `Copy`.
#[track_caller]
pub const fn no_copy<S: ShmLayout + ?Sized>() {
    layout::no_copy(S::LAYOUT);
}

/// Fails the build if `S` has a `Drop`.
#[track_caller]
pub const fn no_drop<S: ShmLayout + ?Sized>() {
    layout::no_drop(S::LAYOUT);
}

/// Fails the build if the compiler puts the fields elsewhere than the layout says.
#[track_caller]
pub const fn same_places<S: ShmLayout + ?Sized>(offsets: &[usize]) {
    let _ = layout_of_places(S::LAYOUT, offsets);
}

/// The layout, if the compiler puts the fields where it says. Else the build fails.
#[must_use]
#[track_caller]
pub const fn layout_of_places(
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

/// The type of a place.
#[must_use]
pub const fn type_of<T: ?Sized>(_: *const T) -> PhantomData<T> {
    PhantomData
}
