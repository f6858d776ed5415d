//! Which process may remove a name, and when.
//!
//! # Synchronization
//!
//! | state of a name | locks on the file |
//! |---|---|
//! | free | |
//! | owned | every handle holds ATTACH shared, every owner holds OWNER shared |
//! | ownerless: handles are attached, none of them an owner's | ATTACH is held shared, OWNER is free |
//! | orphaned: no handle is attached | both are free |
//! | an orphaned segment is being replaced | ATTACH is held exclusively |
//! | the last owner, or a process that supersedes the segment, is removing the name | OWNER is held exclusively |
//!
//! Owners hold both locks shared, so no process can lock either exclusively while an owner exists, or become an owner while
//! one is locked exclusively. A name is therefore only taken from a segment without an owner, except by `unlink`.
//!
//! Removing a name takes three steps: lock NAME of the file exclusively, check that the name still leads to that file, unlink. A
//! file gets its name only once, and `linkat` never replaces, so the answer stays true while NAME is held. A process that dies in
//! between leaves a name that leads to the same file as before, and the kernel releases its locks.
//!
//! A child of `fork` shares the locks of its parent until it runs another program or ends. So an orphaned segment to which this
//! process was attached a moment ago may still look alive while another thread of it is starting a program.
//!
//! Each lock is tried for a bounded time, because a peer with read permission can hold any of them shared.

use std::fs::File;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::header::{self, HEADER_LEN, Refusal, STATE_PERSISTENT};
use super::info::is_shortage;
use super::{Segment, options};
use crate::error::{Existing, ShmError};
use crate::lock_byte::{ATTACH, NAME, OWNER};
use crate::name::SegmentName;
use crate::sys::clock::{Backoff, Deadline};
use crate::sys::file::{self, FileId};
use crate::sys::lock::{self, Bytes, LockKind};
use crate::sys::{Errno, SysError, SysResult, effective_user, shm};

const NAME_LOCKED: &str = "another process keeps its name locked";
/// The kernel asks the holder of a lease (`F_SETLEASE`) to give it up when another process opens the file. Until then, or until
/// `/proc/sys/fs/lease-break-time` is over, opening fails with `EAGAIN`.
pub(super) const LEASED: &str = "another process holds a lease on its file";

/// The state of a name, as a creator finds it.
#[derive(Debug)]
pub(super) enum NameState {
    /// The name is free.
    Free,
    /// What has the name may not be replaced.
    Taken(Existing),
    /// A segment to which no handle is attached, and which is not persistent.
    Orphaned(File, FileId),
    /// A segment with handles but no owner. `supersede` replaces it.
    Ownerless(File, FileId),
    /// Another process is replacing or removing it, or has a lease: try again. This is the reason for `Busy`.
    InTransition(&'static str),
}

/// Whose segments count as orphaned or ownerless, and may lose their names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Users {
    This,
    All,
}

/// Examines what has a name, without taking a lock.
pub(super) fn examine(name: &SegmentName) -> Result<NameState, ShmError> {
    examine_of(Users::This, name)
}

