//! Process identity that changes on `fork`, and hooks around it.
//!
//! A pid does not identify a process: a child in another pid namespace can have the pid of its parent. Here the
//! identity is a number in a page that is zeroed in every fork child. A process that reads zero takes the next number of a
//! counter, which the child inherited as a copy, so its number differs from those of all its ancestors. There is no lock, so
//! a child that is forked while another thread is in here does not hang.
//!
//! Two mechanisms zero the page, and each of them suffices. The kernel does it (`MADV_WIPEONFORK`), whatever made the child, but
//! not before Linux 4.14, and emulators may accept the advice and ignore it. A hook in the child does it
//! (`pthread_atfork`), unless the child was made by a system call that the C library does not see.
//!
//! The page also keeps the process's pid, and a hook counts the forks.

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::private_memory::{Inheritance, PrivateMemory};
use super::{Errno, SysError, SysResult};

/// What a page starts with that is zeroed in every fork child.
#[derive(Debug)]
#[repr(C)]
struct Page {
    /// The number of this process, or 0.
    generation: AtomicU64,
    /// Its pid, or 0.
    pid: AtomicU32,
}

/// The page of this process. Null until first used.
static PAGE: AtomicPtr<Page> = AtomicPtr::new(std::ptr::null_mut());

/// The last number assigned in this process or one of its ancestors.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The number of forks of this process and its ancestors, as far as the C library makes them.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Whether the hook that counts forks is installed.
static COUNTS_FORKS: AtomicBool = AtomicBool::new(false);

/// The value of `PAGE` if the kernel does not support such pages. It counts forks, which together with the pid is the number.
static NO_PAGE: Page = Page {
    generation: AtomicU64::new(0),
    pid: AtomicU32::new(0),
};

/// Distinguishes a process from its ancestors and descendants by `fork`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(u64);

/// A generation, or none, that changes atomically.
#[derive(Debug)]
pub(crate) struct AtomicGeneration(AtomicU64);

impl AtomicGeneration {
    /// The number of no process: numbers and pids start at 1.
    const NONE: u64 = 0;

    pub(crate) const fn none() -> Self {
        Self(AtomicU64::new(Self::NONE))
    }

    pub(crate) fn this() -> Self {
        Self(AtomicU64::new(generation().0))
    }

    /// Whether this is the generation of the calling process.
    pub(crate) fn is_this(&self) -> bool {
        self.0.load(Ordering::Acquire) == generation().0
    }

    /// Whether this is the generation of no process.
    pub(crate) fn is_none(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::NONE
    }

    pub(crate) fn set_this(&self) {
        self.0.store(generation().0, Ordering::Release);
    }

    /// Sets it to none, and returns whether it was the generation of the calling process.
    pub(crate) fn take_this(&self) -> bool {
        let this = generation().0;
        self.0
            .compare_exchange(this, Self::NONE, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Sets it to a number that no process has, for tests in which the process that made a handle is gone.
    #[cfg(test)]
    pub(crate) fn set_gone(&self) {
        self.0.store(u64::MAX, Ordering::Release);
    }
}

/// How often this process had forked at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForkCount(Option<u64>);

impl ForkCount {
    /// A count that is never current.
    pub(crate) const UNKNOWN: Self = Self(None);

    #[doc(alias = "pthread_atfork")]
    pub(crate) fn now() -> Self {
        page();
        let counted = COUNTS_FORKS.load(Ordering::Acquire);
        Self(counted.then(|| FORKS.load(Ordering::Acquire)))
    }

    /// Whether this process is the one in which the count was taken, and has not forked since.
    ///
    /// Children that `vfork` and `posix_spawn` make do not count: they run another program or end before long. Nor do those
    /// of a system call that the C library does not see.
    pub(crate) fn is_current(self) -> bool {
        self.0.is_some() && self == Self::now()
    }
}

/// The id of the calling process, as it sees itself.
#[doc(alias = "getpid")]
pub(crate) fn pid() -> u32 {
    let page = page();
    if std::ptr::eq(page, &raw const NO_PAGE) {
        return std::process::id();
    }
    match page.pid.load(Ordering::Relaxed) {
        0 => {
            let pid = std::process::id();
            page.pid.store(pid, Ordering::Relaxed);
            pid
        }
        known => known,
    }
}

/// The generation of the calling process.
#[doc(alias = "MADV_WIPEONFORK")]
pub(crate) fn generation() -> Generation {
    let page = page();
    if std::ptr::eq(page, &raw const NO_PAGE) {
        return Generation(
            page.generation.load(Ordering::Relaxed) << 32 | u64::from(std::process::id()),
        );
    }
    // Relaxed: nothing else is published along with the number.
    let known = page.generation.load(Ordering::Relaxed);
    if known != 0 {
        return Generation(known);
    }
    let fresh = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    match page
        .generation
        .compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed)
    {
        Ok(_) => Generation(fresh),
        // Another thread of this process came first.
        Err(known) => Generation(known),
    }
}

fn page() -> &'static Page {
    let known = PAGE.load(Ordering::Acquire);
    let page = if known.is_null() {
        publish_page()
    } else {
        known
    };
    // SAFETY: `PAGE` is the address of a static or of a page that is never unmapped. Both are aligned and only accessed
    // atomically, and a fork child has its own copy at the same address.
    unsafe { &*page }
}

