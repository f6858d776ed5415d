//! Whether this process is registered for memory barriers, and imposes them on others.
//!
//! A registered process commits without a full fence: see [`eventcount`](crate::protocol::eventcount). It registers when it
//! first claims a role in which it commits, as that is when it needs it, and not when it attaches: in a process with threads the
//! kernel takes 7 to 18 ms, and 12 to 55 µs in one without.
//!
//! The result is in the page before the tokens of [`process`](super::process), which is zero in a fork child, by the kernel or by
//! a hook. So a child finds out for itself. What the system refuses, and the user's choice, are the same in children.
//!
//! # Opting out
//!
//! Any process of the system can interrupt a registered one, which processors that are isolated for real-time work may not
//! allow. And a filter for system calls may kill a process for a call that it does not know. Both set [`OPT_OUT`] in the
//! environment: such a process does not make the call at all, commits with a full fence, and demands one from those that wake it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::process;
use crate::primitive::model::CommitOrder;
use crate::sys::membarrier;

/// The environment variable that keeps this process from making the call, unless it is empty.
const OPT_OUT: &str = "SHM_NO_MEMBARRIER";

/// Whether this build can rely on the kernel's barriers. Interpreters and sanitizers do not see them.
const AVAILABLE: bool = cfg!(not(any(loom, miri, shm_portable_copy)));

/// Whether the system has refused the call, or the user has opted out. It is not asked again.
static REFUSED: AtomicBool = AtomicBool::new(!AVAILABLE);

/// The values of the word in the page that forks wipe. 0 is neither.
const REGISTERED: u64 = 1;
const UNREGISTERED: u64 = 2;

/// What orders the commits of this process, which has claimed something. Registers it at the first call.
#[inline(always)]
pub(crate) fn commit_order() -> CommitOrder {
    if !AVAILABLE {
        return CommitOrder::Fenced;
    }
    let word = process::commit_order();
    match word.map_or(UNREGISTERED, |word| word.load(Ordering::Relaxed)) {
        REGISTERED => CommitOrder::Registered,
        UNREGISTERED => CommitOrder::Fenced,
        _ => word.map_or(CommitOrder::Fenced, register),
    }
}

#[cold]
fn register(word: &AtomicU64) -> CommitOrder {
    // Two threads may both register, which does no harm.
    let registered = !has_opted_out() && membarrier::register().is_ok();
    let (value, order) = if registered {
        (REGISTERED, CommitOrder::Registered)
    } else {
        (UNREGISTERED, CommitOrder::Fenced)
    };
    // Relaxed: the call has returned, and with that each thread of the process is registered.
    word.store(value, Ordering::Relaxed);
    order
}

/// Makes every thread of all registered processes pass a full fence. `false` if the system refuses that, or the user has opted
/// out.
pub(crate) fn interrupt() -> bool {
    if REFUSED.load(Ordering::Relaxed) {
        return false;
    }
    let done = !has_opted_out() && membarrier::interrupt().is_ok();
    if !done {
        REFUSED.store(true, Ordering::Relaxed);
    }
    done
}

/// Whether the user has opted out. Read from the environment once.
fn has_opted_out() -> bool {
    const KNOWN: u64 = 1;
    const OPTED_OUT: u64 = 2;
    static STATE: AtomicU64 = AtomicU64::new(0);
    let mut state = STATE.load(Ordering::Relaxed);
    if state == 0 {
        let set = std::env::var_os(OPT_OUT).is_some_and(|value| !value.is_empty());
        state = if set { KNOWN | OPTED_OUT } else { KNOWN };
        STATE.store(state, Ordering::Relaxed);
    }
    state & OPTED_OUT != 0
}
