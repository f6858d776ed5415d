//! Who may remove a name, and when.
//!
//! States of a name: nothing; a segment that is owned (OWNER held shared by each owner, and ATTACH by every handle); an
//! abandoned one, to which handles are attached and none of them an owner's; a leftover, to which nobody is attached; and,
//! for moments, a leftover that is being replaced (ATTACH held exclusively), or a segment whose name is being removed by
//! its last owner or by who supersedes it (OWNER held exclusively).
//!
//! While one of the two is held exclusively, nobody becomes an owner, and who is one holds both shared, so neither is had
//! exclusively beside an owner. So a name is only ever taken from a segment without an owner, but for `unlink`.
//!
//! Removing is always the same: lock NAME of the file exclusively, look whether the name still leads to that file,
//! unlink. A file gets its name only once and `linkat` never replaces, so while NAME is held the answer stays true.
//! Who dies in between leaves a name that leads to the same file as before, and the kernel releases the locks.
//!
//! A fork child shares the locks of its parent until it runs another program or ends. So a leftover to which this process
//! was attached a moment ago may still look alive while another thread of it is starting a program.
//!
//! Each lock is taken by trying for a bounded time: a peer that may read the file can hold any of them shared.

use std::fs::File;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::header::{self, HEADER_LEN, Refusal, STATE_PERSISTENT};
use super::info::is_shortage;
use super::lock_byte::{ATTACH, NAME, OWNER};
use super::{Segment, options};
use crate::error::{Existing, ShmError};
use crate::name::SegmentName;
use crate::sys::clock::{Backoff, Deadline};
use crate::sys::file::{self, FileId};
use crate::sys::fork::generation;
use crate::sys::lock::{self, Kind};
use crate::sys::{Errno, SysError, SysResult, effective_user, shm};

const NAME_LOCKED: &str = "another process keeps its name locked";

/// What a creator finds under a name.
#[derive(Debug)]
pub(super) enum NameState {
    /// The name is free.
    Free,
    /// It may not be replaced.
    Taken(Existing),
    /// A segment that nobody is attached to and nobody told to stay.
    Orphaned(File, FileId),
    /// One that handles are attached to, and none of them an owner's. It is replaced by who asked to `supersede`.
    Abandoned(File, FileId),
    /// Another process is just replacing or removing it.
    InTransition,
}

