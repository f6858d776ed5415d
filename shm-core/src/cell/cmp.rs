//! `==` between cells and values, without an allocation.

use std::mem::MaybeUninit;

use super::{ShmCell, ShmSlice, ShmValue};
use crate::access::Access;

/// Whether `cells` has as many elements as `values`, and `same` holds for every part read from it and the values there.
fn all_equal<T: ShmValue, U, A: Access>(
    cells: &ShmSlice<T, A>,
    values: &[U],
    same: impl Fn(&[T], &[U]) -> bool,
) -> bool {
    if cells.len() != values.len() {
        return false;
    }
    // Small elements are read in bulk; large ones one at a time, so that the buffer stays small.
    if size_of::<T>() <= 64 {
        chunks_equal::<T, U, A, 32>(cells, values, same)
    } else {
        chunks_equal::<T, U, A, 1>(cells, values, same)
    }
}

fn chunks_equal<T: ShmValue, U, A: Access, const CHUNK: usize>(
    cells: &ShmSlice<T, A>,
    values: &[U],
    same: impl Fn(&[T], &[U]) -> bool,
) -> bool {
    let cells = cells.as_cells().chunks(CHUNK);
    cells.zip(values.chunks(CHUNK)).all(|(cells, values)| {
        let mut buffer = [const { MaybeUninit::uninit() }; CHUNK];
        let read = ShmSlice::new(cells).read_uninit(&mut buffer[..cells.len()]);
        same(read, values)
    })
}

macro_rules! slice_eq {
    ($([$($vars:tt)*] $cells:ty, $values:ty;)*) => {$(
        impl<T: ShmValue + PartialEq<U>, U, A: Access, $($vars)*> PartialEq<$values> for $cells {
            fn eq(&self, other: &$values) -> bool {
                all_equal(&self[..], &other[..], |read, values| read == values)
            }
        }

        impl<T: ShmValue, U: PartialEq<T>, A: Access, $($vars)*> PartialEq<$cells> for $values {
            fn eq(&self, other: &$cells) -> bool {
                all_equal(&other[..], &self[..], |read, values| values == read)
            }
        }
    )*}
}

slice_eq! {
    [] ShmSlice<T, A>, [U];
    [] ShmSlice<T, A>, &[U];
    [const N: usize] ShmSlice<T, A>, [U; N];
    [] ShmSlice<T, A>, Vec<U>;
    [const N: usize] ShmCell<[T; N], A>, [U];
    [const N: usize] ShmCell<[T; N], A>, &[U];
    [const N: usize, const M: usize] ShmCell<[T; N], A>, [U; M];
    [const N: usize] ShmCell<[T; N], A>, Vec<U>;
}
