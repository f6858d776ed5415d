//! Iterators over the values of a slice.

use std::iter::FusedIterator;
use std::mem::MaybeUninit;
use std::slice;

use super::{ShmCell, ShmSlice, ShmValue, checked, copy};
use crate::access::Access;
use crate::error::InvalidValue;
use crate::shm_layout::ShmLayout;

/// Calls `$fold` with the number of values in a block, of some 128 bytes: two cache lines, in as many registers as there are.
macro_rules! in_blocks {
    ($ty:ty, $fold:ident($($argument:expr),*)) => {
        match const { size_of::<$ty>() } {
            1 => $fold::<$ty, A, 128, B>($($argument),*),
            2 => $fold::<$ty, A, 64, B>($($argument),*),
            3..=4 => $fold::<$ty, A, 32, B>($($argument),*),
            5..=8 => $fold::<$ty, A, 16, B>($($argument),*),
            9..=16 => $fold::<$ty, A, 8, B>($($argument),*),
            17..=32 => $fold::<$ty, A, 4, B>($($argument),*),
            33..=64 => $fold::<$ty, A, 2, B>($($argument),*),
            _ => $fold::<$ty, A, 1, B>($($argument),*),
        }
    };
}

/// What [`ShmSlice::values`] returns.
struct Values<'a, T, A: Access> {
    cells: slice::Iter<'a, ShmCell<T, A>>,
}

/// What [`ShmSlice::try_values`] returns.
struct TryValues<'a, T, A: Access> {
    cells: slice::Iter<'a, ShmCell<T, A>>,
}

impl<T: ShmLayout + Copy, A: Access> ShmSlice<T, A> {
    /// Returns an iterator over the values, for one pass over all of them without a copy of the slice.
    ///
    /// Methods that consume it, such as `sum`, `max`, `fold` and `for_each`, also after `map`, `filter` and the like, read 128
    /// bytes at a time into registers, and are as fast as over a private slice. A `for` loop, and methods that may end early,
    /// read one value at a time, as a loop of [`get`](ShmCell::get) does.
    ///
    /// For enums and `char`s, see [`try_values`](Self::try_values).
    ///
    /// ```
    /// use shm_core::ShmLayout;
    ///
    /// # fn main() -> Result<(), shm_core::ShmError> {
    /// let samples = <[u64; 1000]>::create_anonymous()?;
    /// samples.fill(3);
    /// assert_eq!(samples.values().sum::<u64>(), 3000);
    /// assert_eq!(samples[10..].values().filter(|value| *value > 2).count(), 990);
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn values(
        &self,
    ) -> impl DoubleEndedIterator<Item = T> + ExactSizeIterator + FusedIterator + Clone
    where
        T: ShmValue,
    {
        let cells = self.iter();
        Values { cells }
    }

    /// Returns an iterator over the values, each of them checked: [`values`](Self::values) for types with enums or `char`s.
    ///
    /// Each item is an [`InvalidValue`] if the element is not a value of its type.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let letters = <[char; 3]>::create_anonymous()?;
    /// letters.write_from(&['s', 'h', 'm']);
    /// let text = letters.try_values().collect::<Result<String, _>>()?;
    /// assert_eq!(text, "shm");
    /// # Ok(()) }
    /// ```
    #[inline]
    pub fn try_values(
        &self,
    ) -> impl DoubleEndedIterator<Item = Result<T, InvalidValue>>
    + ExactSizeIterator
    + FusedIterator
    + Clone {
        let cells = self.iter();
        TryValues { cells }
    }
}

/// Reads the next `N` cells at once. `None` if there are fewer.
#[inline(always)]
fn next_block<T: ShmLayout, A: Access, const N: usize>(
    cells: &mut slice::Iter<'_, ShmCell<T, A>>,
) -> Option<MaybeUninit<[T; N]>> {
    let (block, rest) = cells.as_slice().split_first_chunk::<N>()?;
    *cells = rest.iter();
    let place = std::ptr::from_ref(block).cast::<[T; N]>();
    let mut private = MaybeUninit::uninit();
    // SAFETY: the cells are live, aligned and readable, and an array of their values lies at their place; `private` is private.
    unsafe { copy::read_one(private.as_mut_ptr(), place) };
    Some(private)
}

