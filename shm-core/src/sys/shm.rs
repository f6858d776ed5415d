//! The shared-memory namespace: opening, linking, renaming, removing and listing names.

use std::ffi::CStr;
use std::fs::{File, ReadDir};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::stat::Mode;

use super::file::{self, FileId};
use super::{Errno, SysError, SysResult, retry, retry_io};

/// The directory in which the C library's `shm_open` keeps the names. `O_TMPFILE` and `linkat` need its path.
pub(crate) const DIRECTORY: &str = "/dev/shm";

/// Opens an existing name, close-on-exec, without following a symbolic link or blocking on a FIFO.
#[doc(alias = "shm_open")]
pub(crate) fn open(name: &str, writable: bool) -> SysResult<File> {
    let access = if writable {
        OFlag::O_RDWR
    } else {
        OFlag::O_RDONLY
    };
    let flags = access | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    retry("shm_open", || {
        nix::sys::mman::shm_open(name, flags, Mode::empty())
    })
    .and_then(|descriptor| file::above_stdio(File::from(descriptor)))
}

/// Creates a file without a name, with mode 0600.
#[doc(alias = "O_TMPFILE")]
pub(crate) fn open_unnamed() -> SysResult<File> {
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    retry("open(O_TMPFILE)", || {
        nix::fcntl::open(DIRECTORY, flags, mode)
    })
    .and_then(|descriptor| file::above_stdio(File::from(descriptor)))
}

/// Creates a file with mode 0600 under a name, or fails with `EEXIST`.
#[doc(alias = "O_EXCL")]
pub(crate) fn open_new(name: &str) -> SysResult<File> {
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let path = Path::of(name, "open(O_EXCL)")?;
    retry("open(O_EXCL)", || {
        nix::fcntl::open(path.as_c_str(), flags, mode)
    })
    .and_then(|descriptor| file::above_stdio(File::from(descriptor)))
}

/// Renames `from` to `to`, or fails with `EEXIST`.
#[doc(alias = "RENAME_NOREPLACE")]
pub(crate) fn rename_new(from: &str, to: &str) -> SysResult<()> {
    let call = "renameat2";
    let (from, to) = (Path::of(from, call)?, Path::of(to, call)?);
    retry(call, || {
        // SAFETY: both paths end in NUL and outlive the call. Not every C library has a function for this system call.
        Errno::result(unsafe {
            libc::syscall(
                libc::SYS_renameat2,
                libc::AT_FDCWD,
                from.as_c_str().as_ptr(),
                libc::AT_FDCWD,
                to.as_c_str().as_ptr(),
                libc::RENAME_NOREPLACE,
            )
        })
    })
    .map(drop)
}

/// Whether this process can [`link`] this unnamed file.
pub(crate) fn can_link(file: &File) -> bool {
    links_by_descriptor(file) || file::can_reopen(file) || may_link_by_descriptor(file)
}

/// Whether `AT_EMPTY_PATH` works for every process that has opened the file itself, which since Linux 6.10 depends on nothing
/// that this process could lose. It is found out once.
fn links_by_descriptor(file: &File) -> bool {
    const UNKNOWN: u8 = 0;
    const NO: u8 = 1;
    const YES: u8 = 2;
    static KNOWN: AtomicU8 = AtomicU8::new(UNKNOWN);
    match KNOWN.load(Ordering::Relaxed) {
        UNKNOWN => {
            let links = is_linux_at_least(6, 10) && may_link_by_descriptor(file);
            KNOWN.store(if links { YES } else { NO }, Ordering::Relaxed);
            links
        }
        known => known == YES,
    }
}

#[doc(alias = "uname")]
fn is_linux_at_least(major: u32, minor: u32) -> bool {
    let Ok(system) = nix::sys::utsname::uname() else {
        return false;
    };
    let mut numbers = system.release().to_str().unwrap_or("").split(['.', '-']);
    let mut next = || numbers.next()?.parse::<u32>().ok();
    next().zip(next()) >= Some((major, minor))
}

/// Whether `AT_EMPTY_PATH` works for this process, perhaps only because it has a privilege.
fn may_link_by_descriptor(file: &File) -> bool {
    // The name "." always exists, so where the call works it fails with `EEXIST` and creates nothing.
    matches!(link_by_descriptor(file, "/."), Err(error) if error.errno == Errno::EEXIST)
}

