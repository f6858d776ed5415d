//! Commands for the ends of a broadcast.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::time::Duration;

use shm_core::sync::broadcast::{RecvTimeoutError, TryRecvError};
use shm_core::sync::{Broadcast, BroadcastReceiver, BroadcastSender, Owner};
use shm_core::{Access, ReadOnly, Shm, ShmLayout};

use super::rounds::broadcast as rounds;
use super::waiting::timeout;
use super::{Answer, Program, Words, other};
use crate::segments::{SmallValue, Stats};

/// So few slots that receivers fall behind now and then.
pub(crate) const SLOTS: usize = 5;
type Queue = Broadcast<SmallValue, SLOTS>;

/// The segment and this process's ends. Handles are never dropped, so that ends can be kept next to them.
#[derive(Default)]
pub(super) struct Broadcasts {
    writable: Option<&'static Shm<Queue>>,
    read_only: Option<&'static Shm<Queue, ReadOnly>>,
    sender: Option<BroadcastSender<'static, SmallValue, SLOTS>>,
    receiver: Option<Box<dyn Receiver>>,
}

/// Receivers of both kinds of handles.
trait Receiver {
    fn receive(&mut self, millis: Option<u64>) -> Answer;
    fn await_sender(&self, limit: Option<Duration>) -> Answer;
    fn run(&mut self, stats: &Shm<Stats>) -> Answer;
}

impl<A: Access> Receiver for BroadcastReceiver<'static, SmallValue, SLOTS, A> {
    fn receive(&mut self, millis: Option<u64>) -> Answer {
        let received = match millis {
            None => self.try_recv().map_err(|error| match error {
                TryRecvError::Empty => "empty".to_owned(),
                TryRecvError::Lagged(count) => format!("lagged {count}"),
                TryRecvError::Disconnected => "disconnected".to_owned(),
                error => error.to_string(),
            }),
            Some(millis) => {
                let timeout = Duration::from_millis(millis);
                self.recv_timeout(timeout).map_err(|error| match error {
                    RecvTimeoutError::Timeout => "timed-out".to_owned(),
                    RecvTimeoutError::Lagged(count) => format!("lagged {count}"),
                    RecvTimeoutError::Disconnected => "disconnected".to_owned(),
                    error => error.to_string(),
                })
            }
        };
        Ok(received.map_or_else(
            |error| error,
            |few| {
                let whole = few == [few[0]; 8];
                format!("{} {}", few[0], if whole { "whole" } else { "torn" })
            },
        ))
    }

    fn await_sender(&self, limit: Option<Duration>) -> Answer {
        let joined = match limit {
            None => {
                self.wait_for_sender();
                Ok(())
            }
            Some(limit) => self.wait_for_sender_timeout(limit),
        };
        Ok(joined.map_or("timed-out", |()| "there").to_owned())
    }

    /// Receives until `stop` is set, and checks that every gap was reported. Message `n` is `n + 1`.
    fn run(&mut self, stats: &Shm<Stats>) -> Answer {
        println!("looping");
        let (mut expected, mut received) = (None::<u64>, 0_u64);
        while stats.stop.load(Acquire) == 0 {
            match self.recv_timeout(Duration::from_millis(20)) {
                Ok(few) => {
                    let right =
                        few == [few[0]; 8] && expected.is_none_or(|expected| few[0] == expected);
                    expected = Some(few[0] + 1);
                    received += 1;
                    let counter = if right { &stats.attached } else { &stats.torn };
                    counter.fetch_add(1, AcqRel);
                }
                Err(RecvTimeoutError::Lagged(count)) => {
                    expected = expected.map(|expected| expected + count);
                    stats.lost.fetch_add(count, AcqRel);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    stats.refused.fetch_add(1, AcqRel);
                }
                Err(error) => {
                    eprintln!("{error}");
                    stats.failed.fetch_add(1, AcqRel);
                }
            }
        }
        Ok(received.to_string())
    }
}

impl Broadcasts {
    fn writable(&self) -> Result<&'static Shm<Queue>, super::Failure> {
        self.writable
            .ok_or_else(|| other("nothing is attached for writing"))
    }

    fn read_only(&self) -> Result<&'static Shm<Queue, ReadOnly>, super::Failure> {
        self.read_only
            .ok_or_else(|| other("nothing is attached for reading"))
    }

    fn sender(
        &mut self,
    ) -> Result<&mut BroadcastSender<'static, SmallValue, SLOTS>, super::Failure> {
        self.sender
            .as_mut()
            .ok_or_else(|| other("there is no sender"))
    }

    fn receiver(&mut self) -> Result<&mut Box<dyn Receiver>, super::Failure> {
        self.receiver
            .as_mut()
            .ok_or_else(|| other("there is no receiver"))
    }
}

