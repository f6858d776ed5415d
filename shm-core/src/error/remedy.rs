//! Remedies for errors with a usual cause.

use std::io;

use super::{ANONYMOUS, Mismatch};
use crate::sys::Errno;

/// What decides the remedy for a segment of another layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    Anonymous,
    /// An owner is alive.
    Owned,
    Persistent,
    /// The segment has lost its owner.
    Ownerless,
}

/// The remedy for a segment of another layout: first what makes the two agree, then how to replace the segment.
macro_rules! agree_or_replace {
    ($remedy:ident, $agree:literal) => {
        match $remedy {
            Remedy::Anonymous => $agree,
            Remedy::Owned => concat!(
                $agree,
                "; its owner is alive, or was killed a moment ago: to replace an outdated segment, stop its owner and set \
                 `wait(..)` in the options of the call that creates"
            ),
            Remedy::Persistent => concat!(
                $agree,
                "; if the segment is outdated, remove it with `unlink` and create it again"
            ),
            Remedy::Ownerless => concat!(
                $agree,
                "; if the segment is outdated, create it with `supersede(true)` in the options, which takes the name over, since \
                 no owner is alive"
            ),
        }
    };
}

/// The remedy for a segment of another layout.
pub(super) fn of_another_layout(mismatch: Mismatch, remedy: Remedy) -> &'static str {
    match mismatch {
        Mismatch::Length => "pass the same length, or `attach`, which accepts any",
        Mismatch::Type => {
            agree_or_replace!(remedy, "build both programs from the same definition")
        }
        Mismatch::Level { .. } => agree_or_replace!(
            remedy,
            "two versions of the struct have appended different fields: append the same ones in the same order to both"
        ),
        Mismatch::Room { .. } => agree_or_replace!(
            remedy,
            "append less, or create the segment from this program's struct, perhaps with more `#[shm(room = ..)]` for later"
        ),
    }
}

/// The remedy for a failed system call, appended to the system's answer.
pub(super) fn hint(name: &str, call: &str, source: &io::Error) -> &'static str {
    let errno = source.raw_os_error().map(Errno::from_raw);
    match (call, errno) {
        ("mlock", _) => "; raise the limit on locked memory (`ulimit -l`)",
        // A shortage comes first: it says nothing about the call that met it.
        (_, Some(Errno::EMFILE | Errno::ENFILE)) => "; raise the limit on open files (`ulimit -n`)",
        (_, Some(Errno::EFBIG)) => "; the segment is larger than a file may be (`ulimit -f`)",
        ("open(O_TMPFILE)" | "open(O_EXCL)", Some(Errno::ENOSPC)) => {
            "; /dev/shm has no room for another file (`df -i /dev/shm`): remove unused files, or raise the limit (`mount -o \
             remount,nr_inodes=...`)"
        }
        ("shm_unlink", Some(Errno::EACCES | Errno::EPERM)) => {
            "; only root and the user that created the segment can remove its name: remove it, or drop its owner, before `setuid`"
        }
        ("fchmod", Some(Errno::EINVAL)) => {
            "; the `mode` of a segment has permission bits only, up to 0o777"
        }
        ("shm_unlink", Some(Errno::ENOENT)) => {
            "; the name cannot be reached from here: drop the segment's owner before `chroot` or changing the mount namespace"
        }
        ("shm_open", Some(Errno::EROFS)) => "; /dev/shm is read-only here: use `attach_read_only`",
        ("shm_open(O_RDWR)", Some(Errno::EROFS)) => {
            "; /dev/shm is read-only here, and segments are created and replaced in a writable one: mount it for writing"
        }
        ("shm_open(adopt)", Some(Errno::EACCES | Errno::EPERM)) => {
            "; this user may not open the segment's file again: call `adopt` before `setuid`, or create the segment with `mode(0o666)`"
        }
        ("open(/proc/thread-self/fd)", Some(Errno::EACCES | Errno::EPERM)) => {
            "; this user may not open the segment's file again: attach, and in a child of `fork` call `take_part`, before `setuid`, \
             or create the segment with `mode(0o666)`"
        }
        ("open(/proc/thread-self/fd)", Some(Errno::ENOENT | Errno::ENOTDIR)) => {
            "; mount /proc, through which the segment's file is opened again"
        }
        ("read(/proc/self/smaps)", Some(Errno::ENOENT | Errno::ENOTDIR)) => "; mount /proc",
        ("fcntl(F_OFD_SETLK)" | "fcntl(F_OFD_GETLK)", Some(Errno::EINVAL)) => {
            "; the system has no open file description locks, which need Linux 3.15 or later"
        }
        ("linkat", Some(Errno::EACCES | Errno::EPERM | Errno::ENOSYS)) => {
            "; a sandbox forbids this process to call `linkat`: permit it (seccomp, `SystemCallFilter` of systemd, AppArmor)"
        }
        ("memfd_create", Some(Errno::EACCES | Errno::EPERM | Errno::ENOSYS)) => {
            "; a sandbox forbids this process to call `memfd_create`, or the kernel is older than Linux 3.17: permit the call \
             (seccomp, `SystemCallFilter` of systemd), or create a segment with a name"
        }
        ("renameat2", Some(Errno::EINVAL | Errno::ENOSYS)) => "; /dev/shm must be a tmpfs",
        (_, Some(Errno::ENOMEM)) => {
            "; there is not enough memory, address space (`ulimit -v`) or room for mappings (`sysctl vm.max_map_count`)"
        }
        ("open(O_TMPFILE)" | "open(O_EXCL)", Some(Errno::EACCES | Errno::EPERM)) => {
            "; this process may not create a file in /dev/shm whose name begins with the segment's: check the permissions of the \
             directory, and the rules of the sandbox (AppArmor, SELinux, snap)"
        }
        ("open(O_TMPFILE)" | "open(O_EXCL)", _) => "; /dev/shm must be a writable tmpfs",
        ("fchown", _) => "; an ordinary user can only choose one of the groups of the process",
        ("mmap", Some(Errno::EACCES | Errno::EPERM)) if name == ANONYMOUS => {
            "; the descriptor does not allow writing: attach with `options().from_fd_read_only`, or pass one that is open for \
             writing"
        }
        (_, Some(Errno::EBADF)) if name == ANONYMOUS => {
            "; the descriptor does not allow reading: pass one that is open for reading and writing"
        }
        (_, Some(Errno::EACCES | Errno::EPERM)) => {
            "; run as its owner, or create it with a wider `mode` or another `group`"
        }
        _ => "",
    }
}
