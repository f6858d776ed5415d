//! What a mapping allows: the type parameter that says whether a cell may be written.

mod load_only;

pub use load_only::LoadOnly;

use crate::primitive::{Ordering, model};

mod sealed {
    pub trait Sealed {}
}

/// Whether a mapping, and every cell seen through it, may be written.
///
/// The two kinds are [`ReadWrite`] and [`ReadOnly`]. The trait is sealed: the kind of access is also the
/// protection of the pages (`PROT_READ`, with or without `PROT_WRITE`), so there is no third.
pub trait Access: sealed::Sealed + Copy + Send + Sync + 'static {
    /// Whether the pages are mapped with `PROT_WRITE`.
    #[doc(hidden)]
    const WRITABLE: bool;

    /// What a standard atomic of type `T` looks like through such a mapping.
    #[doc(hidden)]
    type Atomic<T: 'static>;
}

/// Access that allows writing: [`ReadWrite`] and nothing else.
#[diagnostic::on_unimplemented(
    message = "this mapping is read-only: there is nothing to write through",
    label = "needs a mapping that may be written",
    note = "`attach_read_only` and `read_only()` give cells that can only be read; use `create`, `open_or_create` or \
            `attach` to write"
)]
pub trait Writable: Access {}

/// The mapping may be read and written. This is the default.
#[derive(Clone, Copy, Debug)]
pub enum ReadWrite {}

/// The mapping may only be read: its pages are `PROT_READ`, and its cells have no method that writes.
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

/// Loads with `Acquire` through a mapping of this kind.
#[inline(always)]
pub(crate) fn acquire<A: Access, W: model::Word>(word: &W) -> W::Value {
    model::load(word, Ordering::Acquire, A::WRITABLE)
}
