//! How often something has happened: the counters of the types of `sync`.

use shm_core::dynamic::{DynCell, DynError, SyncState};
use shm_core::layout::{LayoutKind, TypeLayout};

/// What a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Events {
    /// Of a `SeqLock`.
    Commits,
    /// Sent, of a `Ring` or a `Broadcast`.
    Messages,
    /// Of an `Event`.
    Notifications,
    /// Of a `Barrier`.
    Rounds,
    /// Of anything else, each time that another value is there.
    Changes,
}

impl Events {
    /// In a text with this number of them.
    pub(crate) const fn noun(self, count: u64) -> &'static str {
        match (self, count) {
            (Self::Commits, 1) => "commit",
            (Self::Commits, _) => "commits",
            (Self::Messages, 1) => "message",
            (Self::Messages, _) => "messages",
            (Self::Notifications, 1) => "notification",
            (Self::Notifications, _) => "notifications",
            (Self::Rounds, 1) => "round",
            (Self::Rounds, _) => "rounds",
            (Self::Changes, 1) => "change",
            (Self::Changes, _) => "changes",
        }
    }
}

/// A counter in a segment, which only grows.
#[derive(Debug)]
pub(crate) struct Counter {
    events: Events,
    /// The word, if the path leads to it: one load. Else the state of the type is looked up, which also looks up owners.
    word: Option<DynCell>,
    of: DynCell,
}

impl Counter {
    /// The counter of a part. `None` if it is not of a type that counts.
    pub(crate) fn of(cell: &DynCell) -> Option<Self> {
        let (events, word) = match sync_meaning(cell.layout())? {
            "seqlock" => (Events::Commits, Some("version")),
            "ring" | "broadcast" => (Events::Messages, Some("tail")),
            "event" => (Events::Notifications, None),
            "barrier" => (Events::Rounds, None),
            _ => return None,
        };
        // Not a type's, but an element of a list of them.
        if !matches!(cell.sync_state(), Ok(Some(_))) {
            return None;
        }
        // A field of the value hides a word of the same name.
        let is_hidden = events == Events::Commits && cell.field_names().contains(&"version");
        let word = word
            .filter(|_| !is_hidden)
            .and_then(|name| cell.field(name).ok());
        Some(Self {
            events,
            word,
            of: cell.clone(),
        })
    }

    pub(crate) const fn events(&self) -> Events {
        self.events
    }

    /// Reads the counter.
    pub(crate) fn read(&self) -> Result<u64, DynError> {
        if let Some(word) = &self.word {
            let count = word.get()?.as_int().unwrap_or(0);
            return Ok(u64::try_from(count).unwrap_or(u64::MAX));
        }
        let count = self.of.sync_state()?.as_ref().and_then(count);
        Ok(count.unwrap_or(0))
    }

    /// What happened between two counts.
    pub(crate) const fn between(&self, before: u64, after: u64) -> u64 {
        between(self.events, before, after)
    }
}

/// What a state counts.
pub(crate) const fn count(state: &SyncState) -> Option<u64> {
    match state {
        SyncState::SeqLockState { version, .. } => Some(*version),
        SyncState::RingState { sent, .. } | SyncState::BroadcastState { sent, .. } => Some(*sent),
        SyncState::EventState { generation, .. } => Some(*generation as u64),
        SyncState::BarrierState { round, .. } => Some(*round as u64),
        _ => None,
    }
}

/// What happened between two counts. A counter that went back was damaged: nothing is known then.
pub(crate) const fn between(events: Events, before: u64, after: u64) -> u64 {
    match events {
        Events::Notifications | Events::Rounds => after.wrapping_sub(before) & ((1 << 31) - 1),
        _ => after.saturating_sub(before),
    }
}

/// The meaning of a type of `sync`.
pub(crate) const fn sync_meaning(layout: &TypeLayout) -> Option<&'static str> {
    match layout.kind() {
        LayoutKind::Meaning { meaning, .. } => match meaning.as_bytes() {
            b"mutex" | b"seqlock" | b"ring" | b"broadcast" | b"semaphore" | b"event"
            | b"barrier" => Some(meaning),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_core::ShmLayout;
    use shm_core::dynamic::DynSegment;
    use shm_core::sync::{Broadcast, Event, Mutex, Ring, Semaphore, SeqLock};

    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    struct Versioned {
        version: u64,
    }

    #[derive(ShmLayout)]
    #[shm(padding)]
    #[repr(C)]
    struct All {
        lock: SeqLock<u64>,
        hidden: SeqLock<Versioned>,
        ring: Ring<u64, 4>,
        feed: Broadcast<u64, 4>,
        event: Event,
        mutex: Mutex<u64>,
        permits: Semaphore,
        plain: u64,
    }

    #[test]
    fn counters_count_what_their_types_count() {
        let name = format!("/cli-counter-{}", std::process::id());
        let shm = All::create(&name).unwrap();
        let segment = DynSegment::attach_read_only(&name).unwrap();
        let counter = |path: &str| Counter::of(&segment.at(path).unwrap());
        let wanted = [
            ("lock", Events::Commits),
            ("hidden", Events::Commits),
            ("ring", Events::Messages),
            ("feed", Events::Messages),
            ("event", Events::Notifications),
        ];
        let counters = wanted.map(|(path, events)| {
            let counter = counter(path).unwrap();
            assert_eq!(counter.events(), events);
            (counter.read().unwrap(), counter)
        });
        for path in ["mutex", "permits", "plain", ".", "lock.version"] {
            assert!(counter(path).is_none(), "{path}");
        }
        for value in 0..3 {
            shm.lock.store(value).unwrap();
            shm.hidden
                .store(Versioned {
                    version: 70 + value,
                })
                .unwrap();
            shm.event.notify_all();
        }
        let mut sender = shm.ring.sender().unwrap();
        let mut feed = shm.feed.sender().unwrap();
        for value in 0..3 {
            sender.try_send(value).unwrap();
            feed.send(value).unwrap();
        }
        for (before, counter) in counters {
            let after = counter.read().unwrap();
            assert_eq!(counter.between(before, after), 3, "{counter:?}");
        }
    }

    #[test]
    fn counters_of_31_bits_wrap_around() {
        assert_eq!(between(Events::Notifications, (1 << 31) - 1, 2), 3);
        assert_eq!(between(Events::Rounds, 5, 7), 2);
        assert_eq!(between(Events::Messages, 5, 7), 2);
        assert_eq!(between(Events::Messages, 7, 5), 0);
    }
}
