//! Files of segments that have no name yet.
//!
//! Such a file is unnamed if the system has unnamed files and a way to name them later. Otherwise (a file system without
//! `O_TMPFILE`, or rules of AppArmor or SELinux that forbid it; neither /proc nor the right to use `AT_EMPTY_PATH`) a segment is built under a hidden name and then renamed.
//! `RENAME_NOREPLACE` keeps the promises of `linkat`: a name that exists is complete, and no name is taken from another file. It
//! also keeps each file at one name, which `linkat` followed by `unlink` would not.
//!
//! A creator that is killed before it renames the file leaves the hidden name. It held ATTACH, so a process that locks ATTACH
//! exclusively knows that the creator is gone, and removes the name. A creator has the name for a moment before it has the
//! lock, so it checks afterwards that it still has the name, and otherwise starts again with another one.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::header::MAGIC;
use crate::lock_byte::{ATTACH, OWNER_AND_ATTACH};
use crate::name::{SegmentName, is_hidden};
use crate::sys::file::{self, FileId};
use crate::sys::fork::{self, ForkCount, Generation, generation};
use crate::sys::lock::{self, LockKind};
use crate::sys::{Errno, SysError, SysResult, effective_user, shm};

/// How many hidden names to try. The first fails only if a cleaner or a collision comes at the same instant.
const TRIES: u32 = 16;

/// A file that will be a segment, with ATTACH and OWNER locked.
#[derive(Debug)]
pub(super) struct Unpublished {
    pub(super) file: File,
    /// Its status while it was empty.
    pub(super) id: FileId,
    /// Taken before the file was opened.
    pub(super) forks: ForkCount,
    pub(super) hidden: Option<Hidden>,
}

/// A hidden name, which is removed when this is dropped unless the file was renamed.
#[derive(Debug)]
pub(super) struct Hidden {
    pub(super) name: String,
    renamed: AtomicBool,
    /// Children of `fork` have this too and must not remove the name.
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
            // If this fails, the next creator removes the name, as it does after a kill.
            let _ = shm::unlink(&self.name);
        }
    }
}

/// Makes a new, empty file for a segment.
pub(super) fn open(name: &SegmentName) -> SysResult<Unpublished> {
    let forks = ForkCount::now();
    match unnamed() {
        Ok((file, id)) if shm::can_link(&file) => {
            // No other process has the file, so the locks are free. If they were not, the segment could not be published safely.
            if lock_shared(&file)? {
                return Ok(Unpublished {
                    file,
                    id,
                    forks,
                    hidden: None,
                });
            }
            Err(SysError::new("fcntl(F_OFD_SETLK)", Errno::EAGAIN))
        }
        Ok(_) => open_hidden(name),
        Err(error) if is_unsupported(error.errno) => open_hidden(name),
        Err(error) => Err(error),
    }
}

fn unnamed() -> SysResult<(File, FileId)> {
    #[cfg(test)]
    if let Some(errno) = without_unnamed::errno() {
        return Err(SysError::new("open(O_TMPFILE)", errno));
    }
    let file = shm::open_unnamed()?;
    let id = restore_owner_permissions(&file)?;
    Ok((file, id))
}

/// Undoes what the umask does to the owner's permissions, without which the file cannot be opened again.
fn restore_owner_permissions(file: &File) -> SysResult<FileId> {
    const MODE: u32 = 0o600;
    let id = file::stat(file)?;
    if id.mode & MODE == MODE {
        return Ok(id);
    }
    file::set_mode(file, MODE)?;
    Ok(FileId {
        mode: id.mode & libc::S_IFMT | MODE,
        ..id
    })
}

/// Errors of file systems and kernels without `O_TMPFILE`, and of security modules, which check the path of the unnamed file:
/// their rules permit the names of segments. An old kernel takes it for opening a directory for writing.
fn is_unsupported(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EOPNOTSUPP
            | Errno::EISDIR
            | Errno::EINVAL
            | Errno::ENOSYS
            | Errno::EACCES
            | Errno::EPERM
    )
}

