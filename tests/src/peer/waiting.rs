//! Commands for events, semaphores and barriers.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::time::{Duration, Instant};

use shm_core::sync::{BarrierError, BarrierSeat, BarrierWaitResult, TimedOut};
use shm_core::{ReadOnly, Shm, ShmLayout};

use super::rounds::waiting as rounds;
use super::{Answer, Failure, Program, Words, other};
use crate::DEADLINE;
use crate::kill_timing::RandomDelays;
use crate::segments::WaitSegment;

/// The segment, by either kind of handle.
#[derive(Clone, Copy)]
enum Handle {
    Write(&'static Shm<WaitSegment>),
    Read(&'static Shm<WaitSegment, ReadOnly>),
}

/// The segment, and a seat in its barrier.
pub(super) struct Attachment {
    handle: Handle,
    seat: Option<BarrierSeat<'static, 3>>,
}

/// A timeout; `None` for `forever`.
pub(super) fn timeout(words: &mut Words<'_>) -> Result<Option<Duration>, Failure> {
    match words.next()? {
        "forever" => Ok(None),
        millis => Ok(Some(Duration::from_millis(millis.parse().map_err(other)?))),
    }
}

/// The result of a barrier's wait.
fn outcome(result: Result<BarrierWaitResult, BarrierError>) -> Answer {
    Ok(match result {
        Ok(result) if result.is_leader() => "leader".to_owned(),
        Ok(_) => "passed".to_owned(),
        Err(BarrierError::Died { seat }) => format!("died {seat}"),
        Err(BarrierError::TimedOut { .. }) => "timed-out".to_owned(),
        Err(BarrierError::NotOwner) => "not-owner".to_owned(),
        Err(BarrierError::Unregistered(error)) => return Err(Failure::Shm(*error)),
        Err(error) => return Err(other(error)),
    })
}

impl Program {
    fn attachment(&mut self) -> Result<&mut Attachment, Failure> {
        self.waiting
            .as_mut()
            .ok_or_else(|| other("nothing is attached"))
    }

    fn shared(&mut self) -> Result<&'static Shm<WaitSegment>, Failure> {
        match self.attachment()?.handle {
            Handle::Write(shm) => Ok(shm),
            Handle::Read(_) => Err(other("only for reading")),
        }
    }

    /// `waiting attach NAME`, `waiting event ..`, `waiting permits ..`, `waiting meet ..`, and so on.
    pub(super) fn obey_waiting(&mut self, words: &mut Words<'_>) -> Answer {
        match words.next()? {
            "attach" => {
                let shm = Box::leak(Box::new(WaitSegment::attach(words.next()?)?));
                self.settle(Handle::Write(shm))
            }
            "attach-read-only" => {
                let shm = Box::leak(Box::new(WaitSegment::attach_read_only(words.next()?)?));
                self.settle(Handle::Read(shm))
            }
            "event" => self.event(words),
            "permits" => self.permits(words),
            "meet" => self.meet(words),
            "round" => {
                let what = words.next()?;
                match self.attachment()?.handle {
                    Handle::Write(shm) => rounds::round(shm, what),
                    Handle::Read(shm) => rounds::look(&shm.event, || shm.ping.load(Acquire), what),
                }
            }
            "loop" => {
                let (what, shm) = (words.next()?, self.shared()?);
                let number: usize = words.number()?;
                println!("looping");
                match what {
                    "event" => answer(shm, number),
                    "permits" => pass_permits(shm),
                    "meet" => meet_again_and_again(shm)?,
                    unknown => return Err(other(format!("no loop is `{unknown}`"))),
                }
                Ok(String::new())
            }
            unknown => Err(other(format!("there is no command `waiting {unknown}`"))),
        }
    }

    fn settle(&mut self, handle: Handle) -> Answer {
        self.waiting = Some(Attachment { handle, seat: None });
        Ok(String::new())
    }

    fn event(&mut self, words: &mut Words<'_>) -> Answer {
        match words.next()? {
            "wait" => {
                let (seen, timeout) = (words.number()?, timeout(words)?);
                let start = Instant::now();
                let result = match (self.attachment()?.handle, timeout) {
                    (Handle::Write(shm), None) => Ok(shm.event.wait(seen)),
                    (Handle::Read(shm), None) => Ok(shm.event.wait(seen)),
                    (Handle::Write(shm), Some(timeout)) => shm.event.wait_timeout(seen, timeout),
                    (Handle::Read(shm), Some(timeout)) => shm.event.wait_timeout(seen, timeout),
                };
                match result {
                    Ok(generation) => Ok(generation.to_string()),
                    Err(TimedOut) => Ok(format!("timed-out {}", start.elapsed().as_micros())),
                }
            }
            "notify-one" => {
                self.shared()?.event.notify_one();
                Ok(String::new())
            }
            "notify-all" => {
                self.shared()?.event.notify_all();
                Ok(String::new())
            }
            unknown => Err(other(format!("there is no event command `{unknown}`"))),
        }
    }

    fn permits(&mut self, words: &mut Words<'_>) -> Answer {
        let permits = &self.shared()?.permits;
        match words.next()? {
            "wait" => match timeout(words)? {
                None => {
                    permits.wait();
                    Ok("taken".to_owned())
                }
                Some(timeout) => match permits.wait_timeout(timeout) {
                    Ok(()) => Ok("taken".to_owned()),
                    Err(TimedOut) => Ok("timed-out".to_owned()),
                },
            },
            "try" => Ok(permits.try_wait().to_string()),
            "post" => {
                permits.post_many(words.number()?).map_err(other)?;
                Ok(String::new())
            }
            // So many turns with so many permits, which are all there are.
            "take-turns" => {
                let (shm, turns, count) = (self.shared()?, words.number()?, words.number()?);
                for _ in 0..turns {
                    match count {
                        1 => shm.permits.wait(),
                        count => shm.permits.wait_many(count),
                    }
                    shm.count.set(shm.count.get() + 1);
                    shm.permits.post_many(count).map_err(other)?;
                }
                Ok(String::new())
            }
            unknown => Err(other(format!("there is no semaphore command `{unknown}`"))),
        }
    }

    fn meet(&mut self, words: &mut Words<'_>) -> Answer {
        let shm = self.shared()?;
        let attachment = self.attachment()?;
        match words.next()? {
            "join" => match shm.meet.join() {
                Ok(seat) => {
                    let answer = format!("{} {}", seat.number(), seat.has_arrived());
                    attachment.seat = Some(seat);
                    Ok(answer)
                }
                Err(BarrierError::Full) => Ok("full".to_owned()),
                Err(error) => Err(other(error)),
            },
            "leave" => {
                attachment.seat = None;
                Ok(String::new())
            }
            // Uses a permit so often, and changes what only the holder of the last one may change.
            "take-turns" => {
                let turns: u32 = words.number()?;
                for _ in 0..turns {
                    let seat = shm.meet.join_timeout(DEADLINE).map_err(other)?;
                    shm.count.set(shm.count.get() + 1);
                    drop(seat);
                }
                Ok(String::new())
            }
            "fork-leave" => super::process::in_child(|| {
                attachment.seat = None;
                0
            }),
            "wait" => {
                let seat = attachment.seat.as_mut();
                let seat = seat.ok_or_else(|| other("there is no seat"))?;
                outcome(match timeout(words)? {
                    None => seat.wait(),
                    Some(timeout) => seat.wait_timeout(timeout),
                })
            }
            // So many rounds, and how often it was the leader.
            "rounds" => {
                let seat = attachment.seat.as_mut();
                let seat = seat.ok_or_else(|| other("there is no seat"))?;
                let (rounds, mut led): (u32, u32) = (words.number()?, 0);
                for _ in 0..rounds {
                    let number = u64::from(seat.round());
                    shm.work[seat.number()].set(number + 1);
                    led += u32::from(seat.wait().map_err(other)?.is_leader());
                    check_work(shm, number);
                }
                Ok(led.to_string())
            }
            "exec" => {
                println!("executing");
                // It exits when its input ends, as this program does.
                Err(other(Command::new("cat").exec()))
            }
            unknown => Err(other(format!("there is no barrier command `{unknown}`"))),
        }
    }
}

/// After a round: everyone's work for it is done, and nobody's for more than the next.
fn check_work(shm: &Shm<WaitSegment>, round: u64) {
    for work in shm.work.iter() {
        let ahead = work.get().wrapping_sub(round);
        if ahead != 1 && ahead != 2 {
            shm.wrong.fetch_add(1, AcqRel);
        }
    }
}

/// Answers requests, and wakes others without need. Waits by each call.
fn answer(shm: &Shm<WaitSegment>, number: usize) {
    let (mut mine, mut round) = (0, 0_u64);
    loop {
        // Before it checks `stop`: a wait without a timeout must not miss that.
        let seen = shm.event.generation();
        if shm.stop.load(Acquire) != 0 {
            return;
        }
        let ping = shm.ping.load(Acquire);
        if ping != mine {
            mine = ping;
            // The previous process with this number may have lived on for a moment.
            shm.pongs[number].fetch_max(ping, AcqRel);
            shm.answers.notify_one();
            if ping.is_multiple_of(2) {
                shm.event.notify_one();
            }
            continue;
        }
        round += 1;
        let asked = || shm.ping.load(Acquire) != mine || shm.stop.load(Acquire) != 0;
        let notified = match round % 3 {
            0 => shm.event.wait_timeout(seen, DEADLINE).is_ok(),
            1 => shm
                .event
                .wait_until_timeout(DEADLINE, || asked().then_some(()))
                .is_ok(),
            _ => shm.event.wait(seen) != seen,
        };
        if !notified {
            shm.failed.fetch_add(1, AcqRel);
        }
    }
}

/// Takes permits and posts them again, by each call, and keeps accounts that hold even if it is killed.
fn pass_permits(shm: &Shm<WaitSegment>) {
    let mut random = RandomDelays::new();
    while shm.stop.load(Acquire) == 0 {
        let way = random.next_number() % 6;
        let count = if way < 4 { 1 } else { 2 };
        shm.taking.fetch_add(count, AcqRel);
        let taken = match way {
            0 => shm.permits.try_wait(),
            1 => shm.permits.wait_timeout(Duration::from_millis(3)).is_ok(),
            2 => shm.permits.wait_timeout(Duration::from_micros(200)).is_ok(),
            3 => {
                shm.permits.wait();
                true
            }
            4 => shm.permits.try_wait_many(2),
            _ => {
                let millis = Duration::from_millis(3);
                shm.permits.wait_many_timeout(2, millis).is_ok()
            }
        };
        if taken {
            shm.taken.fetch_add(count, AcqRel);
            shm.posting.fetch_add(count, AcqRel);
            if shm.permits.post_many(count as u32).is_err() {
                shm.failed.fetch_add(1, AcqRel);
            }
            shm.posted.fetch_add(count, AcqRel);
        } else {
            // No permit was taken.
            shm.taking.fetch_sub(count, AcqRel);
        }
    }
}

/// Meets the others round after round. If all seats are taken it waits for one.
fn meet_again_and_again(shm: &Shm<WaitSegment>) -> Result<(), Failure> {
    let mut seat = loop {
        match shm.meet.join_timeout(Duration::from_millis(100)) {
            Ok(seat) => break seat,
            Err(BarrierError::Full) if shm.stop.load(Acquire) == 0 => {}
            Err(BarrierError::Full) => return Ok(()),
            Err(error) => return Err(other(error)),
        }
    };
    while shm.stop.load(Acquire) == 0 {
        let number = u64::from(seat.round());
        if !seat.has_arrived() {
            shm.work[seat.number()].set(number + 1);
        }
        match seat.wait_timeout(Duration::from_millis(500)) {
            Ok(result) => {
                check_work(shm, number);
                if result.is_leader() && shm.led.swap(number + 1, AcqRel) > number {
                    shm.wrong.fetch_add(1, AcqRel);
                }
            }
            Err(BarrierError::Died { .. }) => {
                shm.died.fetch_add(1, AcqRel);
            }
            Err(BarrierError::TimedOut { .. }) => {}
            Err(error) => {
                eprintln!("{error}");
                shm.failed.fetch_add(1, AcqRel);
            }
        }
    }
    Ok(())
}
