//! Comparisons with text of the standard library, without an allocation.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::{ShmStr, ShmStrView};
use crate::access::Access;
use crate::cell::ShmCell;

impl<const N: usize> ShmStr<N> {
    fn eq_str(&self, text: &str) -> bool {
        self.as_bytes() == text.as_bytes()
    }

    fn cmp_str(&self, text: &str) -> Ordering {
        self.as_bytes().cmp(text.as_bytes())
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

    /// Compares as `str` does: by the bytes.
    fn cmp_str(&self, text: &str) -> Ordering {
        let mut rest = text.as_bytes();
        let mut order = Ordering::Equal;
        let _ = self.for_each_chunk(|part| {
            let (near, far) = rest.split_at(part.len().min(rest.len()));
            (order, rest) = (part.cmp(near), far);
            match order {
                Ordering::Equal => ControlFlow::Continue(()),
                _ => ControlFlow::Break(()),
            }
        });
        // If all bytes read are equal, the text with more bytes is greater.
        order.then(0.cmp(&rest.len()))
    }
}

macro_rules! str_cmp {
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

        impl<const N: usize, $($vars)*> PartialOrd<$str> for $text {
            fn partial_cmp(&self, other: &$str) -> Option<Ordering> {
                Some(self.cmp_str(other))
            }
        }

        impl<const N: usize, $($vars)*> PartialOrd<$text> for $str {
            fn partial_cmp(&self, other: &$text) -> Option<Ordering> {
                Some(other.cmp_str(self).reverse())
            }
        }
    )*}
}

str_cmp! {
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
