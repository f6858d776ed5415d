//! How a process shows in a segment that it is alive, and detects that others are dead.
//!
//! # Synchronization
//!
//! A participant has an id of 30 bits, never 0, and an exclusive lock on bytes of the segment's file from `2^41 + (id << 22)`
//! on. Whether the first of them is locked tells whether the participant is alive. Their number, less one, is its pid, for
//! people to read. The lock belongs to an open file description that only a mapping keeps open (see [`Token`]), so it is held until the process
//! exits, executes another program or drops the handle. Fork children do not inherit it.
//!
//! | step | how |
//! |---|---|
//! | register | increment the counter in the header; lock the bytes of that id; retry if they are locked already |
//! | probe another | query through the attach descriptor whether its first byte is locked exclusively |
//! | control the probe | the same descriptor must show a lock that certainly exists, and then refer to the same file |
//! | fork | the child is not a participant; it registers at its first claim |
//!
//! The id of a living participant is never assigned again, whatever a peer writes into the counter, because its byte is
//! locked. A probe reports a death only if the control confirms it, because other code in the process can close or
//! replace the descriptor. After any error it reports the participant as alive.
//!
//! The lock that certainly exists is the process's own byte, if it is a participant. Otherwise it is the lock that every
//! handle holds on [`ATTACH`]: read-only handles and fork children have no byte of their own. The handle's own description
//! holds `ATTACH` from before the segment was mapped, and nothing ever unlocks it, so it is held even if no other process is
//! attached. `F_OFD_GETLK` does not report a description's own locks, but `F_GETLK` reports those of all descriptions.
//!
//! This control is as good as the other one. The locks of a file are one list, which both calls search, so a list that shows
//! `ATTACH` as held is the segment's or that of another segment, and `fstat` tells these apart. A call that reports success
//! and does nothing leaves its argument as it was, which is no answer to either question. The token's description has no
//! descriptor, so no descriptor can hide a participant's lock as its own. None of the calls needs write access.
//!
//! Probes ignore shared locks, so a peer with mere read access cannot make a dead participant look alive. It can lock the
//! bytes of unassigned ids; registering then fails after a bounded number of attempts.
//!
//! # Why there is no second sign of life
//!
//! A child of `posix_spawn` or `vfork` shares its parent's memory, and with it the token, until it runs a program. If the parent
//! is killed meanwhile, its locks stay held. The kernel gives other signs, some of which end with the parent alone. None of them
//! proves that nobody uses a claim any more:
//!
//! - A lock that belongs to the process (`F_SETLK`) is released by the kill. But any code in the process that closes any
//!   descriptor of the file releases it too, and a living owner would look dead.
//! - The pid is gone after the kill. But in another pid namespace it never existed, or is another process's.
//! - Descriptors, with the locks that they keep (`flock`), are copied to the child. Robust futexes end with a thread, and are
//!   matched by a thread id, which is subject to namespaces as well.
//!
//! Besides, the guards are in the memory that the two share, and a child of `vfork` may be the one that uses them. Only a lock
//! that lives as long as the memory rules out a second owner.

use std::fs::File;
use std::num::NonZeroU32;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::pids::Pids;
use super::process::{RegistrationGuard, Tables, window};
use super::windows::{AddressWindows, RESERVED};
use crate::error::ShmError;
use crate::lock_byte::{self, ATTACH};
use crate::protocol::claim_word::ID;
use crate::protocol::sightings::{Correct, Question, Sightings};
use crate::sys::clock::{self, Backoff, Deadline};
use crate::sys::file::{self, FileId};
use crate::sys::lock::{self, LockKind};
use crate::sys::token::Token;
use crate::sys::{Errno, SysError, SysResult, fork, shm, stopped};

const _: () = assert!(ID == lock_byte::GREATEST_ID);

/// The number of ids to try before registering pauses or fails. Each costs a system call.
const ATTEMPTS: u32 = 64;

/// The arguments of [`Participant::register`].
pub(crate) struct RegisterArgs<'a> {
    pub(crate) file: &'a Arc<File>,
    pub(crate) id: FileId,
    /// Names under which the file may exist: a hidden one until it is published, and its own.
    pub(crate) names: [Option<&'a str>; 2],
    /// Whether it has one of them by now.
    pub(crate) is_named: bool,
    /// The name to show in errors.
    pub(crate) shown: &'a str,
    /// The id counter in the header, if the handle becomes a participant.
    pub(crate) counter: Option<NonNull<AtomicU64>>,
    pub(crate) deadline: Deadline,
}

