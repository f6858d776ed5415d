//! Writing a value: it is checked as a whole first, so that a wrong one changes nothing.

mod leaves;
mod plan;

use std::time::Duration;

use super::DynCell;
use super::resolve::{Base, Part};
use crate::cell::copy;
use crate::claim::word::{ClaimFailed, ClaimWord, Timeout};
use crate::dynamic::DynValue;
use crate::dynamic::error::DynError;
use crate::dynamic::segment::Memory;
use crate::layout::{SeqLockLayout, TypeLayout};
use crate::primitive::{AtomicU32, AtomicU64};
use crate::segment::Segment;
use crate::sync::{HeldMutex, Owner, SeqLockWords};
use crate::sys::clock::Deadline;
use plan::{Plan, WORD};

const UNKNOWN_IN_VALUE: &str =
    "a commit writes the whole value of the lock, and a part of it has a type of a later format";

/// How long [`DynCell::set`] waits for a lock.
const TIMEOUT: Duration = Duration::from_secs(2);

impl DynCell {
    /// Writes a value.
    ///
    /// The value must be one of the part's type: an integer in the range of the type, a variant of the enum, a text that fits.
    /// Integers are converted to floats where that is exact, and floats to the nearest `f32`. A list has as many elements as the
    /// part; one for a vector has at most as many as its capacity. In a struct, fields that the value does not have stay as they
    /// are. A value that does not fit changes nothing.
    ///
    /// A value of several numbers is written one by one, as with [`ShmCell::store`](crate::ShmCell::store). As with a typed
    /// [`ShmVec`](crate::ShmVec), only one process at a time may change a vector.
    ///
    /// # Locks
    ///
    /// The value of a [`Mutex`](crate::sync::Mutex), or a part of it, is written under the lock. The value of a
    /// [`SeqLock`](crate::sync::SeqLock), or a part of it, becomes one commit: the last committed value with this change. For either this
    /// waits for at most two seconds; [`set_timeout`](Self::set_timeout) takes another limit. If the owner of a `Mutex` died, the value is
    /// written all the same, and the next owner still gets [`OwnerDied`](crate::sync::LockError::OwnerDied). A process that is killed in
    /// this call leaves what one leaves that has the type.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::dynamic::DynSegment;
    /// use shm_core::sync::SeqLock;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("/doc-dyn-set-{}", std::process::id());
    /// let limits = SeqLock::<[u32; 3]>::create(&name)?;
    /// limits.store([1, 2, 3])?;
    /// DynSegment::attach(&name)?.at("[1]")?.set(&7.into())?;
    /// assert_eq!(limits.read_versioned()?, (2, [1, 7, 3]));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`WrongValue`](DynError::WrongValue) says what the part can have; [`NotSettable`](DynError::NotSettable) for read-only
    /// handles and dumps, for the words of types of [`sync`](crate::sync), which only these types write, and for types of a later
    /// format; [`Locked`](DynError::Locked); [`WouldDeadlock`](DynError::WouldDeadlock); [`Unregistered`](DynError::Unregistered).
    pub fn set(&self, value: &DynValue) -> Result<(), DynError> {
        self.set_timeout(value, TIMEOUT)
    }

    /// [`set`](Self::set)s the value, waiting for locks for at most `timeout` on the monotonic clock.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn set_timeout(&self, value: &DynValue, timeout: Duration) -> Result<(), DynError> {
        write(&[self.plan(value)?], timeout)
    }

    /// Sets several parts, in this order. Those that follow one another and are in the same [`Mutex`](crate::sync::Mutex) or
    /// [`SeqLock`](crate::sync::SeqLock) are written together: under the lock, which is taken once, or as one commit. The others are
    /// written as by [`set_timeout`](Self::set_timeout), one by one.
    ///
    /// All values are checked before the first is written.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::dynamic::{DynCell, DynSegment};
    /// use shm_core::sync::SeqLock;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("/doc-dyn-set-all-{}", std::process::id());
    /// let limits = SeqLock::<[u32; 3]>::create(&name)?;
    /// let segment = DynSegment::attach(&name)?;
    /// let changes = [(segment.at("[0]")?, 5.into()), (segment.at("[2]")?, 7.into())];
    /// DynCell::set_all(&changes, Duration::from_secs(1))?;
    /// assert_eq!(limits.read_versioned()?, (1, [5, 0, 7]));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set). If a lock cannot be taken within `timeout`, the parts before it have been written.
    pub fn set_all(changes: &[(Self, DynValue)], timeout: Duration) -> Result<(), DynError> {
        let planned = changes.iter().map(|(cell, value)| cell.plan(value));
        let planned = planned.collect::<Result<Vec<_>, _>>()?;
        planned
            .chunk_by(Planned::is_in_the_lock_of)
            .try_for_each(|together| write(together, timeout))
    }

    /// Checks that the part can be [`set`](Self::set) to a value, and changes nothing: all of `set` but the writing, and the locks
    /// around the part. To set several parts or none, check all values first.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::dynamic::{DynError, DynSegment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("/doc-dyn-accepts-{}", std::process::id());
    /// let shm = <[u8; 4]>::create(&name)?;
    /// let first = DynSegment::attach(&name)?.at("[0]")?;
    /// first.accepts(&255.into())?;
    /// assert!(matches!(first.accepts(&256.into()), Err(DynError::WrongValue { .. })));
    /// assert_eq!(shm[0].get(), 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`WrongValue`](DynError::WrongValue) and [`NotSettable`](DynError::NotSettable), as [`set`](Self::set) returns them.
    pub fn accepts(&self, value: &DynValue) -> Result<(), DynError> {
        self.plan(value).map(drop)
    }

    /// Plans to write a value, which must be one that the part can have.
    fn plan(&self, value: &DynValue) -> Result<Planned<'_>, DynError> {
        let Memory::Mapped(segment) = &self.handle.memory else {
            return Err(self.not_settable("a dump cannot be written"));
        };
        if !segment.is_writable() {
            return Err(self.not_settable("the segment is attached read-only; use `attach`"));
        }
        if self.part.words_of.is_some() {
            return Err(self.not_settable(WORD));
        }
        if matches!(self.part.base, Base::Message { .. }) {
            return Err(self.not_settable("a message was sent as it is"));
        }
        // What a lock holds is written under the lock.
        let part = self.part.innermost();
        if part.words_of.is_some() {
            return Err(self.not_settable(WORD));
        }
        // A commit writes the whole value.
        if matches!(part.base, Base::SeqLock { lock, .. } if lock.value.has_unknown()) {
            return Err(self.not_settable(UNKNOWN_IN_VALUE));
        }
        let mut plan = Plan::new(self.path.clone());
        match part.len {
            None => plan.add(0, part.layout, part.tail(&self.handle), value)?,
            Some(len) => plan.elements(0, part.layout, len, value)?,
        }
        Ok(Planned {
            cell: self,
            segment,
            part,
            plan,
        })
    }

    fn locked(&self, claim: &ClaimWord, failed: ClaimFailed) -> DynError {
        let path = self.path().to_owned();
        match failed {
            ClaimFailed::Owned(id) => DynError::Locked {
                path,
                owner: Owner::alive_or_stopped(claim, id),
            },
            ClaimFailed::WouldDeadlock => DynError::WouldDeadlock { path },
            ClaimFailed::Unregistered(error) => DynError::Unregistered(error),
        }
    }

    fn not_settable(&self, reason: &'static str) -> DynError {
        DynError::NotSettable {
            path: self.path().to_owned(),
            reason,
        }
    }
}

