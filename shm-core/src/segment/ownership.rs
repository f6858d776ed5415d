//! Owners: which handles remove the name, whether one is alive, and handing ownership to a child of `fork`.

use std::fs::File;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::attach::IN_TRANSITION;
use super::header::STATE_PERSISTENT;
use super::info::is_shortage;
use super::lifetime::{self, Persistent, Removal, Reopened, leads_to};
use super::{Segment, Shm};
use crate::access::{Access, Writable};
use crate::error::ShmError;
use crate::layout::TypeLayout;
use crate::lock_byte::{ATTACH, NAME_AND_OWNER, OWNER};
use crate::name::SegmentName;
use crate::shm_layout::ShmLayout;
use crate::sys::clock::{Backoff, Deadline};
use crate::sys::file::{self, FileId};
use crate::sys::lock::{self, LockKind};
use crate::sys::{Errno, SysError, SysResult, shm};

/// What has become of a segment since this handle attached to it: see [`Shm::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SegmentStatus {
    /// The name leads to this segment, and an owner is alive or the segment is persistent. Anonymous segments are always live,
    /// as are segments whose name has not appeared yet.
    Live,
    /// The name leads to this segment, but its last owner was killed. A new process can take the name over with
    /// [`supersede`](crate::ShmOptions::supersede), or become an owner by `open_or_create` or [`Shm::adopt`].
    OwnerGone,
    /// The name leads to another segment or file. Attach again to get there.
    Superseded,
    /// The name does not exist: the last owner has ended, or the name was removed. A file that has lost its name cannot get it
    /// back, so an owner creates the segment anew, and other processes attach again.
    Removed,
    /// The name leads to this segment, or it is anonymous, but a program whose struct has other fields at a level that this read-only
    /// handle knows has attached since. The newer fields of this handle are that program's bytes: see [`Shm::level`].
    Diverged,
}

impl<T: ShmLayout + ?Sized, A: Access> Shm<T, A> {
    /// What has become of this segment: whether it is live, has lost its owner, or has lost its name.
    ///
    /// Call it where a process notices that nothing happens any more, for instance after a timeout, and from time to time in a
    /// program that runs for months: log-out cleaners (logind's `RemoveIPC`) and scripts remove names from `/dev/shm` without
    /// asking. It makes two or three system calls, and a read-only handle that knows newer fields than the segment had makes a
    /// few more, to look whether other ones have taken their place.
    ///
    /// An owner counts as alive exactly if [`has_owner`](Self::has_owner) says so. The answer may be outdated when it arrives.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::segment::SegmentStatus;
    ///
    /// # fn main() -> Result<(), shm_core::ShmError> {
    /// # let name = format!("/doc-status-{}", std::process::id());
    /// let owner = u64::create(&name)?;
    /// let reader = u64::attach_read_only(&name)?;
    /// assert_eq!(reader.status(), SegmentStatus::Live);
    ///
    /// u64::unlink(&name)?; // some script
    /// assert_eq!(owner.status(), SegmentStatus::Removed);
    /// let owner = u64::create(&name)?; // the daemon's reaction
    /// assert_eq!(reader.status(), SegmentStatus::Superseded);
    /// let reader = u64::attach_read_only(&name)?; // and the reader's
    /// assert_eq!(reader.status(), SegmentStatus::Live);
    /// # drop(owner);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn status(&self) -> SegmentStatus {
        self.segment().status(T::LAYOUT)
    }

    /// Drops the handle and returns an error if it is the last owner and cannot remove the name.
    ///
    /// Dropping a handle does the same, but has no way to report it. Removing a name fails after `setuid`, since only
    /// the user that created a segment, and root, may remove it from `/dev/shm`; and after `chroot`, from where the name cannot be
    /// reached. The segment is then orphaned.
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ShmError::PermissionDenied), [`Busy`](ShmError::Busy) if another process keeps the name locked, or
    /// [`Os`](ShmError::Os). The handle is gone in any case.
    pub fn close(self) -> Result<(), ShmError> {
        self.segment()
            .close()
            .map_err(|error| error.named(self.name()))
    }

    /// Ends the ownership of this handle without touching the name, so that a child of `fork` can take it with
    /// [`adopt`](Self::adopt). It does nothing for a handle that is not an owner.
    ///
    /// Call it before `fork` when the parent ends and the child goes on, as a daemon does. Dropping the parent's handle
    /// then removes nothing. Until a process adopts the segment, [`has_owner`](Self::has_owner) stays true as long as a copy of
    /// the handle exists in any process. If all of them end before one adopts, the segment is orphaned, and the next `create`
    /// replaces it.
    ///
    /// A child that calls `open_or_create` instead is an owner too, but does not replace the inherited copies: as long as one
    /// exists, dropping the last owner leaves the name.
    ///
    /// ```
    /// use nix::unistd::{ForkResult, fork};
    /// use shm_core::ShmLayout;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("/doc-hand-over-{}", std::process::id());
    /// let shm = u64::create(&name)?;
    /// shm.hand_over();
    /// // SAFETY: this process has one thread.
    /// match unsafe { fork()? } {
    ///     ForkResult::Parent { child } => {
    ///         drop(shm); // which removes nothing
    /// #       nix::sys::wait::waitpid(child, None)?;
    /// #       assert!(u64::attach(&name).is_err());
    ///     }
    ///     ForkResult::Child => {
    ///         shm.adopt()?;
    ///         // .. the daemon's work; dropping `shm` removes the name
    ///         drop(shm);
    /// #       std::process::exit(0);
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn hand_over(&self) {
        self.segment().owner.take_this();
    }
}

