//! The shared-memory namespace: names, and files that have none yet.

use std::ffi::CString;
use std::fs::{File, ReadDir};
use std::os::fd::AsFd;

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::stat::Mode;

use super::file::{self, FileId};
use super::{Errno, SysError, SysResult, retry, retry_io};

/// Where the C library keeps the names; `O_TMPFILE` and `linkat` need the directory itself.
pub(crate) const DIRECTORY: &str = "/dev/shm";

/// Opens an existing name, close-on-exec, not following a symbolic link and not waiting on a FIFO.
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
    .and_then(|descriptor| file::clear_of_streams(File::from(descriptor)))
}

/// Makes a file that has no name yet, and that only its owner may open when it gets one.
#[doc(alias = "O_TMPFILE")]
pub(crate) fn open_unnamed() -> SysResult<File> {
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    retry("open(O_TMPFILE)", || {
        nix::fcntl::open(DIRECTORY, flags, mode)
    })
    .and_then(|descriptor| file::clear_of_streams(File::from(descriptor)))
}

/// Makes a file under a name that was free, and that only its owner may open.
#[doc(alias = "O_EXCL")]
pub(crate) fn open_new(name: &str) -> SysResult<File> {
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let path = path(name);
    retry("open(O_EXCL)", || {
        nix::fcntl::open(path.as_str(), flags, mode)
    })
    .and_then(|descriptor| file::clear_of_streams(File::from(descriptor)))
}

/// Gives the file that has the name `from` the name `to` instead, or fails with `EEXIST`.
#[doc(alias = "RENAME_NOREPLACE")]
pub(crate) fn rename_new(from: &str, to: &str) -> SysResult<()> {
    let call = "renameat2";
    let c_path = |name| CString::new(path(name)).map_err(|_| SysError::new(call, Errno::EINVAL));
    let (from, to) = (c_path(from)?, c_path(to)?);
    retry(call, || {
        // SAFETY: both paths are strings that end in NUL and live until the call returns. Not every C library has a
        // function for this call.
        Errno::result(unsafe {
            libc::syscall(
                libc::SYS_renameat2,
                libc::AT_FDCWD,
                from.as_ptr(),
                libc::AT_FDCWD,
                to.as_ptr(),
                libc::RENAME_NOREPLACE,
            )
        })
    })
    .map(drop)
}

/// Whether [`link`] has a way to give this unnamed file a name.
pub(crate) fn can_link(file: &File) -> bool {
    // This name always exists, so a process that has the privilege is told so instead of being given a file.
    file::can_reopen(file)
        || matches!(link_by_descriptor(file, "/."), Err(error) if error.errno == Errno::EEXIST)
}

/// Gives an unnamed file its name, or fails with `EEXIST`.
#[doc(alias = "linkat")]
pub(crate) fn link(file: &File, name: &str) -> SysResult<()> {
    match link_through_proc(file, name) {
        // Without /proc there is a second way. It needs a privilege on older kernels, so it comes second.
        Err(first) if matches!(first.errno, Errno::ENOENT | Errno::ENOTDIR) => {
            link_by_descriptor(file, name).map_err(|second| match second.errno {
                // Says only that the privilege is missing.
                Errno::ENOENT => first,
                _ => second,
            })
        }
        other => other,
    }
}

fn link_through_proc(file: &File, name: &str) -> SysResult<()> {
    let from = file::proc_path(file);
    let (from, to) = (from.as_str(), path(name));
    retry("linkat", || {
        let to = to.as_str();
        nix::unistd::linkat(AT_FDCWD, from, AT_FDCWD, to, AtFlags::AT_SYMLINK_FOLLOW)
    })
}

#[doc(alias = "AT_EMPTY_PATH")]
fn link_by_descriptor(file: &File, name: &str) -> SysResult<()> {
    let to = path(name);
    retry("linkat", || {
        let to = to.as_str();
        nix::unistd::linkat(file.as_fd(), "", AT_FDCWD, to, AtFlags::AT_EMPTY_PATH)
    })
}

/// Removes a name. What is open stays open.
#[doc(alias = "shm_unlink")]
pub(crate) fn unlink(name: &str) -> SysResult<()> {
    retry("shm_unlink", || nix::sys::mman::shm_unlink(name))
}

/// What a name leads to now, without opening it or following a symbolic link.
#[doc(alias = "fstatat")]
pub(crate) fn stat_name(name: &str) -> SysResult<FileId> {
    let path = path(name);
    retry("fstatat", || {
        nix::sys::stat::fstatat(AT_FDCWD, path.as_str(), AtFlags::AT_SYMLINK_NOFOLLOW)
    })
    .map(|stat| FileId::from_stat(&stat))
}

/// The names that there are, each with its slash. Those that are not UTF-8 cannot be given by this library and are left
/// out.
#[derive(Debug)]
pub(crate) struct Entries(ReadDir);

/// Starts reading the directory, a piece at a time however long it is.
#[doc(alias = "opendir")]
pub(crate) fn entries() -> SysResult<Entries> {
    retry_io("opendir", || std::fs::read_dir(DIRECTORY)).map(Entries)
}

impl Iterator for Entries {
    type Item = SysResult<String>;

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
                return Some(Ok(format!("/{name}")));
            }
        }
    }
}

fn path(name: &str) -> String {
    // Names start with a slash of their own.
    format!("{DIRECTORY}{name}")
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
    fn the_way_without_proc_gives_a_name_or_says_that_a_privilege_is_missing() {
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
    fn a_file_can_be_given_another_name_only_if_that_is_free() {
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
    fn the_directory_is_read_name_by_name() {
        let name = TestName::new("entries");
        drop(open_new(name.as_str()).unwrap());
        let found = entries()
            .unwrap()
            .filter(|entry| entry.as_deref() == Ok(name.as_str()));
        assert_eq!(found.count(), 1);
    }

    #[test]
    fn whether_a_file_can_be_linked_is_known_before_it_is() {
        let _name = TestName::new("can-link");
        let file = open_unnamed().unwrap();
        assert!(can_link(&file));
        assert_eq!(super::super::file::stat(&file).unwrap().links, 0);
    }

    #[test]
    fn opening_never_creates() {
        let name = TestName::new("absent");
        let error = open(name.as_str(), true).unwrap_err();
        assert_eq!((error.call, error.errno), ("shm_open", Errno::ENOENT));
    }

    #[test]
    fn a_thread_with_descriptors_of_its_own_names_and_reopens_its_own_files() {
        use super::super::file::{reopen, stat};
        use std::mem::ManuallyDrop;
        use std::os::fd::{AsRawFd, FromRawFd};

        let name = TestName::new("own-table");
        let theirs = open_unnamed().unwrap();
        let number = theirs.as_raw_fd();
        let thread = std::thread::spawn({
            let name = name.as_str().to_owned();
            move || {
                // SAFETY: from here on this thread alone sees which descriptors it opens and closes.
                assert_eq!(unsafe { libc::unshare(libc::CLONE_FILES) }, 0);
                let mine = open_unnamed().unwrap();
                // SAFETY: in this thread's table nobody owns the number.
                assert_eq!(unsafe { libc::dup2(mine.as_raw_fd(), number) }, number);
                // SAFETY: open in this thread's table, with which it is closed.
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
