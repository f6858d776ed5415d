//! Scoped threads, joined where ThreadSanitizer sees it, and how often a thread has slept.

use std::cell::RefCell;
use std::ops::Deref;
use std::panic::resume_unwind;
use std::thread::{self, Scope, ScopedJoinHandle};

use nix::sys::resource::{UsageWho, getrusage};

/// Calls `work` as [`thread::scope`] does, then joins the threads that it has started by their handles.
///
/// A scope by itself waits until a count of its threads is zero. ThreadSanitizer does not see that, as it happens in the
/// standard library, which is not instrumented: whatever follows the scope seems to race with the threads.
pub fn scope<'env, R>(work: impl for<'scope> FnOnce(&Threads<'scope, 'env>) -> R) -> R {
    thread::scope(|scope| {
        let threads = Threads {
            scope,
            started: RefCell::default(),
        };
        let result = work(&threads);
        for thread in threads.started.take() {
            if let Err(panic) = thread.join() {
                resume_unwind(panic);
            }
        }
        result
    })
}

/// The threads of a [`scope`]. Those of [`Scope::spawn`] are for the caller to join.
#[derive(Debug)]
pub struct Threads<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    started: RefCell<Vec<ScopedJoinHandle<'scope, ()>>>,
}

impl<'scope> Threads<'scope, '_> {
    /// Starts a thread that is joined at the end of the scope, which panics if the thread does.
    pub fn start(&self, work: impl FnOnce() + Send + 'scope) {
        self.started.borrow_mut().push(self.scope.spawn(work));
    }
}

impl<'scope, 'env> Deref for Threads<'scope, 'env> {
    type Target = &'scope Scope<'scope, 'env>;

    fn deref(&self) -> &Self::Target {
        &self.scope
    }
}

/// How often this thread has given up its processor until now, to sleep or to wait for something. Being preempted does not count.
///
/// # Panics
///
/// If the system call fails.
#[must_use]
pub fn sleeps() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD)
        .unwrap()
        .voluntary_context_switches()
}