impl<T: ShmLayout + ?Sized, A: Writable> Shm<T, A> {
    /// Makes this handle an owner in the calling process: the last owner to be dropped removes the name.
    ///
    /// It is the second half of [`hand_over`](Self::hand_over). It also makes an owner of a handle that
    /// [`attach`](ShmLayout::attach) returned, which keeps a segment alive that has lost its owner. For an anonymous segment, and
    /// for a handle that is an owner already, it does nothing.
    ///
    /// Several children may adopt the same handle, and the process that made it may stay an owner: each of them counts. When
    /// the first child adopts a segment that was handed over, the copies of the others stop keeping it alive. If it drops its
    /// handle before they adopt, it was the last owner, and they get `NotFound`.
    ///
    /// It opens the segment's file by its name again, for a lock that other processes do not share, so call it before
    /// `setuid`. The number of the handle's descriptor stays the same.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ShmError::NotFound) if the name does not lead to this segment any more;
    /// [`PermissionDenied`](ShmError::PermissionDenied) if this user may not open the file for writing, as after `setuid`;
    /// [`Busy`](ShmError::Busy) if another process keeps it locked for the whole timeout; [`Os`](ShmError::Os). The handle is
    /// then no owner.
    pub fn adopt(&self) -> Result<(), ShmError> {
        self.segment()
            .adopt()
            .map_err(|error| error.named(self.name()))
    }
}

impl Segment {
    fn status(&self, layout: &'static TypeLayout) -> SegmentStatus {
        let name = self.name.as_ref();
        let name = name.filter(|_| self.published.load(Ordering::Acquire));
        match name.map(|name| shm::stat_name(name.as_str())) {
            Some(Ok(found)) if !found.same_file(&self.id) => SegmentStatus::Superseded,
            Some(Err(_)) => SegmentStatus::Removed,
            _ if self.has_diverged(layout) => SegmentStatus::Diverged,
            None => SegmentStatus::Live,
            Some(Ok(_)) if self.is_persistent() || self.has_owner() => SegmentStatus::Live,
            Some(Ok(_)) => SegmentStatus::OwnerGone,
        }
    }

    fn is_persistent(&self) -> bool {
        self.state().load(Ordering::Acquire) & STATE_PERSISTENT != 0
    }

    fn adopt(&self) -> Result<(), ShmError> {
        let Some(name) = &self.name else {
            return Ok(());
        };
        if self.owner.is_this() {
            return Ok(());
        }
        // Before anything is opened: `dup3` below must not replace a file of the program's.
        self.check_descriptor()?;
        let mut backoff = Backoff::until(Deadline::after(self.timeout));
        // Processes that share a description share its locks, and the first to unlock would unlock for all. No process can find
        // out whether it shares one, so each adopter opens its own.
        let own = self.open_description(name, &mut backoff)?;
        // The old description has this lock too, so no process has it exclusively.
        if !lock::try_lock(&own, ATTACH, LockKind::Shared)? {
            return Err(ShmError::busy(IN_TRANSITION, self.timeout));
        }
        if !self.lock_as_owner(&own, name, &mut backoff)? {
            return Err(ShmError::not_found());
        }
        // `hand_over` has left the old description locked, for the time until now. From here on that lock would make the segment
        // look owned if this process dies. If another process is an owner through it, this is that process's generation.
        if self.owner.is_none() {
            lock::unlock(&self.file, OWNER)?;
        }
        // Before the description is replaced: a child that another thread forks in between must not take this process's lock for
        // one that was handed over.
        self.owner.set_this();
        self.lend();
        if let Err(error) = file::replace_description(&self.file, &own) {
            self.owner.take_this();
            return Err(error.into());
        }
        Ok(())
    }

    /// Opens a description of the segment's file that no other process shares.
    fn open_description(
        &self,
        name: &SegmentName,
        backoff: &mut Backoff,
    ) -> Result<File, ShmError> {
        loop {
            let error = match shm::open(name.as_str(), true) {
                Ok(file) if file::stat(&file)?.same_file(&self.id) => return Ok(file),
                Ok(_) => return Err(ShmError::not_found()),
                Err(error) => error,
            };
            match error.errno {
                Errno::EAGAIN if backoff.pause() => {}
                Errno::EAGAIN => return Err(ShmError::busy(lifetime::LEASED, self.timeout)),
                errno if is_shortage(errno) => return Err(error.into()),
                errno if leads_to(name, &self.id)? => {
                    return Err(SysError::new("shm_open(adopt)", errno).into());
                }
                _ => return Err(ShmError::not_found()),
            }
        }
    }

