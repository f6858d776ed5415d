//! Leaves with invalid bit patterns: `char` and fieldless enums.
//!
//! Another process can write any bytes, so these have no `get`. The bytes are copied once into private memory and checked
//! there; only bytes that pass the check become a value.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use super::restricted::{restricted, settle_one};
use super::{AnyLeaf, Leaf};
use crate::error::InvalidValue;
use crate::layout::{AccessWidth, LayoutKind, TypeLayout, Variant, leaf_repr, sign_extend};
use crate::shm_layout::ShmLayout;

/// The view of a leaf with invalid bit patterns. It has no methods; those of the cell suffice.
#[derive(Debug)]
pub struct Checked {
    // Not `Send`: see the `impl Send` of `ShmCell`.
    not_plain: PhantomData<*const ()>,
}

// SAFETY: it holds nothing.
unsafe impl Sync for Checked {}

/// A leaf type with invalid bit patterns, readable with [`ShmCell::try_get`](crate::ShmCell::try_get): `char` or a
/// fieldless enum.
///
/// The derive implements it for enums.
///
/// # Safety
///
/// `LAYOUT` is a scalar of kind `char`, or an enum that lists all variants with their discriminants; the type has the
/// size of the integer named by `LAYOUT`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not need `try_get`, because every bit pattern is valid",
    label = "use `get` instead",
    note = "use `get()`, which cannot fail"
)]
pub unsafe trait CheckedLeaf: ShmLayout + Sized {}

// SAFETY: `LAYOUT` is the scalar `char`, of four bytes.
#[diagnostic::do_not_recommend]
unsafe impl CheckedLeaf for char {}

// SAFETY: the type is an integer of 1, 2, 4 or 8 bytes without padding, and `store` writes all of it.
unsafe impl<T: CheckedLeaf> AnyLeaf for T {
    #[inline(always)]
    unsafe fn store(at: *mut Self, value: Self) {
        let value = ManuallyDrop::new(value);
        let bits = (&raw const value).cast::<u8>();
        macro_rules! store {
            ($ty:ty) => {{
                // SAFETY: the value has the size of this integer and is initialised.
                let bits = unsafe { bits.cast::<$ty>().read_unaligned() };
                // SAFETY: by the caller.
                unsafe { <$ty>::store(at.cast(), bits) }
            }};
        }
        match const { width::<T>() } {
            AccessWidth::W1 => store!(u8),
            AccessWidth::W2 => store!(u16),
            AccessWidth::W4 => store!(u32),
            AccessWidth::W8 => store!(u64),
        }
    }
}

const fn width<T: CheckedLeaf>() -> AccessWidth {
    match T::LAYOUT.uniform_width() {
        Some(width) if width.bytes() == size_of::<T>() => width,
        _ => panic!("the layout of a checked leaf must be a single integer"),
    }
}

/// Reads a checked leaf with one relaxed access.
///
/// # Safety
///
/// As [`Leaf::load`].
#[inline]
pub(crate) unsafe fn load<T: CheckedLeaf>(at: *mut T) -> Result<T, InvalidValue> {
    macro_rules! load {
        ($ty:ty) => {{
            // SAFETY: by the caller.
            let bits = unsafe { <$ty>::load(at.cast()) };
            let extended = sign_extend(const { leaf_repr(T::LAYOUT) }, bits.into());
            if !const { Valid::of(T::LAYOUT) }.contains(extended) {
                return Err(InvalidValue::new(T::LAYOUT, extended));
            }
            // SAFETY: the type has the size of this integer, and these bits are valid for it.
            Ok(unsafe { (&raw const bits).cast::<T>().read() })
        }};
    }
    match const { width::<T>() } {
        AccessWidth::W1 => load!(u8),
        AccessWidth::W2 => load!(u16),
        AccessWidth::W4 => load!(u32),
        AccessWidth::W8 => load!(u64),
    }
}

/// The valid bit patterns of a type, computed at compile time.
#[derive(Clone, Copy)]
pub(super) enum Valid {
    /// 0 and 1. All other bytes are mended, not refused.
    Bool,
    Char,
    /// All from `first` to `first + span`.
    Range {
        first: u64,
        span: u64,
    },
    Listed(&'static [Variant]),
}

impl Valid {
    /// Those of an enum or `char`.
    pub(super) const fn of(layout: &TypeLayout) -> Self {
        let LayoutKind::Enum { variants, repr } = layout.kind() else {
            return Self::Char;
        };
        if variants.is_empty() {
            return Self::Listed(variants);
        }
        // Flips the sign bit, so that unsigned comparison orders negative numbers first.
        let shift = if repr.is_signed() { 1 << 63 } else { 0 };
        let (mut least, mut most) = (u64::MAX, 0);
        let mut i = 0;
        while i < variants.len() {
            let moved = variants[i].bits() ^ shift;
            if moved < least {
                least = moved;
            }
            if moved > most {
                most = moved;
            }
            i += 1;
        }
        // Discriminants are distinct, so they fill the range if there are as many as it has numbers.
        let span = most - least;
        if span == variants.len() as u64 - 1 {
            Self::Range {
                first: least ^ shift,
                span,
            }
        } else {
            Self::Listed(variants)
        }
    }

