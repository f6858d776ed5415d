//! A process that runs random operations on four names, as others do at the same time, and checks that no name is taken from
//! it.
//!
//! A name may disappear because a process unlinks it, or because its last owner leaves; it must not disappear by cleaning.
//! To distinguish these, each process announces removals in the [`Ledger`]: first its intention, then one more in the
//! counter. A process that expects to keep a name reads these in the opposite order before it opens the name, so it sees
//! every removal that could hit it, either as an intention or as a changed counter. The intention of a killed process stays
//! until its replacement starts, after its last system call.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU64, Ordering};

use shm_core::{Access, SegmentState, Shm, ShmError, ShmLayout};

use super::loops::{Way, until};
use super::{Answer, Failure, Words};
use crate::Random;
use crate::segments::{Ledger, Stats, Telemetry};

const NAMES: [&str; 4] = ["/0", "/1", "/2", "/3"];

/// The shared counters, and the place of this process in them.
struct Participant {
    stats: Shm<Stats>,
    ledger: Shm<Ledger>,
    number: usize,
    random: Random,
}

/// What was announced before a name was opened.
#[derive(PartialEq, Eq)]
struct Announced {
    unlinks: u64,
    leaves: u64,
    /// Whether a process intends to unlink it, and whether an owner intends to leave.
    unlinking: bool,
    leaving: bool,
}

/// `loop-random STATS LEDGER SEAT [WAY]..`: runs random operations.
pub(super) fn random_operations(words: &mut Words<'_>) -> Answer {
    let stats = Stats::attach(words.next()?)?;
    let ledger = Ledger::attach(words.next()?)?;
    let number: usize = words.number()?;
    Way::parse(words)?;
    // The previous process in this place is dead.
    ledger.doing[number].store(0, SeqCst);
    let mut participant = Participant {
        stats,
        ledger,
        number,
        random: Random::new(u64::from(std::process::id())),
    };
    println!("looping");
    until(|| {
        match participant.round() {
            Ok(()) => count(&participant.ledger.rounds[number]),
            Err(Failure::Shm(error)) => {
                eprintln!("{error}");
                count(&participant.stats.failed);
            }
            Err(Failure::Other(reason)) => {
                eprintln!("{reason}");
                count(&participant.stats.failed);
            }
        }
        participant.stats.stop.load(Ordering::Acquire) != 0
    })?;
    Ok(String::new())
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::AcqRel);
}

impl Participant {
    fn round(&mut self) -> Result<(), Failure> {
        let name = self.random.below(NAMES.len());
        match self.random.below(16) {
            0..5 => self.create(name),
            5..9 => self.join(name),
            9..13 => self.attach(name),
            13 => self.unlink(name),
            _ => self.sweep(),
        }
    }

