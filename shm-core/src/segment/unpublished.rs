//! Files of segments that have no name yet.
//!
//! Where the system has unnamed files and a way to name them later, that is what they are. Elsewhere (a file system
//! without `O_TMPFILE`; neither /proc nor the right to use `AT_EMPTY_PATH`) a segment is built under a hidden name of
//! its own and then renamed. `RENAME_NOREPLACE` keeps what `linkat` promises: a name that exists is complete, and is
//! never taken from another. It also keeps each file at one name, which `linkat` followed by `unlink` would not.
//!
//! A creator that is killed before the renaming leaves its hidden name. It held ATTACH, so that who gets the lock
//! exclusively knows that the creator is gone, and removes the name. The creator has the name for a moment before it has
//! the lock; that it still has the name is therefore checked afterwards, and it starts again with another name if not.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::header::MAGIC;
use super::lock_byte::{ATTACH, OWNER};
use crate::name::{HIDDEN_PREFIX, SegmentName};
use crate::sys::file::{self, FileId};
use crate::sys::fork::{Generation, generation};
use crate::sys::lock::{self, Kind};
use crate::sys::{Errno, SysError, SysResult, effective_user, shm};

/// How many hidden names to try. A first one can only fail by a cleaner or a collision at the same instant.
const TRIES: u32 = 16;

/// A file that will be a segment, with ATTACH and OWNER held.
#[derive(Debug)]
pub(super) struct Unpublished {
    pub(super) file: File,
    pub(super) hidden: Option<Hidden>,
}

/// A hidden name, which is removed when this is dropped, unless the file was renamed.
#[derive(Debug)]
pub(super) struct Hidden {
    pub(super) name: String,
    renamed: AtomicBool,
    /// Fork children have this too and must not remove the name.
    maker: Generation,
}

impl Hidden {
    fn new(name: String) -> Self {
        Self {
            name,
            renamed: AtomicBool::new(false),
            maker: generation(),
        }
    }

    /// Gives the file its name, or fails with `EEXIST`.
    pub(super) fn rename(&self, to: &SegmentName) -> SysResult<()> {
        shm::rename_new(&self.name, to.as_str())?;
        self.renamed.store(true, Ordering::Release);
        Ok(())
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if !*self.renamed.get_mut() && self.maker == generation() {
            // What cannot be removed now is found by the next creator, as that of one that was killed.
            let _ = shm::unlink(&self.name);
        }
    }
}

/// Makes a new, empty file. With `reopens` it can be opened once more, by its hidden name if need be.
pub(super) fn open(reopens: bool) -> SysResult<Unpublished> {
    match unnamed() {
        Ok(file) if shm::can_link(&file) && (!reopens || file::can_reopen(&file)) => {
            // Nobody else has the file, so this cannot be refused; were it, the segment would not be safe to publish.
            if hold(&file)? {
                return Ok(Unpublished { file, hidden: None });
            }
            Err(SysError::new("fcntl(F_OFD_SETLK)", Errno::EAGAIN))
        }
        Ok(_) => hidden(),
        Err(error) if is_unsupported(error.errno) => hidden(),
        Err(error) => Err(error),
    }
}

fn unnamed() -> SysResult<File> {
    #[cfg(test)]
    if without_unnamed::is_on() {
        return Err(SysError::new("open(O_TMPFILE)", Errno::EOPNOTSUPP));
    }
    let file = shm::open_unnamed()?;
    // The umask may have taken the owner's own permission away, without which it cannot be opened once more.
    file::set_mode(&file, 0o600)?;
    Ok(file)
}

/// How file systems and kernels without `O_TMPFILE` refuse it. An old kernel sees a directory opened for writing.
fn is_unsupported(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL | Errno::ENOSYS
    )
}

fn hidden() -> SysResult<Unpublished> {
    // First, because what killed creators have left may be what fills the file system. Nothing depends on success.
    if let Ok(entries) = shm::entries() {
        for name in entries.flatten() {
            let _ = remove_abandoned(&name);
        }
    }
    for _ in 0..TRIES {
        let name = random_name();
        let file = match shm::open_new(&name) {
            Err(error) if error.errno == Errno::EEXIST => continue,
            other => other?,
        };
        let hidden = Hidden::new(name);
        // The umask may have taken the owner's own permission away, which cleaners need.
        file::set_mode(&file, 0o600)?;
        if hold(&file)? && file::stat(&file)?.links > 0 {
            let hidden = Some(hidden);
            return Ok(Unpublished { file, hidden });
        }
    }
    Err(SysError::new("open(O_EXCL)", Errno::EAGAIN))
}

fn hold(file: &File) -> SysResult<bool> {
    Ok(lock::try_lock(file, ATTACH, Kind::Shared)? && lock::try_lock(file, OWNER, Kind::Shared)?)
}

/// Random, so that creators in different pid namespaces do not choose the same.
fn random_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let random = RandomState::new().hash_one((std::process::id(), number));
    format!("{HIDDEN_PREFIX}{random:016x}")
}

/// Whether a name looks like one of [`random_name`].
fn is_hidden(name: &str) -> bool {
    name.strip_prefix(HIDDEN_PREFIX).is_some_and(|rest| {
        rest.len() == 16
            && rest
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Removes a hidden name whose creator is gone. `false` when it is none, or not this user's.
pub(super) fn remove_abandoned(name: &str) -> SysResult<bool> {
    if !is_hidden(name) {
        return Ok(false);
    }
    let mine = |id: &FileId| id.is_regular() && id.owner == effective_user();
    // Looked at before it is opened, because opening is not without effect on what is no regular file.
    if !mine(&shm::stat_name(name)?) {
        return Ok(false);
    }
    let file = shm::open(name, true)?;
    let id = file::stat(&file)?;
    if !mine(&id) || !lock::try_lock(&file, ATTACH, Kind::Exclusive)? {
        return Ok(false);
    }
    let removed = remove_locked(name, &file, &id);
    if !matches!(removed, Ok(true)) {
        // The name stays, and so might this lock, in a fork child that has the description too.
        lock::unlock(&file, ATTACH)?;
    }
    removed
}

fn remove_locked(name: &str, file: &File, id: &FileId) -> SysResult<bool> {
    // Anybody can call a file of theirs so. A creator's is empty, zero or has the header.
    let mut start = [0; MAGIC.len()];
    let count = file::read_at(file, &mut start, 0)?;
    let ours = count == 0 || start == [0; MAGIC.len()] || start == MAGIC;
    if !ours || !shm::stat_name(name)?.same_file(id) {
        return Ok(false);
    }
    shm::unlink(name).map(|()| true)
}

/// Lets a test play a system without unnamed files.
#[cfg(test)]
pub(crate) mod without_unnamed {
    use std::cell::Cell;

    thread_local! {
        static ON: Cell<bool> = const { Cell::new(false) };
    }

    pub(super) fn is_on() -> bool {
        ON.get()
    }

    /// Runs `test` as on such a system, as far as this thread is concerned.
    pub(crate) fn run<T>(test: impl FnOnce() -> T) -> T {
        ON.set(true);
        let result = test();
        ON.set(false);
        result
    }
}
