//! `==` between vectors in shared memory and values, without an allocation.

use super::{ShmVec, ShmVecView};
use crate::access::Access;
use crate::cell::{ShmCell, ShmValue};

macro_rules! vec_eq {
    ($([$($vars:tt)*] $vec:ty, $values:ty;)*) => {$(
        impl<T: ShmValue + PartialEq<U>, U, const N: usize, A: Access, $($vars)*> PartialEq<$values> for $vec {
            fn eq(&self, other: &$values) -> bool {
                *self.as_slice() == other[..]
            }
        }

        impl<T: ShmValue, U: PartialEq<T>, const N: usize, A: Access, $($vars)*> PartialEq<$vec> for $values {
            fn eq(&self, other: &$vec) -> bool {
                self[..] == *other.as_slice()
            }
        }
    )*}
}

vec_eq! {
    [] ShmVecView<T, N, A>, [U];
    [] ShmVecView<T, N, A>, &[U];
    [const M: usize] ShmVecView<T, N, A>, [U; M];
    [] ShmVecView<T, N, A>, Vec<U>;
    [] ShmCell<ShmVec<T, N>, A>, [U];
    [] ShmCell<ShmVec<T, N>, A>, &[U];
    [const M: usize] ShmCell<ShmVec<T, N>, A>, [U; M];
    [] ShmCell<ShmVec<T, N>, A>, Vec<U>;
}
