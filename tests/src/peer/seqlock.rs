//! Commands that read and write sequence locks.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::time::{Duration, Instant};

use nix::unistd::pause;
use shm_core::sync::{SeqLock, SeqLockWriteGuard, WriteError};
use shm_core::{Access, ReadOnly, Shm, ShmCell, ShmLayout};

use super::rounds::seqlock as rounds;
use super::waiting::timeout;
use super::{Answer, Failure, Program, Words, other};
use crate::DEADLINE;
use crate::segments::WaitSegment;
use crate::segments::{Block, SmallValue, Stats};

/// The segment's handles and the guard on its lock. Handles are never dropped, so that a guard can be kept next to them.
#[derive(Default)]
pub(super) struct SeqLocks {
    writer: Option<&'static Shm<SeqLock<Block>>>,
    reader: Option<&'static Shm<SeqLock<Block>, ReadOnly>>,
    guard: Option<SeqLockWriteGuard<'static, Block>>,
    few: Option<&'static Shm<SeqLock<SmallValue, 3>>>,
    few_read_only: Option<&'static Shm<SeqLock<SmallValue, 3>, ReadOnly>>,
}

/// Operations of both kinds of handles.
trait Reader {
    fn block(&self) -> (u64, Block);
    fn wait(&self, seen: u64, limit: Option<Duration>) -> Option<u64>;
    /// Reads by one of the calls. Returns whether the value was whole.
    fn is_whole(&self, round: u64, block: &mut Block) -> bool;
}

impl<A: Access> Reader for Shm<SeqLock<Block>, A> {
    fn block(&self) -> (u64, Block) {
        self.read_versioned()
            .expect("the writer keeps to the protocol")
    }

    fn wait(&self, seen: u64, limit: Option<Duration>) -> Option<u64> {
        match limit {
            None => self.wait_newer(seen, Duration::MAX).ok(),
            Some(limit) => self.wait_newer(seen, limit).ok(),
        }
    }

    fn is_whole(&self, round: u64, block: &mut Block) -> bool {
        match round % 4 {
            0 => {
                let read = self.read_versioned();
                return read.is_ok_and(|(version, block)| block.is_numbered(version));
            }
            1 => {
                if self.read_into(block).is_err() {
                    return false;
                }
            }
            2 => {
                let view = |cell: &ShmCell<Block, ReadOnly>| {
                    let first = cell.number.get();
                    cell.words
                        .iter()
                        .zip(1_u64..)
                        .all(|(word, factor)| word.get() == first.wrapping_mul(factor))
                };
                return self.read_with(view).unwrap_or(false);
            }
            _ => match self.read() {
                Ok(read) => *block = read,
                Err(_) => return false,
            },
        }
        block.is_whole()
    }
}

fn refusal(error: WriteError) -> Answer {
    match error {
        WriteError::WouldBlock(_) => Ok("would-block".to_owned()),
        WriteError::TimedOut(_) => Ok("timed-out".to_owned()),
        WriteError::Unregistered(error) => Err(Failure::Shm(*error)),
        error => Err(other(error)),
    }
}

impl SeqLocks {
    fn writer(&self) -> Result<&'static Shm<SeqLock<Block>>, Failure> {
        self.writer
            .ok_or_else(|| other("nothing is attached for writing"))
    }

    fn reader(&self) -> Result<&dyn Reader, Failure> {
        match (self.writer, self.reader) {
            (Some(writer), _) => Ok(writer),
            (_, Some(reader)) => Ok(reader),
            _ => Err(other("nothing is attached")),
        }
    }
}

