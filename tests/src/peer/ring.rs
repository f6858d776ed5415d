//! Commands for the ends of rings, using every call.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, raise};
use shm_core::sync::{
    ClaimError, Receiver, RecvTimeoutError, SendTimeoutError, Sender, TimedOut, TryRecvError,
    TrySendError,
};
use shm_core::{Shm, ShmLayout};

use super::waiting::timeout;
use super::{Answer, Failure, Program, Words, other, ring_fork, ring_system_calls};
use crate::driver::DEADLINE;
use crate::kill_timing::RandomDelays;
use crate::segments::{Message, RingSegment};

/// Messages per batch.
pub(super) const BATCH: usize = 64;
/// Loops wait for this long between checks of `stop`.
const A_MOMENT: Duration = Duration::from_millis(20);

/// The segment, and this process's ends of its small ring.
pub(super) struct Ends {
    /// Never dropped, so that ends can be kept next to it.
    shm: &'static Shm<RingSegment>,
    sender: Option<Sender<'static, Message, 5>>,
    receiver: Option<Receiver<'static, Message, 5>>,
    /// Identifies this process in the segment: a pid is ambiguous across pid namespaces.
    alias: u64,
}

impl From<ClaimError> for Failure {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Unregistered(error) => Self::Shm(*error),
            error => other(error),
        }
    }
}

impl Ends {
    fn sender(&mut self) -> Result<&mut Sender<'static, Message, 5>, Failure> {
        self.sender.as_mut().ok_or_else(|| other("no sender"))
    }

    fn receiver(&mut self) -> Result<&mut Receiver<'static, Message, 5>, Failure> {
        self.receiver.as_mut().ok_or_else(|| other("no receiver"))
    }

    fn obey(&mut self, words: &mut Words<'_>) -> Answer {
        let shm = self.shm;
        match words.next()? {
            "sender" => {
                let claimed = match words.next() {
                    Ok(millis) => {
                        let timeout = Duration::from_millis(millis.parse().map_err(other)?);
                        shm.ring.sender_timeout(timeout)
                    }
                    Err(_) => shm.ring.sender(),
                };
                if let Err(ClaimError::Taken(_)) = claimed {
                    return Ok("taken".to_owned());
                }
                let sender = claimed?;
                let position = sender.position();
                self.sender = Some(sender);
                Ok(position.to_string())
            }
            "receiver" => {
                let claimed = match words.next() {
                    Ok(millis) => {
                        let timeout = Duration::from_millis(millis.parse().map_err(other)?);
                        shm.ring.receiver_timeout(timeout)
                    }
                    Err(_) => shm.ring.receiver(),
                };
                if let Err(ClaimError::Taken(_)) = claimed {
                    return Ok("taken".to_owned());
                }
                let receiver = claimed?;
                let position = receiver.position();
                self.receiver = Some(receiver);
                Ok(position.to_string())
            }
            "reconnecting" => {
                self.sender = self.sender.take().map(Sender::reconnecting);
                self.receiver = self.receiver.take().map(Receiver::reconnecting);
                Ok(String::new())
            }
            "drop" => {
                (self.sender, self.receiver) = (None, None);
                Ok(String::new())
            }
            "send" => {
                let how = words.next()?.to_owned();
                self.send(&how)
            }
            "recv" => {
                let how = words.next()?.to_owned();
                self.recv(&how)
            }
            "await" => {
                let (end, limit) = (words.next()?.to_owned(), timeout(words)?);
                let joined = match (end.as_str(), limit) {
                    ("sender", None) => self.receiver()?.wait_for_sender().map_err(|_| TimedOut),
                    ("sender", Some(limit)) => self.receiver()?.wait_for_sender_timeout(limit),
                    (_, None) => self.sender()?.wait_for_receiver().map_err(|_| TimedOut),
                    (_, Some(limit)) => self.sender()?.wait_for_receiver_timeout(limit),
                };
                Ok(joined.map_or("timed-out", |()| "there").to_owned())
            }
            "stream-out" => stream_out(shm, words),
            "stream-in" => stream_in(shm, words),
            "alias" => Ok(self.alias.to_string()),
            "produce" => produce(shm, self.alias),
            "consume" => consume(shm, self.alias, words.next()? == "with"),
            "round" => super::rounds::ring::round(shm, words.next()?),
            "half-written" => {
                let sender = self.sender()?;
                sender
                    .send_with(|cell| {
                        cell.number.set(u64::MAX);
                        println!("writing");
                        loop {
                            nix::unistd::pause();
                        }
                    })
                    .map_err(other)
            }
            "half-read" => {
                let receiver = self.receiver()?;
                receiver
                    .recv_with(|cell, deliveries| {
                        println!("reading {} {deliveries}", cell.number.get());
                        loop {
                            nix::unistd::pause();
                        }
                    })
                    .map_err(other)
            }
            "half-chunk-out" => {
                let chunk = self.sender()?.write_chunk(9).map_err(other)?;
                chunk.iter().for_each(|cell| cell.number.set(u64::MAX));
                println!("written {}", chunk.len());
                loop {
                    nix::unistd::pause();
                }
            }
            "half-chunk-in" => {
                let chunk = self.receiver()?.read_chunk(9).map_err(other)?;
                println!(
                    "read {}",
                    chunk.iter().filter(|cell| cell.load().is_whole()).count()
                );
                loop {
                    nix::unistd::pause();
                }
            }
            "fork-use" => {
                let (sender, receiver) = (&mut self.sender, &mut self.receiver);
                super::process::in_child(|| {
                    let refused = sender.as_mut().is_none_or(|end| {
                        matches!(
                            end.try_send(Message::numbered(u64::MAX)),
                            Err(TrySendError::Disconnected(_))
                        ) && end.wait_for_receiver().is_err()
                            && end.is_disconnected()
                            && end.write_chunk(1).is_err()
                    }) && receiver.as_mut().is_none_or(|end| {
                        end.try_recv() == Err(TryRecvError::Disconnected)
                            && end.wait_for_sender().is_err()
                            && end.read_chunk(1).is_err()
                            && end.peek().is_err()
                            && end.is_disconnected()
                            && end.wait_for_sender_timeout(DEADLINE).is_err()
                    });
                    (*sender, *receiver) = (None, None);
                    i32::from(!refused)
                })
            }
            "report-again" => report_again(self.receiver()?),
            "quiet" => ring_system_calls::both(shm, words.number()?),
            "quiet-out" => ring_system_calls::out(shm, words),
            "quiet-in" => ring_system_calls::take_in(shm, words),
            "fork-inside" => ring_fork::inside(shm),
            "fork-in-chunk" => ring_fork::in_chunk(shm),
            unknown => Err(other(format!("there is no command `ring {unknown}`"))),
        }
    }

    fn send(&mut self, how: &str) -> Answer {
        let sender = self.sender()?;
        let note = Message::numbered(sender.position());
        let result = match how {
            "forever" => sender.send(note).map_err(|_| "disconnected"),
            "try" => sender.try_send(note).map_err(|error| match error {
                TrySendError::Full(_) => "full",
                TrySendError::Disconnected(_) => "disconnected",
                _ => "another error",
            }),
            millis => {
                let timeout = Duration::from_millis(millis.parse().map_err(other)?);
                sender
                    .send_timeout(note, timeout)
                    .map_err(|error| match error {
                        SendTimeoutError::Timeout(_) => "timed-out",
                        SendTimeoutError::Disconnected(_) => "disconnected",
                        _ => "another error",
                    })
            }
        };
        Ok(result.map_or_else(str::to_owned, |()| note.number.to_string()))
    }

    fn recv(&mut self, how: &str) -> Answer {
        let receiver = self.receiver()?;
        let result = match how {
            "forever" => receiver.recv().map_err(|_| "disconnected"),
            "try" => receiver.try_recv().map_err(|error| match error {
                TryRecvError::Empty => "empty",
                TryRecvError::Disconnected => "disconnected",
                _ => "another error",
            }),
            millis => {
                let timeout = Duration::from_millis(millis.parse().map_err(other)?);
                receiver.recv_timeout(timeout).map_err(|error| match error {
                    RecvTimeoutError::Timeout => "timed-out",
                    RecvTimeoutError::Disconnected => "disconnected",
                    _ => "another error",
                })
            }
        };
        match result {
            Ok(note) if note.is_whole() => Ok(note.number.to_string()),
            Ok(note) => Err(other(format!("{note:?} is not whole"))),
            Err(word) => Ok(word.to_owned()),
        }
    }
}