    /// What dropping does to the name, with the error that dropping cannot report.
    fn close(&self) -> Result<(), ShmError> {
        let Some(name) = &self.name else {
            return Ok(());
        };
        if !self.removes_name() {
            return Ok(());
        }
        self.give_up_ownership(name).map_err(ShmError::from)
    }

    /// Whether dropping this handle in the calling process removes the name, or leaves that to another owner. From then on
    /// the handle is no owner.
    fn removes_name(&self) -> bool {
        let unpublished = !self.published.load(Ordering::Acquire);
        let kept = self.kept.load(Ordering::Acquire);
        // The copy that a child of `fork` inherits does not own the name.
        !unpublished && !kept && self.owner.take_this()
    }

    /// Whether the name leads to this segment.
    pub(crate) fn is_current(&self) -> bool {
        self.name
            .as_ref()
            .is_some_and(|name| leads_to(name, &self.id).unwrap_or(false))
    }

    /// See `Shm::has_owner`.
    pub(super) fn has_owner(&self) -> bool {
        if self.name.is_none() || self.is_persistent() {
            return false;
        }
        // If the program has closed or replaced this descriptor, nothing can be probed, and no owner must look dead.
        if self.check_descriptor().is_err() {
            return true;
        }
        // A process that holds it exclusively is removing the name, because no owner is left.
        !matches!(
            lock::holder_or_self(&self.file, OWNER),
            Ok(None | Some(LockKind::Exclusive))
        )
    }

    /// Fails if the descriptor now leads to another file, because of `dup2`, or because it was closed and its number reused.
    pub(super) fn check_descriptor(&self) -> SysResult<FileId> {
        let found = file::stat(&self.file)?;
        if found.same_file(&self.id) {
            Ok(found)
        } else {
            Err(SysError::new("fstat", Errno::EBADF))
        }
    }

    /// Whether no other process shares this handle's description, apart from children that are about to run a program. Such
    /// a process would keep the locks if this one were killed.
    fn is_description_its_own(&self) -> bool {
        self.forks.is_current() && !self.lent.load(Ordering::Acquire)
    }

    /// The file, for code that may share its description with other processes.
    pub(super) fn lend(&self) -> &File {
        self.lent.store(true, Ordering::Release);
        &self.file
    }

    /// Removes the name if this is the last owner.
    fn give_up_ownership(&self, name: &SegmentName) -> SysResult<()> {
        // Dropping an owner must not take long if a peer holds a lock for ever. The segment is then orphaned.
        const LONGEST: Duration = Duration::from_millis(200);
        // If the descriptor now leads to another file, its locks say nothing about this one. The segment is then orphaned
        // too.
        self.check_descriptor()?;
        let own = self.is_description_its_own();
        if own && lock::try_lock(&self.file, NAME_AND_OWNER, LockKind::Exclusive)? {
            let removal = lifetime::remove_locked(name, &self.file, &self.id, Persistent::Stays);
            // A child that another thread has just forked may keep the description for long. Without this, a name that stays
            // could not be owned again.
            lock::unlock(&self.file, NAME_AND_OWNER)?;
            return self.check_removal(name, &removal?);
        }
        // Release the shared lock, then try the exclusive one: among owners that end together, the last to release gets it.
        lock::unlock(&self.file, OWNER)?;
        // Processes that share this description would keep a lock that this process holds exclusively through it when it is
        // killed.
        let reopened = match own {
            true => None,
            false => match self.reopen(name) {
                Ok(Reopened::Opened(file)) => Some(file),
                Ok(Reopened::Elsewhere) => {
                    return self.check_removal(name, &Removal::LeadsElsewhere);
                }
                Ok(Reopened::Forbidden) | Err(_) => None,
            },
        };
        let file = reopened.as_ref().unwrap_or(&self.file);
        if !lock::try_lock(file, OWNER, LockKind::Exclusive)? {
            return Ok(());
        }
        let deadline = Deadline::after(self.timeout.min(LONGEST));
        let removal = lifetime::remove(name, file, &self.id, deadline, Persistent::Stays);
        // As above.
        lock::unlock(file, OWNER)?;
        self.check_removal(name, &removal?)
    }

    /// Fails if the name stays because this process cannot reach it.
    fn check_removal(&self, name: &SegmentName, removal: &Removal) -> SysResult<()> {
        match removal {
            Removal::LeadsElsewhere if lifetime::is_unreachable(name, &self.file)? => {
                Err(SysError::new("shm_unlink", Errno::ENOENT))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let Some(name) = &self.name else { return };
        if self.removes_name() {
            // There is no caller to report an error to. If the name stays, the next `create` replaces the orphaned segment.
            let _ = self.give_up_ownership(name);
        }
    }
}
