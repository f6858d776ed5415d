//! Open file description locks on single bytes of a file.
//!
//! The kernel releases such a lock when the last descriptor of its description is closed, however the process ends.
//! Locks work across pid and user namespaces, because they involve no pid.

use std::fs::File;

use nix::fcntl::{FcntlArg, fcntl};

use super::clock::{Backoff, Deadline};
use super::{Errno, SysError, SysResult, retry};

// Lock bytes are at about 2^40; a narrower offset type would truncate them to other bytes.
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

/// Locks one byte, or converts the lock that this description holds on it. Returns `false` if another description's
/// lock conflicts.
#[doc(alias = "F_OFD_SETLK")]
pub(crate) fn try_lock(file: &File, byte: i64, kind: LockKind) -> SysResult<bool> {
    let flock = range(byte, raw(kind));
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
    byte: i64,
    kind: LockKind,
    deadline: Deadline,
) -> SysResult<bool> {
    let mut backoff = Backoff::until(deadline);
    while !try_lock(file, byte, kind)? {
        if !backoff.pause() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Releases this description's lock on one byte, for every process that shares the description.
#[doc(alias = "F_UNLCK")]
pub(crate) fn unlock(file: &File, byte: i64) -> SysResult<()> {
    let flock = range(byte, libc::F_UNLCK);
    retry("fcntl(F_OFD_SETLK)", || {
        fcntl(file, FcntlArg::F_OFD_SETLK(&flock))
    })
    .map(drop)
}

/// The kind of the lock by another description that conflicts with an exclusive lock on this byte, if any.
#[doc(alias = "F_OFD_GETLK")]
pub(crate) fn holder(file: &File, byte: i64) -> SysResult<Option<LockKind>> {
    let mut flock = range(byte, libc::F_WRLCK);
    retry("fcntl(F_OFD_GETLK)", || {
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut flock))
    })?;
    Ok(kind(&flock))
}

/// [`holder`], but counting the lock of this description as well.
#[doc(alias = "F_GETLK")]
pub(crate) fn holder_or_self(file: &File, byte: i64) -> SysResult<Option<LockKind>> {
    let mut flock = range(byte, libc::F_WRLCK);
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

/// Whether another description holds an exclusive lock on this byte. Shared locks, which need only read access, do not
/// count.
pub(crate) fn is_held_exclusively(file: &File, byte: i64) -> SysResult<bool> {
    let mut flock = range(byte, libc::F_RDLCK);
    retry("fcntl(F_OFD_GETLK)", || {
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut flock))
    })?;
    match i32::from(flock.l_type) {
        libc::F_UNLCK => Ok(false),
        libc::F_WRLCK => Ok(true),
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

fn range(byte: i64, l_type: i32) -> libc::flock {
    // SAFETY: `flock` consists of integers on every platform, for which zeros are valid. Some platforms have more
    // fields than the five below, and description locks require `l_pid` to be zero.
    let mut flock: libc::flock = unsafe { std::mem::zeroed() };
    flock.l_type = l_type as libc::c_short;
    flock.l_whence = libc::SEEK_SET as libc::c_short;
    flock.l_start = byte;
    flock.l_len = 1;
    flock
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::shm;
    use crate::sys::test_support::TestName;
    use std::time::Duration;

    const BYTE: i64 = (1 << 40) - 1;

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
        assert!(try_lock(&third, BYTE - 1, LockKind::Exclusive).unwrap());

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
    fn an_exclusive_lock_needs_a_writable_descriptor() {
        let name = TestName::new("lock-ro");
        let file = shm::open_unnamed().unwrap();
        shm::link(&file, name.as_str()).unwrap();
        let reader = shm::open(name.as_str(), false).unwrap();
        let error = try_lock(&reader, BYTE, LockKind::Exclusive).unwrap_err();
        assert_eq!(error.errno, Errno::EBADF);
    }
}