impl Program {
    /// `ring attach NAME`, `ring sender [MILLISECONDS]`, `ring send forever|try|MILLISECONDS`, and so on.
    pub(super) fn obey_ring(&mut self, words: &mut Words<'_>) -> Answer {
        if let Some(ends) = &mut self.ring {
            return ends.obey(words);
        }
        match words.next()? {
            "attach" => {
                let shm = Box::leak(Box::new(RingSegment::attach(words.next()?)?));
                self.ring = Some(Ends {
                    shm,
                    sender: None,
                    receiver: None,
                    alias: RandomDelays::new().next_number(),
                });
                Ok(String::new())
            }
            _ => Err(other("nothing is attached")),
        }
    }
}

/// `stream-out COUNT one|many`: sends `COUNT` messages into the large ring, one by one or in batches.
fn stream_out(shm: &Shm<RingSegment>, words: &mut Words<'_>) -> Answer {
    let (count, many) = (words.number::<u64>()?, words.next()? == "many");
    let mut sender = shm.stream.sender()?;
    let begin = sender.position();
    if many {
        let mut batch = [Message::numbered(0); BATCH];
        while sender.position() < begin + count {
            let next = sender.position();
            for (number, note) in (next..).zip(&mut batch) {
                *note = Message::numbered(number);
            }
            let left = usize::try_from(begin + count - next).map_err(other)?;
            sender
                .send_slice(&batch[..left.min(BATCH)])
                .map_err(|error| other(error.to_string()))?;
        }
    } else {
        for number in begin..begin + count {
            sender
                .send(Message::numbered(number))
                .map_err(|error| other(error.to_string()))?;
        }
    }
    Ok(sender.position().to_string())
}

