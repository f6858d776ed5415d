//! The access mode of a mapping, as a type parameter of handles and cells.

mod load_only;

pub use load_only::LoadOnly;

use crate::primitive::{Ordering, model};

mod sealed {
    pub trait Sealed {}
}

/// The access mode of a mapping and of every cell in it: [`ReadWrite`] or [`ReadOnly`].
///
/// The mode is also the protection of the pages: `PROT_READ`, with or without `PROT_WRITE`. The trait is sealed, as
/// there is no third mode.
pub trait Access: sealed::Sealed + Copy + Send + Sync + 'static {
    /// Whether the pages are mapped with `PROT_WRITE`.
    #[doc(hidden)]
    const WRITABLE: bool;

    /// The type that stands for a standard atomic `T` in the views of such a mapping.
    #[doc(hidden)]
    type Atomic<T: 'static>;
}

/// Access that allows writing. Only [`ReadWrite`] implements it.
#[diagnostic::on_unimplemented(
    message = "this mapping is read-only, so it cannot be written",
    label = "needs a writable mapping",
    note = "cells of `attach_read_only` and `read_only()` only have `get`, `load` and `read_into`; to write, use `create`, \
            `open_or_create` or `attach`"
)]
pub trait Writable: Access {}

/// Read and write access. This is the default.
#[derive(Clone, Copy, Debug)]
pub enum ReadWrite {}

/// Read access only: the pages are mapped `PROT_READ`, and cells have no method that writes.
#[derive(Clone, Copy, Debug)]
pub enum ReadOnly {}

impl sealed::Sealed for ReadWrite {}
impl sealed::Sealed for ReadOnly {}

impl Access for ReadWrite {
    const WRITABLE: bool = true;
    type Atomic<T: 'static> = T;
}

impl Access for ReadOnly {
    const WRITABLE: bool = false;
    type Atomic<T: 'static> = LoadOnly<T>;
}

#[diagnostic::do_not_recommend]
impl Writable for ReadWrite {}

/// Loads with `Acquire` through a mapping with access `A`.
#[inline(always)]
pub(crate) fn acquire<A: Access, W: model::Word>(word: &W) -> W::Value {
    model::load(word, Ordering::Acquire, A::WRITABLE)
}
