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

use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use super::private_memory::{Inheritance, PrivateMemory};
use super::{Errno, SysError, SysResult};

/// The page that holds this process's number. Null until first used.
static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(std::ptr::null_mut());

/// The last number assigned in this process or one of its ancestors.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The value of `PAGE` if the kernel does not support such pages. It counts forks, which together with the pid is the number.
static NO_PAGE: AtomicU64 = AtomicU64::new(0);

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

/// The generation of the calling process.
#[doc(alias = "MADV_WIPEONFORK")]
pub(crate) fn generation() -> Generation {
    let page = page();
    if std::ptr::eq(page, &raw const NO_PAGE) {
        return Generation(page.load(Ordering::Relaxed) << 32 | u64::from(std::process::id()));
    }
    // Relaxed: nothing else is published along with the number.
    let known = page.load(Ordering::Relaxed);
    if known != 0 {
        return Generation(known);
    }
    let fresh = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    match page.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Generation(fresh),
        // Another thread of this process came first.
        Err(known) => Generation(known),
    }
}

fn page() -> &'static AtomicU64 {
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
fn publish_page() -> *mut AtomicU64 {
    // The hook comes first: a child that finds a page must have run it. Two racing threads install it twice, which does no harm,
    // as does a failure where the kernel wipes the page.
    let _ = at_fork(None, None, Some(zero_page));
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

fn map_page() -> Option<*mut AtomicU64> {
    // Leaked: the page is used until the process ends.
    let page = PrivateMemory::new(4096, Inheritance::Wiped).ok()?.leak();
    Some(page.cast().as_ptr())
}

extern "C" fn zero_page() {
    let known = PAGE.load(Ordering::Acquire);
    if known.is_null() {
        return;
    }
    let page = page();
    if std::ptr::eq(page, &raw const NO_PAGE) {
        page.fetch_add(1, Ordering::Relaxed);
    } else {
        page.store(0, Ordering::Relaxed);
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
