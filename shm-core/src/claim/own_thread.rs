//! The claims that a thread holds through guards that cannot leave it, so that it does not wait for itself.
//!
//! The claim word has the id of the process. So a thread that finds its process's id there cannot tell from the word whether it
//! waits for itself, which never ends, or for another thread. Each thread therefore keeps a list, which it looks up only before
//! it waits.
//!
//! The claim that was taken last has a place of its own, and the others are in a vector. So a thread that holds one lock at a
//! time, perhaps under one that it keeps, never touches the vector. A guard that was leaked stays in the list, since nobody
//! will release it, until its handle is dropped. The token of a claim tells it from one at the same address in a segment
//! that is mapped there later, and from a claim of the process that this one was forked from.

use std::cell::{Cell, RefCell};

use super::process::{ClaimToken, token_at};

/// The address of a claim word, and the registration that claimed it.
type Claim = (usize, ClaimToken);

thread_local! {
    /// The claim that was taken last, or address 0. It has no destructor, so it works in those of other thread-locals.
    static LAST: (Cell<usize>, Cell<ClaimToken>) = const { (Cell::new(0), Cell::new(ClaimToken::NONE)) };
    /// The other claims. The destructors of thread-locals that run after its own find no list.
    static OTHERS: RefCell<Vec<Claim>> = const { RefCell::new(Vec::new()) };
}

/// Records that this thread has taken a claim.
#[inline(always)]
pub(super) fn record(address: usize, token: ClaimToken) {
    LAST.with(|last| {
        if last.0.get() != 0 {
            keep_last();
        }
        last.0.set(address);
        last.1.set(token);
    });
}

/// Records that this thread has released a claim, whose token was still valid.
#[inline(always)]
pub(super) fn erase(address: usize) {
    LAST.with(|last| {
        if last.0.get() == address {
            last.0.set(0);
        } else {
            erase_other(address);
        }
    });
}

/// Whether this thread holds a claim.
#[cold]
pub(super) fn holds(address: usize, token: ClaimToken) -> bool {
    let is_last = LAST.with(|last| (last.0.get(), last.1.get()) == (address, token));
    is_last || OTHERS.try_with(|others| others.borrow().contains(&(address, token))) == Ok(true)
}

/// Moves the last claim to the others. Before their vector grows, it removes those of handles that were dropped.
#[cold]
#[inline(never)]
fn keep_last() {
    let last = LAST.with(|last| (last.0.get(), last.1.get()));
    let _ = OTHERS.try_with(|others| {
        let mut others = others.borrow_mut();
        if others.len() == others.capacity() {
            others.retain(|(address, token)| token_at(*address) == *token);
        }
        others.push(last);
    });
}

#[cold]
#[inline(never)]
fn erase_other(address: usize) {
    let _ = OTHERS.try_with(|others| {
        let mut others = others.borrow_mut();
        let released = (address, token_at(address));
        // From the end, since the claim that was taken last is usually released first.
        if let Some(found) = others.iter().rposition(|other| *other == released) {
            others.swap_remove(found);
        }
    });
}
