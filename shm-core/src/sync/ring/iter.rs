//! Iterators over messages that are copied out of the ring.

use super::Receiver;
use crate::cell::ShmValue;
use crate::shm_layout::ShmLayout;

/// An iterator over messages, from [`Receiver::iter`].
#[derive(Debug)]
#[must_use = "iterators are lazy and receive nothing unless consumed"]
pub struct Iter<'r, 'a, T: ShmLayout, const N: usize> {
    pub(super) receiver: &'r mut Receiver<'a, T, N>,
}

impl<T: ShmValue, const N: usize> Iterator for Iter<'_, '_, T, N> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

/// An iterator over the messages that are in the ring, from [`Receiver::try_iter`].
#[derive(Debug)]
#[must_use = "iterators are lazy and receive nothing unless consumed"]
pub struct TryIter<'r, 'a, T: ShmLayout, const N: usize> {
    pub(super) receiver: &'r mut Receiver<'a, T, N>,
}

impl<T: ShmValue, const N: usize> Iterator for TryIter<'_, '_, T, N> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

/// An iterator over messages that owns the receiver, as in `for message in receiver`.
#[derive(Debug)]
#[must_use = "iterators are lazy and receive nothing unless consumed"]
pub struct IntoIter<'a, T: ShmLayout, const N: usize> {
    receiver: Receiver<'a, T, N>,
}

impl<T: ShmValue, const N: usize> Iterator for IntoIter<'_, T, N> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<'a, T: ShmValue, const N: usize> IntoIterator for Receiver<'a, T, N> {
    type Item = T;
    type IntoIter = IntoIter<'a, T, N>;

    fn into_iter(self) -> Self::IntoIter {
        IntoIter { receiver: self }
    }
}

impl<'r, 'a, T: ShmValue, const N: usize> IntoIterator for &'r mut Receiver<'a, T, N> {
    type Item = T;
    type IntoIter = Iter<'r, 'a, T, N>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