/// Makes a new, empty file for a segment, under a hidden name, by which it can be opened again without /proc.
pub(super) fn open_hidden(of: &SegmentName) -> SysResult<Unpublished> {
    let forks = ForkCount::now();
    // Clean up first: what killed creators have left may be what fills the file system. Failures do not matter.
    if let Ok(entries) = shm::entries() {
        for entry in entries.flatten() {
            let _ = remove_orphaned(&entry.name);
        }
    }
    for _ in 0..TRIES {
        let name = of.hidden(random());
        let file = match shm::open_new(&name) {
            Err(error) if error.errno == Errno::EEXIST => continue,
            other => other?,
        };
        let hidden = Hidden::new(name);
        // Cleaners need the owner's permissions, too.
        let id = restore_owner_permissions(&file)?;
        if lock_shared(&file)? && file::stat(&file)?.links > 0 {
            return Ok(Unpublished {
                file,
                id,
                forks,
                hidden: Some(hidden),
            });
        }
    }
    Err(SysError::new("open(O_EXCL)", Errno::EAGAIN))
}

fn lock_shared(file: &File) -> SysResult<bool> {
    lock::try_lock(file, OWNER_AND_ATTACH, LockKind::Shared)
}

/// So that creators in different pid namespaces choose different names.
fn random() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    RandomState::new().hash_one((fork::pid(), number))
}

/// Removes a hidden name whose creator is gone. `false` if the name is not one, or belongs to another user.
pub(super) fn remove_orphaned(name: &str) -> SysResult<bool> {
    let Some((file, id)) = find_orphaned(name)? else {
        return Ok(false);
    };
    if !lock::try_lock(&file, ATTACH, LockKind::Exclusive)? {
        return Ok(false);
    }
    let removed = remove_locked(name, &file, &id);
    if !matches!(removed, Ok(true)) {
        // The name stays, and so would this lock if a child of `fork` has the description too.
        lock::unlock(&file, ATTACH)?;
    }
    removed
}

/// Opens the file of a hidden name whose creator is gone. `None` if the name is not one, or belongs to another user.
pub(super) fn find_orphaned(name: &str) -> SysResult<Option<(File, FileId)>> {
    if !is_hidden(name) {
        return Ok(None);
    }
    let mine = |id: &FileId| id.is_regular() && id.owner == effective_user();
    // The file is examined before it is opened: opening has side effects unless it is a regular file.
    if !mine(&shm::stat_name(name)?) {
        return Ok(None);
    }
    let file = shm::open(name, true)?;
    let id = file::stat(&file)?;
    if !mine(&id) || lock::holder(&file, ATTACH)?.is_some() || !is_ours(&file)? {
        return Ok(None);
    }
    Ok(Some((file, id)))
}

/// Any program can give a file such a name. A creator's file is empty, is all zeros, or has the header.
fn is_ours(file: &File) -> SysResult<bool> {
    let mut start = [0; MAGIC.len()];
    let count = file::read_at(file, &mut start, 0)?;
    Ok(count == 0 || start == [0; MAGIC.len()] || start == MAGIC)
}

fn remove_locked(name: &str, file: &File, id: &FileId) -> SysResult<bool> {
    if !is_ours(file)? || !shm::stat_name(name)?.same_file(id) {
        return Ok(false);
    }
    shm::unlink(name).map(|()| true)
}

/// Lets a test simulate a system without unnamed files.
#[cfg(test)]
pub(crate) mod without_unnamed {
    use std::cell::Cell;

    use super::Errno;

    thread_local! {
        static ERRNO: Cell<Option<Errno>> = const { Cell::new(None) };
    }

    pub(super) fn errno() -> Option<Errno> {
        ERRNO.get()
    }

    /// Runs `test` as on such a system, for this thread only.
    pub(crate) fn run<T>(test: impl FnOnce() -> T) -> T {
        run_with(Errno::EOPNOTSUPP, test)
    }

    /// [`run`] with the error that the system gives.
    pub(crate) fn run_with<T>(errno: Errno, test: impl FnOnce() -> T) -> T {
        ERRNO.set(Some(errno));
        let result = test();
        ERRNO.set(None);
        result
    }
}
