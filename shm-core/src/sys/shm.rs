//! The shared-memory namespace: names, and files that have none yet.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::stat::Mode;

use super::file::FileId;
use super::{Errno, SysResult, retry};

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
    .map(File::from)
}

/// Makes a file that has no name yet, and that only its owner may open when it gets one.
#[doc(alias = "O_TMPFILE")]
pub(crate) fn open_unnamed() -> SysResult<File> {
    let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    retry("open(O_TMPFILE)", || {
        nix::fcntl::open(DIRECTORY, flags, mode)
    })
    .map(File::from)
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
    let from = format!("/proc/self/fd/{}", file.as_raw_fd());
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

fn path(name: &str) -> String {
    // Names start with a slash of their own.
    format!("{DIRECTORY}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::support::TestName;

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
    fn opening_never_creates() {
        let name = TestName::new("absent");
        let error = open(name.as_str(), true).unwrap_err();
        assert_eq!((error.call, error.errno), ("shm_open", Errno::ENOENT));
    }
}
