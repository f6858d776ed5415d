//! Open file description locks on bytes of a file.
//!
//! The kernel releases such a lock when the last descriptor of its description is closed, however the process ends.
//! Locks work across pid and user namespaces, because they involve no pid.

use std::fs::File;

use nix::fcntl::{FcntlArg, fcntl};

use super::clock::{Backoff, Deadline};
use super::{Errno, SysError, SysResult, retry};

// Lock bytes are from about 2^40 to 2^53; a narrower offset type would truncate them to other bytes.
const _: () = assert!(
    size_of::<libc::off_t>() == 8,
    "shm-core needs 64-bit file offsets"
);

/// The kind of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockKind {
    /// Any number of descriptions may hold it at a time.
    Shared,
    /// At most one description may hold it.
    Exclusive,
}

/// Bytes of a file, which one call locks or unlocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes {
    start: i64,
    len: i64,
}

impl Bytes {
    pub(crate) const fn new(start: i64, len: i64) -> Self {
        Self { start, len }
    }

    pub(crate) const fn one(byte: i64) -> Self {
        Self::new(byte, 1)
    }

    pub(crate) const fn start(self) -> i64 {
        self.start
    }

    pub(crate) const fn len(self) -> i64 {
        self.len
    }

    /// The last of these bytes.
    pub(crate) const fn last(self) -> i64 {
        self.start + (self.len - 1)
    }

    /// These bytes and `next`, which must follow them.
    pub(crate) const fn and(self, next: Self) -> Self {
        assert!(next.start == self.start + self.len);
        Self {
            start: self.start,
            len: self.len + next.len,
        }
    }
}

/// Locks the bytes, or converts the locks that this description holds on them. Returns `false`, and changes nothing, if
/// another description's lock conflicts.
#[doc(alias = "F_OFD_SETLK")]
pub(crate) fn try_lock(file: &File, bytes: Bytes, kind: LockKind) -> SysResult<bool> {
    let flock = range(bytes, raw(kind));
    let result = retry("fcntl(F_OFD_SETLK)", || {
        fcntl(file, FcntlArg::F_OFD_SETLK(&flock))
    });
    match result {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.errno, Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Retries [`try_lock`] until the deadline, at least once. Returns `false` if another description's lock conflicted
/// every time.
///
/// The kernel's blocking call (`F_OFD_SETLKW`) has no timeout, and a peer with mere read access can hold a lock forever.
pub(crate) fn lock_until(
    file: &File,
    bytes: Bytes,
    kind: LockKind,
    deadline: Deadline,
) -> SysResult<bool> {
    let mut backoff = Backoff::until(deadline);
    while !try_lock(file, bytes, kind)? {
        if !backoff.pause() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Releases this description's locks on the bytes, for every process that shares the description.
#[doc(alias = "F_UNLCK")]
pub(crate) fn unlock(file: &File, bytes: Bytes) -> SysResult<()> {
    let flock = range(bytes, libc::F_UNLCK);
    retry("fcntl(F_OFD_SETLK)", || {
        fcntl(file, FcntlArg::F_OFD_SETLK(&flock))
    })
    .map(drop)
}

/// The kind of the lock by another description that conflicts with an exclusive lock on the bytes, if any.
#[doc(alias = "F_OFD_GETLK")]
pub(crate) fn holder(file: &File, bytes: Bytes) -> SysResult<Option<LockKind>> {
    let mut flock = range(bytes, libc::F_WRLCK);
    retry("fcntl(F_OFD_GETLK)", || {
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut flock))
    })?;
    Ok(kind(&flock))
}

/// [`holder`], but counting the lock of this description as well.
#[doc(alias = "F_GETLK")]
pub(crate) fn holder_or_self(file: &File, bytes: Bytes) -> SysResult<Option<LockKind>> {
    let mut flock = range(bytes, libc::F_WRLCK);
    // A process-owned lock conflicts with the locks of all descriptions, this process's included. `F_GETLK` takes none.
    retry("fcntl(F_GETLK)", || {
        fcntl(file, FcntlArg::F_GETLK(&mut flock))
    })?;
    Ok(kind(&flock))
}

fn kind(found: &libc::flock) -> Option<LockKind> {
    match i32::from(found.l_type) {
        libc::F_UNLCK => None,
        libc::F_RDLCK => Some(LockKind::Shared),
        _ => Some(LockKind::Exclusive),
    }
}

/// Whether another description holds an exclusive lock on one of the bytes.
#[cfg(test)]
pub(crate) fn is_held_exclusively(file: &File, bytes: Bytes) -> SysResult<bool> {
    exclusive(file, bytes).map(|lock| lock.is_some())
}

/// All bytes of another description's exclusive lock on one of these, if there is one. Of several locks, the kernel chooses. Shared
/// locks, which need only read access, do not count.
pub(crate) fn exclusive(file: &File, bytes: Bytes) -> SysResult<Option<Bytes>> {
    let mut flock = range(bytes, libc::F_RDLCK);
    retry("fcntl(F_OFD_GETLK)", || {
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut flock))
    })?;
    match i32::from(flock.l_type) {
        libc::F_UNLCK => Ok(None),
        libc::F_WRLCK => Ok(Some(Bytes::new(
            flock.l_start,
            // A lock without an end has length 0.
            match flock.l_len {
                0 => i64::MAX - flock.l_start,
                len => len,
            },
        ))),
        // A filter of system calls, or an emulator, has reported success without doing anything.
        _ => Err(SysError::new("fcntl(F_OFD_GETLK)", Errno::ENOSYS)),
    }
}

