//! The constant list of the leaves of a small value.

use std::marker::PhantomData;

use super::{Shared, copy_leaf};
use crate::cell::Leaf;
use crate::layout::{AccessWidth, LayoutKind, ScalarKind, TypeLayout};
use crate::shm_layout::ShmLayout;

/// Values with more leaves than this have no plan.
const MAX_MOVES: usize = 32;

/// LLVM simulates at most ten iterations to decide whether unrolling removes a loop, so the moves are split into loops of
/// eight.
const MOVES_PER_LOOP: usize = 8;

/// The copy of one leaf.
#[derive(Clone, Copy)]
struct Move {
    offset: usize,
    width: AccessWidth,
    is_bool: bool,
}

/// All moves of a small value.
#[derive(Clone, Copy)]
pub(super) struct Moves {
    list: [Move; MAX_MOVES],
    pub(super) len: usize,
    /// Whether `list` has room for all moves of the value.
    pub(super) complete: bool,
}

impl Moves {
    const fn of(layout: &TypeLayout) -> Self {
        let none = Move {
            offset: 0,
            width: AccessWidth::W1,
            is_bool: false,
        };
        Self {
            list: [none; MAX_MOVES],
            len: 0,
            complete: true,
        }
        .add(layout, 0)
    }

    const fn push(mut self, next: Move) -> Self {
        if self.len < MAX_MOVES {
            self.list[self.len] = next;
            self.len += 1;
        } else {
            self.complete = false;
        }
        self
    }

    const fn add(mut self, layout: &TypeLayout, offset: usize) -> Self {
        match layout.kind() {
            LayoutKind::Scalar(scalar) => {
                let width = scalar.kind().access_width();
                let is_bool = matches!(scalar.kind(), ScalarKind::Bool);
                let mut done = 0;
                while done < layout.size() {
                    self = self.push(Move {
                        offset: offset + done,
                        width,
                        is_bool,
                    });
                    done += width.bytes();
                }
            }
            LayoutKind::Enum { repr, .. } => {
                let (width, is_bool) = (repr.access_width(), false);
                self = self.push(Move {
                    offset,
                    width,
                    is_bool,
                });
            }
            // Never part of a sized value of this program.
            LayoutKind::Slice { .. } | LayoutKind::Unknown { .. } => {}
            LayoutKind::Meaning { inner, .. } => self = self.add(inner, offset),
            LayoutKind::Array { element, len } => {
                let mut i = 0;
                while i < len && self.complete && element.size() > 0 {
                    self = self.add(element, offset + i * element.size());
                    i += 1;
                }
            }
            LayoutKind::Struct { fields, .. } => {
                let mut i = 0;
                while i < fields.len() && self.complete {
                    self = self.add(fields[i].layout(), offset + fields[i].offset());
                    i += 1;
                }
            }
        }
        self
    }
}

/// The constant plan of `T`.
pub(super) struct Plan<T>(PhantomData<T>);

impl<T: ShmLayout> Plan<T> {
    pub(super) const MOVES: Moves = Moves::of(T::LAYOUT);
}

impl<T: ShmLayout> Plan<T> {
    /// Runs the `N`th loop of moves.
    ///
    /// # Safety
    ///
    /// As [`read`](super::read) if the source is shared, as [`write`](super::write) if the destination is, with one value of `T`.
    #[inline(always)]
    unsafe fn run_loop<const N: usize>(dst: *mut u8, src: *const u8, shared: Shared) {
        let end = const {
            let (len, end) = (Self::MOVES.len, (N + 1) * MOVES_PER_LOOP);
            if len < end { len } else { end }
        };
        for i in N * MOVES_PER_LOOP..end {
            let next = const { &Self::MOVES }.list[i];
            let (dst, src) = (dst.wrapping_add(next.offset), src.wrapping_add(next.offset));
            if next.is_bool && shared == Shared::Source {
                // SAFETY: the leaf is within the shared value; `bool::load` accepts any byte.
                let value = unsafe { bool::load(src.cast_mut().cast()) };
                // SAFETY: the leaf is within the private value.
                unsafe { dst.write(u8::from(value)) };
            } else {
                // SAFETY: the leaf is within both values.
                unsafe { copy_leaf(dst, src, next.width, shared) };
            }
        }
    }

    /// Runs all moves.
    ///
    /// # Safety
    ///
    /// As [`run_loop`](Self::run_loop).
    #[inline(always)]
    pub(super) unsafe fn run(dst: *mut u8, src: *const u8, shared: Shared) {
        const { assert!(MAX_MOVES == 4 * MOVES_PER_LOOP) };
        // SAFETY: by the caller.
        unsafe { Self::run_loop::<0>(dst, src, shared) };
        // SAFETY: by the caller.
        unsafe { Self::run_loop::<1>(dst, src, shared) };
        // SAFETY: by the caller.
        unsafe { Self::run_loop::<2>(dst, src, shared) };
        // SAFETY: by the caller.
        unsafe { Self::run_loop::<3>(dst, src, shared) };
    }
}