/// Looks at what has a name, taking no lock.
pub(super) fn examine(name: &SegmentName) -> Result<NameState, ShmError> {
    let name = name.as_str();
    let file = match shm::open(name, true) {
        Ok(file) => file,
        Err(error) if error.errno == Errno::ENOENT => return Ok(NameState::Free),
        Err(error) => {
            return match shm::stat_name(name) {
                Err(gone) if gone.errno == Errno::ENOENT => Ok(NameState::Free),
                Err(other) => Err(other.into()),
                Ok(id) if !id.is_regular() => Ok(NameState::Taken(Existing::NotASegment)),
                Ok(id) if id.owner != effective_user() => {
                    Ok(NameState::Taken(Existing::OtherUser(id.owner)))
                }
                Ok(_) if matches!(error.errno, Errno::EACCES | Errno::EPERM) => {
                    Ok(NameState::Taken(Existing::NotWritable))
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
    // Root can open everybody's files, and still only replaces its own.
    if !file::is_owned_by_this_user(&file, &id)? {
        return Ok(NameState::Taken(Existing::OtherUser(id.owner)));
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
        Some(Kind::Shared) => lock::holder(&file, OWNER)?,
        other => other,
    };
    Ok(match (attached, owned) {
        (None, _) => NameState::Orphaned(file, id),
        (Some(Kind::Shared), None) => NameState::Abandoned(file, id),
        (Some(Kind::Shared), Some(Kind::Shared)) => NameState::Taken(Existing::Live),
        (Some(Kind::Exclusive), _) | (_, Some(Kind::Exclusive)) => NameState::InTransition,
    })
}

/// [`examine`], but what seems abandoned is looked at for a moment longer: somebody may only be trying to attach, and will be
/// refused or become an owner. Then it is a leftover again, or alive.
pub(super) fn examine_settled(
    name: &SegmentName,
    deadline: Deadline,
) -> Result<NameState, ShmError> {
    // Who tries again and again holds it for most of the time, so many looks find the gap, and few may not.
    const MOMENT: Duration = Duration::from_millis(20);
    const OFTEN: Duration = Duration::from_micros(100);
    let mut backoff = Backoff::up_to(OFTEN, Deadline::after(MOMENT.min(deadline.left())));
    loop {
        match examine(name)? {
            NameState::Abandoned(..) if backoff.pause() => {}
            found => return Ok(found),
        }
    }
}

/// Removes the name of a leftover, if it still is one. `false` means: look again.
pub(super) fn replace(
    name: &SegmentName,
    file: File,
    id: &FileId,
    deadline: Deadline,
) -> Result<bool, ShmError> {
    // From here until the descriptor is closed nobody can attach: who tries meets this lock, or finds afterwards that
    // the file has no name any more.
    remove_holding(ATTACH, name, file, id, deadline)
}

/// Removes the name of an abandoned segment, if it still is one. `false` means: look again. Who is attached stays so.
pub(super) fn supersede(
    name: &SegmentName,
    file: File,
    id: &FileId,
    deadline: Deadline,
) -> Result<bool, ShmError> {
    // From here until the descriptor is closed nobody can become an owner, in the same two ways.
    remove_holding(OWNER, name, file, id, deadline)
}

/// Removes a name while this description, which was opened for it, holds a byte alone. Killed in between, it leaves the
/// name as it was, and the lock goes.
fn remove_holding(
    byte: i64,
    name: &SegmentName,
    file: File,
    id: &FileId,
    deadline: Deadline,
) -> Result<bool, ShmError> {
    if !lock::try_lock(&file, byte, Kind::Exclusive)? {
        return Ok(false);
    }
    let removal = remove(name, &file, id, deadline, Persistent::Stays);
    if !matches!(removal, Ok(Removal::Removed)) {
        // The name stays, and so might this lock, in a fork child that has the description too.
        lock::unlock(&file, byte)?;
    }
    Ok(matches!(removal?, Removal::Removed))
}

/// What removing does with a segment that was told to stay.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Persistent {
    Stays,
    Goes,
}

enum Removal {
    Removed,
    /// The name leads to another file or to none.
    LeadsElsewhere,
    Kept,
    /// The lock could not be had in time.
    Busy,
}

/// Removes a name if it leads to this file, which no other thread may be locking through the same description.
fn remove(
    name: &SegmentName,
    file: &File,
    id: &FileId,
    deadline: Deadline,
    persistent: Persistent,
) -> SysResult<Removal> {
    let removal = with_name_locked(file, deadline, || remove_locked(name, file, id, persistent));
    Ok(removal?.unwrap_or(Removal::Busy))
}

fn remove_locked(
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

/// Runs `run` while nobody else can remove the name; `None` when the lock could not be had in time.
pub(super) fn with_name_locked<T>(
    file: &File,
    deadline: Deadline,
    run: impl FnOnce() -> SysResult<T>,
) -> SysResult<Option<T>> {
    if !lock::lock_until(file, NAME, Kind::Exclusive, deadline)? {
        return Ok(None);
    }
    let result = run();
    // Closing does not do it when a fork child has the description too.
    lock::unlock(file, NAME)?;
    result.map(Some)
}

/// Through the descriptor, because a leftover is not mapped. A file cut short has no state.
fn read_state(file: &File) -> SysResult<u32> {
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

/// Removes a name, whatever it leads to. Who is attached stays attached.
///
/// # Errors
///
/// `InvalidName`, `NotFound`, `PermissionDenied`, `Busy` when another process keeps the name locked for a second, and
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
            // What cannot be opened for writing has no lock that could be taken.
            Err(_) => return unlink_unlocked(name),
        };
        let id = file::stat(&file)?;
        if !id.is_regular() {
            return unlink_unlocked(name);
        }
        match remove(name, &file, &id, deadline, Persistent::Goes)? {
            Removal::Removed => return Ok(()),
            Removal::Busy => return Err(ShmError::busy(NAME_LOCKED, timeout)),
            // Another process was first, and a third may have put a new segment there.
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

/// A description of a segment's file of one's own, for locking its name.
enum Own {
    Opened(File),
    /// The file's mode forbids it, so nobody else of this user locks the name either.
    Forbidden,
    /// The name leads elsewhere.
    Elsewhere,
}

impl Segment {
    /// Opens the file once more. Two threads that lock through one description do not exclude each other.
    fn reopen(&self, name: &SegmentName) -> Result<Own, ShmError> {
        let file = match shm::open(name.as_str(), true) {
            Ok(file) => file,
            Err(error) if error.errno == Errno::ENOENT => return Ok(Own::Elsewhere),
            Err(error) if is_shortage(error.errno) => return Err(error.into()),
            Err(_) if leads_to(name, &self.id)? => return Ok(Own::Forbidden),
            Err(_) => return Ok(Own::Elsewhere),
        };
        let same = file::stat(&file)?.same_file(&self.id);
        Ok(if same {
            Own::Opened(file)
        } else {
            Own::Elsewhere
        })
    }

    /// See `Shm::unlink`.
    pub(super) fn unlink(&self) -> Result<(), ShmError> {
        let Some(name) = &self.name else {
            return Err(ShmError::not_found());
        };
        match self.reopen(name)? {
            Own::Elsewhere => Err(ShmError::not_found()),
            Own::Forbidden => unlink_unlocked(name),
            Own::Opened(file) => {
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
    pub(super) fn persist(&self) -> Result<(), ShmError> {
        let Some(name) = &self.name else {
            return Ok(());
        };
        if !self.published.load(Ordering::Acquire) {
            self.mark_persistent();
            return Ok(());
        }
        // Under the lock, so that an owner who is just going either sees the mark or has removed the name before.
        let mark = || {
            let leads_here = leads_to(name, &self.id)?;
            if leads_here {
                self.mark_persistent();
            }
            Ok(leads_here)
        };
        let marked = match self.reopen(name)? {
            Own::Elsewhere => Ok(Some(false)),
            Own::Forbidden => mark().map(Some),
            Own::Opened(file) => with_name_locked(&file, Deadline::after(self.timeout), mark),
        };
        match marked? {
            Some(true) => Ok(()),
            Some(false) => Err(ShmError::not_found()),
            None => Err(ShmError::busy(NAME_LOCKED, self.timeout)),
        }
    }

    /// Whether the name leads to this segment.
    pub(super) fn is_current(&self) -> bool {
        self.name
            .as_ref()
            .is_some_and(|name| leads_to(name, &self.id).unwrap_or(false))
    }

    /// See `Shm::has_owner`.
    pub(super) fn has_owner(&self) -> bool {
        if self.name.is_none() || self.state().load(Ordering::Acquire) & STATE_PERSISTENT != 0 {
            return false;
        }
        // Who has closed this descriptor, or put another in its place, must not make anybody look dead.
        if self.check_descriptor().is_err() {
            return true;
        }
        // Alone it is held by who removes the name because there is no owner any more.
        !matches!(
            lock::holder_or_self(&self.file, OWNER),
            Ok(None | Some(Kind::Exclusive))
        )
    }

    /// Fails where the number of the descriptor leads to another file, by `dup2` or by being closed and opened again.
    pub(super) fn check_descriptor(&self) -> SysResult<FileId> {
        let found = file::stat(&self.file)?;
        if found.same_file(&self.id) {
            Ok(found)
        } else {
            Err(SysError::new("fstat", Errno::EBADF))
        }
    }

    /// Removes the name if this is the last owner.
    fn give_up_ownership(&self, name: &SegmentName) -> SysResult<()> {
        // An owner's drop should not hang for long where a peer holds a lock for ever; the name then is a leftover.
        const LONGEST: Duration = Duration::from_millis(200);
        // Where the number of the descriptor leads to another file by now, its locks say nothing of this one: the name then
        // is a leftover as well.
        self.check_descriptor()?;
        // First let go, then ask for all of it: of owners that go at the same time, the last to let go gets it.
        lock::unlock(&self.file, OWNER)?;
        // Fork children have this description too. Were this process killed while it holds anything alone through that, they
        // would go on holding it.
        let own = match self.reopen(name) {
            Ok(Own::Opened(file)) => Some(file),
            Ok(Own::Elsewhere) => return Ok(()),
            Ok(Own::Forbidden) | Err(_) => None,
        };
        let file = own.as_ref().unwrap_or(&self.file);
        if !lock::try_lock(file, OWNER, Kind::Exclusive)? {
            return Ok(());
        }
        let deadline = Deadline::after(self.timeout.min(LONGEST));
        let removal = remove(name, file, &self.id, deadline, Persistent::Stays);
        // A child that another thread has just forked may have the description for long; without this a name that stays could
        // not be owned again.
        lock::unlock(file, OWNER)?;
        removal.map(drop)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let Some(name) = &self.name else { return };
        let removes = self.owner && *self.published.get_mut() && !*self.kept.get_mut();
        // The handle that a fork child inherited is not the owner's.
        if removes && self.maker == generation() {
            // Nobody can be told. What could not be removed is a leftover, which the next `create` replaces.
            let _ = self.give_up_ownership(name);
        }
    }
}