impl Program {
    /// `seqlock attach NAME`, `seqlock write forever|try|MILLISECONDS`, and so on.
    pub(super) fn obey_seqlock(&mut self, words: &mut Words<'_>) -> Answer {
        let locks = &mut self.seqlocks;
        match words.next()? {
            "attach" => {
                let shm = SeqLock::<Block>::attach(words.next()?)?;
                locks.writer = Some(Box::leak(Box::new(shm)));
            }
            "attach-read-only" => {
                let shm = SeqLock::<Block>::attach_read_only(words.next()?)?;
                locks.reader = Some(Box::leak(Box::new(shm)));
            }
            "read" => {
                let (version, block) = locks.reader()?.block();
                let whole = if block.is_whole() { "whole" } else { "torn" };
                return Ok(format!("{version} {} {whole}", block.number));
            }
            "wait" => {
                let (seen, limit) = (words.number()?, timeout(words)?);
                let newer = locks.reader()?.wait(seen, limit);
                return Ok(newer.map_or("timed-out".to_owned(), |version| version.to_string()));
            }
            // Acquires the role and changes the copy.
            "write" => {
                let lock = locks.writer()?;
                let written = match words.next()? {
                    "forever" => lock.write(),
                    "try" => lock.try_write(),
                    millis => {
                        lock.write_timeout(Duration::from_millis(millis.parse().map_err(other)?))
                    }
                };
                match written {
                    Ok(mut guard) => {
                        *guard = Block::numbered(guard.number + 1);
                        locks.guard = Some(guard);
                    }
                    Err(error) => return refusal(error),
                }
            }
            "commit" => drop(locks.guard.take()),
            "store" => {
                let number = words.number()?;
                let stored = locks.writer()?.store_from(&Block::numbered(number));
                return stored.map_or_else(refusal, |version| Ok(version.to_string()));
            }
            "fork-commit" => {
                let mut guard = locks.guard.take();
                super::process::in_child(|| {
                    // Everything an inherited guard can try.
                    let refused = guard.as_mut().map(|guard| {
                        guard.number = 77;
                        let published = guard.publish();
                        guard.number = 78;
                        matches!(published, Err(WriteError::Inherited))
                    });
                    drop(guard.take());
                    i32::from(refused != Some(true))
                })?;
                locks.guard = guard;
            }
            "fork-inside" => {
                let (lock, in_place) = (locks.writer()?, words.next()? == "place");
                let next = Block::numbered(lock.version() + 1);
                let work = |fork: &mut dyn FnMut()| {
                    if in_place {
                        return lock.write_with(|slot| {
                            fork();
                            slot.store(next);
                        });
                    }
                    lock.update(|block| {
                        fork();
                        *block = next;
                    })
                };
                let refused =
                    |written: &Result<_, _>| matches!(written, Err(WriteError::Inherited));
                let written = super::process::fork_inside(work, refused)?;
                return written.map_or_else(refusal, |(version, ())| Ok(version.to_string()));
            }
            // Half a value, until it is killed.
            "halt" => {
                let written = locks.writer()?.write_with(|slot| {
                    slot.number.set(99);
                    println!("ok half");
                    loop {
                        pause();
                    }
                });
                written.map_err(other)?;
            }
            "few" => {
                let shm = SeqLock::<SmallValue, 3>::attach(words.next()?)?;
                locks.few = Some(Box::leak(Box::new(shm)));
            }
            "few-read-only" => {
                let shm = SeqLock::<SmallValue, 3>::attach_read_only(words.next()?)?;
                locks.few_read_only = Some(Box::leak(Box::new(shm)));
            }
            "hold" => {
                let shm = locks.few.ok_or_else(|| other("nothing is attached"))?;
                std::mem::forget(shm.write().map_err(other)?);
            }
            "round" => {
                let (kind, way) = (words.next()?, words.next()?);
                return match (locks.few, locks.few_read_only, kind) {
                    (Some(shm), _, "write") => rounds::write(shm, way),
                    (Some(shm), _, "read") => rounds::read(shm, way),
                    (_, Some(shm), "read") => rounds::read(shm, way),
                    _ => Err(other("nothing is attached")),
                };
            }
            "loop-write" => {
                let stats = Stats::attach(words.next()?)?;
                return write_loop(locks.writer()?, &stats);
            }
            "loop-read" => {
                let stats = Stats::attach(words.next()?)?;
                return read_loop(locks.reader()?, &stats);
            }
            "loop-pace" => {
                let shared = WaitSegment::attach(words.next()?)?;
                return pace_loop(locks.writer()?, &shared);
            }
            "loop-wait" => {
                let shared = WaitSegment::attach(words.next()?)?;
                return wait_loop(locks.reader()?, &shared, words.number()?);
            }
            unknown => return Err(other(format!("there is no command `seqlock {unknown}`"))),
        }
        Ok(String::new())
    }
}