impl Program {
    /// `broadcast attach NAME`, `broadcast sender`, `broadcast send NUMBER`, and so on.
    pub(super) fn obey_broadcast(&mut self, words: &mut Words<'_>) -> Answer {
        let all = &mut self.broadcasts;
        match words.next()? {
            // With a receiver of the messages from now on.
            "attach" => {
                let shm: &'static _ = Box::leak(Box::new(Queue::attach(words.next()?)?));
                all.writable = Some(shm);
                all.receiver = Some(Box::new(shm.receiver()));
            }
            "create" => all.writable = Some(Box::leak(Box::new(Queue::create(words.next()?)?))),
            "attach-read-only" => {
                let shm: &'static Shm<Queue, ReadOnly> =
                    Box::leak(Box::new(Queue::attach_read_only(words.next()?)?));
                all.read_only = Some(shm);
                all.receiver = Some(Box::new(shm.receiver()));
            }
            "sender" => {
                let shm = all.writable()?;
                let claimed = match words.next() {
                    Ok(millis) => {
                        shm.sender_timeout(Duration::from_millis(millis.parse().map_err(other)?))
                    }
                    Err(_) => shm.sender(),
                };
                all.sender = Some(claimed.map_err(other)?);
                return Ok(all.sender()?.position().to_string());
            }
            "leave" => all.sender = None,
            "send" => all.sender()?.send([words.number()?; 8]).map_err(other)?,
            "try" => return all.receiver()?.receive(None),
            "recv" => return all.receiver()?.receive(Some(words.number()?)),
            "owner" => {
                let owner = match (all.writable, all.read_only) {
                    (Some(shm), _) => shm.sender_owner(),
                    (_, Some(shm)) => shm.sender_owner(),
                    _ => return Err(other("nothing is attached")),
                };
                let state = |owner: Owner| if owner.is_alive() { "alive" } else { "dead" };
                return Ok(owner.map_or("nobody", state).to_owned());
            }
            "replace-descriptor" => {
                let file = File::open(words.next()?).map_err(other)?;
                let fd = all.read_only()?.as_fd().as_raw_fd();
                // SAFETY: the handle is leaked, so its descriptor is never closed. Replacing it is what the test is about.
                if unsafe { libc::dup2(file.as_raw_fd(), fd) } == -1 {
                    return Err(other(std::io::Error::last_os_error()));
                }
            }
            "close-descriptor" => {
                let fd = all.read_only()?.as_fd().as_raw_fd();
                // SAFETY: the handle is leaked, so it never closes the number again. Closing it is what the test is about.
                if unsafe { libc::close(fd) } == -1 {
                    return Err(other(std::io::Error::last_os_error()));
                }
            }
            "await" => return all.receiver()?.await_sender(timeout(words)?),
            "fork-inside" => {
                let sender = all.sender()?;
                let number = words.number()?;
                let work = |fork: &mut dyn FnMut()| {
                    sender.send_with(|slot| {
                        fork();
                        slot.store([number; 8]);
                    })
                };
                super::process::fork_inside(work, Result::is_err)?.map_err(other)?;
            }
            "fork-send" => {
                let sender = all.sender.take();
                let mut inherited = sender;
                super::process::in_child(|| {
                    let refused = inherited
                        .as_mut()
                        .is_some_and(|one| one.send([9; 8]).is_err());
                    inherited = None;
                    i32::from(!refused)
                })?;
                all.sender = inherited;
            }
            "round" => {
                let (kind, way) = (words.next()?, words.next()?);
                return match (all.writable, all.read_only, kind) {
                    (Some(shm), _, "send") => rounds::send(shm, way),
                    (Some(shm), _, "receive") => rounds::receive(shm, way),
                    (_, Some(shm), "receive") => rounds::receive(shm, way),
                    _ => Err(other("nothing is attached")),
                };
            }
            "loop-send" => {
                let stats = Stats::attach(words.next()?)?;
                return send_loop(all.writable()?, &stats);
            }
            "loop-recv" => {
                let stats = Stats::attach(words.next()?)?;
                return all.receiver()?.run(&stats);
            }
            unknown => return Err(other(format!("there is no command `broadcast {unknown}`"))),
        }
        Ok(String::new())
    }
}

/// Claims the sender whenever it is free, and sends as fast as it can.
fn send_loop(shm: &Shm<Queue>, stats: &Shm<Stats>) -> Answer {
    println!("looping");
    while stats.stop.load(Acquire) == 0 {
        // Another process may hold it.
        let Ok(mut sender) = shm.sender_timeout(Duration::from_millis(20)) else {
            stats.refused.fetch_add(1, AcqRel);
            continue;
        };
        for _ in 0..1000 {
            let number = sender.position() + 1;
            if number % 2 == 0 {
                sender.send([number; 8]).map_err(other)?;
            } else {
                sender
                    .send_with(|slot| slot.iter().for_each(|word| word.set(number)))
                    .map_err(other)?;
            }
            // Now and then receivers catch up and sleep.
            if number % 97 == 0 {
                std::thread::yield_now();
            }
        }
        stats.created.fetch_add(1, AcqRel);
    }
    Ok(String::new())
}
