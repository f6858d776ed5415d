//! Every call that takes a timeout or a deadline, made where it must time out, while signals interrupt it.

use std::time::{Duration, Instant};

use shm_core::{Shm, ShmLayout};

use super::{Answer, Failure, Program, Words, claims, other};
use crate::segments::BlockedSegment;

/// The timeout of each call: several slices of sleep, and many signals.
const SPAN: Duration = Duration::from_millis(12);

/// Whether a call timed out, or what it returned instead.
type Outcome = Result<(), String>;

/// Checks that a call returned this variant, by which it reports a timeout.
fn late<T, E: std::fmt::Debug>(result: Result<T, E>, error: &str) -> Outcome {
    match result {
        // `Debug` prints the text and then the variant.
        Err(found) if format!("{found:?}").contains(&format!(" ({error}")) => Ok(()),
        Err(found) => Err(format!("{found:?}")),
        Ok(_) => Err("it succeeded".to_owned()),
    }
}

impl Program {
    /// `timeouts NAME MICROSECONDS`: makes the calls, with a signal at this interval. Prints how many microseconds each took, and
    /// `all` at the end.
    pub(super) fn obey_timeouts(words: &mut Words<'_>) -> Answer {
        let name = words.next()?;
        let shm = BlockedSegment::attach(name)?;
        claims::timer(words.number()?)?;
        calls(&shm, |what, call| {
            let start = Instant::now();
            let outcome = call();
            let took = start.elapsed();
            match outcome {
                Ok(()) if took >= SPAN => {
                    println!("{what}: {} µs", took.as_micros());
                    Ok(())
                }
                Ok(()) => Err(other(format!("`{what}` ended after {took:?}"))),
                Err(found) => Err(other(format!("`{what}`: {found}"))),
            }
        })?;
        Ok("all".to_owned())
    }
}