/// What this process knows about a segment in which it is a participant or probes others.
#[derive(Debug)]
pub(crate) struct Registration {
    windows: AddressWindows,
    /// The descriptor through which the segment is attached. Probes use it because a description does not see its own
    /// locks, and the control must see this process's.
    file: Arc<File>,
    id: FileId,
    names: [Option<String>; 2],
    shown: String,
    /// # Invariants
    ///
    /// 1. Points into the segment's mapping, which outlives every handle through which this is reachable.
    ///
    /// `None` if the handle never becomes a participant.
    counter: Option<NonNull<AtomicU64>>,
    /// The address of this process's token or, if the tables contain no id, of an ancestor's.
    token: AtomicUsize,
    /// What this process remembers of the other participants.
    sightings: Sightings,
    pids: Pids,
}

// SAFETY: the pointer is to an atomic in a mapping, which belongs to the process, not to a thread.
unsafe impl Send for Registration {}
// SAFETY: as above, and the other fields are only changed if they are atomics.
unsafe impl Sync for Registration {}

/// A handle's registration in its segment. Dropping it releases the id: claims that are still held under it can be taken
/// over as if the owner had died.
#[derive(Debug)]
pub(crate) struct Participant {
    /// # Invariants
    ///
    /// 1. From `Box::leak`, and freed only when this is dropped. It is not a `Box`, because moving a box asserts that no
    ///    other pointer to its contents exists, and the table of registrations has one.
    registration: NonNull<Registration>,
}

// SAFETY: owns the registration as a `Box` would, and `Registration` is `Send` and `Sync`.
unsafe impl Send for Participant {}
// SAFETY: as above.
unsafe impl Sync for Participant {}

impl Participant {
    /// Registers this process, so that it can probe others and, if it has a counter, hold claims in the segment.
    ///
    /// # Safety
    ///
    /// The counter must be in the mapping for which `windows` was reserved, and stay mapped until the participant is
    /// dropped.
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
            sightings: Sightings::new(),
            pids: Pids::new(),
        })));
        let participant = Self { registration };
        for slot in participant.registration().windows.slots() {
            slot.store(registration.as_ptr(), Ordering::Release);
        }
        if with.counter.is_some() {
            participant.registration().join_first(with)?;
        }
        Ok(participant)
    }

    /// Registers the calling process if it has no id, as after a fork. Does nothing without a counter.
    pub(crate) fn rejoin(&self, deadline: Deadline) -> Result<(), ShmError> {
        let registration = self.registration();
        match registration.counter {
            Some(_) => registration.join(deadline).map(drop),
            None => Ok(()),
        }
    }

    fn registration(&self) -> &Registration {
        // SAFETY: allocated until `self` is dropped (invariant 1), and only changed through atomics.
        unsafe { self.registration.as_ref() }
    }

    /// Clears the id and returns the token, if it is this process's.
    fn leave(&self) -> Option<Token> {
        let Registration { windows, token, .. } = self.registration();
        // In a fork child that has claimed nothing, the token is its parent's and not mapped.
        if windows.tables.load_id(windows.range.start) == 0 {
            return None;
        }
        // The id is cleared before the lock that protects it is released.
        windows.clear_id();
        // SAFETY: there was an id, so the token is this process's. It is converted once, as the handle is being dropped.
        unsafe { Token::from_address(token.load(Ordering::Relaxed)) }
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        drop(self.leave());
        // SAFETY: invariant 1. The table has the pointer until the box is dropped, which clears the entries, but only code
        // with a borrowed handle follows it, and the handle is being dropped.
        drop(unsafe { Box::from_raw(self.registration.as_ptr()) });
    }
}

impl Registration {
    /// The registration in the segment that contains an address.
    ///
    /// # Safety
    ///
    /// The address must be in the payload of a segment whose handle is borrowed for `'a`.
    pub(crate) unsafe fn at<'a>(address: usize) -> Option<&'a Self> {
        let registration = Tables::get()?
            .registration(window(address))?
            .load(Ordering::Acquire);
        if registration.is_null() || registration == RESERVED {
            return None;
        }
        // SAFETY: no other segment has the window, so this is the registration of the handle, which owns it and is borrowed.
        Some(unsafe { &*registration })
    }

