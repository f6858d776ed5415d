//! [`ShmLayout`] for types of the standard library.

use std::marker::PhantomData;
use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroU8, NonZeroU16, NonZeroU32,
    NonZeroU64, NonZeroU128, Wrapping,
};

use super::{Checked, Plain, ShmCell, ShmSlice};
use crate::access::Access;
use crate::diagnostics::shared_with;
use crate::layout::{ScalarKind, TypeLayout};
use crate::primitive::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64,
};
use crate::shm_layout::ShmLayout;

macro_rules! scalars {
    ($($ty:ty => $kind:ident),* $(,)?) => {$(
        // SAFETY: 1. a scalar is one leaf of its own size and alignment. 2. `Plain` has no bytes: the cell itself has the
        // methods. 3. The address is returned unchanged.
        #[diagnostic::do_not_recommend]
        unsafe impl ShmLayout for $ty {
            type View<A: Access> = Plain;
            const LAYOUT: &'static TypeLayout =
                &TypeLayout::scalar(ScalarKind::$kind, false, align_of::<$ty>()).named(stringify!($ty));
            #[inline]
            fn view_at<A: Access>(payload: *const (), _: usize) -> *const Plain {
                payload.cast()
            }
        }
    )*};
}

scalars! {
    u8 => U8, u16 => U16, u32 => U32, u64 => U64, u128 => U128,
    i8 => I8, i16 => I16, i32 => I32, i64 => I64, i128 => I128,
    f32 => F32, f64 => F64, bool => Bool,
    // The standard library guarantees that zero is `None`, for exactly these types.
    Option<NonZeroU8> => U8, Option<NonZeroU16> => U16, Option<NonZeroU32> => U32, Option<NonZeroU64> => U64,
    Option<NonZeroU128> => U128, Option<NonZeroI8> => I8, Option<NonZeroI16> => I16, Option<NonZeroI32> => I32,
    Option<NonZeroI64> => I64, Option<NonZeroI128> => I128,
}

shared_with! {
    // SAFETY: `Wrapping` is `repr(transparent)`, so all three hold because they hold for `T`.
    [T: 'static] Wrapping<T>, T;
    unsafe impl[T: ShmLayout] ShmLayout {
        type View<A: Access> = T::View<A>;
        const LAYOUT: &'static TypeLayout = T::LAYOUT;
        fn view_at<A: Access>(payload: *const (), tail: usize) -> *const Self::View<A> {
            T::view_at(payload, tail)
        }
    }
}

// SAFETY: 1. one leaf of its own size and alignment. 2. `Checked` has no bytes. 3. The address is returned unchanged.
#[diagnostic::do_not_recommend]
unsafe impl ShmLayout for char {
    type View<A: Access> = Checked;
    const LAYOUT: &'static TypeLayout =
        &TypeLayout::scalar(ScalarKind::Char, false, align_of::<Self>());
    #[inline]
    fn view_at<A: Access>(payload: *const (), _: usize) -> *const Checked {
        payload.cast()
    }
}

macro_rules! atomics {
    ($($ty:ty => $kind:ident),* $(,)?) => {$(
        // SAFETY: 1. an atomic is one leaf of its own size and alignment. 2. The view is the atomic itself, or a
        // transparent wrapper that can only load. 3. The address is returned unchanged.
        #[diagnostic::do_not_recommend]
        unsafe impl ShmLayout for $ty {
            type View<A: Access> = A::Atomic<$ty>;
            const LAYOUT: &'static TypeLayout = &TypeLayout::scalar(ScalarKind::$kind, true, align_of::<$ty>());
            #[inline]
            fn view_at<A: Access>(payload: *const (), _: usize) -> *const Self::View<A> {
                payload.cast()
            }
        }
    )*};
}

atomics! {
    AtomicU8 => U8, AtomicU16 => U16, AtomicU32 => U32, AtomicU64 => U64,
    AtomicI8 => I8, AtomicI16 => I16, AtomicI32 => I32, AtomicI64 => I64,
    AtomicBool => Bool,
}

shared_with! {
    // SAFETY: 1. and 2. `N` consecutive elements, each of which fulfils the contract. 3. The metadata added is the length.
    [T: 'static, const N: usize] [T; N], T;
    unsafe impl[T: ShmLayout, const N: usize] ShmLayout {
        type View<A: Access> = ShmSlice<T, A>;
        const LAYOUT: &'static TypeLayout = &TypeLayout::array(T::LAYOUT, N);
        fn view_at<A: Access>(payload: *const (), _: usize) -> *const Self::View<A> {
            std::ptr::slice_from_raw_parts(payload.cast::<ShmCell<T, A>>(), N) as *const ShmSlice<T, A>
        }
    }
}

// SAFETY: 1. and 2. there are no bytes to describe, and `Plain` has none. 3. The address is returned unchanged. `T` can be
// any type: no value of it is stored.
#[diagnostic::do_not_recommend]
unsafe impl<T: ?Sized + 'static> ShmLayout for PhantomData<T> {
    type View<A: Access> = Plain;
    const LAYOUT: &'static TypeLayout = &TypeLayout::structure("PhantomData", 0, 0, 1, &[]);
    #[inline]
    fn view_at<A: Access>(payload: *const (), _: usize) -> *const Plain {
        payload.cast()
    }
}
