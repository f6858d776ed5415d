//! What peers do over and over until they are told to stop, or killed.

use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::time::Instant;

use shm_core::{Shm, ShmError, ShmLayout};

use super::{Answer, Failure, Words, other};
use crate::driver::DEADLINE;
use crate::types::{Stats, Telemetry, TelemetryWide};

/// Waits for what another process does, by looking. It has no other way to wait that is independent of what is tested.
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

/// `loop-create NAME STATS [only]`: creates the segment and lets it go, now and then by `open_or_create` unless `only`.
pub(super) fn create(words: &mut Words<'_>) -> Answer {
    let name = words.next()?;
    let stats = Stats::attach(words.next()?)?;
    let only_create = words.next().is_ok();
    println!("looping");
    let mut round = 0u16;
    until(|| {
        round = round.wrapping_add(1);
        let init = |shm: &Shm<Telemetry>| shm.store(Telemetry::numbered(round));
        let options = Telemetry::options();
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
                // For as long as this handle lives, nobody may take the name away.
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

/// `loop-attach NAME STATS`: attaches again and again.
pub(super) fn attach(words: &mut Words<'_>) -> Answer {
    let name = words.next()?;
    let stats = Stats::attach(words.next()?)?;
    println!("looping");
    until(|| {
        match Telemetry::attach_read_only(name) {
            Ok(shm) if shm.load().is_whole() => stats.attached.fetch_add(1, AcqRel),
            Ok(_) => stats.torn.fetch_add(1, AcqRel),
            Err(ShmError::NotFound { .. }) => stats.refused.fetch_add(1, AcqRel),
            Err(error) => {
                eprintln!("{error}");
                stats.failed.fetch_add(1, AcqRel)
            }
        };
        stats.stop.load(Acquire) != 0
    })?;
    Ok(String::new())
}

/// `rounds NAME COUNT`: creates, attaches and lets go, so many times.
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
        // What was refused has to leave nothing behind, too.
        match TelemetryWide::attach(name) {
            Err(ShmError::NotFound { .. } | ShmError::LayoutMismatch { .. }) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Err(other("another type was attached to")),
        }
        drop(Telemetry::create_anonymous()?);
    }
    Ok(String::new())
}