    /// The id of this process, which is registered first if it has none, as after a fork.
    #[cold]
    pub(crate) fn join(&self, deadline: Deadline) -> Result<u32, ShmError> {
        // By the descriptor: where the program has replaced it, the process could not probe others.
        self.join_by(deadline, false)
    }

    /// [`join`](Self::join) when the handle is made.
    fn join_first(&self, with: &RegisterArgs<'_>) -> Result<u32, ShmError> {
        self.join_by(with.deadline, with.is_named)
    }

    fn join_by(&self, deadline: Deadline, by_name: bool) -> Result<u32, ShmError> {
        let start = Instant::now();
        let mut backoff = Backoff::until(deadline);
        loop {
            let locked = self.windows.tables.lock()?;
            if let Some(id) = self.join_locked(&locked, by_name)? {
                return Ok(id);
            }
            // Do not block forks during the pause.
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

    /// Tries [`ATTEMPTS`] ids. Returns `None` if all of them were locked.
    fn join_locked(&self, _: &RegistrationGuard, by_name: bool) -> SysResult<Option<u32>> {
        let known = self.windows.tables.load_id(self.windows.range.start);
        if known != 0 {
            // Another thread came first.
            return Ok(Some(known));
        }
        let counter = self
            .counter
            .ok_or(SysError::new("registering", Errno::EROFS))?;
        let description = self.reopen(by_name)?;
        let token = Token::new(&description)?;
        for _ in 0..ATTEMPTS {
            // SAFETY: the counter is mapped (invariant 1), aligned and only accessed atomically.
            let counter = unsafe { counter.as_ref() };
            let id = counter.fetch_add(1, Ordering::Relaxed) as u32 & ID;
            if id != 0
                && lock::try_lock(
                    &description,
                    lock_byte::participant_with_pid(id, fork::pid()),
                    LockKind::Exclusive,
                )?
            {
                // The old value, if any, is an ancestor's token, which is not mapped here and must not be unmapped.
                self.token.store(token.into_address(), Ordering::Relaxed);
                self.windows.store_id(id);
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Opens a new description of the same file: by a name if it has one, which is faster, or else through /proc.
    fn reopen(&self, by_name: bool) -> SysResult<File> {
        let named = by_name.then(|| self.reopen_by_name()).flatten();
        if let Some(reopened) = named {
            return Ok(reopened);
        }
        match file::reopen(&self.file) {
            Ok(reopened) if self.is_same_file(&reopened)? => Ok(reopened),
            // The descriptor was closed, and its number reused for another file.
            Ok(_) => Err(SysError::new(file::REOPEN, Errno::EBADF)),
            // Without /proc, a hidden name may lead there.
            Err(error) if !by_name && matches!(error.errno, Errno::ENOENT | Errno::ENOTDIR) => {
                self.reopen_by_name().ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    fn reopen_by_name(&self) -> Option<File> {
        self.names.iter().flatten().find_map(|name| {
            let reopened = shm::open(name, true).ok()?;
            self.is_same_file(&reopened).ok()?.then_some(reopened)
        })
    }

    fn is_same_file(&self, file: &File) -> SysResult<bool> {
        Ok(file::stat(file)?.same_file(&self.id))
    }

    /// Whether a participant is certainly dead, as this process remembers or as a probe finds. `me` is the caller's own id, or 0 if
    /// it has none.
    pub(crate) fn is_dead(&self, owner: u32, me: u32, question: Question) -> bool {
        let now = clock::coarse_millis();
        self.sightings
            .is_dead::<Correct>(owner, question, now, || self.probe(owner, me))
    }

    /// Whether a waiter may sleep for less than a tick, as one may in each.
    pub(crate) fn allow_short_sleep(&self) -> bool {
        self.sightings.allow_short_sleep(clock::coarse_millis())
    }

    /// Whether a participant is certainly dead: one system call if it is alive, else a few.
    fn probe(&self, owner: u32, me: u32) -> bool {
        // The controls come last: a descriptor that was replaced before the query is still replaced afterwards. The file is
        // compared because another segment may have a participant with the same id, and handles.
        matches!(self.is_locked(owner), Ok(false))
            && self.sees_locks(me)
            && file::stat(&self.file).is_ok_and(|found| found.same_file(&self.id))
    }

    /// Whether a lock that certainly exists shows through the descriptor: that of `me`, or else this handle's own.
    fn sees_locks(&self, me: u32) -> bool {
        if me == 0 {
            let found = lock::holder_or_self(&self.file, ATTACH);
            matches!(found, Ok(Some(LockKind::Shared)))
        } else {
            matches!(self.is_locked(me), Ok(true))
        }
    }

    /// Whether a participant's byte is locked as only the participant locks it. Records its pid.
    fn is_locked(&self, id: u32) -> SysResult<bool> {
        let lock = lock::exclusive(&self.file, lock_byte::participant(id))?;
        match lock.and_then(lock_byte::participant_of) {
            Some((found, pid)) if found == id => self.pids.record(id, pid),
            _ => {}
        }
        Ok(lock.is_some())
    }

    /// The pid of a participant as it sees itself, for people to read: recalled, or else found by a system call if it is alive.
    /// `me` is the caller's own id.
    pub(crate) fn pid(&self, id: u32, me: u32) -> Option<NonZeroU32> {
        if id == me {
            return NonZeroU32::new(fork::pid());
        }
        self.pids.recall(id).or_else(|| {
            self.is_locked(id).ok()?;
            self.pids.recall(id)
        })
    }

    /// Whether a process is stopped, as far as /proc tells: at least three system calls.
    pub(crate) fn is_stopped(&self, pid: NonZeroU32) -> bool {
        stopped::is_stopped(pid.get(), &self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::process::id_at;
    use super::super::windows::map;
    use super::*;
    use crate::sys::memfd;
    use crate::sys::test_support::TestName;
    use std::time::Duration;

    #[test]
    fn a_probe_reports_no_death_if_its_control_fails() {
        // Excludes tests that fork.
        let _name = TestName::new("control");
        let file = Arc::new(memfd::create("control").unwrap());
        file::set_len(&file, 4096).unwrap();
        let (mapping, windows) = map(&file, 4096, true).unwrap();
        let args = RegisterArgs {
            file: &file,
            id: file::stat(&file).unwrap(),
            names: [None, None],
            is_named: false,
            shown: "control",
            counter: Some(mapping.start().cast()),
            deadline: Deadline::after(Duration::ZERO),
        };
        // SAFETY: the counter is the first word of the mapping, which is dropped after the participant.
        let participant = unsafe { Participant::register(windows, &args) }.unwrap();
        let registration = participant.registration();

        let me = id_at(mapping.start().addr().get());
        assert_ne!(me, 0);
        let unused = me + 7;
        assert!(registration.probe(unused, me));
        assert!(!registration.probe(me, me));
        // If the caller's own byte does not show as locked, the answer is unreliable, or its token is lost.
        assert!(!registration.probe(unused, unused + 1));
    }

    #[test]
    fn a_read_only_probe_needs_the_lock_of_its_own_handle() {
        let name = TestName::new("observer");
        let made = shm::open_unnamed().unwrap();
        file::set_len(&made, 4096).unwrap();
        shm::link(&made, name.as_str()).unwrap();
        let file = Arc::new(shm::open(name.as_str(), false).unwrap());
        let (_mapping, windows) = map(&file, 4096, false).unwrap();
        let args = RegisterArgs {
            file: &file,
            id: file::stat(&file).unwrap(),
            names: [None, None],
            is_named: false,
            shown: "observer",
            counter: None,
            deadline: Deadline::after(Duration::ZERO),
        };
        // SAFETY: there is no counter.
        let participant = unsafe { Participant::register(windows, &args) }.unwrap();
        let registration = participant.registration();
        participant.rejoin(args.deadline).unwrap();
        // The handle's lock does not show, so the answer is unreliable.
        assert!(!registration.probe(7, 0));
        assert!(lock::try_lock(&made, ATTACH, LockKind::Exclusive).unwrap());
        assert!(!registration.probe(7, 0));
        lock::unlock(&made, ATTACH).unwrap();
        // It shows through the description that holds it, and no other does.
        assert!(lock::try_lock(&file, ATTACH, LockKind::Shared).unwrap());
        assert!(registration.probe(7, 0));
        let seventh = lock_byte::participant(7);
        assert!(lock::try_lock(&made, seventh, LockKind::Exclusive).unwrap());
        assert!(!registration.probe(7, 0));
        assert!(registration.probe(8, 0));
    }
}