/// Commits as fast as it can, by each call in turn. The number of each value is that of its version.
fn write_loop(shm: &Shm<SeqLock<Block>>, stats: &Shm<Stats>) -> Answer {
    let mut block = Block::numbered(0);
    println!("looping");
    let mut round = 0_u64;
    while stats.stop.load(Acquire) == 0 {
        let written = match round % 5 {
            0 => shm
                .update(|block| *block = Block::numbered(block.number + 1))
                .map(drop),
            1 => shm.write().and_then(|mut guard| {
                for _ in 0..8 {
                    *guard = Block::numbered(guard.number + 1);
                    guard.publish()?;
                }
                Ok(())
            }),
            2 => shm
                .write_timeout(Duration::from_millis(3))
                .and_then(|mut guard| {
                    *guard = Block::numbered(guard.number + 1);
                    guard.commit().map(drop)
                }),
            // With the role, no other process makes a version.
            3 => shm
                .write_with(|slot| slot.store(Block::numbered(shm.version() + 1)))
                .map(drop),
            _ => shm.try_write().map(|guard| {
                block = *guard;
                guard.discard();
            }),
        };
        match written {
            Ok(()) => {
                stats.created.fetch_add(1, AcqRel);
            }
            Err(WriteError::TimedOut(_) | WriteError::WouldBlock(_)) => {}
            Err(error) => {
                eprintln!("{error}");
                stats.failed.fetch_add(1, AcqRel);
            }
        }
        if !block.is_whole() {
            stats.torn.fetch_add(1, AcqRel);
        }
        round += 1;
    }
    Ok(String::new())
}

/// Reads as fast as it can, by each call in turn. Returns the number of reads, and the longest time of one in microseconds.
fn read_loop(shm: &dyn Reader, stats: &Shm<Stats>) -> Answer {
    let mut block = Block::numbered(0);
    println!("looping");
    let (mut round, mut longest) = (0_u64, Duration::ZERO);
    while stats.stop.load(Acquire) == 0 {
        let start = Instant::now();
        let whole = shm.is_whole(round, &mut block);
        longest = longest.max(start.elapsed());
        let counter = if whole { &stats.attached } else { &stats.torn };
        counter.fetch_add(1, AcqRel);
        round += 1;
    }
    Ok(format!("{round} {}", longest.as_micros()))
}

/// Commits, and lets the waiting processes read it and fall asleep again before it commits the next.
fn pace_loop(shm: &Shm<SeqLock<Block>>, shared: &Shm<WaitSegment>) -> Answer {
    println!("looping");
    while shared.stop.load(Acquire) == 0 {
        let written = shm.update(|block| *block = Block::numbered(block.number + 1));
        let Ok((version, ())) = written else {
            shared.failed.fetch_add(1, AcqRel);
            continue;
        };
        // All have it, or one was killed.
        let start = Instant::now();
        let has_it = |pong: &ShmCell<AtomicU64>| pong.load(Acquire) >= version;
        while !shared.pongs.iter().all(has_it) && start.elapsed() < Duration::from_millis(3) {
            std::thread::yield_now();
        }
    }
    Ok(String::new())
}

/// Waits for newer values, checks that they are whole, and publishes which it has seen.
fn wait_loop(shm: &dyn Reader, shared: &Shm<WaitSegment>, number: usize) -> Answer {
    println!("looping");
    let mut seen = 0;
    while shared.stop.load(Acquire) == 0 {
        let Some(newer) = shm.wait(seen, Some(DEADLINE)) else {
            shared.failed.fetch_add(1, AcqRel);
            continue;
        };
        let (version, block) = shm.block();
        if newer <= seen || version < newer || !block.is_numbered(version) {
            shared.wrong.fetch_add(1, AcqRel);
        }
        seen = version;
        // The previous process with this number may have lived on for a moment.
        shared.pongs[number].fetch_max(seen, AcqRel);
    }
    Ok(String::new())
}