pub(super) fn examine_of(users: Users, name: &SegmentName) -> Result<NameState, ShmError> {
    let name = name.as_str();
    let file = match shm::open(name, true) {
        Ok(file) => file,
        Err(error) if error.errno == Errno::ENOENT => return Ok(NameState::Free),
        Err(error) if error.errno == Errno::EAGAIN => return Ok(NameState::InTransition(LEASED)),
        Err(error) => {
            return match shm::stat_name(name) {
                Err(gone) if gone.errno == Errno::ENOENT => Ok(NameState::Free),
                Err(other) => Err(other.into()),
                Ok(id) if !id.is_regular() => Ok(NameState::Taken(Existing::NotASegment)),
                Ok(id) if id.owner != effective_user() => {
                    Ok(NameState::Taken(of_other_user(name, &id)))
                }
                Ok(_) if matches!(error.errno, Errno::EACCES | Errno::EPERM) => {
                    Ok(NameState::Taken(Existing::NotWritable))
                }
                // Attaching fails as well, but can do without writing. What examines a name, cannot.
                Ok(_) if error.errno == Errno::EROFS => {
                    Err(SysError::new("shm_open(O_RDWR)", error.errno).into())
                }
                Ok(_) => Err(error.into()),
            };
        }
    };
    let id = file::stat(&file)?;
    if !id.is_regular() {
        return Ok(NameState::Taken(Existing::NotASegment));
    }
    if id.links == 0 {
        return Ok(NameState::Free);
    }
    // Root can open all files, but only replaces its own.
    if users == Users::This && !file::is_owned_by_this_user(&file, &id)? {
        return Ok(NameState::Taken(of_other_user(name, &id)));
    }
    let mut start = [0; HEADER_LEN];
    let count = file::read_at(&file, &mut start, 0)?;
    match header::parse(&start[..count], id.len) {
        Err(Refusal::NotASegment(_)) => return Ok(NameState::Taken(Existing::NotASegment)),
        Err(_) => return Ok(NameState::Taken(Existing::Unreadable)),
        Ok(header) if header.mutable.state & STATE_PERSISTENT != 0 => {
            return Ok(NameState::Taken(Existing::Persistent));
        }
        Ok(_) => {}
    }
    let attached = lock::holder(&file, ATTACH)?;
    let owned = match attached {
        Some(LockKind::Shared) => lock::holder(&file, OWNER)?,
        other => other,
    };
    Ok(match (attached, owned) {
        (None, _) => NameState::Orphaned(file, id),
        (Some(LockKind::Shared), None) => NameState::Ownerless(file, id),
        (Some(LockKind::Shared), Some(LockKind::Shared)) => NameState::Taken(Existing::Live),
        (Some(LockKind::Exclusive), _) | (_, Some(LockKind::Exclusive)) => {
            NameState::InTransition("other processes keep replacing it")
        }
    })
}

/// What another user's file is, as far as this process may read it.
fn of_other_user(name: &str, id: &FileId) -> Existing {
    let is_orphaned = || {
        let file = shm::open(name, false).ok()?;
        let mut start = [0; HEADER_LEN];
        let count = file::read_at(&file, &mut start, 0).ok()?;
        let header = header::parse(&start[..count], file::stat(&file).ok()?.len).ok()?;
        let persistent = header.mutable.state & STATE_PERSISTENT != 0;
        Some(!persistent && lock::holder(&file, ATTACH).ok()?.is_none())
    };
    if is_orphaned() == Some(true) {
        Existing::OrphanOfOtherUser(id.owner)
    } else {
        Existing::OtherUser(id.owner)
    }
}

/// [`examine`], but a segment that seems ownerless is examined for a moment longer. A process may only be trying to attach, and
/// will fail or become an owner: then the segment is orphaned again, or owned.
pub(super) fn examine_settled(
    name: &SegmentName,
    deadline: Deadline,
) -> Result<NameState, ShmError> {
    // A process that retries holds the lock for most of the time. Only frequent looks find the gap.
    const MOMENT: Duration = Duration::from_millis(20);
    const OFTEN: Duration = Duration::from_micros(100);
    // From the first look on, so that there is a second one however long the first takes.
    let mut backoff = None;
    loop {
        let found = examine(name)?;
        let pauses = backoff.get_or_insert_with(|| {
            let end = Deadline::after(MOMENT.min(deadline.left()));
            Backoff::until(end).with_pauses_up_to(OFTEN)
        });
        match found {
            NameState::Ownerless(..) if pauses.pause() => {}
            found => return Ok(found),
        }
    }
}

/// Removes the name of an orphaned segment, if it still is orphaned. `false` means: examine the name again.
pub(super) fn replace(
    name: &SegmentName,
    file: File,
    id: &FileId,
    deadline: Deadline,
) -> Result<bool, ShmError> {
    // Until the descriptor is closed no process can attach: it either meets this lock, or finds afterwards that the file
    // has no name.
    remove_holding(ATTACH, name, file, id, deadline)
}

/// Removes the name of an ownerless segment, if it still is ownerless. `false` means: examine the name again. Handles stay
/// attached.
pub(super) fn supersede(
    name: &SegmentName,
    file: File,
    id: &FileId,
    deadline: Deadline,
) -> Result<bool, ShmError> {
    // Until the descriptor is closed no process can become an owner, in the same two ways.
    remove_holding(OWNER, name, file, id, deadline)
}

