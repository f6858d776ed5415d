//! Loops that peers run until they are stopped or killed.

use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::time::Instant;

use shm_core::{Shm, ShmError, ShmLayout};

use super::{Answer, Failure, Words, other, restrictions};
use crate::driver::DEADLINE;
use crate::segments::{Stats, Telemetry, TelemetryWide};

/// Polls until another process has done something. The peer has no other way to wait that is independent of what is tested.
pub(super) fn until(mut happened: impl FnMut() -> bool) -> Result<(), Failure> {
    let start = Instant::now();
    while !happened() {
        if start.elapsed() > DEADLINE {
            return Err(other("it did not happen"));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// Options of a loop, after the name and the statistics: `only` creates, `supersede`s, `hold`s a handle until it has the
/// next, `in=PID` runs in the mounts of that process.
#[derive(Default)]
pub(super) struct Way {
    only_create: bool,
    supersede: bool,
    hold: bool,
}

impl Way {
    pub(super) fn parse(words: &mut Words<'_>) -> Result<Self, Failure> {
        let mut way = Self::default();
        while let Ok(word) = words.next() {
            match word.split_once('=') {
                None if word == "only" => way.only_create = true,
                None if word == "supersede" => way.supersede = true,
                None if word == "hold" => way.hold = true,
                Some(("in", pid)) => restrictions::enter(pid)?,
                _ => return Err(other(format!("there is no option `{word}`"))),
            }
        }
        Ok(way)
    }
}

/// `loop-create NAME STATS [WAY]..`: creates the segment and drops it, sometimes by `open_or_create`.
pub(super) fn create(words: &mut Words<'_>) -> Answer {
    let name = words.next()?;
    let stats = Stats::attach(words.next()?)?;
    let Way {
        only_create,
        supersede,
        ..
    } = Way::parse(words)?;
    println!("looping");
    let mut round = 0u16;
    until(|| {
        round = round.wrapping_add(1);
        let init = |shm: &Shm<Telemetry>| shm.store(Telemetry::numbered(round));
        let options = Telemetry::options().supersede(supersede);
        let opened = if only_create || !round.is_multiple_of(4) {
            options.create_with(name, init)
        } else {
            options.open_or_create_with(name, init)
        };
        match opened {
            Ok(shm) => {
                stats.created.fetch_add(1, AcqRel);
                if !shm.load().is_whole() {
                    stats.torn.fetch_add(1, AcqRel);
                }
                // While this handle lives, no process may take the name away.
                for _ in 0..round % 8 {
                    if !shm.is_current() {
                        stats.lost.fetch_add(1, AcqRel);
                    }
                }
            }
            Err(ShmError::AlreadyExists { .. }) => {
                stats.refused.fetch_add(1, AcqRel);
            }
            Err(error) => {
                eprintln!("{error}");
                stats.failed.fetch_add(1, AcqRel);
            }
        }
        stats.stop.load(Acquire) != 0
    })?;
    Ok(String::new())
}

/// `loop-attach NAME STATS [WAY]..`: attaches repeatedly.
pub(super) fn attach(words: &mut Words<'_>) -> Answer {
    let name = words.next()?;
    let stats = Stats::attach(words.next()?)?;
    let Way { hold, .. } = Way::parse(words)?;
    println!("looping");
    let mut held = None;
    until(|| {
        match Telemetry::attach_read_only(name) {
            Ok(shm) => {
                let count = if shm.load().is_whole() {
                    &stats.attached
                } else {
                    &stats.torn
                };
                held = hold.then_some(shm);
                count.fetch_add(1, AcqRel)
            }
            Err(ShmError::NotFound { .. }) => stats.refused.fetch_add(1, AcqRel),
            Err(error) => {
                eprintln!("{error}");
                stats.failed.fetch_add(1, AcqRel)
            }
        };
        if held.as_ref().is_some_and(|shm| !shm.load().is_whole()) {
            stats.torn.fetch_add(1, AcqRel);
        }
        stats.stop.load(Acquire) != 0
    })?;
    Ok(String::new())
}

/// `rounds NAME COUNT`: creates, attaches and drops, `COUNT` times.
pub(super) fn rounds(words: &mut Words<'_>) -> Answer {
    let name = words.next()?;
    let count: u32 = words.number()?;
    for round in 0..count {
        let frame = (round % 1000) as u16;
        let owner =
            Telemetry::options().create_with(name, |shm| shm.store(Telemetry::numbered(frame)))?;
        let reader = Telemetry::attach_read_only(name)?;
        if reader.load() != Telemetry::numbered(frame) {
            return Err(other("another value was read"));
        }
        match round % 3 {
            0 => drop(owner),
            1 => owner.unlink()?,
            _ => drop(Telemetry::open_or_create(name)?),
        }
        // Refused calls must not leak anything either.
        match TelemetryWide::attach(name) {
            Err(ShmError::NotFound { .. } | ShmError::LayoutMismatch { .. }) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Err(other("another type was attached to")),
        }
        drop(Telemetry::create_anonymous()?);
    }
    Ok(String::new())
}

/// `loop-sweep STATS [WAY]..`: removes orphaned segments repeatedly, and checks every entry.
pub(super) fn sweep(words: &mut Words<'_>) -> Answer {
    let stats = Stats::attach(words.next()?)?;
    Way::parse(words)?;
    println!("looping");
    until(|| {
        let swept =
            shm_core::sweep().map(|names| stats.swept.fetch_add(names.len() as u64, AcqRel));
        let listed = shm_core::list().and_then(|mut names| {
            names.try_for_each(|info| {
                // Names that lead to a segment are always complete.
                if info?.contents.is_none() {
                    stats.torn.fetch_add(1, AcqRel);
                }
                Ok(())
            })
        });
        if let Err(error) = swept.and(listed) {
            eprintln!("{error}");
            stats.failed.fetch_add(1, AcqRel);
        }
        stats.stop.load(Acquire) != 0
    })?;
    Ok(String::new())
}
