//! Commands by which a process restricts itself: limits, system calls, namespaces.

use std::fs::{self, File};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{getegid, geteuid};

use filter::{EQUAL, LOAD, RETURN, step};

use super::{Answer, Failure, other};
use crate::names::SHM_DIRECTORY;

/// `user-namespace NUMBER|none`: from now on this user has that number in a new user namespace and every other user has
/// none; with `none`, this one has none either. Root keeps its power only over its own files.
pub(super) fn user_namespace(number: &str) -> Answer {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(other)?;
    // After `setuid`, root owns its files in /proc, and the next writes would fail.
    nix::sys::prctl::set_dumpable(true).map_err(other)?;
    if number != "none" {
        fs::write("/proc/self/setgroups", "deny").map_err(other)?;
        fs::write("/proc/self/uid_map", format!("{number} {user} 1")).map_err(other)?;
        fs::write("/proc/self/gid_map", format!("{number} {group} 1")).map_err(other)?;
    }
    Ok(geteuid().to_string())
}

/// Gives this process and its children their own mounts. An ordinary user needs a user namespace for that, where the system
/// allows one.
fn own_mounts() -> Result<(), Failure> {
    let (user, group) = (geteuid(), getegid());
    if user.is_root() {
        unshare(CloneFlags::CLONE_NEWNS).map_err(other)?;
    } else {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(other)?;
        fs::write("/proc/self/setgroups", "deny").map_err(other)?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1")).map_err(other)?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1")).map_err(other)?;
    }
    let none: Option<&str> = None;
    // Mounts made here must not show outside.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(other)
}

fn mount_tmpfs(at: &str, options: &str) -> Result<(), Failure> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("shm"), at, Some("tmpfs"), flags, Some(options)).map_err(other)
}

/// `own-shm OPTIONS`: mounts a private /dev/shm with these options.
pub(super) fn own_shm(options: &str) -> Answer {
    own_mounts()?;
    mount_tmpfs(SHM_DIRECTORY, &format!("mode=1777,{options}"))?;
    Ok(String::new())
}

/// `read-only-shm`: from now on this process's /dev/shm, which `own-shm` has mounted, is read-only.
pub(super) fn read_only_shm() -> Answer {
    let none: Option<&str> = None;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    let kept = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(none, SHM_DIRECTORY, none, flags | kept, none).map_err(other)?;
    Ok(String::new())
}

/// Enters the mounts of the process with this id, and as an ordinary user its user namespace first.
pub(super) fn enter(pid: &str) -> Result<(), Failure> {
    let namespace = |kind: &str| File::open(format!("/proc/{pid}/ns/{kind}")).map_err(other);
    let mounts = namespace("mnt")?;
    if !geteuid().is_root() {
        setns(namespace("user")?, CloneFlags::CLONE_NEWUSER).map_err(other)?;
    }
    setns(mounts, CloneFlags::CLONE_NEWNS).map_err(other)
}

/// `no-proc`: mounts an empty file system over /proc.
pub(super) fn no_proc() -> Answer {
    own_mounts()?;
    mount_tmpfs("/proc", "mode=755")?;
    Ok(String::new())
}

/// `no-unnamed-files`: from now on `O_TMPFILE` is refused, as by a file system that does not support it. Works for every
/// user and everywhere.
pub(super) fn no_unnamed_files() -> Answer {
    refuse(
        libc::SYS_openat,
        2,
        libc::BPF_JSET,
        UNNAMED,
        libc::EOPNOTSUPP,
    )
}

/// The bit that distinguishes `O_TMPFILE` from `O_DIRECTORY`.
const UNNAMED: u32 = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u32;

const WIPE: u32 = libc::MADV_WIPEONFORK as u32;

