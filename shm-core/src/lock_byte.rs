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
/// Held exclusively while the records of levels and their number are written.
pub(crate) const LEVELS: Bytes = Bytes::one((1 << 40) - 4);

/// Both, in one call.
pub(crate) const OWNER_AND_ATTACH: Bytes = OWNER.and(ATTACH);
/// Both, in one call.
pub(crate) const NAME_AND_OWNER: Bytes = NAME.and(OWNER);

/// The highest id of a participant.
pub(crate) const GREATEST_ID: u32 = (1 << 30) - 1;

/// Where the bytes of a participant with id 0 would begin, and how many bits of a byte's number follow the id.
const FIRST_OF_ALL: i64 = 1 << 41;
const SHIFT: u32 = 22;

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
    Bytes::new(FIRST_OF_ALL + ((id as i64) << SHIFT), pid as i64 + 1)
}

/// The id and the pid of the participant that locks exactly these bytes. `None` if none does.
pub(crate) const fn participant_of(lock: Bytes) -> Option<(u32, u32)> {
    let offset = lock.start() - FIRST_OF_ALL;
    let (id, pid) = (offset >> SHIFT, lock.len() - 1);
    let is_first_byte = offset & ((1 << SHIFT) - 1) == 0;
    if is_first_byte && 0 < id && id <= GREATEST_ID as i64 && 0 < pid && pid <= GREATEST_PID as i64
    {
        Some((id as u32, pid as u32))
    } else {
        None
    }
}

/// The bytes of all participants.
pub(crate) const PARTICIPANTS: Bytes = {
    let first = participant(1).start();
    Bytes::new(first, participant(GREATEST_ID + 1).start() - first)
};

/// The first byte of a participant at or after `byte`.
pub(crate) const fn next_participant(byte: i64) -> i64 {
    let unit = 1 << SHIFT;
    (byte + (unit - 1)) & !(unit - 1)
}
