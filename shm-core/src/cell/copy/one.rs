//! Copies of one value.

use super::plan::Plan;
use super::{Shared, read, write};
use crate::cell::bulk;
use crate::cell::restricted::{mend_one, restricted};
use crate::shm_layout::ShmLayout;

/// How one value is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By its [`Plan`].
    Planned,
    /// In unrolled wide moves.
    Unrolled,
    /// As a slice of one.
    Called,
}

/// Whether a `T` can be moved in unrolled wide moves.
const fn fits_unrolled<T>() -> bool {
    match bulk::LARGEST_VALUE {
        Some(most) => size_of::<T>() <= most,
        None => false,
    }
}

impl Way {
    /// The way for values of `T`, if a plan is the best up to so many leaves.
    const fn of<T: ShmLayout>(leaves: usize) -> Self {
        let moves = &Plan::<T>::MOVES;
        let is_small = fits_unrolled::<T>();
        // Without optimisation, calls of generic functions cost more than anything else: the fewer the better.
        if bulk::WIDE && cfg!(debug_assertions) {
            Self::Called
        } else if moves.complete && (bulk::LARGEST_VALUE.is_none() || moves.len <= leaves) {
            Self::Planned
        } else if bulk::WIDE
            && is_small
            && (!T::LAYOUT.has_bool() || restricted::<T>().is_complete())
        {
            Self::Unrolled
        } else {
            Self::Called
        }
    }
}

/// Reads one value. Afterwards all bytes of `dst` are initialised; if every leaf of `T` is plain, they are also valid for
/// `T`.
///
/// # Safety
///
/// As [`read`], with one value of `T`.
#[inline(always)]
pub(crate) unsafe fn read_one<T: ShmLayout>(dst: *mut T, src: *const T) {
    // SAFETY: by the caller.
    unsafe { read_by(const { Way::of::<T>(2) }, dst, src) };
}

/// # Safety
///
/// As [`read_one`]; the way is open to values of `T`.
#[inline(always)]
unsafe fn read_by<T: ShmLayout>(way: Way, dst: *mut T, src: *const T) {
    match way {
        // SAFETY: by the caller.
        Way::Planned => unsafe { Plan::<T>::run(dst.cast(), src.cast(), Shared::Source) },
        Way::Unrolled => {
            // SAFETY: by the caller.
            unsafe { bulk::read_value(dst, src) };
            if const { T::LAYOUT.has_bool() } {
                // SAFETY: `dst` is private and was just filled; the list is complete.
                unsafe { mend_one(dst) };
            }
        }
        // SAFETY: by the caller.
        Way::Called => unsafe { read(dst, src, 1) },
    }
}

/// Writes one value.
///
/// # Safety
///
/// As [`write`], with one value of `T`.
#[inline(always)]
pub(crate) unsafe fn write_one<T: ShmLayout>(dst: *mut T, src: *const T) {
    // SAFETY: by the caller.
    unsafe { write_by(const { Way::of::<T>(4) }, dst, src) };
}

/// # Safety
///
/// As [`write_one`]; the way is open to values of `T`.
#[inline(always)]
unsafe fn write_by<T: ShmLayout>(way: Way, dst: *mut T, src: *const T) {
    match way {
        // SAFETY: by the caller.
        Way::Planned => unsafe { Plan::<T>::run(dst.cast(), src.cast(), Shared::Destination) },
        // SAFETY: by the caller.
        Way::Unrolled => unsafe { bulk::write_value(dst, src) },
        // SAFETY: by the caller.
        Way::Called => unsafe { write(dst, src, 1) },
    }
}

/// Writes `value` to `count` consecutive elements.
///
/// # Safety
///
/// As [`write`], with `count` values of `T`.
#[inline]
pub(crate) unsafe fn fill<T: ShmLayout + Copy>(dst: *mut T, value: T, count: usize) {
    if bulk::WIDE && const { matches!(size_of::<T>(), 1 | 2 | 4 | 8 | 16) } {
        let mut bytes = [0_u8; 16];
        for i in 0..const { 16 / size_of_or_one::<T>() } {
            let slot = bytes.as_mut_ptr().cast::<T>().wrapping_add(i);
            // SAFETY: the pattern has room for this many values; `write_unaligned` needs no alignment.
            unsafe { slot.write_unaligned(value) };
        }
        // SAFETY: by the caller; the pattern consists of whole values.
        return unsafe {
            bulk::fill(
                dst.cast(),
                bytemuck::must_cast(bytes),
                size_of::<T>() * count,
            )
        };
    }
    for i in 0..count {
        // SAFETY: this is one of the `count` elements; `value` is private.
        unsafe { write_one(dst.wrapping_add(i), &raw const value) };
    }
}

/// The size of `T`, as a divisor.
const fn size_of_or_one<T>() -> usize {
    match size_of::<T>() {
        0 => 1,
        size => size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::copy::normalize;

    /// Copies every byte in both directions, in every way that is open to `T`.
    fn every_way_copies<T: ShmLayout>() {
        let size = size_of::<T>();
        // Words, so that a value is aligned.
        let room = size.div_ceil(8) + 1;
        let mut ways = vec![Way::Called];
        if Plan::<T>::MOVES.complete {
            ways.push(Way::Planned);
        }
        if fits_unrolled::<T>() {
            ways.push(Way::Unrolled);
        }
        let bytes = |words: &[u64]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_ne_bytes()).collect()
        };
        let source: Vec<u64> = (1..=room as u64)
            .map(|i| i.wrapping_mul(0x0203_0405_0607_0809))
            .collect();
        let mut mended = source.clone();
        // SAFETY: the memory is private, and has room for a value.
        unsafe { normalize(mended.as_mut_ptr().cast(), T::LAYOUT, 1) };
        for way in ways {
            for (reads, expected) in [(true, &mended), (false, &source)] {
                let mut out = vec![!0; room];
                let (dst, src) = (out.as_mut_ptr().cast::<T>(), source.as_ptr().cast::<T>());
                if reads {
                    // SAFETY: both have room for a value, are aligned, and no other thread accesses them.
                    unsafe { read_by(way, dst, src) };
                } else {
                    // SAFETY: as above.
                    unsafe { write_by(way, dst, src) };
                }
                let name = std::any::type_name::<T>();
                assert_eq!(
                    bytes(&out)[..size],
                    bytes(expected)[..size],
                    "{way:?}: {name}"
                );
                assert!(
                    bytes(&out)[size..].iter().all(|byte| *byte == 0xFF),
                    "{way:?}: {name}"
                );
            }
        }
    }

    #[test]
    fn values_are_copied_alike_in_every_way() {
        every_way_copies::<bool>();
        every_way_copies::<u128>();
        every_way_copies::<char>();
        every_way_copies::<[u16; 3]>();
        every_way_copies::<[bool; 8]>();
        every_way_copies::<[[bool; 3]; 7]>();
        every_way_copies::<[u32; 7]>();
        every_way_copies::<[u64; 5]>();
        every_way_copies::<[u8; 31]>();
        every_way_copies::<[bool; 100]>();
        every_way_copies::<[f32; 63]>();
        every_way_copies::<[[u16; 9]; 13]>();
        every_way_copies::<[u64; 32]>();
        every_way_copies::<[bool; 256]>();
        every_way_copies::<[bool; 3000]>();
    }
}