/// `stream-in one|many`: receives from the large ring until its sender leaves. Returns the number of messages and the
/// microseconds between the first and the last.
fn stream_in(shm: &Shm<RingSegment>, words: &mut Words<'_>) -> Answer {
    let many = words.next()? == "many";
    let mut receiver = shm.stream.receiver()?;
    let mut expected = receiver.position();
    println!("receiving");
    let mut check = |note: &Message| {
        if *note != Message::numbered(expected) {
            return Err(other(format!("{note:?} instead of number {expected}")));
        }
        expected += 1;
        Ok(())
    };
    let mut batch = [Message::numbered(0); BATCH];
    // A previous sender may have left; wait for the next.
    receiver.wait_for_sender_timeout(DEADLINE).map_err(other)?;
    let first = receiver.recv().map_err(other)?;
    let start = Instant::now();
    check(&first)?;
    if many {
        while let Ok(there) = receiver.recv_slice(&mut batch) {
            batch[..there].iter().try_for_each(&mut check)?;
        }
    } else {
        receiver.iter().try_for_each(|note| check(&note))?;
    }
    if receiver.position() != expected {
        return Err(other("the position is another one"));
    }
    Ok(format!("{expected} {}", start.elapsed().as_micros()))
}

/// `produce`: claims the sending end when it is free, and sends the next messages until it is stopped or killed.
fn produce(shm: &Shm<RingSegment>, me: u64) -> Answer {
    println!("producing");
    let mut sender = shm.ring.sender_timeout(DEADLINE)?;
    shm.sender.store(me, Release);
    let mut batch = [Message::numbered(0); 3];
    while shm.stop.load(Acquire) == 0 {
        let next = sender.position();
        let result = match next % 3 {
            0 => sender.send(Message::numbered(next)).map_err(|_| ()),
            1 => sender
                .send_with(|cell| cell.store(Message::numbered(next)))
                .map_err(|_| ()),
            _ => {
                for (number, note) in (next..).zip(&mut batch) {
                    *note = Message::numbered(number);
                }
                sender.send_slice(&batch).map_err(|_| ())
            }
        };
        if result.is_err() {
            // The receiver was killed. The next one continues where it was.
            let _ = sender.wait_for_receiver_timeout(A_MOMENT);
        }
    }
    Ok(sender.position().to_string())
}

/// `consume with|copy`: claims the receiving end when it is free, and counts what it receives until it is killed, or stopped
/// with the ring empty.
fn consume(shm: &Shm<RingSegment>, me: u64, with: bool) -> Answer {
    println!("consuming");
    let mut receiver = shm.ring.receiver_timeout(DEADLINE)?;
    shm.receiver.store(me, Release);
    loop {
        let position = receiver.position();
        let note_down = |note: Message, deliveries: u32| {
            if with {
                // A message that a killed receiver has begun to handle is delivered again.
                if shm.begun.swap(position + 1, AcqRel) == position + 1 {
                    shm.redelivered.fetch_add(1, AcqRel);
                    if deliveries < 2 {
                        shm.wrong.fetch_add(1, AcqRel);
                    }
                }
                // Time to be killed in.
                std::thread::yield_now();
            }
            let handled = shm.handled.load(Relaxed);
            if note != Message::numbered(position) {
                shm.wrong.fetch_add(1, AcqRel);
            }
            match note.number {
                number if number == handled => {}
                // Messages are handled before they are counted as received.
                number if with && number + 1 == handled => {
                    shm.repeats.fetch_add(1, AcqRel);
                }
                // Messages are counted as received before they are handled.
                number if !with && number > handled => {
                    shm.skips.fetch_add(number - handled, AcqRel);
                }
                _ => {
                    shm.wrong.fetch_add(1, AcqRel);
                }
            }
            shm.handled.store(note.number + 1, Release);
        };
        let result = if with {
            receiver.recv_with_timeout(A_MOMENT, |cell, deliveries| {
                note_down(cell.load(), deliveries)
            })
        } else {
            receiver
                .recv_timeout(A_MOMENT)
                .map(|note| note_down(note, 1))
        };
        match result {
            Ok(()) => {}
            Err(_) if shm.stop.load(Acquire) > 1 => return Ok(position.to_string()),
            Err(_) => {
                let _ = receiver.wait_for_sender_timeout(A_MOMENT);
            }
        }
    }
}

/// Gets the peer's death reported a thousand times between two signals, so that a test can count the system calls.
fn report_again(receiver: &mut Receiver<'_, Message, 5>) -> Answer {
    raise(Signal::SIGUSR1).map_err(other)?;
    for _ in 0..1000 {
        if receiver.recv().is_ok() || receiver.try_recv() != Err(TryRecvError::Disconnected) {
            return Err(other("there is something"));
        }
    }
    raise(Signal::SIGUSR1).map_err(other)?;
    Ok(String::new())
}