/// Gives an unnamed file a name, or fails with `EEXIST`.
#[doc(alias = "linkat")]
pub(crate) fn link(file: &File, name: &str) -> SysResult<()> {
    /// Whether `AT_EMPTY_PATH`, which is faster, has failed where /proc works: kernels before 6.10 require a privilege for it.
    static REFUSED: AtomicBool = AtomicBool::new(false);

    let refused = REFUSED.load(Ordering::Relaxed);
    if !refused {
        match link_by_descriptor(file, name) {
            Err(error) if error.errno == Errno::ENOENT => {}
            other => return other,
        }
    }
    match link_through_proc(file, name) {
        Ok(()) => {
            REFUSED.store(true, Ordering::Relaxed);
            Ok(())
        }
        // This process may have the privilege now.
        Err(first) if refused && matches!(first.errno, Errno::ENOENT | Errno::ENOTDIR) => {
            link_by_descriptor(file, name).map_err(|second| match second.errno {
                // Only means that the privilege is missing.
                Errno::ENOENT => first,
                _ => second,
            })
        }
        other => other,
    }
}

fn link_through_proc(file: &File, name: &str) -> SysResult<()> {
    let from = file::proc_path(file);
    let (from, to) = (from.as_str(), Path::of(name, "linkat")?);
    retry("linkat", || {
        let to = to.as_c_str();
        nix::unistd::linkat(AT_FDCWD, from, AT_FDCWD, to, AtFlags::AT_SYMLINK_FOLLOW)
    })
}

#[doc(alias = "AT_EMPTY_PATH")]
fn link_by_descriptor(file: &File, name: &str) -> SysResult<()> {
    let to = Path::of(name, "linkat")?;
    retry("linkat", || {
        let to = to.as_c_str();
        nix::unistd::linkat(file.as_fd(), c"", AT_FDCWD, to, AtFlags::AT_EMPTY_PATH)
    })
}

/// Removes a name. The file exists until its last descriptor and mapping are closed.
#[doc(alias = "shm_unlink")]
pub(crate) fn unlink(name: &str) -> SysResult<()> {
    retry("shm_unlink", || nix::sys::mman::shm_unlink(name))
}

/// The status of the file that a name refers to, without opening it or following a symbolic link.
#[doc(alias = "fstatat")]
pub(crate) fn stat_name(name: &str) -> SysResult<FileId> {
    let path = Path::of(name, "fstatat")?;
    retry("fstatat", || {
        nix::sys::stat::fstatat(AT_FDCWD, path.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)
    })
    .map(|stat| FileId::from_stat(&stat))
}

/// An existing name.
#[derive(Debug)]
pub(crate) struct Entry {
    /// With its leading slash.
    pub(crate) name: String,
    /// Whether the directory says that it is a regular file. If not, it may be one nevertheless.
    pub(crate) is_regular: bool,
}

/// Iterates over the existing names. Those that are not UTF-8, which this library never creates, are skipped.
#[derive(Debug)]
pub(crate) struct Entries(ReadDir);

/// Opens the directory. It is read in pieces, as the iterator advances.
#[doc(alias = "opendir")]
pub(crate) fn entries() -> SysResult<Entries> {
    retry_io("opendir", || std::fs::read_dir(DIRECTORY)).map(Entries)
}

impl Iterator for Entries {
    type Item = SysResult<Entry>;

    #[doc(alias = "readdir")]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.0.next()? {
                Ok(entry) => entry,
                Err(error) => {
                    let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
                    return Some(Err(SysError::new("readdir", errno)));
                }
            };
            if let Some(name) = entry.file_name().to_str() {
                return Some(Ok(Entry {
                    name: format!("/{name}"),
                    is_regular: entry.file_type().is_ok_and(|kind| kind.is_file()),
                }));
            }
        }
    }
}

/// The path of a name, as C has it. Built without an allocation, since most calls need one.
struct Path {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl Path {
    /// The directory, a slash, the 255 bytes of the longest name, and NUL.
    const CAPACITY: usize = DIRECTORY.len() + 1 + 255 + 1;

    /// Names start with a slash.
    fn of(name: &str, call: &'static str) -> SysResult<Self> {
        let len = DIRECTORY.len() + name.len();
        if len >= Self::CAPACITY {
            return Err(SysError::new(call, Errno::ENAMETOOLONG));
        }
        let mut bytes = [0; Self::CAPACITY];
        bytes[..DIRECTORY.len()].copy_from_slice(DIRECTORY.as_bytes());
        bytes[DIRECTORY.len()..len].copy_from_slice(name.as_bytes());
        if bytes[..len].contains(&0) {
            return Err(SysError::new(call, Errno::EINVAL));
        }
        Ok(Self { bytes, len })
    }

