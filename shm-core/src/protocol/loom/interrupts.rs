//! The kernel's side of `membarrier`.
//!
//! A registered thread polls at every point at which the model lets it be interrupted, with a relaxed load. So it may find a request
//! at once or later, and polling orders nothing unless it finds one. Then it passes a full fence, between two of its steps as the
//! kernel's handler does, and answers. A thread that has ended, sleeps or is in the kernel does not run, which the kernel orders
//! too.

use std::cell::Cell;

use loom::sync::atomic::{AtomicU32, fence};
use loom::sync::{Condvar, Mutex};

use crate::primitive::Ordering;

/// One registered thread.
pub(crate) struct Interrupts {
    requested: AtomicU32,
    /// How many requests were answered, and whether the thread is in the kernel or has ended.
    answered: Mutex<(u32, bool)>,
    changed: Condvar,
}

impl Interrupts {
    pub(crate) fn new() -> Self {
        Self {
            requested: AtomicU32::new(0),
            answered: Mutex::new((0, false)),
            changed: Condvar::new(),
        }
    }

    /// Makes the thread pass a full fence.
    pub(crate) fn interrupt(&self) {
        fence(Ordering::SeqCst);
        let mut answered = self.answered.lock().unwrap();
        let number = self.requested.fetch_add(1, Ordering::Relaxed) + 1;
        while answered.0 < number && !answered.1 {
            answered = self.changed.wait(answered).unwrap();
        }
        drop(answered);
        fence(Ordering::SeqCst);
    }

    /// Registers the calling thread, until the result is dropped.
    pub(crate) fn register(&self) -> Registered<'_> {
        Registered {
            interrupts: self,
            answered: Cell::new(0),
        }
    }
}

/// The registered thread.
pub(crate) struct Registered<'a> {
    interrupts: &'a Interrupts,
    answered: Cell<u32>,
}

impl Registered<'_> {
    /// A point between two steps of the thread.
    pub(crate) fn poll(&self) {
        let requested = self.interrupts.requested.load(Ordering::Relaxed);
        if requested != self.answered.replace(requested) {
            fence(Ordering::SeqCst);
            self.interrupts.answered.lock().unwrap().0 = requested;
            self.interrupts.changed.notify_all();
        }
    }
}

impl Registered<'_> {
    /// Runs what the thread does in the kernel.
    pub(crate) fn in_kernel<R>(&self, call: impl FnOnce() -> R) -> R {
        self.set_in_kernel(true);
        let result = call();
        self.set_in_kernel(false);
        result
    }

    fn set_in_kernel(&self, inside: bool) {
        fence(Ordering::SeqCst);
        self.interrupts.answered.lock().unwrap().1 = inside;
        self.interrupts.changed.notify_all();
        fence(Ordering::SeqCst);
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.set_in_kernel(true);
        }
    }
}
