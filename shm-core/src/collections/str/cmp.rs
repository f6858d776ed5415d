//! Comparisons with text of the standard library, without an allocation.

use std::ops::ControlFlow;

use super::{ShmStr, ShmStrView};
use crate::access::Access;
use crate::cell::ShmCell;

impl<const N: usize> ShmStr<N> {
    fn eq_str(&self, text: &str) -> bool {
        self.as_bytes() == text.as_bytes()
    }
}

impl<const N: usize, A: Access> ShmStrView<N, A> {
    /// Compares without an allocation, and without a check: bytes equal to those of a `str` are UTF-8.
    fn eq_str(&self, text: &str) -> bool {
        let mut rest = text.as_bytes();
        let read = self.for_each_chunk(|part| match rest.strip_prefix(part) {
            Some(more) => {
                rest = more;
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        });
        read.is_continue() && rest.is_empty()
    }
}

macro_rules! str_eq {
    ($([$($vars:tt)*] $text:ty, $str:ty;)*) => {$(
        impl<const N: usize, $($vars)*> PartialEq<$str> for $text {
            fn eq(&self, other: &$str) -> bool {
                self.eq_str(other)
            }
        }

        impl<const N: usize, $($vars)*> PartialEq<$text> for $str {
            fn eq(&self, other: &$text) -> bool {
                other.eq_str(self)
            }
        }
    )*}
}

str_eq! {
    [] ShmStr<N>, str;
    [] ShmStr<N>, &str;
    [] ShmStr<N>, String;
    [A: Access] ShmStrView<N, A>, str;
    [A: Access] ShmStrView<N, A>, &str;
    [A: Access] ShmStrView<N, A>, String;
    [A: Access] ShmCell<ShmStr<N>, A>, str;
    [A: Access] ShmCell<ShmStr<N>, A>, &str;
    [A: Access] ShmCell<ShmStr<N>, A>, String;
}