    fn as_c_str(&self) -> &CStr {
        // There is one NUL, at the end.
        CStr::from_bytes_with_nul(&self.bytes[..=self.len]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::test_support::TestName;

    #[test]
    fn a_file_has_no_name_until_it_is_linked() {
        let name = TestName::new("link");
        let file = open_unnamed().unwrap();
        let before = super::super::file::stat(&file).unwrap();
        assert_eq!(before.links, 0);
        assert_eq!(before.mode & 0o777, 0o600);

        link(&file, name.as_str()).unwrap();
        let named = stat_name(name.as_str()).unwrap();
        assert!(named.same_file(&before));
        assert_eq!(named.links, 1);
        assert_eq!(
            link(&open_unnamed().unwrap(), name.as_str())
                .unwrap_err()
                .errno,
            Errno::EEXIST
        );

        unlink(name.as_str()).unwrap();
        assert_eq!(stat_name(name.as_str()).unwrap_err().errno, Errno::ENOENT);
        assert_eq!(super::super::file::stat(&file).unwrap().links, 0);
    }

    #[test]
    fn linking_by_descriptor_works_or_lacks_a_privilege() {
        let name = TestName::new("no-proc");
        let file = open_unnamed().unwrap();
        match link_by_descriptor(&file, name.as_str()) {
            Ok(()) => {
                let named = stat_name(name.as_str()).unwrap();
                assert!(named.same_file(&super::super::file::stat(&file).unwrap()));
                let second = link_by_descriptor(&open_unnamed().unwrap(), name.as_str());
                assert_eq!(second.unwrap_err().errno, Errno::EEXIST);
            }
            Err(error) => {
                assert_ne!(crate::sys::effective_user(), 0, "{error:?}");
                assert_eq!(error.errno, Errno::ENOENT);
                assert!(!name.exists());
            }
        }
    }

    #[test]
    fn rename_new_does_not_replace_an_existing_name() {
        let name = TestName::new("rename");
        let other = format!("{}-other", name.as_str());
        let file = open_new(name.as_str()).unwrap();
        let id = super::super::file::stat(&file).unwrap();
        assert_eq!(id.mode & 0o077, 0);
        assert_eq!(open_new(name.as_str()).unwrap_err().errno, Errno::EEXIST);
        rename_new(name.as_str(), &other).unwrap();
        assert!(!name.exists());
        assert!(stat_name(&other).unwrap().same_file(&id));
        let second = open_new(name.as_str()).unwrap();
        let refused = rename_new(&other, name.as_str()).unwrap_err();
        assert_eq!((refused.call, refused.errno), ("renameat2", Errno::EEXIST));
        drop(second);
        unlink(&other).unwrap();
        let absent = rename_new(&other, name.as_str()).unwrap_err();
        assert_eq!(absent.errno, Errno::ENOENT);
        assert!(rename_new("/a\0b", "/c").is_err());
    }

    #[test]
    fn entries_lists_each_name_once() {
        let name = TestName::new("entries");
        drop(open_new(name.as_str()).unwrap());
        let found = entries()
            .unwrap()
            .map(Result::unwrap)
            .filter(|entry| entry.name == name.as_str());
        assert_eq!(
            found.map(|entry| entry.is_regular).collect::<Vec<_>>(),
            [true]
        );
    }

    #[test]
    fn can_link_does_not_link() {
        let _name = TestName::new("can-link");
        let file = open_unnamed().unwrap();
        assert!(can_link(&file));
        assert_eq!(super::super::file::stat(&file).unwrap().links, 0);
    }

    #[test]
    fn open_never_creates() {
        let name = TestName::new("absent");
        let error = open(name.as_str(), true).unwrap_err();
        assert_eq!((error.call, error.errno), ("shm_open", Errno::ENOENT));
    }

    #[test]
    fn link_and_reopen_use_the_descriptors_of_the_thread() {
        use super::super::file::{reopen, stat};
        use std::mem::ManuallyDrop;
        use std::os::fd::{AsRawFd, FromRawFd};

        let name = TestName::new("own-table");
        let theirs = open_unnamed().unwrap();
        let number = theirs.as_raw_fd();
        let thread = std::thread::spawn({
            let name = name.as_str().to_owned();
            move || {
                // SAFETY: from here on only this thread is affected by which descriptors it opens and closes.
                assert_eq!(unsafe { libc::unshare(libc::CLONE_FILES) }, 0);
                let mine = open_unnamed().unwrap();
                // SAFETY: nothing owns the number in this thread's descriptor table.
                assert_eq!(unsafe { libc::dup2(mine.as_raw_fd(), number) }, number);
                // SAFETY: the descriptor is open in this thread's table, and `ManuallyDrop` leaves it to be closed with
                // the table.
                let same_number = ManuallyDrop::new(unsafe { File::from_raw_fd(number) });
                let id = stat(&mine).unwrap();
                assert!(stat(&reopen(&same_number).unwrap()).unwrap().same_file(&id));
                link(&same_number, &name).unwrap();
                assert!(stat_name(&name).unwrap().same_file(&id));
            }
        });
        thread.join().unwrap();
        assert_eq!(stat(&theirs).unwrap().links, 0);
    }
}