#[inline(always)]
fn fold_plain<T: ShmValue, A: Access, const N: usize, B>(
    mut cells: slice::Iter<'_, ShmCell<T, A>>,
    mut folded: B,
    mut fold: impl FnMut(B, T) -> B,
) -> B {
    while let Some(block) = next_block::<T, A, N>(&mut cells) {
        // SAFETY: `next_block` has initialised all bytes; they are valid because all leaves are plain (`ShmValue`).
        for value in unsafe { block.assume_init() } {
            folded = fold(folded, value);
        }
    }
    cells.fold(folded, |folded, cell| fold(folded, cell.load()))
}

#[inline(always)]
fn fold_checked<T: ShmLayout + Copy, A: Access, const N: usize, B>(
    mut cells: slice::Iter<'_, ShmCell<T, A>>,
    mut folded: B,
    mut fold: impl FnMut(B, Result<T, InvalidValue>) -> B,
) -> B {
    while let Some(mut block) = next_block::<T, A, N>(&mut cells) {
        // SAFETY: `next_block` has initialised all bytes, which are private.
        if unsafe { checked::is_valid(block.as_mut_ptr()) } {
            // SAFETY: all bytes are initialised, and every leaf is valid.
            for value in unsafe { block.assume_init() } {
                folded = fold(folded, Ok(value));
            }
        } else {
            let first = block.as_mut_ptr().cast::<T>();
            for index in 0..N {
                // SAFETY: this is one of the values, whose bytes `next_block` has initialised.
                let value = unsafe { checked_at(first.wrapping_add(index)) };
                folded = fold(folded, value);
            }
        }
    }
    cells.fold(folded, |folded, cell| fold(folded, cell.try_load()))
}

/// Checks a private copy of a value.
///
/// # Safety
///
/// `at` is private memory with the bytes of a `T`, aligned and initialised.
#[cold]
unsafe fn checked_at<T: ShmLayout + Copy>(at: *mut T) -> Result<T, InvalidValue> {
    // SAFETY: by the caller; reading has made every `bool` 0 or 1.
    unsafe { checked::validate_one(at) }?;
    // SAFETY: initialised, and every leaf is valid.
    Ok(unsafe { at.read() })
}

impl<T: ShmValue, A: Access> Iterator for Values<'_, T, A> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.cells.next().map(ShmCell::load)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.cells.size_hint()
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<T> {
        self.cells.nth(n).map(ShmCell::load)
    }

    #[inline]
    fn fold<B, F: FnMut(B, T) -> B>(self, first: B, fold: F) -> B {
        in_blocks!(T, fold_plain(self.cells, first, fold))
    }
}

impl<T: ShmLayout + Copy, A: Access> Iterator for TryValues<'_, T, A> {
    type Item = Result<T, InvalidValue>;

    #[inline]
    fn next(&mut self) -> Option<Result<T, InvalidValue>> {
        self.cells.next().map(ShmCell::try_load)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.cells.size_hint()
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<Result<T, InvalidValue>> {
        self.cells.nth(n).map(ShmCell::try_load)
    }

    #[inline]
    fn fold<B, F: FnMut(B, Result<T, InvalidValue>) -> B>(self, first: B, fold: F) -> B {
        in_blocks!(T, fold_checked(self.cells, first, fold))
    }
}

macro_rules! both {
    ($($name:ident: $bound:path, $load:ident);* $(;)?) => {$(
        impl<T: $bound + Copy, A: Access> DoubleEndedIterator for $name<'_, T, A> {
            #[inline]
            fn next_back(&mut self) -> Option<Self::Item> {
                self.cells.next_back().map(ShmCell::$load)
            }
        }

        impl<T: $bound + Copy, A: Access> ExactSizeIterator for $name<'_, T, A> {}

        impl<T: $bound + Copy, A: Access> FusedIterator for $name<'_, T, A> {}

        impl<T, A: Access> Clone for $name<'_, T, A> {
            fn clone(&self) -> Self {
                let cells = self.cells.clone();
                Self { cells }
            }
        }
    )*};
}