/// All calls with a timeout or a deadline.
fn calls(
    shm: &Shm<BlockedSegment>,
    mut make: impl FnMut(&str, &mut dyn FnMut() -> Outcome) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let reader = shm.read_only();
    let mut sender = shm.full.sender().map_err(other)?;
    let mut receiver = shm.empty.receiver().map_err(other)?;
    let lonely_sender = shm.lonely[0].sender().map_err(other)?;
    let lonely_receiver = shm.lonely[1].receiver().map_err(other)?;
    while sender.try_send(1).is_ok() {}
    drop((shm.left[0].receiver(), shm.left[1].sender()));
    let mut left_sender = shm.left[0].sender().map_err(other)?.reconnecting();
    while left_sender.try_send(1).is_ok() {}
    let mut left_receiver = shm.left[1].receiver().map_err(other)?.reconnecting();
    let mut listening = shm.cast.receiver();
    let mut reading = reader.cast.receiver();
    let mut seat = shm.meet[0].join().map_err(other)?;
    let mut message = 0;
    let seen = shm.event.generation();
    let version = shm.value.version();
    let nothing = || None::<()>;
    let soon = || Instant::now() + SPAN;

    make("Mutex::lock_timeout", &mut || {
        late(shm.lock.lock_timeout(SPAN).map(drop), "TimedOut")
    })?;
    make("Mutex::lock_deadline", &mut || {
        late(shm.lock.lock_deadline(soon()).map(drop), "TimedOut")
    })?;
    make("SeqLock::write_timeout", &mut || {
        late(shm.value.write_timeout(SPAN).map(drop), "TimedOut")
    })?;
    make("SeqLock::write_deadline", &mut || {
        late(shm.value.write_deadline(soon()).map(drop), "TimedOut")
    })?;
    make("SeqLock::wait_newer", &mut || {
        late(shm.value.wait_newer(version, SPAN), "TimedOut")
    })?;
    make("SeqLock::wait_newer, read-only", &mut || {
        late(reader.value.wait_newer(version, SPAN), "TimedOut")
    })?;
    make("SeqLock::wait_newer_deadline", &mut || {
        late(shm.value.wait_newer_deadline(version, soon()), "TimedOut")
    })?;

    make("Ring::sender_timeout", &mut || {
        late(shm.taken.sender_timeout(SPAN), "Taken")
    })?;
    make("Ring::receiver_timeout", &mut || {
        late(shm.taken.receiver_timeout(SPAN), "Taken")
    })?;
    make("ring Sender::send_timeout", &mut || {
        late(sender.send_timeout(2, SPAN), "Timeout")
    })?;
    make("ring Sender::send_slice_timeout", &mut || {
        late(sender.send_slice_timeout(&[2, 3], SPAN), "Timeout")
    })?;
    make("ring Sender::send_with_timeout", &mut || {
        late(
            sender.send_with_timeout(SPAN, |slot| slot.set(2)),
            "Timeout",
        )
    })?;
    make("ring Sender::wait_for_receiver_timeout", &mut || {
        late(lonely_sender.wait_for_receiver_timeout(SPAN), "TimedOut")
    })?;
    make("ring Receiver::recv_timeout", &mut || {
        late(receiver.recv_timeout(SPAN), "Timeout")
    })?;
    make("ring Receiver::recv_into_timeout", &mut || {
        late(receiver.recv_into_timeout(&mut 0, SPAN), "Timeout")
    })?;
    make("ring Receiver::recv_slice_timeout", &mut || {
        late(receiver.recv_slice_timeout(&mut [0; 3], SPAN), "Timeout")
    })?;
    make("ring Receiver::recv_with_timeout", &mut || {
        late(receiver.recv_with_timeout(SPAN, |_, _| ()), "Timeout")
    })?;
    make("ring Receiver::wait_for_sender_timeout", &mut || {
        late(lonely_receiver.wait_for_sender_timeout(SPAN), "TimedOut")
    })?;

    make("Ring::sender_deadline", &mut || {
        late(shm.taken.sender_deadline(soon()), "Taken")
    })?;
    make("Ring::receiver_deadline", &mut || {
        late(shm.taken.receiver_deadline(soon()), "Taken")
    })?;
    make("ring Sender::send_deadline", &mut || {
        late(sender.send_deadline(2, soon()), "Timeout")
    })?;
    make("ring Sender::send_slice_deadline", &mut || {
        late(sender.send_slice_deadline(&[2, 3], soon()), "Timeout")
    })?;
    make("ring Sender::send_with_deadline", &mut || {
        late(
            sender.send_with_deadline(soon(), |slot| slot.set(2)),
            "Timeout",
        )
    })?;
    make("ring Sender::write_chunk_timeout", &mut || {
        late(sender.write_chunk_timeout(2, SPAN), "Timeout")
    })?;
    make("ring Sender::write_chunk_deadline", &mut || {
        late(sender.write_chunk_deadline(2, soon()), "Timeout")
    })?;
    make("ring Sender::wait_for_receiver_deadline", &mut || {
        late(lonely_sender.wait_for_receiver_deadline(soon()), "TimedOut")
    })?;
    make("ring Receiver::recv_deadline", &mut || {
        late(receiver.recv_deadline(soon()), "Timeout")
    })?;
    make("ring Receiver::recv_into_deadline", &mut || {
        late(receiver.recv_into_deadline(&mut 0, soon()), "Timeout")
    })?;
    make("ring Receiver::recv_slice_deadline", &mut || {
        late(receiver.recv_slice_deadline(&mut [0; 3], soon()), "Timeout")
    })?;
    make("ring Receiver::recv_with_deadline", &mut || {
        late(receiver.recv_with_deadline(soon(), |_, _| ()), "Timeout")
    })?;
    make("ring Receiver::read_chunk_timeout", &mut || {
        late(receiver.read_chunk_timeout(2, SPAN), "Timeout")
    })?;
    make("ring Receiver::read_chunk_deadline", &mut || {
        late(receiver.read_chunk_deadline(2, soon()), "Timeout")
    })?;
    make("ring Receiver::wait_for_sender_deadline", &mut || {
        late(lonely_receiver.wait_for_sender_deadline(soon()), "TimedOut")
    })?;
    make("ring Sender::send_timeout, reconnecting", &mut || {
        late(left_sender.send_timeout(2, SPAN), "Timeout")
    })?;
    make("ring Receiver::recv_timeout, reconnecting", &mut || {
        late(left_receiver.recv_timeout(SPAN), "Timeout")
    })?;

    make("Broadcast::sender_timeout", &mut || {
        late(shm.cast.sender_timeout(SPAN), "Taken")
    })?;
    make("Broadcast::sender_deadline", &mut || {
        late(shm.cast.sender_deadline(soon()), "Taken")
    })?;
    make("BroadcastReceiver::recv_timeout", &mut || {
        late(listening.recv_timeout(SPAN), "Timeout")
    })?;
    make("BroadcastReceiver::recv_timeout, read-only", &mut || {
        late(reading.recv_timeout(SPAN), "Timeout")
    })?;
    make("BroadcastReceiver::recv_deadline", &mut || {
        late(listening.recv_deadline(soon()), "Timeout")
    })?;
    make("BroadcastReceiver::recv_into_deadline", &mut || {
        late(listening.recv_into_deadline(&mut 0, soon()), "Timeout")
    })?;
    make("BroadcastReceiver::recv_slice_deadline", &mut || {
        late(
            listening.recv_slice_deadline(&mut [0; 3], soon()),
            "Timeout",
        )
    })?;
    make("BroadcastReceiver::recv_with_timeout", &mut || {
        late(listening.recv_with_timeout(SPAN, |_| ()), "Timeout")
    })?;
    make("BroadcastReceiver::recv_with_deadline", &mut || {
        late(listening.recv_with_deadline(soon(), |_| ()), "Timeout")
    })?;
    make("BroadcastReceiver::wait_for_sender_deadline", &mut || {
        late(
            shm.silent.receiver().wait_for_sender_deadline(soon()),
            "TimedOut",
        )
    })?;
    make("BroadcastReceiver::recv_into_timeout", &mut || {
        late(listening.recv_into_timeout(&mut message, SPAN), "Timeout")
    })?;
    make("BroadcastReceiver::recv_slice_timeout", &mut || {
        late(listening.recv_slice_timeout(&mut [0; 3], SPAN), "Timeout")
    })?;
    make(
        "BroadcastReceiver::recv_into_timeout, read-only",
        &mut || late(reading.recv_into_timeout(&mut message, SPAN), "Timeout"),
    )?;
    make("BroadcastReceiver::wait_for_sender_timeout", &mut || {
        late(
            shm.silent.receiver().wait_for_sender_timeout(SPAN),
            "TimedOut",
        )
    })?;
    make(
        "BroadcastReceiver::wait_for_sender_timeout, read-only",
        &mut || {
            late(
                reader.silent.receiver().wait_for_sender_timeout(SPAN),
                "TimedOut",
            )
        },
    )?;

    make("Event::wait_timeout", &mut || {
        late(shm.event.wait_timeout(seen, SPAN), "TimedOut")
    })?;
    make("Event::wait_timeout, read-only", &mut || {
        late(reader.event.wait_timeout(seen, SPAN), "TimedOut")
    })?;
    make("Event::wait_until_timeout", &mut || {
        late(shm.event.wait_until_timeout(SPAN, nothing), "TimedOut")
    })?;
    make("Event::wait_until_timeout, read-only", &mut || {
        late(reader.event.wait_until_timeout(SPAN, nothing), "TimedOut")
    })?;
    make("Event::wait_deadline", &mut || {
        late(shm.event.wait_deadline(seen, soon()), "TimedOut")
    })?;
    make("Event::wait_until_deadline", &mut || {
        late(shm.event.wait_until_deadline(soon(), nothing), "TimedOut")
    })?;
    make("Semaphore::wait_timeout", &mut || {
        late(shm.permits.wait_timeout(SPAN), "TimedOut")
    })?;
    make("Semaphore::wait_deadline", &mut || {
        late(shm.permits.wait_deadline(soon()), "TimedOut")
    })?;
    make("Semaphore::wait_many_timeout", &mut || {
        late(shm.permits.wait_many_timeout(2, SPAN), "TimedOut")
    })?;
    make("Semaphore::wait_many_deadline", &mut || {
        late(shm.permits.wait_many_deadline(2, soon()), "TimedOut")
    })?;
    make("Barrier::join_timeout", &mut || {
        late(shm.meet[1].join_timeout(SPAN), "Full")
    })?;
    make("Barrier::join_deadline", &mut || {
        late(shm.meet[1].join_deadline(soon()), "Full")
    })?;
    make("BarrierSeat::wait_timeout", &mut || {
        late(seat.wait_timeout(SPAN), "TimedOut")
    })?;
    make("BarrierSeat::wait_deadline", &mut || {
        late(seat.wait_deadline(soon()), "TimedOut")
    })
}
