//! What a process can do to itself: fork, become another user, list its descriptors.

use std::ffi::CStr;
use std::fs::{read_dir, read_link, read_to_string};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::thread;

use nix::fcntl::OFlag;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawnp};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{
    ForkResult, Gid, Pid, Uid, alarm, fork, getpid, pause, setgroups, setresgid, setresuid,
};

use super::{Answer, Failure, Program, Words, other};
use crate::lock_bytes;

/// Runs `work` in a fork child, whose exit code is the result.
pub(super) fn start_child(work: impl FnOnce() -> i32) -> Result<Pid, Failure> {
    // SAFETY: this process has one thread, so the child's memory is consistent.
    match unsafe { fork() }.map_err(other)? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(101);
            // SAFETY: ends the child at once, without dropping what belongs to the parent.
            unsafe { libc::_exit(code) }
        }
    }
}

/// Waits for a child that must succeed.
pub(super) fn reap(child: Pid) -> Result<(), Failure> {
    match waitpid(child, None).map_err(other)? {
        WaitStatus::Exited(_, 0) => Ok(()),
        status => Err(other(format!("the child ended with {status:?}"))),
    }
}

pub(super) fn in_child(work: impl FnOnce() -> i32) -> Answer {
    reap(start_child(work)?)?;
    Ok(String::new())
}

/// Forks in the middle of `work`, where `work` calls its argument. The child continues too, and succeeds if the result is
/// `right`; meanwhile the parent waits for it in the middle of its own call.
pub(super) fn fork_inside<R>(
    work: impl FnOnce(&mut dyn FnMut()) -> R,
    right: impl FnOnce(&R) -> bool,
) -> Result<R, Failure> {
    let (mut is_child, mut failed) = (false, None);
    // SAFETY: as in `start_child`.
    let result = work(&mut || match unsafe { fork() } {
        Ok(ForkResult::Child) => is_child = true,
        Ok(ForkResult::Parent { child }) => failed = reap(child).err(),
        Err(error) => failed = Some(other(error)),
    });
    if is_child {
        // SAFETY: as in `start_child`.
        unsafe { libc::_exit(i32::from(!right(&result))) }
    }
    failed.map_or(Ok(result), Err)
}

/// The child takes over this program's commands from its parent, which does nothing more until it is killed.
pub(super) fn fork_continue() -> Answer {
    // SAFETY: as in `start_child`.
    match unsafe { fork() }.map_err(other)? {
        ForkResult::Child => Ok(getpid().to_string()),
        ForkResult::Parent { .. } => {
            // Also if the test itself is killed.
            let _ = set_pdeathsig(Signal::SIGKILL);
            loop {
                pause();
            }
        }
    }
}

/// A child that inherits everything from its parent, and does nothing until a test kills it or an alarm does.
pub(super) fn fork_idle() -> Answer {
    let child = start_child(|| {
        alarm::set(120);
        // Otherwise a reader of the parent's output would wait for the child to exit.
        for standard in 0..3 {
            // SAFETY: nothing in this child uses it any more.
            unsafe { libc::close(standard) };
        }
        loop {
            pause();
        }
    })?;
    Ok(child.to_string())
}

/// `spawn-hanging FIFO`: starts a program by `posix_spawn`, whose child hangs before `exec` until a process opens the FIFO for
/// writing, and answers with its id once it does.
pub(super) fn spawn_hanging(fifo: &str) -> Answer {
    let fifo = Path::new(fifo).to_owned();
    // The call returns once the program runs, so it needs another thread.
    let spawning = thread::spawn(move || {
        let mut actions = PosixSpawnFileActions::init()?;
        actions.add_open(0, &fifo, OFlag::O_RDONLY, Mode::empty())?;
        let attributes = PosixSpawnAttr::init()?;
        posix_spawnp(c"true", &actions, &attributes, &[c"true"], &[] as &[&CStr])
    });
    loop {
        for child in children()? {
            let state = |file: &str| read_to_string(format!("/proc/{child}/{file}"));
            let (call, stat) = (state("syscall"), state("stat"));
            let opens = call.is_ok_and(|call| call.starts_with(&format!("{} ", libc::SYS_openat)));
            if opens && stat.is_ok_and(|stat| stat.contains(") S ")) {
                return Ok(child);
            }
        }
        if spawning.is_finished() {
            return Err(other("the child does not hang"));
        }
        thread::yield_now();
    }
}

/// The ids of the children of all threads.
fn children() -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    for task in read_dir("/proc/self/task").map_err(other)? {
        let path = task.map_err(other)?.path().join("children");
        let of_task = read_to_string(path).unwrap_or_default();
        all.extend(of_task.split_whitespace().map(str::to_owned));
    }
    Ok(all)
}

/// Targets of this process's descriptors that are shared memory.
pub(super) fn shared_fds() -> String {
    let Ok(entries) = read_dir("/proc/self/fd") else {
        return "unreadable".to_owned();
    };
    let mut targets: Vec<String> = entries
        .filter_map(|entry| Some(read_link(entry.ok()?.path()).ok()?.display().to_string()))
        .filter(|target| target.starts_with("/dev/shm/") || target.contains("memfd:"))
        .collect();
    targets.sort();
    targets.join(",")
}

/// The same list, from a program that this one starts.
pub(super) fn exec_fds() -> Answer {
    let output = Command::new("/proc/self/exe")
        .arg("fds")
        .output()
        .map_err(other)?;
    if !output.status.success() {
        return Err(other(format!("the program ended with {:?}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Program {
    /// `pin NAME BYTE shared|exclusive`: locks a byte until this process exits, as a hostile peer might.
    pub(super) fn pin(&mut self, words: &mut Words<'_>) -> Answer {
        let (name, byte) = (words.next()?, words.number()?);
        let exclusive = match words.next()? {
            "shared" => false,
            "exclusive" => true,
            kind => return Err(other(format!("no lock is `{kind}`"))),
        };
        let file = lock_bytes::pin(name, byte, exclusive).map_err(other)?;
        self.pins.push(file);
        Ok(String::new())
    }
}

pub(super) fn umask(mask: &str) -> Answer {
    let mask = u32::from_str_radix(mask, 8).map_err(other)?;
    nix::sys::stat::umask(Mode::from_bits_truncate(mask));
    Ok(String::new())
}

/// Becomes another user permanently.
pub(super) fn set_user(id: u32) -> Answer {
    let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
    setgroups(&[]).map_err(other)?;
    setresgid(group, group, group).map_err(other)?;
    setresuid(user, user, user).map_err(other)?;
    Ok(String::new())
}