both! {
    Values: ShmValue, load;
    TryValues: ShmLayout, try_load;
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::fmt::Debug;

    /// The bytes of `count` values that are all `byte`, with a cell over each.
    fn with_cells<T: ShmLayout + Copy, R>(
        values: &[T],
        check: impl FnOnce(&ShmSlice<T>) -> R,
    ) -> R {
        let mut memory = values.to_vec();
        let cells = memory.as_mut_ptr().cast::<ShmCell<T>>();
        // SAFETY: the memory is private to this thread, aligned, live as long as `memory`, and only accessed through the cells
        // meanwhile.
        let cells = unsafe { slice::from_raw_parts(cells, memory.len()) };
        check(ShmSlice::new(cells))
    }

    fn all_ways<T: ShmValue + PartialEq + Debug>(make: impl Fn(usize) -> T) {
        for len in (0..300)
            .step_by(7)
            .chain([1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 1000])
        {
            let expected: Vec<T> = (0..len).map(&make).collect();
            with_cells(&expected, |cells| {
                let mut folded = Vec::new();
                cells.values().for_each(|value| folded.push(value));
                assert_eq!(folded, expected, "fold of {len}");
                folded.clear();
                cells
                    .try_values()
                    .for_each(|value| folded.push(value.unwrap()));
                assert_eq!(folded, expected, "checked fold of {len}");
                assert!(cells.values().eq(expected.iter().copied()), "next of {len}");
                let mut backwards = cells.values().rev().collect::<Vec<T>>();
                backwards.reverse();
                assert_eq!(backwards, expected, "back of {len}");
                let mut rest = cells.values();
                assert_eq!((rest.len(), rest.nth(1)), (len, expected.get(1).copied()));
                let (_, rest_of) = expected.split_at(len.min(2));
                assert_eq!(rest.clone().count(), rest_of.len());
                folded.clear();
                rest.for_each(|value| folded.push(value));
                assert_eq!(folded, rest_of, "the rest of {len}");
            });
        }
    }

    #[test]
    fn values_are_those_of_the_slice_in_every_way() {
        all_ways(|i| i as u8);
        all_ways(|i| i as i16);
        all_ways(|i| i as u32);
        all_ways(|i| i as f64);
        all_ways(|i| i as u128);
        all_ways(|i| i % 3 == 0);
        all_ways(|i| [i as u16, 1, 2]);
        all_ways(|i| [i as u64; 3]);
        all_ways(|i| [i as u8; 33]);
        all_ways(|i| [i as u64; 40]);
    }

    #[test]
    fn values_of_other_bytes_are_valid_bools() {
        let bytes: Vec<u8> = (0..=255).chain(0..100).collect();
        let expected = bytes.iter().filter(|byte| **byte != 0).count();
        with_cells(&bytes, |cells| {
            let bools = std::ptr::from_ref(cells.as_cells()) as *const [ShmCell<bool>];
            // SAFETY: a cell of a `bool` is one of a byte, of which it accepts any.
            let bools = ShmSlice::new(unsafe { &*bools });
            let mut set = 0;
            bools.values().for_each(|value| set += usize::from(value));
            assert_eq!(set, expected);
        });
    }

    #[test]
    fn only_the_elements_that_are_no_values_are_errors() {
        let mut codes: Vec<u32> = "shared memory".repeat(9).chars().map(u32::from).collect();
        let bad = [3, 31, 32, 100, codes.len() - 1];
        for index in bad {
            codes[index] = 0xD800;
        }
        with_cells(&codes, |cells| {
            let chars = std::ptr::from_ref(cells.as_cells()) as *const [ShmCell<char>];
            // SAFETY: a cell of a `char` is one of a `u32`, of which it accepts any.
            let chars = ShmSlice::new(unsafe { &*chars });
            let mut found = Vec::new();
            chars.try_values().for_each(|value| found.push(value.ok()));
            let expected: Vec<Option<char>> =
                codes.iter().map(|code| char::from_u32(*code)).collect();
            assert_eq!(found, expected);
            assert!(chars.try_values().map(Result::ok).eq(expected));
        });
    }
}
