//! Leaves of which only some bytes are a value: `char` and fieldless enums.
//!
//! Another process can write any bytes, so these have no `get`. What is there is copied once into private memory and
//! checked there; a valid value is made only of what has passed.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;

use super::{AnyLeaf, Leaf};
use crate::error::InvalidValue;
use crate::layout::{AccessWidth, LayoutKind, TypeLayout, Variant, leaf_repr, sign_extend};
use crate::shm_layout::ShmLayout;

/// The view of a leaf of which only some bytes are a value. It has no methods: the cell's own are enough.
#[derive(Debug)]
pub struct Checked {
    // Not `Send`: see the `impl Send` of `ShmCell`.
    not_plain: PhantomData<*const ()>,
}

// SAFETY: it has no contents.
unsafe impl Sync for Checked {}

/// A `char` or a fieldless enum: what [`ShmCell::try_get`](crate::ShmCell::try_get) reads.
///
/// The derive implements it for enums.
///
/// # Safety
///
/// `LAYOUT` is a scalar of kind `char`, or an enum whose list of variants is complete, with their discriminants; the
/// type is as large as the integer that `LAYOUT` names.
#[diagnostic::on_unimplemented(
    message = "`{Self}` needs no `try_get`: any bytes are a value of it",
    label = "has `get`",
    note = "write `get()`"
)]
pub unsafe trait CheckedLeaf: ShmLayout + Sized {}

// SAFETY: `LAYOUT` is the scalar `char`, of four bytes.
#[diagnostic::do_not_recommend]
unsafe impl CheckedLeaf for char {}

// SAFETY: such a type is an integer of 1, 2, 4 or 8 bytes without padding, and all of it is stored.
unsafe impl<T: CheckedLeaf> AnyLeaf for T {
    #[inline(always)]
    unsafe fn store(at: *mut Self, value: Self) {
        let value = ManuallyDrop::new(value);
        let bits = (&raw const value).cast::<u8>();
        macro_rules! store {
            ($ty:ty) => {{
                // SAFETY: the type is as large as this integer, and initialised.
                let bits = unsafe { bits.cast::<$ty>().read_unaligned() };
                // SAFETY: the caller vouches for the memory.
                unsafe { <$ty>::store(at.cast(), bits) }
            }};
        }
        match const { step::<T>() } {
            AccessWidth::W1 => store!(u8),
            AccessWidth::W2 => store!(u16),
            AccessWidth::W4 => store!(u32),
            AccessWidth::W8 => store!(u64),
        }
    }
}

const fn step<T: CheckedLeaf>() -> AccessWidth {
    match T::LAYOUT.uniform_width() {
        Some(step) if step.bytes() == size_of::<T>() => step,
        _ => panic!("a checked leaf is one integer"),
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
            // SAFETY: the caller vouches for the memory.
            let bits = unsafe { <$ty>::load(at.cast()) };
            let extended = sign_extend(const { leaf_repr(T::LAYOUT) }, bits.into());
            if !const { Valid::of(T::LAYOUT) }.holds(extended) {
                return Err(InvalidValue::new(T::LAYOUT, extended));
            }
            // SAFETY: the type is as large as this integer, and has a value of these bits.
            Ok(unsafe { (&raw const bits).cast::<T>().read() })
        }};
    }
    match const { step::<T>() } {
        AccessWidth::W1 => load!(u8),
        AccessWidth::W2 => load!(u16),
        AccessWidth::W4 => load!(u32),
        AccessWidth::W8 => load!(u64),
    }
}

/// How to tell valid bits, worked out at compile time.
#[derive(Clone, Copy)]
enum Valid {
    Char,
    /// All from `first` to `last - first` above it.
    Range {
        first: u64,
        span: u64,
    },
    Listed(&'static [Variant]),
}

impl Valid {
    const fn of(layout: &TypeLayout) -> Self {
        let LayoutKind::Enum { variants, repr } = layout.kind() else {
            return Self::Char;
        };
        if variants.is_empty() {
            return Self::Listed(variants);
        }
        // Moved so that unsigned comparison puts negative numbers first.
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
        // Discriminants differ from each other, so as many as the range is long fill it.
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
    fn holds(self, bits: u64) -> bool {
        match self {
            Self::Char => u32::try_from(bits).is_ok_and(|code| char::from_u32(code).is_some()),
            Self::Range { first, span } => bits.wrapping_sub(first) <= span,
            Self::Listed(variants) => variants.iter().any(|variant| variant.bits() == bits),
        }
    }
}

/// Looks whether every checked leaf holds a value of its type. `tail` is the number of elements of the trailing slice,
/// if `layout` has one.
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
        (0..len).try_for_each(|number| {
            // SAFETY: the element lies within the array or slice.
            unsafe { validate(at.wrapping_add(from + number * element.size()), element, 0) }
                .map_err(|error| error.within(&format!("[{number}]")))
        })
    };
    match layout.kind() {
        LayoutKind::Scalar(_) | LayoutKind::Enum { .. } => {
            // SAFETY: the leaf is live, aligned, and only accessed atomically.
            let bits = sign_extend(leaf_repr(layout), unsafe { read_bits(at, layout) });
            if Valid::of(layout).holds(bits) {
                Ok(())
            } else {
                Err(InvalidValue::new(layout, bits))
            }
        }
        LayoutKind::Meaning { inner, .. } => match (layout.as_vec(), layout.as_seqlock()) {
            // Only the current slot holds a value.
            (_, Some(lock)) => {
                // SAFETY: the version lies there, live, aligned, and only accessed atomically.
                let version = unsafe { u64::load(at.wrapping_add(lock.version).cast_mut().cast()) };
                // SAFETY: whatever the version is, the place is that of a slot.
                unsafe { validate(at.wrapping_add(lock.value_offset(version)), lock.value, 0) }
            }
            // Only what is within the length is an element.
            (Some(vec), _) => {
                // SAFETY: a vector begins with its length, live, aligned, and only accessed atomically.
                let len = unsafe { u64::load(at.cast_mut().cast()) };
                match vec.checked_len(len) {
                    Some(len) => elements(vec.element, vec.items, len),
                    None => Err(InvalidValue::new(layout, len)),
                }
            }
            // SAFETY: the same bytes.
            _ => unsafe { validate(at, inner, tail) },
        },
        LayoutKind::Array { element, len } => elements(element, 0, len),
        LayoutKind::Slice { element } => elements(element, 0, tail),
        LayoutKind::Struct { fields, .. } => fields.iter().try_for_each(|field| {
            // SAFETY: the field lies within the struct; only its last field has the slice.
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
            // SAFETY: the caller vouches for as many bytes.
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
