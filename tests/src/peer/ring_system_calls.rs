//! Rings in a process that a system call kills.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use shm_core::Shm;

use super::restrictions::{confine, filter};
use super::ring::BATCH;
use super::{Answer, Failure, Words, other};
use crate::segments::{Message, RingSegment};

/// Messages per round.
const ROUND: u64 = 7;

/// From here on every system call but those of the answer kills this process.
fn hush() -> Result<(), Failure> {
    use filter::{EQUAL, LOAD, RETURN, step};
    confine(&mut [
        step(LOAD, 0, 0, 0),
        step(EQUAL, 4, 0, libc::SYS_write as u32),
        step(EQUAL, 3, 0, libc::SYS_read as u32),
        step(EQUAL, 2, 0, libc::SYS_exit_group as u32),
        step(EQUAL, 1, 0, libc::SYS_sigaltstack as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ])
}

/// Answers and exits: dropping a mapping takes system calls.
fn end(position: u64) -> ! {
    println!("ok {position}");
    // SAFETY: ends this process, which has nothing left to do.
    unsafe { libc::_exit(0) }
}

/// `quiet COUNT`: sends and receives `COUNT` rounds through the large ring.
pub(super) fn both(shm: &Shm<RingSegment>, count: u64) -> Answer {
    let (mut sender, mut receiver) = (shm.stream.sender()?, shm.stream.receiver()?);
    hush()?;
    let mut batch = [Message::numbered(0); BATCH];
    for _ in 0..count {
        let next = sender.position();
        let sent = sender.send(Message::numbered(next)).is_ok()
            && sender
                .send_with(|cell| cell.store(Message::numbered(next + 1)))
                .is_ok()
            && sender.send_slice(&[Message::numbered(next + 2); 3]).is_ok()
            && sender
                .write_chunk(2)
                .is_ok_and(|chunk| chunk.commit(1).is_ok());
        let received = receiver.recv() == Ok(Message::numbered(next))
            && receiver.recv_with(|cell, _| cell.load()) == Ok(Message::numbered(next + 1))
            && receiver
                .peek()
                .is_ok_and(|cell| cell.number.get() == next + 2)
            && receiver.recv_slice(&mut batch[..3]) == Ok(3)
            && receiver
                .read_chunk(2)
                .is_ok_and(|chunk| chunk.commit_all().is_ok());
        if !sent || !received {
            return Err(other("a message got lost"));
        }
    }
    end(receiver.position())
}

/// Waits without a system call until the other process has reached `number`.
fn until(word: &AtomicU64, number: u64) {
    while word.load(Acquire) < number {
        std::hint::spin_loop();
    }
}

/// `quiet-out COUNT LEAD`: sends `COUNT` rounds into the large ring, never more than `LEAD` ahead of the receiver.
///
/// Each end publishes its position outside the ring, in `sender` and `receiver`, so neither ever finds the ring empty or
/// full, however slow the other is.
pub(super) fn out(shm: &Shm<RingSegment>, words: &mut Words<'_>) -> Answer {
    let (count, lead): (u64, u64) = (words.number()?, words.number()?);
    let mut sender = shm.stream.sender()?;
    // The first round can begin.
    shm.sender.store(1, Release);
    println!("sending");
    until(&shm.receiver, 1);
    hush()?;
    for round in 0..count {
        let next = sender.position();
        until(&shm.receiver, 1 + (round * ROUND).saturating_sub(lead));
        let sent = sender.send(Message::numbered(next)).is_ok()
            && sender.try_send(Message::numbered(next + 1)).is_ok()
            && sender
                .send_with(|cell| cell.store(Message::numbered(next + 2)))
                .is_ok()
            && sender
                .send_slice(&[3, 4].map(|nth| Message::numbered(next + nth)))
                .is_ok()
            && sender
                .try_send_slice(&[5, 6].map(|nth| Message::numbered(next + nth)))
                .is_ok();
        if !sent {
            return Err(other("a message was not sent"));
        }
        shm.sender.store(1 + sender.position(), Release);
    }
    end(sender.position())
}

/// `quiet-in COUNT`: receives the same rounds.
pub(super) fn take_in(shm: &Shm<RingSegment>, words: &mut Words<'_>) -> Answer {
    let count: u64 = words.number()?;
    let mut receiver = shm.stream.receiver()?;
    until(&shm.sender, 1);
    hush()?;
    shm.receiver.store(1, Release);
    let mut batch = [Message::numbered(0); 3];
    for _ in 0..count {
        let next = receiver.position();
        until(&shm.sender, 1 + next + ROUND);
        let received = receiver.recv() == Ok(Message::numbered(next))
            && receiver.try_recv() == Ok(Message::numbered(next + 1))
            && receiver.recv_with(|cell, _| cell.load()) == Ok(Message::numbered(next + 2))
            && receiver.recv_slice(&mut batch[..2]) == Ok(2)
            && batch[..2] == [3, 4].map(|nth| Message::numbered(next + nth))
            && receiver.try_recv_slice(&mut batch[..2]) == Ok(2)
            && batch[..2] == [5, 6].map(|nth| Message::numbered(next + nth));
        if !received {
            return Err(other("a message got lost"));
        }
        shm.receiver.store(1 + receiver.position(), Release);
    }
    end(receiver.position())
}
