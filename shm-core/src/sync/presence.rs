//! Whether somebody has a role: what others see of it.
//!
//! # Synchronization
//!
//! | word | written by | meaning |
//! |---|---|---|
//! | claim | who comes, who leaves | who has the role; after a death still the dead one |
//! | `came` | who comes | 1 since somebody first had the role |
//!
//! | step | by | how | ordering |
//! |---|---|---|---|
//! | come | who has just claimed the role | 1 into `came` | release |
//! | has it left? | anybody | `came`, then the claim, which is free | acquire, both |
//! | is it dead? | anybody who takes part | a probe of the id that is in the claim | acquire |
//!
//! A role that nobody ever had is waited for, and one that was given up is not. Its claim is free in both cases, and `came`
//! tells them apart. It is looked at first: who sees that somebody came also sees the claim of that one, by release and
//! acquire. The other way round the very first one could come between the two looks, and would seem to have left.
//!
//! **Killed** before it has written `came`, one who came is in the claim, and found dead there.

use crate::primitive::Ordering;
use crate::primitive::model::AtomicU32;

#[cfg(all(loom, test))]
mod model;

/// A role, as far as others look at it.
pub(crate) trait Seen {
    /// How `came` is looked at. Only a model that is to fail looks in another way.
    const CAME: Ordering = Ordering::Acquire;

    /// Whether anybody ever had it.
    fn came(&self) -> &AtomicU32;
    /// Who has it: an id, or 0. What the one before did happened before this.
    fn owner(&self) -> u32;
    /// Whether that participant is dead for sure. What it did before happened before this.
    fn is_dead(&self, owner: u32) -> bool;
}

/// Notes down that somebody has come. For who has just claimed the role.
pub(super) fn come(came: &AtomicU32) {
    came.store(1, Ordering::Release);
}

/// Whether the role was given up.
#[inline]
pub(super) fn has_left<R: Seen>(role: &R) -> bool {
    // In this order.
    role.came().load(R::CAME) != 0 && role.owner() == 0
}

/// Who has the role, if that one is dead for sure.
pub(super) fn dead(role: &impl Seen) -> Option<u32> {
    let owner = role.owner();
    (owner != 0 && role.is_dead(owner)).then_some(owner)
}