    fn create(&mut self, name: usize) -> Result<(), Failure> {
        let orphaned = self.random.below(2) == 0 && is_orphaned(NAMES[name])?;
        let frame = self.random.below(1000) as u16;
        let before = self.announced(name);
        let init = |shm: &Shm<Telemetry>| shm.store(Telemetry::numbered(frame));
        match Telemetry::options().create_with(NAMES[name], init) {
            Ok(shm) => {
                count(&self.stats.created);
                if orphaned {
                    count(&self.ledger.replaced);
                }
                self.own(name, shm, &before)
            }
            Err(ShmError::AlreadyExists { .. }) => {
                count(&self.stats.refused);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn join(&mut self, name: usize) -> Result<(), Failure> {
        let frame = self.random.below(1000) as u16;
        let before = self.announced(name);
        let init = |shm: &Shm<Telemetry>| shm.store(Telemetry::numbered(frame));
        let shm = Telemetry::options().open_or_create_with(NAMES[name], init)?;
        count(&self.ledger.joined);
        self.own(name, shm, &before)
    }

    /// Uses a segment for a moment, then drops it or, sometimes, removes its name.
    fn own(&mut self, name: usize, shm: Shm<Telemetry>, before: &Announced) -> Result<(), Failure> {
        let current = self.stays_current(&shm);
        let now = self.announced(name);
        if !before.unlinking && now.unlinks == before.unlinks {
            count(if current {
                &self.ledger.owned
            } else {
                &self.stats.lost
            });
        }
        if self.random.below(16) == 0 {
            self.about(name, false);
            match shm.unlink() {
                Ok(()) => count(&self.ledger.unlinked),
                Err(ShmError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.about(name, true);
        drop(shm);
        self.ledger.doing[self.number].store(0, SeqCst);
        Ok(())
    }

    fn attach(&mut self, name: usize) -> Result<(), Failure> {
        let before = self.announced(name);
        let current = if self.random.below(2) == 0 {
            Telemetry::attach(NAMES[name]).map(|shm| self.stays_current(&shm))
        } else {
            Telemetry::attach_read_only(NAMES[name]).map(|shm| self.stays_current(&shm))
        };
        match current {
            Ok(current) => {
                count(&self.stats.attached);
                if !before.unlinking && !before.leaving {
                    let now = self.announced(name);
                    if now.unlinks == before.unlinks && now.leaves == before.leaves {
                        count(if current {
                            &self.ledger.kept
                        } else {
                            &self.stats.lost
                        });
                    }
                }
                Ok(())
            }
            Err(ShmError::NotFound { .. }) => {
                count(&self.stats.refused);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn unlink(&mut self, name: usize) -> Result<(), Failure> {
        self.about(name, false);
        let removed = Telemetry::unlink(NAMES[name]);
        self.ledger.doing[self.number].store(0, SeqCst);
        match removed {
            Ok(()) => {
                count(&self.ledger.unlinked);
                Ok(())
            }
            Err(ShmError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes orphaned segments, and checks that every name leads to a segment.
    fn sweep(&mut self) -> Result<(), Failure> {
        let removed = shm_core::sweep()?.len() as u64;
        self.stats.swept.fetch_add(removed, Ordering::AcqRel);
        for info in shm_core::list()? {
            if info?.contents.is_none() {
                count(&self.stats.torn);
            }
        }
        Ok(())
    }

    /// Whether the name leads to the segment throughout this call, which is long enough for others to run.
    fn stays_current<A: Access>(&mut self, shm: &Shm<Telemetry, A>) -> bool {
        let mut current = true;
        for _ in 0..=self.random.below(8) {
            if !shm.load().is_whole() {
                count(&self.stats.torn);
            }
            current &= shm.is_current();
            if self.random.below(8) == 0 {
                std::thread::yield_now();
            }
        }
        current
    }

    fn about(&self, name: usize, leaving: bool) {
        let number = name as u64 + 1;
        let (what, counts) = if leaving {
            (number + NAMES.len() as u64, &self.ledger.leaves)
        } else {
            (number, &self.ledger.unlinks)
        };
        self.ledger.doing[self.number].store(what, SeqCst);
        counts[name].fetch_add(1, SeqCst);
    }

    fn announced(&self, name: usize) -> Announced {
        let (unlinks, leaves) = (
            self.ledger.unlinks[name].load(SeqCst),
            self.ledger.leaves[name].load(SeqCst),
        );
        let number = name as u64 + 1;
        let is_about = |what: u64| {
            self.ledger
                .doing
                .iter()
                .any(|doing| doing.load(SeqCst) == what)
        };
        Announced {
            unlinks,
            leaves,
            unlinking: is_about(number),
            leaving: is_about(number + NAMES.len() as u64),
        }
    }
}

fn is_orphaned(name: &str) -> Result<bool, Failure> {
    for info in shm_core::list()? {
        let info = info?;
        if info.name == name {
            return Ok(info.state == SegmentState::Orphaned);
        }
    }
    Ok(false)
}
