//! A private copy of a value, without an allocation where it is small.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

/// Bytes up to which a value is kept in place. An allocation costs more than moving as many bytes a few times.
const ROOM: usize = 128;

#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Room([MaybeUninit<u8>; ROOM]);

/// # Invariants
///
/// 1. `large` is there exactly if a `T` does not fit into `small`, by size or alignment.
/// 2. The one that counts holds a `T`.
pub(super) struct Private<T: Copy> {
    small: Room,
    large: Option<Box<MaybeUninit<T>>>,
    value: PhantomData<T>,
}

impl<T: Copy> Private<T> {
    /// Makes one of what `fill` fills in, unless that fails.
    ///
    /// # Safety
    ///
    /// Where `fill` succeeds it has written a `T` to the place that it was given.
    #[inline(always)]
    pub(super) unsafe fn filled<E>(fill: impl FnOnce(*mut T) -> Result<(), E>) -> Result<Self, E> {
        let fits = size_of::<T>() <= ROOM && align_of::<T>() <= align_of::<Room>();
        let mut private = Self {
            small: Room([MaybeUninit::uninit(); ROOM]),
            large: (!fits).then(Box::new_uninit),
            value: PhantomData,
        };
        fill(private.place_mut())?;
        Ok(private)
    }

    #[inline(always)]
    fn place(&self) -> *const T {
        match &self.large {
            None => (&raw const self.small).cast(),
            Some(large) => large.as_ptr(),
        }
    }

    #[inline(always)]
    fn place_mut(&mut self) -> *mut T {
        match &mut self.large {
            None => (&raw mut self.small).cast(),
            Some(large) => large.as_mut_ptr(),
        }
    }
}

impl<T: Copy> Deref for Private<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: a `T` lies there, aligned (invariants 1 and 2).
        unsafe { &*self.place() }
    }
}

impl<T: Copy> DerefMut for Private<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and `self` is borrowed alone.
        unsafe { &mut *self.place_mut() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn of<T: Copy>(value: T) -> Private<T> {
        let fill = |place: *mut T| {
            // SAFETY: the place is for a `T`.
            unsafe { place.write(value) };
            Ok::<(), Infallible>(())
        };
        // SAFETY: `fill` writes a `T`.
        let filled = unsafe { Private::filled(fill) };
        let Ok(private) = filled;
        private
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(64))]
    struct Aligned(u8);

    #[test]
    fn small_and_large_values_come_out_as_they_went_in_wherever_they_are_moved() {
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
    fn what_fails_is_no_value() {
        // SAFETY: it does not succeed.
        let failed = unsafe { Private::<u64>::filled(|_| Err("no")) };
        assert_eq!(failed.err(), Some("no"));
    }
}
