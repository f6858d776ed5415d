//! The states of the types of `sync`, in words.

use shm_core::dynamic::SyncState;
use shm_core::sync::Owner;

use crate::output::{number, style};

/// What a type of `sync` says of itself.
pub(crate) fn describe(state: &SyncState) -> String {
    match state {
        SyncState::MutexState {
            owner: Some(owner), ..
        } => format!("locked by process {}", process(owner)),
        SyncState::MutexState { poisoned: true, .. } => "free, poisoned".to_owned(),
        SyncState::MutexState { .. } => "free".to_owned(),
        SyncState::SeqLockState {
            version, writer, ..
        } => match writer {
            Some(writer) => format!("version {}, writer {}", count(*version), process(writer)),
            None => format!("version {}", count(*version)),
        },
        SyncState::RingState {
            sender,
            receiver,
            sent,
            received,
            capacity,
            ..
        } => {
            // A peer may have written any numbers.
            let waiting = sent.wrapping_sub(*received);
            format!(
                "{} of {} messages, {} sent, {}, {}",
                count(waiting),
                count(*capacity as u64),
                count(*sent),
                end("sender", sender.as_ref()),
                end("receiver", receiver.as_ref()),
            )
        }
        SyncState::BroadcastState {
            sender,
            sent,
            capacity,
            ..
        } => format!(
            "{} sent, keeps {}, {}",
            count(*sent),
            count(*capacity as u64),
            end("sender", sender.as_ref())
        ),
        SyncState::SemaphoreState { permits: 1, .. } => "1 permit".to_owned(),
        SyncState::SemaphoreState { permits, .. } => format!("{} permits", count(*permits)),
        SyncState::EventState { generation: 1, .. } => "1 notification".to_owned(),
        SyncState::EventState { generation, .. } => {
            format!("{} notifications", count(*generation))
        }
        SyncState::BarrierState { round, seats, .. } => {
            let taken: Vec<String> = seats.iter().flatten().map(process).collect();
            match taken.as_slice() {
                [] => format!("round {}, no seat is taken", count(*round)),
                taken => format!("round {}, seats: {}", count(*round), taken.join(", ")),
            }
        }
        _ => String::new(),
    }
}

/// The same, with a color for what is worth a look.
pub(crate) fn styled(state: &str) -> String {
    let (bad, warn) = (style::BAD, style::WARN);
    state
        .replace("dead", &format!("{bad}dead{bad:#}"))
        .replace("stopped", &format!("{warn}stopped{warn:#}"))
        .replace("poisoned", &format!("{warn}poisoned{warn:#}"))
}

fn count(count: impl Into<u64>) -> String {
    number::grouped(&count.into().to_string())
}

/// `sender 4711`, or `no sender`.
fn end(role: &str, of: Option<&Owner>) -> String {
    match of {
        Some(owner) => format!("{role} {}", process(owner)),
        None => format!("no {role}"),
    }
}

/// The pid of a process, `?` if it is not known, and whether the process is dead or stopped.
fn process(of: &Owner) -> String {
    let pid = of
        .pid()
        .map_or_else(|| "?".to_owned(), |pid| pid.to_string());
    match (of.is_alive(), of.is_stopped()) {
        (false, _) => format!("{pid} (dead)"),
        (true, true) => format!("{pid} (stopped)"),
        (true, false) => pid,
    }
}
