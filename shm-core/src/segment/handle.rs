//! The handle on a segment.

use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};

use super::Segment;
use crate::access::{Access, ReadWrite, Writable};
use crate::error::ShmError;
use crate::shm_layout::ShmLayout;

/// A handle on a segment that holds a `T`.
///
/// It derefs to the view of `T`: the fields of a struct are the handle's fields. `A` says whether the pages may be
/// written. Dropping it unmaps the segment and, when this handle is the last owner, in the process that made it, removes
/// the name. Handles of a forked child map the same bytes and never remove the name.
pub struct Shm<T: ShmLayout + ?Sized, A: Access = ReadWrite> {
    // First, so that an access through the handle is one load away from the payload.
    payload: *const (),
    tail: usize,
    segment: Box<Segment>,
    kind: PhantomData<fn(*const T) -> A>,
}

// SAFETY: the handle is an address that stays mapped as long as it lives, and descriptors; every access to the bytes
// behind it is atomic, whichever thread does it.
unsafe impl<T: ShmLayout + ?Sized, A: Access> Send for Shm<T, A> {}
// SAFETY: as above; the handle's own state changes through atomics only.
unsafe impl<T: ShmLayout + ?Sized, A: Access> Sync for Shm<T, A> {}

impl<T: ShmLayout + ?Sized, A: Access> Shm<T, A> {
    /// The segment was created for, or compared with, the layout of `T`, and mapped for `A`.
    pub(super) fn new(segment: Segment) -> Self {
        debug_assert!(segment.mapping.is_writable() || !A::WRITABLE);
        Self {
            payload: segment.payload(),
            tail: segment.tail,
            segment: Box::new(segment),
            kind: PhantomData,
        }
    }

    /// Makes this handle one whose maker is gone: dropping it is what being killed is.
    #[cfg(test)]
    pub(crate) fn disown(&mut self) {
        self.segment.maker = crate::sys::fork::Generation::GONE;
    }

    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The start of the payload.
    #[inline]
    pub(crate) fn payload(&self) -> *const () {
        self.payload
    }

    /// Elements of the trailing slice; 0 for a sized type.
    #[inline]
    pub(crate) fn tail(&self) -> usize {
        self.tail
    }

    /// The name, with its slash; `(anonymous)` for a segment that has none.
    pub fn name(&self) -> &str {
        self.segment.name()
    }

    /// Bytes of address space that the handle occupies: the whole segment, header and schema included.
    pub fn mapped_len(&self) -> usize {
        self.segment.mapped_len()
    }

    /// The address of the payload in this process, for handing it to other code that accesses it atomically.
    ///
    /// It is aligned for `T` and stays valid as long as the handle.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.payload.cast()
    }

    /// Whether the name leads to this segment. It does not before `create_with`'s closure has returned, after the last owner
    /// has dropped its handle, after `unlink`, after another segment has taken the name
    /// ([`supersede`](crate::ShmOptions::supersede)), or for a segment without a name; then who attaches now gets
    /// another segment or none.
    ///
    /// When the owner is killed this stays true, until somebody replaces or removes the name: see
    /// [`has_owner`](Self::has_owner).
    pub fn is_current(&self) -> bool {
        self.segment.is_current()
    }

    /// Whether an owner of this segment is alive: a handle of any process, made by `create` or `open_or_create`, that removes
    /// the name when it is dropped. This handle counts too, if it is one.
    ///
    /// Of a segment that has lost its owner the name stays, and can be taken from it: see
    /// [`supersede`](crate::ShmOptions::supersede). It may get another one, by `open_or_create`.
    ///
    /// The kernel decides, by a lock that goes with its owner however that ends; pids play no part, so it is the same across
    /// namespaces. A killed owner counts until the kernel has taken it apart. A copy of an owner's handle in a fork child
    /// keeps the lock, and counts until that child drops it, runs another program or ends, although it would not remove the
    /// name.
    ///
    /// After [`persist`](Self::persist) nobody removes the name, so this is false, and so it is for a segment without a name.
    /// After `unlink` it is still true while an owner lives, for what it asks is who lives; whether there is a name, is
    /// [`is_current`](Self::is_current). Where this process has closed the handle's descriptor behind its back nobody
    /// is taken for dead, and this is true. A peer that may read the segment can have a dead owner look alive, by holding that
    /// lock.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    ///
    /// # fn main() -> Result<(), shm_core::ShmError> {
    /// # let name = format!("/doc-has-owner-{}", std::process::id());
    /// let owner = u64::create(&name)?;
    /// let reader = u64::attach_read_only(&name)?;
    /// assert!(reader.has_owner() && owner.has_owner());
    /// drop(owner);
    /// assert!(!reader.has_owner() && !reader.is_current());
    /// # Ok(()) }
    /// ```
    pub fn has_owner(&self) -> bool {
        self.segment.has_owner()
    }

    /// Removes the name, if it leads to this segment, even of one that [`persist`](Self::persist) was called on. Who is
    /// attached, this handle included, stays attached.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ShmError::NotFound) when the name does not lead here; [`PermissionDenied`](ShmError::PermissionDenied)
    /// when the segment belongs to another user; [`Busy`](ShmError::Busy) when another process keeps the name locked for
    /// the whole timeout; [`Os`](ShmError::Os).
    pub fn unlink(&self) -> Result<(), ShmError> {
        self.segment
            .unlink()
            .map_err(|error| error.named(self.name()))
    }
}

impl<T: ShmLayout + ?Sized, A: Writable> Shm<T, A> {
    /// Gives the ownership up, for all owners: the name stays when they end, until `unlink` removes it. For a segment
    /// without a name this does nothing.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ShmError::NotFound) when the name does not lead here (any more);
    /// [`Busy`](ShmError::Busy) when another process keeps the name locked for the whole timeout;
    /// [`Os`](ShmError::Os).
    pub fn persist(&self) -> Result<(), ShmError> {
        self.segment
            .persist()
            .map_err(|error| error.named(self.name()))
    }
}

impl<T: ShmLayout + ?Sized, A: Access> Deref for Shm<T, A> {
    type Target = T::View<A>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        let view = T::view_at::<A>(self.payload(), self.tail());
        // SAFETY: the payload is mapped as long as the handle lives, aligned for `T`, and as long as `T` with this tail,
        // because the layout of `T` was compared with the header's; a view accepts any bytes and accesses them atomically.
        unsafe { &*view }
    }
}

impl<T: ShmLayout + ?Sized, A: Access> AsFd for Shm<T, A> {
    /// The segment's descriptor, for passing an anonymous segment to another process. The life of a named segment hangs
    /// on the locks of this descriptor's description: duplicates keep it alive.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.segment.file().as_fd()
    }
}
