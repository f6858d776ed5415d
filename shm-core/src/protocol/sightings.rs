//! Sightings: what a process remembers of the participants that it has probed.
//!
//! A probe is a system call or several, and takes longer with every participant. So each process remembers for each segment
//! what its last probes have found.
//!
//! # Synchronization
//!
//! | place | written by | what |
//! |---|---|---|
//! | an entry | a thread that has probed | a participant's id, whether it was dead, and when that was |
//! | `short_sleep` | a thread that waits | when a waiter last slept for less than a tick |
//!
//! | step | by | ordering |
//! |---|---|---|
//! | record | a thread that has probed | release |
//! | recall | a thread that would otherwise probe | acquire |
//! | allow a short sleep | a thread that waits | relaxed: two threads may both be allowed one, which costs a timer |
//!
//! The entries are private to the process. What a dead participant did happened before the probe that found it dead, and so
//! before each recall of that. A fork child inherits the entries, and with them everything that was seen before the fork.
//!
//! - **Dead** is final, because no id is assigned again before a billion others. It is forgotten after [`DEAD_FOR`] all the
//!   same, which bounds what a peer that changes the counter of ids can cause.
//! - **Alive** is true at most at that moment. It is recalled only for [`ALIVE_FOR`], and only by callers that may miss a
//!   death for so long: those that do not wait, and those that will probe again.

use crate::primitive::Ordering;
use crate::primitive::model::{AtomicU32, AtomicU64};
use crate::protocol::claim_word::ID;

/// How long a death is remembered, in milliseconds.
pub(crate) const DEAD_FOR: u32 = 1000;
/// How long a participant counts as alive, in milliseconds. The clock advances with the kernel's tick, so this means until
/// the next one: 1 to 10 ms, 4 on most systems.
pub(crate) const ALIVE_FOR: u32 = 1;

/// The participant was dead.
const DEAD: u64 = 1 << 31;

/// The orderings. Only mutants change them.
pub(crate) trait Orderings {
    const RECORD: Ordering = Ordering::Release;
    const RECALL: Ordering = Ordering::Acquire;
}

/// The orderings of the product.
#[derive(Debug)]
pub(crate) struct Correct;
impl Orderings for Correct {}

/// What has to be known about a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Whether it is dead now.
    Now,
    /// Whether it is dead, or was a moment ago.
    Recently,
}

/// The latest sightings: one for each remainder of the id, so that a few participants in turn do not displace each other.
#[derive(Debug)]
pub(crate) struct Sightings {
    /// From the lowest bit: the id, [`DEAD`], and in the upper half the time in milliseconds. Zero if there is none.
    entries: [AtomicU64; Self::ENTRIES],
    /// When a waiter was last allowed a short sleep, plus 1 ms. Zero if never.
    short_sleep: AtomicU32,
}

impl Sightings {
    /// They take one cache line.
    const ENTRIES: usize = 8;

    pub(crate) fn new() -> Self {
        Self {
            entries: std::array::from_fn(|_| AtomicU64::new(0)),
            short_sleep: AtomicU32::new(0),
        }
    }

    /// Whether a waiter may sleep for less than a tick, which needs a timer: the first one at each time. Two threads may be the
    /// first.
    pub(crate) fn allow_short_sleep(&self, now: u32) -> bool {
        let now = now.wrapping_add(1);
        let is_first = self.short_sleep.load(Ordering::Relaxed) != now;
        if is_first {
            self.short_sleep.store(now, Ordering::Relaxed);
        }
        is_first
    }

