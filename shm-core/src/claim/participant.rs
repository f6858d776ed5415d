//! How a process shows in a segment that it lives, and sees whether others do.
//!
//! # Synchronization
//!
//! A participant is an id of 30 bits, never 0, and a lock on the byte `2^40 + id` of the segment's file. The lock belongs to
//! an open file description that only a mapping keeps open (see [`Token`]), so it lasts until the process ends, or runs
//! another program, or drops the handle. Fork children do not inherit it.
//!
//! | step | how |
//! |---|---|
//! | get an id | add one to the counter in the header; lock the byte; if it is locked already, again |
//! | is another alive? | ask through the attach descriptor who holds its byte alone |
//! | is the answer true? | the same descriptor must show this process's own byte as held, and lead to the same file |
//! | fork | the child is no participant; it becomes one at its first claim |
//!
//! A living id is never given out again, whatever a peer writes into the counter: its byte is locked. "Dead" is only said
//! when the control confirms it, because a descriptor can be closed or replaced behind this library's back; every error
//! means "alive".
//!
//! Shared locks count for nothing in a probe, so a peer that may only read cannot make the dead look alive. It can
//! keep bytes locked that nobody has yet. Then registering fails, after a bounded number of tries.

use std::fs::File;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::process::{Locked, Tables, window, window_start};
use crate::error::ShmError;
use crate::protocol::claim_word::ID;
use crate::sys::clock::{Backoff, Deadline};
use crate::sys::file::{self, FileId};
use crate::sys::lock::{self, Kind};
use crate::sys::map::Mapping;
use crate::sys::token::Token;
use crate::sys::{Errno, SysError, SysResult, shm};

/// The byte of participant 0, which is nobody. Part of the format.
pub(crate) const FIRST_BYTE: i64 = 1 << 40;

/// Ids that are tried before registering pauses or gives up. Each costs a system call.
const TRIES: u32 = 64;

/// The byte that a participant holds alone as long as it lives.
fn byte(id: u32) -> i64 {
    FIRST_BYTE + i64::from(id)
}

/// Windows of address space that belong to one segment.
#[derive(Debug)]
pub(crate) struct AddressWindows {
    tables: Tables,
    range: Range<usize>,
}

/// Stands for a registration in windows whose handle is not complete yet.
const RESERVED: *mut Registration = std::ptr::without_provenance_mut(1);

impl AddressWindows {
    /// Reserves the windows that `len` bytes from `start` on lie in. `None` when one is another segment's.
    fn reserve(tables: Tables, start: usize, len: usize) -> Option<Self> {
        let windows = window(start)..window(start + (len - 1)) + 1;
        // Grows as windows are taken, so that dropping it gives back just those.
        let mut reserved = Self {
            tables,
            range: windows.start..windows.start,
        };
        for window in windows {
            tables
                .registration(window)?
                // After all that the window's last segment has done with it: its id has been cleared for good.
                .compare_exchange(
                    std::ptr::null_mut(),
                    RESERVED,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                )
                .ok()?;
            reserved.range.end += 1;
        }
        Some(reserved)
    }

    fn slots(&self) -> impl Iterator<Item = &AtomicPtr<Registration>> {
        self.range
            .clone()
            .filter_map(|window| self.tables.registration(window))
    }

    fn publish(&self, id: u32) {
        for window in self.range.clone() {
            self.tables.publish(window, id);
        }
    }
}

impl Drop for AddressWindows {
    fn drop(&mut self) {
        for slot in self.slots() {
            slot.store(std::ptr::null_mut(), Ordering::Release);
        }
    }
}

/// Maps a segment that has claims, for reading and writing, alone in its windows.
pub(crate) fn map(file: &File, len: usize) -> SysResult<(Mapping, AddressWindows)> {
    let tables = Tables::make()?;
    let mapping = Mapping::new(file, len, true)?;
    let start = mapping.start().addr().get();
    if let Some(windows) = AddressWindows::reserve(tables, start, len) {
        return Ok((mapping, windows));
    }
    drop(mapping);
    // The kernel maps from the top down, so there is room below.
    for window in (1..window(start)).rev() {
        let Some(address) = NonZeroUsize::new(window_start(window)) else {
            continue;
        };
        let Some(windows) = AddressWindows::reserve(tables, address.get(), len) else {
            continue;
        };
        if let Some(mapping) = Mapping::at(file, len, address)? {
            return Ok((mapping, windows));
        }
    }
    Err(SysError::new("mmap", Errno::ENOMEM))
}

