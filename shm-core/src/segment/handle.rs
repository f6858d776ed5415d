//! [`Shm`], the handle on a segment.

use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};

use super::Segment;
use crate::access::{Access, ReadWrite, Writable};
use crate::error::ShmError;
use crate::shm_layout::ShmLayout;

/// A handle on a segment that holds a `T`.
///
/// It derefs to the view of `T`: the fields of a struct are the fields of the handle. `A` says whether the pages may be
/// written. Dropping the handle unmaps the segment; if it is the last owner, in the process that made it, it also removes the
/// name. The copy of a handle that a child of `fork` inherits maps the same bytes and never removes the name.
#[must_use = "keep the handle, as in `let shm = ..`: dropping it, by `let _ = ..` too, unmaps the segment and removes a name that it owns"]
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
    pub(super) fn new(segment: Box<Segment>) -> Self {
        debug_assert!(segment.mapping.is_writable() || !A::WRITABLE);
        Self {
            payload: segment.payload(),
            tail: segment.tail,
            segment,
            kind: PhantomData,
        }
    }

    pub(super) fn into_segment(self) -> Box<Segment> {
        self.segment
    }

    /// Makes this a handle whose process is gone: dropping it has the effect of a kill.
    #[cfg(test)]
    pub(crate) fn disown(&self) {
        self.segment.owner.set_gone();
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

    /// The name, with its slash; `(anonymous)` for a segment without a name.
    pub fn name(&self) -> &str {
        self.segment.name()
    }

    /// The length of the mapping in bytes: the whole segment, with header, schema and the room for later fields.
    pub fn mapped_len(&self) -> usize {
        self.segment.mapped_len()
    }

    /// How many bytes of the mapping the kernel maps by huge pages at present, for instance to log whether
    /// [`huge_pages`](crate::ShmOptions::huge_pages) had an effect.
    ///
    /// Only pages that this process has touched count, so use it with [`populate`](crate::ShmOptions::populate). It reads
    /// `/proc/self/smaps`, which takes milliseconds in a process with many mappings.
    ///
    /// # Errors
    ///
    /// [`Os`](ShmError::Os) or [`PermissionDenied`](ShmError::PermissionDenied) if that file cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use shm_core::ShmLayout;
    ///
    /// let options = <[u64; 1 << 19]>::options().huge_pages(true).populate(true);
    /// let shm = options.create_anonymous()?;
    /// if shm.huge_page_bytes()? == 0 {
    ///     println!("no huge pages: see /sys/kernel/mm/transparent_hugepage/shmem_enabled");
    /// }
    /// # Ok::<(), shm_core::ShmError>(())
    /// ```
    pub fn huge_page_bytes(&self) -> Result<usize, ShmError> {
        let counted = self.segment.mapping.huge_bytes();
        counted.map_err(|error| ShmError::from(error).named(self.name()))
    }

    /// The address of the payload in this process, for other code that accesses it atomically.
    ///
    /// It is aligned for `T` and valid as long as the handle lives.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.payload.cast()
    }

    /// Whether the name leads to this segment.
    ///
    /// It does not before the closure of `create_with` has returned, after the last owner has dropped its handle, after
    /// `unlink`, after another segment has taken the name ([`supersede`](crate::ShmOptions::supersede)), or for an anonymous
    /// segment. A process that attaches then gets another segment or none.
    ///
    /// If the owner is killed this stays true until another process replaces or removes the name: see
    /// [`has_owner`](Self::has_owner).
    pub fn is_current(&self) -> bool {
        self.segment.is_current()
    }

    /// Whether an owner of this segment is alive: a handle, in any process, that `create` or `open_or_create` made or that was
    /// [adopted](Self::adopt), and that removes the name when it is dropped. This handle counts too, if it is one.
    ///
    /// If the last owner dies, the name remains. A new process can take it with
    /// [`supersede`](crate::ShmOptions::supersede), or become an owner by `open_or_create` or [`adopt`](Self::adopt).
    ///
    /// The answer comes from a lock that the kernel releases however the owner ends. It does not depend on pids, so it is
    /// the same in all namespaces. A killed owner counts until the kernel has torn it down. A child of `fork` shares the lock of
    /// an owner's handle: it counts until the child drops its copy, runs another program or ends, although it would not
    /// remove the name.
    ///
    /// This is `false` after [`persist`](Self::persist), since nothing removes the name then, and for an anonymous segment.
    /// After `unlink` it stays `true` while an owner lives; [`is_current`](Self::is_current) says whether the name exists. It is
    /// `true` if the process has closed the handle's descriptor behind its back, since nothing can be probed then. A
    /// peer with read permission can make a dead owner look alive by holding the lock.
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

    /// Removes the name if it leads to this segment, also after [`persist`](Self::persist). All attached processes, this one
    /// included, stay attached.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ShmError::NotFound) if the name does not lead to this segment;
    /// [`PermissionDenied`](ShmError::PermissionDenied) if the segment belongs to another user; [`Busy`](ShmError::Busy) if
    /// another process keeps the name locked for the whole timeout; [`Os`](ShmError::Os).
    pub fn unlink(&self) -> Result<(), ShmError> {
        self.segment
            .unlink()
            .map_err(|error| error.named(self.name()))
    }
}

impl<T: ShmLayout + ?Sized, A: Writable> Shm<T, A> {
    /// Registers the calling process as a participant now, so that it can lock and claim later with fewer rights.
    ///
    /// Creating and attaching do this, so only a child of `fork` needs it, before it calls `setuid`, `chroot`, or
    /// enters a sandbox without `/proc`. Otherwise it registers at its first lock or claim, for which it opens the segment's file
    /// again, with the rights that it has by then. A segment of mode `0o666` can be opened by every user.
    ///
    /// This does nothing in a process that is a participant already, and for a type without locks and ends.
    ///
    /// ```
    /// use nix::unistd::{ForkResult, Uid, fork, setuid};
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Mutex;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shm = Mutex::<u64>::create_anonymous()?; // as root
    /// // SAFETY: this process has one thread.
    /// match unsafe { fork()? } {
    ///     ForkResult::Parent { child } => {
    /// #       nix::sys::wait::waitpid(child, None)?;
    /// #       assert_eq!(shm.lock()?.get(), 1);
    ///     }
    ///     ForkResult::Child => {
    ///         shm.take_part()?;
    /// #       if nix::unistd::geteuid().is_root() {
    ///         setuid(Uid::from_raw(65534))?;
    /// #       }
    ///         shm.lock()?.set(1);
    /// #       std::process::exit(0);
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ShmError::PermissionDenied) if this user may not open the file;
    /// [`Busy`](ShmError::Busy) if another process keeps the bytes of new participants locked for the whole timeout;
    /// [`Os`](ShmError::Os).
    pub fn take_part(&self) -> Result<(), ShmError> {
        self.segment
            .take_part()
            .map_err(|error| error.named(self.name()))
    }

    /// Gives up ownership, for all owners: the name remains when they end, until `unlink` removes it. This does nothing for
    /// an anonymous segment.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ShmError::NotFound) if the name no longer leads to this segment;
    /// [`Busy`](ShmError::Busy) if another process keeps the name locked for the whole timeout;
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
    /// The segment's descriptor, for passing an anonymous segment to another process. Duplicates of
    /// it share the locks of a named segment, and keep it alive.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.segment.lend().as_fd()
    }
}
