//! Rounds of the ends of a ring.

use std::sync::atomic::Ordering::Release;

use shm_core::Shm;
use shm_core::sync::ring::WriteChunk;

use super::{IN_VAIN, tried};
use crate::driver::DEADLINE;
use crate::peer::{Answer, Failure, other};
use crate::segments::{Message, RingSegment};

/// Each way to use an end, between claiming and leaving it.
pub(in crate::peer) fn round(shm: &Shm<RingSegment>, way: &str) -> Answer {
    let ring = &shm.ring;
    let work = |note: &Message| shm.handled.store(note.number + 1, Release);
    let (mut one, mut two) = ([Message::numbered(0); 1], [Message::numbered(0); 2]);
    tried(|| {
        let went_well = match way {
            "out" => {
                let mut sender = ring.sender()?;
                let next = sender.position();
                sender.send(Message::numbered(next)).is_ok()
                    && sender
                        .send_with(|cell| cell.store(Message::numbered(next + 1)))
                        .is_ok()
                    && sender
                        .send_slice(&[Message::numbered(next + 2), Message::numbered(next + 3)])
                        .is_ok()
            }
            // By each call that does not wait forever. The ring is empty, so there is room at first.
            "out-in-time" => {
                let mut sender = ring.sender_timeout(DEADLINE)?;
                let next = sender.position();
                let [zero, first, second, third, fourth] =
                    [0, 1, 2, 3, 4].map(|ahead| Message::numbered(next + ahead));
                sender.try_send_with(|cell| cell.store(zero)).is_ok()
                    && sender.try_send_slice(&[first]).is_ok()
                    && sender
                        .send_slice_timeout(&[second, third], DEADLINE)
                        .is_ok()
                    && sender
                        .send_with_timeout(DEADLINE, |cell| cell.store(fourth))
                        .is_ok()
            }
            "in" => {
                let mut receiver = ring.receiver()?;
                receiver.recv_with(|cell, _| work(&cell.load())).is_ok()
                    && receiver.recv().is_ok()
                    && receiver.recv_slice(&mut two).is_ok()
            }
            // The ring is full, so four messages are available at once.
            "in-in-time" => {
                let mut receiver = ring.receiver_timeout(DEADLINE)?;
                receiver.try_recv_with(|cell, _| work(&cell.load())).is_ok()
                    && receiver
                        .recv_with_timeout(DEADLINE, |cell, _| cell.load())
                        .is_ok()
                    && receiver.try_recv_slice(&mut one) == Ok(1)
                    && receiver.recv_slice_timeout(&mut one, DEADLINE) == Ok(1)
            }
            "chunk-out" => chunk_out(shm)?,
            "chunk-in" => chunk_in(shm, work)?,
            // Each call of a sender without room, next to a receiver.
            "idle-out" => {
                let mut sender = ring.sender()?;
                let note = Message::numbered(sender.position());
                let sent = sender.try_send(note).is_ok()
                    || sender.send_timeout(note, IN_VAIN).is_ok()
                    || sender.wait_for_receiver_timeout(IN_VAIN).is_err();
                !sent
            }
            // Each call of a receiver without messages, next to a sender.
            "idle-in" => {
                let mut receiver = ring.receiver()?;
                let received = receiver.try_recv().is_ok()
                    || receiver.recv_timeout(IN_VAIN).is_ok()
                    || receiver.wait_for_sender_timeout(IN_VAIN).is_err();
                !received
            }
            // Another process makes room.
            "sleep-out" => {
                let mut sender = ring.sender()?;
                let note = Message::numbered(sender.position());
                sender.send(note).is_ok()
            }
            // Another process sends.
            "sleep-in" => {
                let mut receiver = ring.receiver()?;
                receiver.recv_into_timeout(&mut one[0], DEADLINE).is_ok()
            }
            // The last receiver has left; another one joins, makes room and leaves.
            "reconnect-out" => {
                let mut sender = ring.sender()?.reconnecting();
                let note = Message::numbered(sender.position());
                sender.send_timeout(note, DEADLINE).is_ok()
            }
            // The last sender has left; another one joins, sends and leaves.
            "reconnect-in" => ring.receiver()?.reconnecting().recv().is_ok(),
            // Another process holds the end, and leaves.
            "come-out" => {
                let mut sender = ring.sender_timeout(DEADLINE)?;
                let note = Message::numbered(sender.position());
                sender.try_send(note).is_ok()
            }
            "come-in" => ring.receiver_timeout(DEADLINE)?.try_recv().is_ok(),
            // Another process claims the other end.
            "await-out" => ring.sender()?.wait_for_receiver().is_ok(),
            "await-in" => ring.receiver()?.wait_for_sender_timeout(DEADLINE).is_ok(),
            way => return Err(other(format!("there is no round `{way}`"))),
        };
        Ok(went_well.to_string())
    })
}

/// Sends four messages in chunks that are committed in part, or not at all. The ring is empty.
fn chunk_out(shm: &Shm<RingSegment>) -> Result<bool, Failure> {
    let mut sender = shm.ring.sender()?;
    let next = sender.position();
    let write = |chunk: &WriteChunk<'_, '_, Message, 5>, from| {
        let numbers = chunk.iter().zip(from..);
        numbers.for_each(|(cell, number)| cell.store(Message::numbered(number)));
    };
    write(&sender.write_chunk(2).map_err(other)?, u64::MAX - 9);
    let chunk = sender.try_write_chunk(4).map_err(other)?;
    write(&chunk, next);
    chunk.commit(3).map_err(other)?;
    let chunk = sender.write_chunk_timeout(1, DEADLINE).map_err(other)?;
    write(&chunk, next + 3);
    Ok(chunk.commit_all().is_ok())
}

/// Receives four messages in the same way. The ring is full. The first message is handled before it counts as received.
fn chunk_in(shm: &Shm<RingSegment>, work: impl Fn(&Message)) -> Result<bool, Failure> {
    let mut receiver = shm.ring.receiver()?;
    drop(receiver.read_chunk(5).map_err(other)?);
    let chunk = receiver.try_read_chunk(3).map_err(other)?;
    chunk.iter().take(1).for_each(|cell| work(&cell.load()));
    chunk.commit(1).map_err(other)?;
    let chunk = receiver.read_chunk_timeout(3, DEADLINE).map_err(other)?;
    let whole = chunk.iter().filter(|cell| cell.load().is_whole()).count();
    Ok(whole == 3 && chunk.commit_all().is_ok())
}