/// What registering takes.
pub(crate) struct RegisterArgs<'a> {
    pub(crate) file: &'a Arc<File>,
    pub(crate) id: FileId,
    /// Names that may lead to the file: a hidden one, until it is published, and its own.
    pub(crate) names: [Option<&'a str>; 2],
    /// The name for errors.
    pub(crate) shown: &'a str,
    /// The header's counter.
    pub(crate) counter: NonNull<AtomicU64>,
    pub(crate) deadline: Deadline,
}

/// What this process knows of a segment in which it takes part.
#[derive(Debug)]
pub(crate) struct Registration {
    windows: AddressWindows,
    /// The descriptor that the segment is attached through. Probes go through it because one's own locks do not show
    /// through the description that has them.
    file: Arc<File>,
    id: FileId,
    names: [Option<String>; 2],
    shown: String,
    /// # Invariants
    ///
    /// 1. In the segment's mapping, which is mapped as long as a handle can lead here.
    counter: NonNull<AtomicU64>,
    /// The address of the token of this process or, where the tables have no id, of an ancestor.
    token: AtomicUsize,
}

// SAFETY: the pointer is to an atomic in a mapping, which belongs to the process and not to a thread.
unsafe impl Send for Registration {}
// SAFETY: as above; the rest changes through atomics only.
unsafe impl Sync for Registration {}

/// A handle's part in its segment. Dropping it gives the id up: who still has a claim by it counts as dead.
#[derive(Debug)]
pub(crate) struct Participant {
    /// # Invariants
    ///
    /// 1. From `Box::leak`, and freed by dropping this and by nothing else. A box would not do: moving it says that no
    ///    other pointer leads to its contents, and the table of registrations has one.
    registration: NonNull<Registration>,
}

// SAFETY: what a box of the registration would be, which may be sent and shared.
unsafe impl Send for Participant {}
// SAFETY: as above.
unsafe impl Sync for Participant {}

impl Participant {
    /// Registers, or says why the process could not hold claims in this segment.
    ///
    /// # Safety
    ///
    /// The counter is in the mapping that `windows` was reserved for, and stays mapped until this participant is dropped.
    pub(crate) unsafe fn register(
        windows: AddressWindows,
        with: &RegisterArgs<'_>,
    ) -> Result<Self, ShmError> {
        let registration = NonNull::from(Box::leak(Box::new(Registration {
            windows,
            file: Arc::clone(with.file),
            id: with.id,
            names: with.names.map(|name| name.map(str::to_owned)),
            shown: with.shown.to_owned(),
            counter: with.counter,
            token: AtomicUsize::new(0),
        })));
        let participant = Self { registration };
        for slot in participant.registration().windows.slots() {
            slot.store(registration.as_ptr(), Ordering::Release);
        }
        participant.registration().join(with.deadline)?;
        Ok(participant)
    }

    fn registration(&self) -> &Registration {
        // SAFETY: allocated as long as this lives (invariant 1), and only changed through atomics.
        unsafe { self.registration.as_ref() }
    }

    /// Takes the token out, if it is this process's.
    fn leave(&self) -> Option<Token> {
        let Registration { windows, token, .. } = self.registration();
        // In a fork child that has claimed nothing the token is its parent's, and not there.
        if windows.tables.known(windows.range.start) == 0 {
            return None;
        }
        // First the id, then what protects it.
        windows.publish(0);
        // SAFETY: there was an id, so the token is this process's own; nobody else has a handle that leads here.
        unsafe { Token::from_address(token.load(Ordering::Relaxed)) }
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        drop(self.leave());
        // SAFETY: invariant 1. The table leads here until the registration gives its windows back, but nobody follows it without a
        // handle.
        drop(unsafe { Box::from_raw(self.registration.as_ptr()) });
    }
}