/// `forbid WHAT`: from now on a kind of call is refused, as by a security module or a filter of system calls.
pub(super) fn forbid(what: &str) -> Answer {
    let (any, has) = (libc::BPF_JGE, libc::BPF_JSET);
    match what {
        "unnamed-files" => refuse(libc::SYS_openat, 2, has, UNNAMED, libc::EACCES),
        "new-files" => {
            forbid("unnamed-files")?;
            refuse(libc::SYS_openat, 2, has, libc::O_CREAT as u32, libc::EACCES)
        }
        "inotify" => refuse(libc::SYS_inotify_init1, 0, any, 0, libc::EPERM),
        "membarrier" => refuse(libc::SYS_membarrier, 0, any, 0, libc::ENOSYS),
        "linkat" => refuse(libc::SYS_linkat, 4, any, 0, libc::EPERM),
        "ofd-locks" => {
            let (set, get) = (libc::F_OFD_SETLK as u32, libc::F_OFD_GETLK as u32);
            refuse(libc::SYS_fcntl, 1, libc::BPF_JEQ, set, libc::EINVAL)?;
            refuse(libc::SYS_fcntl, 1, libc::BPF_JEQ, get, libc::EINVAL)
        }
        // As by an emulator that does not know the call and says that it was done.
        "ofd-queries-silently" => {
            let get = libc::F_OFD_GETLK as u32;
            refuse(libc::SYS_fcntl, 1, libc::BPF_JEQ, get, 0)
        }
        "queries-silently" => {
            forbid("ofd-queries-silently")?;
            let get = libc::F_GETLK as u32;
            refuse(libc::SYS_fcntl, 1, libc::BPF_JEQ, get, 0)
        }
        // As by a kernel before 4.14.
        "wiping" => refuse(libc::SYS_madvise, 2, libc::BPF_JEQ, WIPE, libc::EINVAL),
        // As by qemu-user, which says that it was done.
        "wiping-silently" => refuse(libc::SYS_madvise, 2, libc::BPF_JEQ, WIPE, 0),
        "memfd_create" => refuse(libc::SYS_memfd_create, 1, any, 0, libc::EPERM),
        unknown => Err(other(format!("`{unknown}` cannot be forbidden"))),
    }
}

/// `interrupt-reserving BYTES`: from now on a call that reserves more than this fails with `EINTR`, as if a signal always
/// came meanwhile. Kernels differ in whether a signal can do that.
pub(super) fn interrupt_reserving(bytes: u32) -> Answer {
    refuse(libc::SYS_fallocate, 3, libc::BPF_JGT, bytes, libc::EINTR)
}

/// Instructions of a system call filter.
pub(super) mod filter {
    use libc::sock_filter;

    /// Loads a word of the call's data: its number is at byte 0.
    pub(crate) const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    /// Decides about the call.
    pub(crate) const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    /// Skips `jt` steps if the word is equal, else `jf`.
    pub(crate) const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;

    /// One instruction.
    pub(crate) fn step(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
        sock_filter { code, jt, jf, k }
    }
}

/// Installs a system call filter for the rest of this process.
pub(super) fn confine(steps: &mut [libc::sock_filter]) -> Result<(), Failure> {
    let program = libc::sock_fprog {
        len: u16::try_from(steps.len()).map_err(other)?,
        filter: steps.as_mut_ptr(),
    };
    nix::sys::prctl::set_no_new_privs().map_err(other)?;
    // SAFETY: the program and its instructions live until the call returns.
    let refused = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    if refused == 0 {
        Ok(())
    } else {
        Err(other(std::io::Error::last_os_error()))
    }
}

/// Makes a system call fail with `errno` if the lower half of an argument passes a test.
fn refuse(call: i64, argument: u32, test: u32, operand: u32, errno: i32) -> Answer {
    let test = (libc::BPF_JMP | test | libc::BPF_K) as u16;
    // The arguments begin at 16 and have 8 bytes each.
    let lower_half = if cfg!(target_endian = "little") { 0 } else { 4 };
    let argument = 16 + 8 * argument + lower_half;
    confine(&mut [
        step(LOAD, 0, 0, 0),
        step(EQUAL, 0, 3, call as u32),
        step(LOAD, 0, 0, argument),
        step(test, 0, 1, operand),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ])?;
    Ok(String::new())
}

/// `limit files|space|size|locked COUNT`: limits descriptors, bytes of address space, file length, or locked memory.
pub(super) fn limit(what: &str, count: u64) -> Answer {
    let resource = match what {
        "files" => Resource::RLIMIT_NOFILE,
        "space" => Resource::RLIMIT_AS,
        "size" => Resource::RLIMIT_FSIZE,
        "locked" => Resource::RLIMIT_MEMLOCK,
        unknown => return Err(other(format!("there is no limit of `{unknown}`"))),
    };
    let (_, hard) = getrlimit(resource).map_err(other)?;
    setrlimit(resource, count.min(hard), hard).map_err(other)?;
    Ok(String::new())
}

/// `usage`: numbers of descriptors, mappings, and resident pages.
pub(super) fn usage() -> Answer {
    let files = fs::read_dir("/proc/self/fd").map_err(other)?.count();
    let maps = fs::read_to_string("/proc/self/maps").map_err(other)?;
    let memory = fs::read_to_string("/proc/self/statm").map_err(other)?;
    let resident = memory.split_whitespace().nth(1).unwrap_or("?");
    Ok(format!("{files} {} {resident}", maps.lines().count()))
}