#[cold]
fn publish_page() -> *mut Page {
    // The hook comes first: a child that finds a page must have run it. Two racing threads install it twice, which does no harm,
    // as does a failure where the kernel wipes the page, but then nothing counts forks.
    if at_fork(Some(count_fork), None, Some(zero_page)).is_ok() {
        COUNTS_FORKS.store(true, Ordering::Release);
    }
    let mine = map_page().unwrap_or((&raw const NO_PAGE).cast_mut());
    match PAGE.compare_exchange(
        std::ptr::null_mut(),
        mine,
        Ordering::AcqRel,
        Ordering::Acquire,
    ) {
        Ok(_) => mine,
        // Another thread came first, and its page is used. This one leaks, at most once in each racing thread.
        Err(theirs) => theirs,
    }
}

fn map_page() -> Option<*mut Page> {
    // Leaked: the page is used until the process ends.
    let page = PrivateMemory::new(4096, Inheritance::Wiped).ok()?.leak();
    Some(page.cast().as_ptr())
}

extern "C" fn count_fork() {
    FORKS.fetch_add(1, Ordering::AcqRel);
}

extern "C" fn zero_page() {
    let known = PAGE.load(Ordering::Acquire);
    if known.is_null() {
        return;
    }
    let page = page();
    if std::ptr::eq(page, &raw const NO_PAGE) {
        page.generation.fetch_add(1, Ordering::Relaxed);
    } else {
        page.generation.store(0, Ordering::Relaxed);
        page.pid.store(0, Ordering::Relaxed);
    }
}

pub(crate) type Hook = extern "C" fn();

/// Registers hooks for `fork`: the C library calls `prepare` before it, and `parent` and `child` after it in these processes.
/// They can run on any thread, including in a signal handler.
#[doc(alias = "pthread_atfork")]
pub(crate) fn at_fork(
    prepare: Option<Hook>,
    parent: Option<Hook>,
    child: Option<Hook>,
) -> SysResult<()> {
    let [prepare, parent, child] =
        [prepare, parent, child].map(|hook| hook.map(|hook| hook as unsafe extern "C" fn()));
    // SAFETY: the functions are safe to call at any time and take no arguments. The C library removes them when the
    // shared library that contains them is unloaded, so they are valid whenever it calls them.
    match unsafe { libc::pthread_atfork(prepare, parent, child) } {
        0 => Ok(()),
        number => Err(SysError::new("pthread_atfork", Errno::from_raw(number))),
    }
}

/// Runs `child` in a fork child and returns its result. For tests, which must first exclude all others that depend on
/// which descriptors are open.
#[cfg(test)]
pub(crate) fn in_child(child: impl FnOnce() -> i32) -> i32 {
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    // SAFETY: the child runs only the test's closure, which at most allocates (glibc's allocator is usable after a fork),
    // and ends with `_exit`.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(101);
            // SAFETY: `_exit` ends the process without running any of the parent's exit handlers or destructors.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => match waitpid(child, None).expect("waitpid") {
            WaitStatus::Exited(_, code) => code,
            other => panic!("the child ended with {other:?}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::test_support;

    #[test]
    fn generation_is_constant_in_a_process() {
        let here = generation();
        assert_eq!(generation(), here);
        assert_eq!(std::thread::spawn(generation).join().unwrap(), here);
        let kept = AtomicGeneration::this();
        assert!(kept.is_this() && kept.take_this() && !kept.is_this());
    }

    #[test]
    fn a_fork_changes_the_count_and_the_pid() {
        let _alone = test_support::alone();
        let before = ForkCount::now();
        assert!(before.is_current() && !ForkCount::UNKNOWN.is_current());
        assert_eq!([pid(), pid()], [std::process::id(); 2]);
        let code = in_child(|| i32::from(before.is_current() || pid() != std::process::id()));
        assert_eq!(code, 0);
        assert!(!before.is_current() && ForkCount::now().is_current());
        // What a child runs whose page was not wiped.
        assert_eq!(
            in_child(|| {
                zero_page();
                i32::from(pid() != std::process::id())
            }),
            0
        );
    }

    #[test]
    fn the_hook_alone_gives_a_child_a_new_generation() {
        let _alone = test_support::alone();
        // What a child runs whose page was not wiped.
        let code = in_child(|| {
            let parent = generation();
            zero_page();
            i32::from(generation() == parent)
        });
        assert_eq!(code, 0);
    }

    #[test]
    fn fork_children_and_grandchildren_have_new_generations() {
        let _alone = test_support::alone();
        let parent = generation();
        let code = in_child(|| {
            let child = generation();
            if child == parent || generation() != child {
                return 1;
            }
            in_child(|| {
                let grandchild = generation();
                i32::from(grandchild == child || grandchild == parent) * 2
            })
        });
        assert_eq!(code, 0);
    }
}
