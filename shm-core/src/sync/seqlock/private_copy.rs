//! A private copy of a value, without an allocation if it is small.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

/// Values of up to this many bytes are kept in place. Moving them a few times costs less than an allocation.
const ROOM: usize = 128;

#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Room([MaybeUninit<u8>; ROOM]);

/// # Invariants
///
/// 1. `large` is there exactly if a `T` does not fit into `small`, by size or alignment.
/// 2. The place in use holds a `T`.
pub(super) struct PrivateCopy<T: Copy> {
    small: Room,
    large: Option<Box<MaybeUninit<T>>>,
    value: PhantomData<T>,
}

impl<T: Copy> PrivateCopy<T> {
    /// Whether a `T` needs no allocation.
    pub(super) const FITS: bool = size_of::<T>() <= ROOM && align_of::<T>() <= align_of::<Room>();

    /// Makes one of what `fill` writes, unless that fails.
    ///
    /// # Safety
    ///
    /// If `fill` succeeds, it has written a `T`.
    #[inline(always)]
    pub(super) unsafe fn filled<E>(
        fill: impl FnOnce(&mut MaybeUninit<T>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut private = Self {
            small: Room([MaybeUninit::uninit(); ROOM]),
            large: (!Self::FITS).then(Box::new_uninit),
            value: PhantomData,
        };
        fill(private.place_mut())?;
        Ok(private)
    }

    #[inline(always)]
    fn place(&self) -> &MaybeUninit<T> {
        match &self.large {
            None => {
                let small = (&raw const self.small).cast::<MaybeUninit<T>>();
                // SAFETY: a `T` fits (invariant 1), and uninitialised bytes are a value.
                unsafe { &*small }
            }
            Some(large) => large,
        }
    }

    #[inline(always)]
    fn place_mut(&mut self) -> &mut MaybeUninit<T> {
        match &mut self.large {
            None => {
                let small = (&raw mut self.small).cast::<MaybeUninit<T>>();
                // SAFETY: as in `place`, and `self` is borrowed alone.
                unsafe { &mut *small }
            }
            Some(large) => large,
        }
    }
}

impl<T: Copy> Deref for PrivateCopy<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: it holds a `T` (invariant 2).
        unsafe { self.place().assume_init_ref() }
    }
}

impl<T: Copy> DerefMut for PrivateCopy<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: it holds a `T` (invariant 2).
        unsafe { self.place_mut().assume_init_mut() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn of<T: Copy>(value: T) -> PrivateCopy<T> {
        let fill = |place: &mut MaybeUninit<T>| {
            place.write(value);
            Ok::<(), Infallible>(())
        };
        // SAFETY: `fill` writes a `T`.
        let filled = unsafe { PrivateCopy::filled(fill) };
        let Ok(private) = filled;
        private
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(64))]
    struct Aligned(u8);

    #[test]
    fn a_copy_keeps_small_and_large_values_when_moved() {
        let mut small = of([1_u64, 2, 3]);
        small[1] = 7;
        let moved = Box::new(small);
        assert_eq!(**moved, [1, 7, 3]);
        assert!(moved.large.is_none());

        let mut large = of([5_u8; 1000]);
        large[999] = 6;
        let moved = Box::new(large);
        assert_eq!((moved[0], moved[999]), (5, 6));
        assert!(moved.large.is_some());

        let aligned = of(Aligned(9));
        assert_eq!(*aligned, Aligned(9));
        assert_eq!((&raw const *aligned).addr() % 64, 0);
    }

    #[test]
    fn a_failed_fill_gives_no_copy() {
        // SAFETY: it does not succeed.
        let failed = unsafe { PrivateCopy::<u64>::filled(|_| Err("no")) };
        assert_eq!(failed.err(), Some("no"));
    }
}