    #[inline]
    pub(super) fn contains(self, bits: u64) -> bool {
        match self {
            Self::Bool => bits <= 1,
            Self::Char => u32::try_from(bits).is_ok_and(|code| char::from_u32(code).is_some()),
            Self::Range { first, span } => bits.wrapping_sub(first) <= span,
            Self::Listed(variants) => variants.iter().any(|variant| variant.bits() == bits),
        }
    }
}

/// Checks that every enum and `char` in a private copy of a `T` holds a value of its type.
///
/// # Errors
///
/// Returns the first leaf that does not.
///
/// # Safety
///
/// `at` is private memory with the bytes of a `T`, aligned and initialised. Every `bool` in it is 0 or 1.
#[inline(always)]
pub(crate) unsafe fn validate_one<T: ShmLayout>(at: *mut T) -> Result<(), InvalidValue> {
    if const { !T::LAYOUT.is_checked() } {
        return Ok(());
    }
    // SAFETY: by the caller.
    if unsafe { is_valid(at) } {
        return Ok(());
    }
    // SAFETY: by the caller.
    unsafe { validate(at.cast(), T::LAYOUT, 0) }
}

/// Whether every enum and `char` in a private copy of a `T` holds a value of its type.
///
/// # Safety
///
/// As [`validate_one`].
#[inline(always)]
pub(crate) unsafe fn is_valid<T: ShmLayout>(at: *mut T) -> bool {
    if const { !T::LAYOUT.is_checked() } {
        true
    } else if const { restricted::<T>().is_complete() } {
        // SAFETY: by the caller; the list is complete.
        unsafe { settle_one(at) }
    } else {
        // SAFETY: by the caller.
        unsafe { validate(at.cast(), T::LAYOUT, 0) }.is_ok()
    }
}

/// Checks `count` consecutive values, as [`validate`] does.
///
/// # Errors
///
/// Returns the first leaf that is no value of its type. Its path begins with the index of the element.
///
/// # Safety
///
/// As [`validate`], for all values.
pub(super) unsafe fn validate_each(
    at: *const u8,
    layout: &'static TypeLayout,
    count: usize,
) -> Result<(), InvalidValue> {
    (0..count).try_for_each(|index| {
        // SAFETY: by the caller; this is one of the values.
        unsafe { validate(at.wrapping_add(index * layout.size()), layout, 0) }
            .map_err(|error| error.within(&format!("[{index}]")))
    })
}

/// Checks that every checked leaf holds a value of its type. `tail` is the number of elements of the trailing slice, if
/// `layout` has one.
///
/// # Errors
///
/// Returns the first leaf that does not.
///
/// # Safety
///
/// `at` points to live bytes of `layout`, aligned and initialised, that are private or only accessed atomically.
pub(crate) unsafe fn validate(
    at: *const u8,
    layout: &'static TypeLayout,
    tail: usize,
) -> Result<(), InvalidValue> {
    if !layout.is_checked() {
        return Ok(());
    }
    let elements = |element: &'static TypeLayout, from: usize, len| {
        // SAFETY: the elements are within the array or slice.
        unsafe { validate_each(at.wrapping_add(from), element, len) }
    };
    match layout.kind() {
        LayoutKind::Scalar(_) | LayoutKind::Enum { .. } => {
            // SAFETY: the leaf is live, aligned, and only accessed atomically.
            let bits = sign_extend(leaf_repr(layout), unsafe { read_bits(at, layout) });
            if Valid::of(layout).contains(bits) {
                Ok(())
            } else {
                Err(InvalidValue::new(layout, bits))
            }
        }
        LayoutKind::Meaning { inner, .. } => match (layout.as_vec(), layout.as_seqlock()) {
            // Only the current slot holds a value.
            (_, Some(lock)) => {
                // SAFETY: this is the version, live, aligned, and only accessed atomically.
                let version = unsafe { u64::load(at.wrapping_add(lock.version).cast_mut().cast()) };
                // SAFETY: whatever the version is, this is the offset of a slot.
                unsafe { validate(at.wrapping_add(lock.value_offset(version)), lock.value, 0) }
            }
            // Only what is below the length is an element.
            (Some(vec), _) => {
                // SAFETY: a vector begins with its length, live, aligned, and only accessed atomically.
                let len = unsafe { u64::load(at.cast_mut().cast()) };
                match vec.checked_len(len) {
                    Some(len) => elements(vec.element, vec.items, len),
                    None => Err(InvalidValue::new(layout, len)),
                }
            }
            // SAFETY: these are the same bytes.
            _ => unsafe { validate(at, inner, tail) },
        },
        LayoutKind::Array { element, len } => elements(element, 0, len),
        LayoutKind::Slice { element } => elements(element, 0, tail),
        // Nothing is known of its bytes.
        LayoutKind::Unknown { .. } => Ok(()),
        LayoutKind::Struct { fields, .. } => fields.iter().try_for_each(|field| {
            // SAFETY: the field is within the struct; only the last field has the trailing slice.
            unsafe { validate(at.wrapping_add(field.offset()), field.layout(), tail) }
                .map_err(|error| error.within(&format!(".{}", field.name())))
        }),
    }
}

/// # Safety
///
/// `at` points to a leaf of `layout`, aligned and initialised, that is private or only accessed atomically.
unsafe fn read_bits(at: *const u8, layout: &TypeLayout) -> u64 {
    macro_rules! read {
        ($ty:ty) => {
            // SAFETY: by the caller.
            unsafe { <$ty>::load(at.cast_mut().cast()) }.into()
        };
    }
    match leaf_repr(layout).access_width() {
        AccessWidth::W1 => read!(u8),
        AccessWidth::W2 => read!(u16),
        AccessWidth::W4 => read!(u32),
        AccessWidth::W8 => read!(u64),
    }
}