/// Removes a name while this description, which was opened for it, holds a byte exclusively. A kill in between leaves the name
/// as it was, and releases the lock.
fn remove_holding(
    byte: Bytes,
    name: &SegmentName,
    file: File,
    id: &FileId,
    deadline: Deadline,
) -> Result<bool, ShmError> {
    if !lock::try_lock(&file, byte, LockKind::Exclusive)? {
        return Ok(false);
    }
    let removal = remove(name, &file, id, deadline, Persistent::Stays);
    if !matches!(removal, Ok(Removal::Removed)) {
        // The name stays, and so would this lock if a child of `fork` has the description too.
        lock::unlock(&file, byte)?;
    }
    Ok(matches!(removal?, Removal::Removed))
}

/// What removing does to a persistent segment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistent {
    Stays,
    Goes,
}

pub(super) enum Removal {
    Removed,
    /// The name leads to another file or to none.
    LeadsElsewhere,
    Kept,
    /// The lock was not released in time.
    Busy,
}

/// Removes a name if it leads to this file. No other thread may be locking through the same description.
pub(super) fn remove(
    name: &SegmentName,
    file: &File,
    id: &FileId,
    deadline: Deadline,
    persistent: Persistent,
) -> SysResult<Removal> {
    let removal = with_name_locked(file, deadline, || remove_locked(name, file, id, persistent));
    Ok(removal?.unwrap_or(Removal::Busy))
}

/// Removes a name if it leads to this file. NAME is locked.
pub(super) fn remove_locked(
    name: &SegmentName,
    file: &File,
    id: &FileId,
    persistent: Persistent,
) -> SysResult<Removal> {
    if persistent == Persistent::Stays && read_state(file)? & STATE_PERSISTENT != 0 {
        return Ok(Removal::Kept);
    }
    if !leads_to(name, id)? {
        return Ok(Removal::LeadsElsewhere);
    }
    match shm::unlink(name.as_str()) {
        Ok(()) => Ok(Removal::Removed),
        Err(error) if error.errno == Errno::ENOENT => Ok(Removal::LeadsElsewhere),
        Err(error) => Err(error),
    }
}

/// Calls `run` while no other process can remove the name; `None` if the lock was not released in time.
pub(super) fn with_name_locked<T>(
    file: &File,
    deadline: Deadline,
    run: impl FnOnce() -> SysResult<T>,
) -> SysResult<Option<T>> {
    if !lock::lock_until(file, NAME, LockKind::Exclusive, deadline)? {
        return Ok(None);
    }
    let result = run();
    // Closing does not release it if a child of `fork` has the description too.
    lock::unlock(file, NAME)?;
    result.map(Some)
}

/// Reads the state word through the descriptor, because an orphaned segment is not mapped. A truncated file has state 0.
pub(super) fn read_state(file: &File) -> SysResult<u32> {
    let mut word = [0; 4];
    file::read_at(file, &mut word, header::STATE_OFFSET as u64)?;
    Ok(u32::from_ne_bytes(word))
}

