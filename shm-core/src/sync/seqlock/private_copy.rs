//! A private copy of a value, without an allocation if it is small.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::OnceLock;

/// Values of up to this many bytes are kept in place. Moving them a few times costs less than an allocation.
const ROOM: usize = 128;

#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Room([MaybeUninit<u8>; ROOM]);

/// # Invariants
///
/// 1. A `T` that fits, by size and alignment, is in `small`, and any other in `large`.
/// 2. `small`, if a `T` fits, and `large`, if it is set, hold a `T`.
pub(super) struct PrivateCopy<T: Copy> {
    small: Room,
    large: OnceLock<Box<MaybeUninit<T>>>,
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
            large: OnceLock::new(),
            value: PhantomData,
        };
        if Self::FITS {
            fill(Self::small(&mut private.small))?;
        } else {
            let mut large = Box::new_uninit();
            fill(&mut large)?;
            private.large = large.into();
        }
        Ok(private)
    }

    /// One that is filled when it is first asked for. `None` if a `T` fits: that is filled at once.
    #[inline(always)]
    pub(super) const fn missing() -> Option<Self> {
        if Self::FITS {
            return None;
        }
        Some(Self {
            small: Room([MaybeUninit::uninit(); ROOM]),
            large: OnceLock::new(),
            value: PhantomData,
        })
    }

    /// Frees a copy that does not fit, so that it is filled again.
    pub(super) fn forget(&mut self) {
        self.large = OnceLock::new();
    }

    /// The copy, if it is there.
    #[inline(always)]
    pub(super) fn get(&self) -> Option<&T> {
        let place = if Self::FITS {
            let small = (&raw const self.small).cast::<MaybeUninit<T>>();
            // SAFETY: a `T` fits, and uninitialised bytes are a value.
            unsafe { &*small }
        } else {
            self.large.get()?
        };
        // SAFETY: it holds a `T` (invariant 2).
        Some(unsafe { place.assume_init_ref() })
    }

    /// The copy, which `fill` writes if it is not there.
    ///
    /// # Safety
    ///
    /// `fill` writes a `T`.
    #[inline(always)]
    pub(super) unsafe fn get_or_fill(&self, fill: impl FnOnce(&mut MaybeUninit<T>)) -> &T {
        if let Some(value) = self.get() {
            return value;
        }
        let large = self.large.get_or_init(|| {
            let mut large = Box::new_uninit();
            fill(&mut large);
            large
        });
        // SAFETY: it holds a `T` (invariant 2, or by the caller).
        unsafe { large.assume_init_ref() }
    }

    /// [`get_or_fill`](Self::get_or_fill), for changes.
    ///
    /// # Safety
    ///
    /// `fill` writes a `T`.
    #[inline(always)]
    pub(super) unsafe fn get_mut_or_fill(
        &mut self,
        fill: impl FnOnce(&mut MaybeUninit<T>),
    ) -> &mut T {
        // SAFETY: by the caller.
        unsafe { self.get_or_fill(fill) };
        let large = if Self::FITS {
            None
        } else {
            self.large.get_mut()
        };
        let place = match large {
            Some(large) => large,
            None => Self::small(&mut self.small),
        };
        // SAFETY: it holds a `T` (invariant 2): one that does not fit is in `large`, where it was just filled.
        unsafe { place.assume_init_mut() }
    }

    /// The place of a `T` that fits.
    #[inline(always)]
    fn small(room: &mut Room) -> &mut MaybeUninit<T> {
        assert!(Self::FITS);
        let small = (&raw mut *room).cast::<MaybeUninit<T>>();
        // SAFETY: a `T` fits, uninitialised bytes are a value, and `room` is borrowed alone.
        unsafe { &mut *small }
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
        fn change<T: Copy>(private: &mut PrivateCopy<T>) -> &mut T {
            // SAFETY: it is not called.
            unsafe { private.get_mut_or_fill(|_| unreachable!()) }
        }
        let mut small = of([1_u64, 2, 3]);
        change(&mut small)[1] = 7;
        let moved = Box::new(small);
        assert_eq!(moved.get(), Some(&[1, 7, 3]));
        assert!(moved.large.get().is_none());

        let mut large = of([5_u8; 1000]);
        change(&mut large)[999] = 6;
        let moved = Box::new(large);
        assert_eq!(
            moved.get().map(|value| (value[0], value[999])),
            Some((5, 6))
        );
        assert!(moved.large.get().is_some());

        let aligned = of(Aligned(9));
        let value = aligned.get().unwrap();
        assert_eq!(*value, Aligned(9));
        assert_eq!((&raw const *value).addr() % 64, 0);
    }

    #[test]
    fn a_large_copy_is_filled_when_first_asked_for() {
        assert!(PrivateCopy::<[u64; 3]>::missing().is_none());
        let mut copy = PrivateCopy::<[u8; 1000]>::missing().unwrap();
        for byte in [3, 4] {
            assert_eq!(copy.get(), None);
            let fill = |place: &mut MaybeUninit<[u8; 1000]>| _ = place.write([byte; 1000]);
            // SAFETY: `fill` writes a value.
            assert_eq!(unsafe { copy.get_or_fill(fill) }[999], byte);
            // SAFETY: as above, though it is not called.
            let value = unsafe { copy.get_mut_or_fill(|_| unreachable!()) };
            value[0] = 1;
            assert_eq!(
                copy.get().map(|value| (value[0], value[1])),
                Some((1, byte))
            );
            copy.forget();
        }
    }

    #[test]
    fn a_failed_fill_gives_no_copy() {
        // SAFETY: it does not succeed.
        let failed = unsafe { PrivateCopy::<u64>::filled(|_| Err("no")) };
        assert_eq!(failed.err(), Some("no"));
    }
}
