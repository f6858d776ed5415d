//! The format's lock bytes, accessed without the library.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use nix::fcntl::{FcntlArg, fcntl};

use crate::driver::Peer;
use crate::names::Names;

/// The byte that every handle locks shared, and a process that replaces an orphaned segment locks exclusively.
pub const ATTACH: i64 = (1 << 40) - 1;
/// The byte that owners lock shared, and the last owner locks exclusively.
pub const OWNER: i64 = (1 << 40) - 2;
/// The byte that is locked exclusively while a name is removed.
pub const NAME: i64 = (1 << 40) - 3;
/// The byte that is locked exclusively while levels are announced.
pub const LEVELS: i64 = (1 << 40) - 4;

/// The first byte that a participant locks exclusively.
#[must_use]
pub const fn participant(id: i64) -> i64 {
    (1 << 41) + (id << 22)
}

/// The pid that the lock of a living participant shows.
///
/// # Errors
///
/// Those of opening the name.
pub fn participant_pid(name: &str, id: i64) -> io::Result<Option<u32>> {
    let file = File::open(Names::path(name))?;
    let mut lock = range_of(participant(id), libc::F_RDLCK);
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock))?;
    let locked = i32::from(lock.l_type) == libc::F_WRLCK && lock.l_start == participant(id);
    Ok(locked.then(|| u32::try_from(lock.l_len - 1).expect("a pid")))
}

/// Whether any process has the byte locked exclusively.
///
/// # Errors
///
/// Those of opening the name.
pub fn is_locked_exclusively(name: &str, byte: i64) -> io::Result<bool> {
    let file = File::open(Names::path(name))?;
    // The query reports only locks that conflict with a shared one.
    let mut lock = range_of(byte, libc::F_RDLCK);
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock))?;
    Ok(i32::from(lock.l_type) == libc::F_WRLCK)
}

/// Whether any process has the byte locked.
///
/// # Errors
///
/// Those of opening the name.
pub fn is_locked(name: &str, byte: i64) -> io::Result<bool> {
    let file = File::open(Names::path(name))?;
    let mut lock = range_of(byte, libc::F_WRLCK);
    fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock))?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

/// Locks the byte while the file is open. A shared lock needs only read access.
///
/// # Errors
///
/// Those of opening the name, and `EAGAIN` if the lock is held.
pub fn pin(name: &str, byte: i64, exclusive: bool) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(exclusive);
    let file = options.open(Names::path(name))?;
    let kind = if exclusive {
        libc::F_WRLCK
    } else {
        libc::F_RDLCK
    };
    fcntl(&file, FcntlArg::F_OFD_SETLK(&range_of(byte, kind)))?;
    Ok(file)
}

/// Locks the bytes of a range of participants shared while the file is open. Needs only read access.
pub(crate) fn pin_range(name: &str, first: i64, count: i64) -> io::Result<File> {
    let file = File::open(Names::path(name))?;
    let mut lock = range_of(participant(first), libc::F_RDLCK);
    lock.l_len = participant(first + count) - participant(first);
    fcntl(&file, FcntlArg::F_OFD_SETLK(&lock))?;
    Ok(file)
}

fn range_of(byte: i64, kind: i32) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    }
}

/// The header's counter of participants.
///
/// # Panics
///
/// If no segment has the name.
#[must_use]
pub fn next_participant(name: &str) -> u64 {
    let mut bytes = [0; 8];
    let file = File::open(Names::path(name)).expect("the segment has a name");
    file.read_exact_at(&mut bytes, 200)
        .expect("the segment has a header");
    u64::from_ne_bytes(bytes)
}

/// The result of a peer's attempt to lock, without the time it took.
pub fn lock(peer: &mut Peer, how: &str) -> String {
    let answer = peer.ok(&format!("claims lock {how}"));
    answer.split(' ').next().unwrap_or_default().to_owned()
}