/// A value that is to be written.
struct Planned<'a> {
    cell: &'a DynCell,
    segment: &'a Segment,
    /// The part, without the locks around it.
    part: Part,
    plan: Plan,
}

impl Planned<'_> {
    /// Whether both are written under the same locks.
    fn is_in_the_lock_of(&self, other: &Self) -> bool {
        let is_same_base = match (self.part.base, other.part.base) {
            (Base::Payload, Base::Payload) => true,
            (Base::SeqLock { at, .. }, Base::SeqLock { at: other, .. }) => at == other,
            _ => false,
        };
        std::ptr::eq(self.segment, other.segment)
            && is_same_base
            && self.part.mutexes == other.part.mutexes
    }
}

/// Writes values that are under the same locks, waiting for each lock for at most `timeout`.
fn write(together: &[Planned<'_>], timeout: Duration) -> Result<(), DynError> {
    let Some(Planned {
        cell,
        segment,
        part,
        ..
    }) = together.first()
    else {
        return Ok(());
    };
    let payload = segment.payload().cast::<u8>().cast_mut();
    let deadline = Timeout::At(Deadline::after(timeout));
    let mut held = Vec::new();
    for mutex in &part.mutexes {
        let claim = payload.wrapping_add(*mutex).cast::<ClaimWord>();
        // SAFETY: by the checked layout, a `Mutex` is at this offset in the payload, and begins with its claim. It lives as long
        // as the handle, and is only accessed atomically.
        let claim = unsafe { &*claim };
        held.push(HeldMutex::lock(claim, deadline).map_err(|failed| cell.locked(claim, failed))?);
    }
    match part.base {
        Base::Payload => {
            for Planned { part, plan, .. } in together {
                // SAFETY: the payload is mapped writable and lives as long as the handle. By its checked layout, the part is at this
                // offset, and the plan was made for the part.
                unsafe { plan.write(payload.wrapping_add(part.offset)) };
            }
        }
        // `plan` refuses it.
        Base::Message { .. } => {}
        Base::SeqLock { at, of, lock } => {
            // SAFETY: by the checked layout, a lock is at this offset. It lives as long as the handle, is mapped writable, and is
            // only accessed atomically.
            let words = unsafe { seqlock_words(payload.wrapping_add(at), of, lock) };
            let committed = words.commit(deadline, |current, next| {
                let slot = |number| payload.wrapping_add(at + lock.slot_offset(number));
                if current != next {
                    // SAFETY: both are slots of this lock, so values without gaps that do not overlap.
                    unsafe { copy::copy_shared_value(slot(next), slot(current), lock.value) };
                }
                for Planned { part, plan, .. } in together {
                    // SAFETY: the part is in the value of the slot, at this offset.
                    unsafe { plan.write(slot(next).wrapping_add(part.offset)) };
                }
            });
            committed.map_err(|failed| cell.locked(words.claim, failed))?;
        }
    }
    // The innermost lock was taken last.
    while held.pop().is_some() {}
    Ok(())
}

/// The words of a sequence lock.
///
/// # Safety
///
/// For `'a`, `at` points to a `SeqLock` of layout `of`, whose parts are `lock`: live, writable, and only accessed atomically.
unsafe fn seqlock_words<'a>(at: *mut u8, of: &TypeLayout, lock: SeqLockLayout) -> SeqLockWords<'a> {
    let word = |name| at.wrapping_add(of.word_offset(name).unwrap_or(0));
    // SAFETY: by the caller; the checked layout has the claim there.
    let claim = unsafe { &*word("claim").cast::<ClaimWord>() };
    // SAFETY: by the caller; the checked layout has the version there.
    let version = unsafe { &*at.wrapping_add(lock.version).cast::<AtomicU64>() };
    // SAFETY: by the caller; the checked layout has the eventcount there.
    let changed = unsafe { &*word("changed").cast::<AtomicU32>() };
    SeqLockWords {
        claim,
        version,
        changed,
        slots: lock.slots,
    }
}
