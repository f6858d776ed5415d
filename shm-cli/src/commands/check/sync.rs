//! Owners that have died, and counters that contradict each other.

use shm_core::dynamic::{DynCell, DynError, SyncState};
use shm_core::sync::Owner;

use super::{Report, Severity};

/// Checks the state of a type of `sync`, if the cell is one.
pub(super) fn check(cell: &DynCell, report: &mut Report) -> Result<(), DynError> {
    let Some(state) = cell.sync_state()? else {
        return Ok(());
    };
    let mut holder = |owner: Option<Owner>, role: &str, dead: &str| {
        let Some(owner) = owner else { return };
        let (message, advice) = if !owner.is_alive() {
            let process = owner.pid().map_or_else(
                || "a dead process".to_owned(),
                |pid| format!("process {pid}, which is dead,"),
            );
            (format!("has {process} as its {role}"), dead.to_owned())
        } else if owner.is_stopped() {
            let pid = owner
                .pid()
                .map_or_else(String::new, |pid| format!(" with `kill -CONT {pid}`"));
            (
                format!("has {owner} as its {role}, and keeps others waiting"),
                format!("let the process continue{pid}, or kill it"),
            )
        } else {
            return;
        };
        let path = Some(cell.path());
        report.add(Severity::Warning, "dead-owner", path, message, advice);
    };
    match state {
        SyncState::MutexState {
            owner, poisoned, ..
        } => {
            holder(
                owner,
                "owner",
                "the next process that locks it gets `OwnerDied`, and can repair the value with `lock_recover`",
            );
            if poisoned {
                report.add(
                    Severity::Warning,
                    "poisoned",
                    Some(cell.path()),
                    "had an owner that died or panicked, and no process has repaired its value since",
                    "repair it with `lock_recover` or `mark_consistent` in a program that knows how",
                );
            }
        }
        SyncState::SeqLockState { writer, .. } => holder(
            writer,
            "writer",
            "the last committed value stays, and the next writer takes the role over",
        ),
        SyncState::RingState {
            sender,
            receiver,
            sent,
            received,
            capacity,
            ..
        } => {
            holder(
                sender,
                "sender",
                "restart it: a new one continues after the last message",
            );
            holder(
                receiver,
                "receiver",
                "restart it: a new one gets the messages that are left",
            );
            // Both go on meanwhile. What was received before is never more than what was sent; what was sent is never more than
            // what is received later, and the slots.
            let Some(SyncState::RingState {
                received: later, ..
            }) = cell.sync_state()?
            else {
                return Ok(());
            };
            let behind = received.wrapping_sub(sent).cast_signed() > 0;
            let ahead = sent.wrapping_sub(later).cast_signed() > capacity.cast_signed() as i64;
            if behind || ahead {
                report.add(
                    Severity::Error,
                    "counters",
                    Some(cell.path()),
                    format!(
                        "has counters that contradict each other: {sent} sent and {received} received, with {capacity} slots"
                    ),
                    "a program has overwritten them: create the segment anew",
                );
            }
        }
        SyncState::BroadcastState { sender, sent, .. } => {
            holder(
                sender,
                "sender",
                "restart it: a new one continues after the last message",
            );
            let reserved = cell.field("reserved")?.get()?.as_int();
            let reserved = reserved.and_then(|reserved| u64::try_from(reserved).ok());
            if reserved.is_some_and(|reserved| reserved.wrapping_sub(sent).cast_signed() < 0) {
                report.add(
                    Severity::Error,
                    "counters",
                    Some(cell.path()),
                    "has counters that contradict each other: fewer messages were begun than sent",
                    "a program has overwritten them: create the segment anew",
                );
            }
        }
        SyncState::BarrierState { seats, .. } => {
            for (number, owner) in seats.into_iter().enumerate() {
                let role = format!("participant in seat {number}");
                holder(
                    owner,
                    &role,
                    "the others get `Died`; restart it, and it takes the seat over",
                );
            }
        }
        _ => {}
    }
    Ok(())
}