impl Registration {
    /// The registration of the segment that an address lies in.
    ///
    /// # Safety
    ///
    /// The address lies in the payload of a segment, and for `'a` its handle is borrowed.
    pub(crate) unsafe fn at<'a>(address: usize) -> Option<&'a Self> {
        let registration = Tables::get()?
            .registration(window(address))?
            .load(Ordering::Acquire);
        if registration.is_null() || registration == RESERVED {
            return None;
        }
        // SAFETY: the registration goes with its handle, which is borrowed. No other segment has the window.
        Some(unsafe { &*registration })
    }

    /// This process's id here, registering where it has none: after a fork.
    #[cold]
    pub(crate) fn join(&self, deadline: Deadline) -> Result<u32, ShmError> {
        let start = Instant::now();
        let mut backoff = Backoff::until(deadline);
        loop {
            let locked = self.windows.tables.lock()?;
            if let Some(id) = self.join_locked(&locked)? {
                return Ok(id);
            }
            // Forks need not wait for the pause.
            drop(locked);
            if !backoff.pause() {
                return Err(ShmError::busy(
                    "another process keeps the bytes of new participants locked",
                    start.elapsed(),
                ));
            }
        }
    }

    /// The segment's name, for errors.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// One round of tries. `None` when all ids were taken.
    fn join_locked(&self, _: &Locked) -> SysResult<Option<u32>> {
        let known = self.windows.tables.known(self.windows.range.start);
        if known != 0 {
            // Another thread was first.
            return Ok(Some(known));
        }
        let description = self.reopen()?;
        let token = Token::new(&description)?;
        for _ in 0..TRIES {
            // SAFETY: mapped (invariant 1), aligned, and only accessed atomically.
            let counter = unsafe { self.counter.as_ref() };
            let id = counter.fetch_add(1, Ordering::Relaxed) as u32 & ID;
            if id != 0 && lock::try_lock(&description, byte(id), Kind::Exclusive)? {
                // What an ancestor's token was is absent here, and not to be unmapped.
                self.token.store(token.into_address(), Ordering::Relaxed);
                self.windows.publish(id);
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// A description of its own, for the same file.
    fn reopen(&self) -> SysResult<File> {
        let leads_here = |file: &File| Ok(file::stat(file)?.same_file(&self.id));
        match file::reopen(&self.file) {
            Ok(reopened) if leads_here(&reopened)? => Ok(reopened),
            // The descriptor was closed and its number given to another file.
            Ok(_) => Err(SysError::new("open(/proc/thread-self/fd)", Errno::EBADF)),
            // Without /proc a name is a second way, as long as it leads here.
            Err(error) if matches!(error.errno, Errno::ENOENT | Errno::ENOTDIR) => {
                for name in self.names.iter().flatten() {
                    match shm::open(name, true) {
                        Ok(reopened) if leads_here(&reopened)? => return Ok(reopened),
                        _ => {}
                    }
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a participant is dead for sure. `me` is the caller's own id.
    pub(crate) fn is_dead(&self, owner: u32, me: u32) -> bool {
        let held = |id| lock::is_held_exclusively(&self.file, byte(id));
        // The controls come last: a descriptor replaced before the question is still that after it. The file is compared
        // because another segment may have a participant of the same id.
        matches!(held(owner), Ok(false))
            && matches!(held(me), Ok(true))
            && file::stat(&self.file).is_ok_and(|found| found.same_file(&self.id))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::ShmLayout;
    use crate::claim::process::id_at;
    use crate::sync::Mutex;
    use crate::sys::test_support::TestName;

    #[test]
    fn only_who_is_seen_to_live_may_say_that_another_is_dead() {
        // Keeps tests that fork away.
        let _name = TestName::new("control");
        let shm = Mutex::<u64>::create_anonymous().unwrap();
        let address = shm.as_ptr().addr();
        // SAFETY: in the payload of a segment whose handle lives.
        let registration = unsafe { Registration::at(address) }.unwrap();
        let (me, nobody) = (id_at(address), id_at(address) + 7);
        assert!(registration.is_dead(nobody, me));
        assert!(!registration.is_dead(me, me));
        // Whose own byte does not show as held is not answered truthfully, or has lost its token.
        assert!(!registration.is_dead(nobody, nobody + 1));
    }
}