fn raw(kind: LockKind) -> i32 {
    match kind {
        LockKind::Shared => libc::F_RDLCK,
        LockKind::Exclusive => libc::F_WRLCK,
    }
}

fn range(bytes: Bytes, l_type: i32) -> libc::flock {
    // SAFETY: `flock` consists of integers on every platform, for which zeros are valid. Some platforms have more
    // fields than the five below, and description locks require `l_pid` to be zero.
    let mut flock: libc::flock = unsafe { std::mem::zeroed() };
    flock.l_type = l_type as libc::c_short;
    flock.l_whence = libc::SEEK_SET as libc::c_short;
    flock.l_start = bytes.start;
    flock.l_len = bytes.len;
    flock
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::shm;
    use crate::sys::test_support::TestName;
    use std::time::Duration;

    const BYTE: Bytes = Bytes::one((1 << 40) - 1);
    const BYTE_BEFORE: Bytes = Bytes::one((1 << 40) - 2);

    #[test]
    fn shared_locks_coexist_and_block_an_exclusive_one() {
        let name = TestName::new("lock");
        let first = shm::open_unnamed().unwrap();
        shm::link(&first, name.as_str()).unwrap();
        let second = shm::open(name.as_str(), false).unwrap();
        let third = shm::open(name.as_str(), true).unwrap();

        assert_eq!(holder(&third, BYTE).unwrap(), None);
        assert!(try_lock(&first, BYTE, LockKind::Shared).unwrap());
        assert!(try_lock(&second, BYTE, LockKind::Shared).unwrap());
        assert!(!try_lock(&third, BYTE, LockKind::Exclusive).unwrap());
        assert_eq!(holder(&third, BYTE).unwrap(), Some(LockKind::Shared));
        assert!(!is_held_exclusively(&third, BYTE).unwrap());
        // The next byte is a separate lock.
        assert!(try_lock(&third, BYTE_BEFORE, LockKind::Exclusive).unwrap());

        unlock(&first, BYTE).unwrap();
        assert!(!try_lock(&third, BYTE, LockKind::Exclusive).unwrap());
        drop(second);
        assert!(try_lock(&third, BYTE, LockKind::Exclusive).unwrap());
        assert!(!try_lock(&first, BYTE, LockKind::Shared).unwrap());
        let soon = || Deadline::after(Duration::from_millis(3));
        assert!(!lock_until(&first, BYTE, LockKind::Shared, soon()).unwrap());
        // Even with an expired deadline it is tried once.
        let now = Deadline::after(Duration::ZERO);
        assert!(lock_until(&third, BYTE, LockKind::Exclusive, now).unwrap());
        assert_eq!(holder(&first, BYTE).unwrap(), Some(LockKind::Exclusive));
        assert!(is_held_exclusively(&first, BYTE).unwrap());
        assert_eq!(
            exclusive(&first, BYTE).unwrap(),
            Some(BYTE_BEFORE.and(BYTE))
        );
        // A description does not see its own lock.
        assert!(!is_held_exclusively(&third, BYTE).unwrap());
        assert_eq!(holder(&third, BYTE).unwrap(), None);
        let seen = |file: &File| holder_or_self(file, BYTE).unwrap();
        assert_eq!(seen(&third), Some(LockKind::Exclusive));
        assert_eq!(seen(&first), Some(LockKind::Exclusive));
        assert!(try_lock(&third, BYTE, LockKind::Shared).unwrap());
        assert_eq!(seen(&third), Some(LockKind::Shared));
        // Querying takes no lock, and closing the queried descriptor releases none.
        unlock(&third, BYTE).unwrap();
        assert_eq!(seen(&third), None);
        assert!(try_lock(&first, BYTE, LockKind::Shared).unwrap());
        drop(third);
        assert_eq!(seen(&first), Some(LockKind::Shared));
    }

    #[test]
    fn a_refused_range_keeps_the_locks_in_it() {
        let both = BYTE_BEFORE.and(BYTE);
        let name = TestName::new("lock-range");
        let first = shm::open_unnamed().unwrap();
        shm::link(&first, name.as_str()).unwrap();
        let second = shm::open(name.as_str(), true).unwrap();
        assert!(try_lock(&first, both, LockKind::Shared).unwrap());
        assert!(try_lock(&second, BYTE, LockKind::Shared).unwrap());
        // The first byte is free, the second is not.
        assert!(!try_lock(&first, both, LockKind::Exclusive).unwrap());
        assert_eq!(
            holder(&second, BYTE_BEFORE).unwrap(),
            Some(LockKind::Shared)
        );
        assert_eq!(holder(&second, BYTE).unwrap(), Some(LockKind::Shared));
        unlock(&second, BYTE).unwrap();
        assert!(try_lock(&first, both, LockKind::Exclusive).unwrap());
        assert!(is_held_exclusively(&second, BYTE).unwrap());
        unlock(&first, BYTE_BEFORE).unwrap();
        assert_eq!(holder(&second, BYTE_BEFORE).unwrap(), None);
        assert!(is_held_exclusively(&second, BYTE).unwrap());
    }

    #[test]
    fn a_lock_without_an_end_is_found_with_its_bytes() {
        let name = TestName::new("lock-endless");
        let first = shm::open_unnamed().unwrap();
        shm::link(&first, name.as_str()).unwrap();
        let second = shm::open(name.as_str(), false).unwrap();
        let endless = Bytes::new(7, 0);
        assert!(try_lock(&first, endless, LockKind::Exclusive).unwrap());
        let found = exclusive(&second, BYTE).unwrap().unwrap();
        assert_eq!((found.start(), found.last()), (7, i64::MAX - 1));
    }

    #[test]
    fn an_exclusive_lock_needs_a_writable_descriptor() {
        let name = TestName::new("lock-ro");
        let file = shm::open_unnamed().unwrap();
        shm::link(&file, name.as_str()).unwrap();
        let reader = shm::open(name.as_str(), false).unwrap();
        let error = try_lock(&reader, BYTE, LockKind::Exclusive).unwrap_err();
        assert_eq!(error.errno, Errno::EBADF);
    }
}