    /// Whether the participant `id` is dead: recalled, or else as `probe` finds it. `now` is the time in milliseconds, which
    /// wraps around.
    pub(crate) fn is_dead<O: Orderings>(
        &self,
        id: u32,
        question: Question,
        now: u32,
        probe: impl FnOnce() -> bool,
    ) -> bool {
        let entry = &self.entries[id as usize % Self::ENTRIES];
        let seen = entry.load(O::RECALL);
        if seen != 0 && seen as u32 & ID == id {
            let age = now.wrapping_sub((seen >> 32) as u32);
            if seen & DEAD != 0 {
                if age < DEAD_FOR {
                    return true;
                }
            } else if question == Question::Recently && age < ALIVE_FOR {
                return false;
            }
        }
        let dead = probe();
        let seen = u64::from(id) | if dead { DEAD } else { 0 } | u64::from(now) << 32;
        entry.store(seen, O::RECORD);
        dead
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Participants that are alive or dead, and the number of probes.
    struct World {
        sightings: Sightings,
        dead: Cell<&'static [u32]>,
        probes: Cell<u32>,
    }

    impl World {
        fn new() -> Self {
            Self {
                sightings: Sightings::new(),
                dead: Cell::new(&[]),
                probes: Cell::new(0),
            }
        }

        fn ask(&self, id: u32, question: Question, now: u32) -> bool {
            self.sightings.is_dead::<Correct>(id, question, now, || {
                self.probes.set(self.probes.get() + 1);
                self.dead.get().contains(&id)
            })
        }
    }

    #[test]
    fn the_dead_are_remembered_for_a_second() {
        let world = World::new();
        world.dead.set(&[7]);
        for now in [5, 6, 500, 1004] {
            for question in [Question::Now, Question::Recently] {
                assert!(world.ask(7, question, now));
            }
        }
        assert_eq!(world.probes.get(), 1);
        // A hostile peer could have had the id assigned again.
        world.dead.set(&[]);
        assert!(!world.ask(7, Question::Now, 1005));
        assert_eq!(world.probes.get(), 2);
    }

    #[test]
    fn the_living_are_probed_once_a_tick() {
        let world = World::new();
        for now in [5, 5, 5, 9, 9] {
            assert!(!world.ask(7, Question::Recently, now));
        }
        assert_eq!(world.probes.get(), 2);
        world.dead.set(&[7]);
        assert!(!world.ask(7, Question::Recently, 9));
        assert!(world.ask(7, Question::Recently, 13));
        assert_eq!(world.probes.get(), 3);
    }

    #[test]
    fn a_question_about_now_ignores_past_life() {
        let world = World::new();
        assert!(!world.ask(7, Question::Now, 5));
        world.dead.set(&[7]);
        assert!(world.ask(7, Question::Now, 5));
        assert!(world.ask(7, Question::Recently, 5));
        assert_eq!(world.probes.get(), 2);
    }

    #[test]
    fn participants_with_adjacent_ids_do_not_displace_each_other() {
        let world = World::new();
        world.dead.set(&[1, 3, 5, 7]);
        for _ in 0..3 {
            for id in 1..=8 {
                assert_eq!(world.ask(id, Question::Recently, 5), id % 2 == 1);
            }
        }
        assert_eq!(world.probes.get(), 8);
        // These have the same remainder.
        for _ in 0..3 {
            assert!(world.ask(1, Question::Recently, 5));
            assert!(!world.ask(9, Question::Recently, 5));
        }
        assert_eq!(world.probes.get(), 8 + 5);
    }

    #[test]
    fn a_short_sleep_is_allowed_once_a_tick() {
        let sightings = Sightings::new();
        let allowed = [0, 0, 4, 4, 8, u32::MAX].map(|now| sightings.allow_short_sleep(now));
        assert_eq!(allowed, [true, false, true, false, true, true]);
    }

    #[test]
    fn the_time_wraps_around() {
        let world = World::new();
        world.dead.set(&[7]);
        assert!(world.ask(7, Question::Now, u32::MAX));
        assert!(world.ask(7, Question::Now, 998));
        assert_eq!(world.probes.get(), 1);
        assert!(world.ask(7, Question::Now, 999));
        assert_eq!(world.probes.get(), 2);
    }
}
