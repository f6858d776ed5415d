//! Bytes of the file that are only locked, far beyond what can be mapped. They are part of the format.

use crate::sys::lock::Bytes;

/// Every handle holds it shared for its whole life, so a process that locks it exclusively knows that there is no handle.
/// It is never unlocked: children of `fork` share the description and may live longer.
pub(crate) const ATTACH: Bytes = Bytes::one((1 << 40) - 1);
/// Every owner holds it shared. A process that locks it exclusively is the last owner and removes the name, or knows that
/// there is no owner and takes the name over.
pub(crate) const OWNER: Bytes = Bytes::one((1 << 40) - 2);
/// Held exclusively from checking where the name leads until it is removed, so that no other process can remove it in
/// between and a third one give it to another file.
pub(crate) const NAME: Bytes = Bytes::one((1 << 40) - 3);

/// Both, in one call.
pub(crate) const OWNER_AND_ATTACH: Bytes = OWNER.and(ATTACH);
/// Both, in one call.
pub(crate) const NAME_AND_OWNER: Bytes = NAME.and(OWNER);

/// The highest pid that Linux assigns (`PID_MAX_LIMIT`), so that the locks of two participants never overlap.
const GREATEST_PID: u32 = (1 << 22) - 1;

/// The first byte of a participant's lock, which tells whether it is alive. No participant has id 0.
pub(crate) const fn participant(id: u32) -> Bytes {
    participant_with_pid(id, 0)
}

/// The bytes that a participant locks exclusively as long as it is alive: one more than its pid as it sees itself, so that
/// their number shows the pid to people. No decision depends on it.
pub(crate) const fn participant_with_pid(id: u32, pid: u32) -> Bytes {
    let pid = if pid < GREATEST_PID {
        pid
    } else {
        GREATEST_PID
    };
    Bytes::new((1 << 41) + ((id as i64) << 22), pid as i64 + 1)
}
