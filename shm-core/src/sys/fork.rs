//! Which process this is, in a way that `fork` cannot fool.
//!
//! A pid is no answer: a child in another pid namespace can have its parent's. Here the number stands in a page
//! that the kernel fills with zeros in every fork child (`MADV_WIPEONFORK`). Who finds zero there takes the next
//! number of a counter that the child got as a copy, so the new number differs from those of all its ancestors.
//! Nothing takes a lock, so a child that was forked while another thread was in here is not stuck.

use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use super::private::{Inheritance, Private};
use super::{Errno, SysError, SysResult};

/// The page with this process's number; null until it is first needed.
static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(std::ptr::null_mut());

/// The last number given out in this process or an ancestor of it.
static LAST: AtomicU64 = AtomicU64::new(0);

/// Stands in `PAGE` when the kernel has no such pages. The pid must then do.
static NO_PAGE: AtomicU64 = AtomicU64::new(0);

/// Identifies a process among its ancestors and descendants by `fork`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(u64);

impl Generation {
    /// A number that no process has, for tests that play a handle's maker being gone.
    #[cfg(test)]
    pub(crate) const GONE: Self = Self(u64::MAX);
}

/// The generation of the calling process.
#[doc(alias = "MADV_WIPEONFORK")]
pub(crate) fn generation() -> Generation {
    let page = page();
    if std::ptr::eq(page, &raw const NO_PAGE) {
        return Generation(u64::from(std::process::id()));
    }
    // The number orders nothing but itself, so relaxed is enough.
    let known = page.load(Ordering::Relaxed);
    if known != 0 {
        return Generation(known);
    }
    let fresh = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    match page.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Generation(fresh),
        // Another thread of this process was first.
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
    // SAFETY: `PAGE` only ever holds the address of a static or of a page that is never unmapped, both aligned and
    // only accessed atomically; a fork child has a copy at the same address.
    unsafe { &*page }
}

#[cold]
fn publish_page() -> *mut AtomicU64 {
    let mine = map_page().unwrap_or((&raw const NO_PAGE).cast_mut());
    match PAGE.compare_exchange(
        std::ptr::null_mut(),
        mine,
        Ordering::AcqRel,
        Ordering::Acquire,
    ) {
        Ok(_) => mine,
        // Another thread was first. Its page counts; this one is a page never given back, once in a process's life.
        Err(theirs) => theirs,
    }
}

fn map_page() -> Option<*mut AtomicU64> {
    // Never unmapped: it is for the whole process's life.
    let page = Private::new(4096, Inheritance::Wiped).ok()?.leak();
    Some(page.cast().as_ptr())
}

/// Has the C library call `prepare` before every `fork` of this process and `parent` after it, in the process that
/// forked. Both can run on any thread, also inside a signal handler.
#[doc(alias = "pthread_atfork")]
pub(crate) fn around(prepare: extern "C" fn(), parent: extern "C" fn()) -> SysResult<()> {
    // SAFETY: the functions are safe, take nothing, live as long as the program, and the library that they are in is
    // known to the C library, which forgets them when it is unloaded.
    match unsafe { libc::pthread_atfork(Some(prepare), Some(parent), None) } {
        0 => Ok(()),
        number => Err(SysError::new("pthread_atfork", Errno::from_raw(number))),
    }
}

/// Runs `child` in a fork child and returns what it returned. Only for tests: the caller must hold off every other
/// test that cares which descriptors are open.
#[cfg(test)]
pub(crate) fn in_child(child: impl FnOnce() -> i32) -> i32 {
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    // SAFETY: the child only runs the test's closure, which allocates at most (glibc's allocator survives a fork),
    // and leaves through `_exit`.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(101);
            // SAFETY: ends the process without running anything of the parent's.
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
    fn a_process_keeps_its_generation() {
        let here = generation();
        assert_eq!(generation(), here);
        assert_eq!(std::thread::spawn(generation).join().unwrap(), here);
        assert_ne!(here, Generation::GONE);
    }

    #[test]
    fn a_child_and_a_grandchild_have_others() {
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