pub(super) fn leads_to(name: &SegmentName, id: &FileId) -> SysResult<bool> {
    match shm::stat_name(name.as_str()) {
        Ok(found) => Ok(found.same_file(id)),
        Err(error) if error.errno == Errno::ENOENT => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a file has a name, but not one that this process can reach: after `chroot`, or in another mount namespace.
pub(super) fn is_unreachable(name: &SegmentName, file: &File) -> SysResult<bool> {
    let absent =
        matches!(shm::stat_name(name.as_str()), Err(error) if error.errno == Errno::ENOENT);
    Ok(absent && file::stat(file)?.links > 0)
}

/// Removes a name, whatever it leads to. Handles stay attached.
///
/// # Errors
///
/// `InvalidName`, `NotFound`, `PermissionDenied`, `Busy` if another process keeps the name locked for a second, and
/// `Os`.
pub(crate) fn unlink(name: &str) -> Result<(), ShmError> {
    let checked = SegmentName::new(name)?;
    unlink_any(&checked).map_err(|error| error.named(name))
}

fn unlink_any(name: &SegmentName) -> Result<(), ShmError> {
    let timeout = options::DEFAULT_TIMEOUT;
    let deadline = Deadline::after(timeout);
    let mut backoff = Backoff::until(deadline);
    loop {
        let file = match shm::open(name.as_str(), true) {
            Ok(file) => file,
            Err(error) if error.errno == Errno::ENOENT => {
                return Err(ShmError::not_found());
            }
            Err(error) if is_shortage(error.errno) => return Err(error.into()),
            Err(error) if error.errno == Errno::EAGAIN => {
                if backoff.pause() {
                    continue;
                }
                return Err(ShmError::busy(LEASED, timeout));
            }
            // A file that cannot be opened for writing cannot be locked either.
            Err(_) => return unlink_unlocked(name),
        };
        let id = file::stat(&file)?;
        if !id.is_regular() {
            return unlink_unlocked(name);
        }
        match remove(name, &file, &id, deadline, Persistent::Goes)? {
            Removal::Removed => return Ok(()),
            Removal::Busy => return Err(ShmError::busy(NAME_LOCKED, timeout)),
            // Another process was faster, and a third may have created a new segment.
            Removal::LeadsElsewhere | Removal::Kept => {}
        }
        if !backoff.pause() {
            return Err(ShmError::busy("other processes keep replacing it", timeout));
        }
    }
}

fn unlink_unlocked(name: &SegmentName) -> Result<(), ShmError> {
    shm::unlink(name.as_str()).map_err(|error| match error.errno {
        Errno::ENOENT => ShmError::not_found(),
        _ => ShmError::from(error),
    })
}

/// A second description of a segment's file, for locking its name.
pub(super) enum Reopened {
    Opened(File),
    /// The file's mode forbids it, so no other process of this user locks the name either.
    Forbidden,
    /// The name leads elsewhere.
    Elsewhere,
}

impl Segment {
    /// Opens the file again. Two threads that lock through one description do not exclude each other.
    pub(super) fn reopen(&self, name: &SegmentName) -> Result<Reopened, ShmError> {
        let file = match shm::open(name.as_str(), true) {
            Ok(file) => file,
            Err(error) if error.errno == Errno::ENOENT => return Ok(Reopened::Elsewhere),
            Err(error) if is_shortage(error.errno) => return Err(error.into()),
            Err(_) if leads_to(name, &self.id)? => return Ok(Reopened::Forbidden),
            Err(_) => return Ok(Reopened::Elsewhere),
        };
        let same = file::stat(&file)?.same_file(&self.id);
        Ok(if same {
            Reopened::Opened(file)
        } else {
            Reopened::Elsewhere
        })
    }

    /// See `Shm::unlink`.
    pub(super) fn unlink(&self) -> Result<(), ShmError> {
        let Some(name) = &self.name else {
            return Err(ShmError::not_found());
        };
        match self.reopen(name)? {
            Reopened::Elsewhere => Err(ShmError::not_found()),
            Reopened::Forbidden => unlink_unlocked(name),
            Reopened::Opened(file) => {
                let deadline = Deadline::after(self.timeout);
                match remove(name, &file, &self.id, deadline, Persistent::Goes)? {
                    Removal::Removed => Ok(()),
                    Removal::Busy => Err(ShmError::busy(NAME_LOCKED, self.timeout)),
                    Removal::LeadsElsewhere | Removal::Kept => Err(ShmError::not_found()),
                }
            }
        }
    }

    /// See `Shm::persist`. The mapping is writable.
    pub(crate) fn persist(&self) -> Result<(), ShmError> {
        let Some(name) = &self.name else {
            return Ok(());
        };
        if !self.published.load(Ordering::Acquire) {
            self.mark_persistent();
            return Ok(());
        }
        // The lock makes an owner that is ending either see the mark or have removed the name before.
        let mark = || {
            let leads_here = leads_to(name, &self.id)?;
            if leads_here {
                self.mark_persistent();
            }
            Ok(leads_here)
        };
        let marked = match self.reopen(name)? {
            Reopened::Elsewhere => Ok(Some(false)),
            Reopened::Forbidden => mark().map(Some),
            Reopened::Opened(file) => with_name_locked(&file, Deadline::after(self.timeout), mark),
        };
        match marked? {
            Some(true) => Ok(()),
            Some(false) => Err(ShmError::not_found()),
            None => Err(ShmError::busy(NAME_LOCKED, self.timeout)),
        }
    }
}
