//! A process is killed after each k-th instruction of sending, of receiving and of sleeping for either: no message is lost,
//! repeated or out of order, the other end is not stuck, and the next process continues.
//!
//! The long form stops at every instruction: `SHM_STEP_STRIDE=1`, in a release build, where there are fewer.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::cell::Cell;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::mpsc;
use std::time::Duration;

use shm_core::sync::{Receiver, RecvError, Sender};
use shm_core::{Shm, ShmLayout};
use shm_tests::step::KillOutcome;
use shm_tests::{DEADLINE, Message, Names, Peer, RingSegment, peer, step};

/// Longer waits check at this interval whether the peer is done.
const A_MOMENT: Duration = Duration::from_millis(5);

fn attached(name: &str) -> Peer {
    peer!("ring attach {name}")
}

/// Kills at every `stride`-th instruction, until the round ends. `around` gets a function that kills, and checks what that
/// leaves.
fn at_every(
    tag: &str,
    stride: usize,
    command: &str,
    around: impl Fn(&Shm<RingSegment>, &dyn Fn()),
) {
    let names = Names::new(tag);
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    // Each end was claimed once: otherwise a call would wait for a peer that is killed before it claims its end.
    drop((sender(&shm), receiver(&shm)));
    let mut instruction = 0;
    loop {
        let over = Cell::new(false);
        around(&shm, &|| {
            over.set(!step::kill_at_instruction(
                attached(&name),
                command,
                instruction,
            ));
        });
        if over.get() {
            break;
        }
        instruction += stride;
    }
    println!("{tag}: {instruction} instructions");
    assert!(instruction > stride);
}

fn receiver(shm: &Shm<RingSegment>) -> Receiver<'_, Message, 5> {
    shm.ring.receiver_timeout(DEADLINE).unwrap()
}

fn sender(shm: &Shm<RingSegment>) -> Sender<'_, Message, 5> {
    shm.ring.sender_timeout(DEADLINE).unwrap()
}

/// A sender that claims its end, sends and leaves.
fn sending(tag: &str, stride: usize, command: &str) {
    at_every(tag, stride, command, |shm, kill| {
        shm_tests::scope(|scope| {
            let mut receiver = receiver(shm);
            let (ready, is_ready) = mpsc::channel();
            let (killed, is_killed) = mpsc::channel();
            // It sleeps most of the time, since the peer is slow, so the peer is also killed while it wakes it.
            scope.start(move || {
                ready.send(()).unwrap();
                loop {
                    let position = receiver.position();
                    match receiver.recv() {
                        Ok(note) => assert_eq!(note, Message::numbered(position)),
                        // Before the peer claims its end, it sees that the previous one has left.
                        Err(RecvError) if is_killed.try_recv().is_err() => {
                            // The peer may be killed before it claims its end, and then nobody does.
                            let _ = receiver.wait_for_sender_timeout(A_MOMENT);
                        }
                        Err(RecvError) => break,
                    }
                }
                // A message that arrived between the two checks.
                while let Ok(note) = receiver.try_recv() {
                    assert_eq!(note, Message::numbered(receiver.position() - 1));
                }
            });
            is_ready.recv().unwrap();
            kill();
            killed.send(()).unwrap();
        });
        assert_eq!(shm.ring.sent(), shm.ring.received());
        // The next one finds a consistent ring.
        let mut sender = sender(shm);
        let next = Message::numbered(sender.position());
        sender.try_send(next).unwrap();
        drop(sender);
        assert_eq!(receiver(shm).into_iter().collect::<Vec<_>>(), [next]);
    });
}

#[test]
fn kill_in_ring_send_leaves_whole_messages_and_a_free_end() {
    sending("ring-step-out", step::stride(151), "ring round out");
    sending(
        "ring-step-out-in-time",
        step::stride(997),
        "ring round out-in-time",
    );
}

#[test]
fn kill_in_ring_write_chunk_leaves_whole_messages() {
    sending(
        "ring-step-chunk-out",
        step::stride(499),
        "ring round chunk-out",
    );
}

/// A receiver that claims its end, takes four messages and leaves. It handles the first `in_place` of them in place.
fn receiving(tag: &str, stride: usize, command: &str, in_place: u64) {
    at_every(tag, stride, command, |shm, kill| {
        let before = shm.ring.received();
        shm.handled.store(before, Release);
        shm_tests::scope(|scope| {
            let mut sender = sender(shm);
            let (ready, is_ready) = mpsc::channel();
            let (killed, is_killed) = mpsc::channel();
            scope.start(move || {
                let mut is_full = Some(ready);
                loop {
                    let next = sender.position();
                    // The peer takes four. With more it would never leave.
                    if next == before + 5
                        && let Some(ready) = is_full.take()
                    {
                        ready.send(()).unwrap();
                    }
                    match sender.send(Message::numbered(next)) {
                        Ok(()) => {}
                        // Before the peer claims its end, it sees that the previous one has left.
                        Err(_) if is_killed.try_recv().is_err() => {
                            let _ = sender.wait_for_receiver_timeout(A_MOMENT);
                        }
                        Err(_) => break,
                    }
                }
            });
            is_ready.recv().unwrap();
            kill();
            killed.send(()).unwrap();
        });
        let mut receiver = receiver(shm);
        let after = receiver.position();
        assert!(after <= before + 4, "{before} {after}");
        // The first message is handled before it counts as received.
        let handled = shm.handled.load(Acquire);
        assert!(handled == before || handled == before + 1);
        assert!(after == before || handled == before + 1);
        let sent = shm.ring.sent();
        assert!(sent >= before + 5);
        let first = receiver.try_recv_with(|cell, deliveries| (cell.load(), deliveries));
        let (first, deliveries) = first.unwrap();
        // Delivered to the peer, or not. If it was handled, it was.
        let fewest = 1 + u32::from(in_place > 0 && after == before && handled > before);
        let most = 1 + u32::from(after - before < in_place);
        assert!(
            (fewest..=most).contains(&deliveries),
            "{before} {after} {handled} {deliveries}"
        );
        let rest: Vec<Message> = std::iter::once(first).chain(receiver.try_iter()).collect();
        assert_eq!(
            rest,
            (after..sent).map(Message::numbered).collect::<Vec<_>>()
        );
    });
}

#[test]
fn kill_in_ring_recv_leaves_the_rest_to_the_next() {
    receiving("ring-step-in", step::stride(151), "ring round in", 1);
    receiving(
        "ring-step-in-in-time",
        step::stride(997),
        "ring round in-in-time",
        2,
    );
}

#[test]
fn kill_in_ring_read_chunk_leaves_the_rest_to_the_next() {
    receiving(
        "ring-step-chunk-in",
        step::stride(499),
        "ring round chunk-in",
        0,
    );
}

#[test]
fn kill_in_ring_takeover_leaves_the_end_to_the_next() {
    at_every(
        "ring-step-take-over",
        step::stride(1201),
        "ring round out",
        |shm, kill| {
            let mut dead = attached(shm.name());
            dead.ok("ring sender");
            dead.ok("ring send try");
            assert_eq!(dead.ask("ring half-written"), "writing");
            dead.kill();
            let before = shm.ring.sent();
            kill();
            let mut sender = sender(shm);
            let next = sender.position();
            assert!((before..=before + 4).contains(&next), "{before} {next}");
            let all: Vec<Message> = receiver(shm).try_iter().collect();
            assert_eq!(
                all,
                (before - 1..next)
                    .map(Message::numbered)
                    .collect::<Vec<_>>()
            );
            // Nothing remains for the next round.
            sender.try_send(Message::numbered(next)).unwrap();
            assert!(receiver(shm).try_recv().is_ok());
        },
    );
}

#[test]
fn kill_in_ring_recv_timeout_loses_no_message() {
    at_every(
        "ring-step-idle-in",
        step::stride(401),
        "ring round idle-in",
        |shm, kill| {
            let mut sender = sender(shm);
            kill();
            // It may have announced that it sleeps. That is harmless.
            let next = Message::numbered(sender.position());
            sender.try_send(next).unwrap();
            assert_eq!(receiver(shm).try_recv(), Ok(next));
        },
    );
}

#[test]
fn kill_in_ring_send_timeout_sends_nothing() {
    at_every(
        "ring-step-idle-out",
        step::stride(401),
        "ring round idle-out",
        |shm, kill| {
            let mut receiver = receiver(shm);
            let begin = {
                let mut sender = sender(shm);
                let begin = sender.position();
                let notes: Vec<Message> = (begin..begin + 5).map(Message::numbered).collect();
                sender.try_send_slice(&notes).unwrap();
                begin
            };
            kill();
            let received: Vec<u64> = receiver.try_iter().map(|note| note.number).collect();
            assert_eq!(received, (begin..begin + 5).collect::<Vec<_>>());
            sender(shm).try_send(Message::numbered(begin + 5)).unwrap();
            assert_eq!(receiver.try_recv(), Ok(Message::numbered(begin + 5)));
        },
    );
}

/// Checks what is left in the ring after a round that began with `before` messages received: none is lost or repeated.
/// Returns whether the peer has received one.
fn rest_is_there(shm: &Shm<RingSegment>, before: u64) -> bool {
    let mut receiver = receiver(shm);
    let (after, sent) = (receiver.position(), shm.ring.sent());
    assert!((before..=before + 1).contains(&after), "{before} {after}");
    let rest: Vec<Message> = receiver.try_iter().collect();
    assert_eq!(
        rest,
        (after..sent).map(Message::numbered).collect::<Vec<_>>()
    );
    after > before
}

/// Both ends can be claimed, and a message passes from one to the other.
fn next_passes(shm: &Shm<RingSegment>) {
    let (mut sender, mut receiver) = (sender(shm), receiver(shm));
    let next = Message::numbered(sender.position());
    sender.try_send(next).unwrap();
    assert_eq!(receiver.try_recv(), Ok(next));
    assert!(receiver.try_recv().is_err());
}

/// Kills at every point of a round that sleeps. `around` gets a function that kills: it calls its argument when the peer
/// sleeps, and returns what happened to the peer.
fn asleep(
    round: &str,
    before: Option<u64>,
    around: impl Fn(&Shm<RingSegment>, &dyn Fn(&mut dyn FnMut()) -> KillOutcome),
) {
    let tag = format!("ring-step-{round}");
    let names = Names::new(&tag);
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    drop((sender(&shm), receiver(&shm)));
    step::kill_around_sleep(&tag, before, 599, |point| {
        let seen = Cell::new(None);
        around(&shm, &|asleep| {
            let command = format!("ring round {round}");
            let killed = step::kill_at_point(attached(&name), &command, point, asleep);
            seen.set(Some(killed));
            killed
        });
        next_passes(&shm);
        seen.get().unwrap()
    });
}

/// A receiver sleeps in this round until a sender, which may join first, sends one message.
fn receive_asleep(round: &str, stays: bool) {
    asleep(round, Some(2_999), |shm, kill| {
        let before = shm.ring.received();
        let mut held = stays.then(|| sender(shm));
        let mut sent = false;
        let mut send = || {
            if !sent {
                let mut sender = held.take().unwrap_or_else(|| sender(shm));
                sender.try_send(Message::numbered(before)).unwrap();
                sent = true;
                held = stays.then_some(sender);
            }
        };
        let seen = kill(&mut send);
        // If it was killed before it slept.
        send();
        drop(held);
        assert!(rest_is_there(shm, before) || seen.killed);
    });
}

#[test]
fn kill_in_ring_recv_sleep_loses_and_repeats_nothing() {
    receive_asleep("sleep-in", true);
}

#[test]
fn kill_in_reconnecting_recv_loses_and_repeats_nothing() {
    receive_asleep("reconnect-in", false);
}

/// A sender sleeps in this round until a receiver, which may join first, makes room.
fn send_asleep(round: &str, stays: bool) {
    asleep(round, Some(2_999), |shm, kill| {
        let begin = {
            let mut sender = sender(shm);
            let begin = sender.position();
            let notes: Vec<Message> = (begin..begin + 5).map(Message::numbered).collect();
            sender.try_send_slice(&notes).unwrap();
            begin
        };
        let (mut held, mut received) = (stays.then(|| receiver(shm)), Vec::new());
        let seen = kill(&mut || {
            let mut receiver = held.take().unwrap_or_else(|| receiver(shm));
            received.extend(receiver.try_recv());
            held = stays.then_some(receiver);
        });
        drop(held);
        received.extend(receiver(shm).try_iter());
        let end = shm.ring.sent();
        assert!((begin + 5..=begin + 6).contains(&end), "{begin} {end}");
        assert!(seen.killed || end == begin + 6);
        assert_eq!(
            received,
            (begin..end).map(Message::numbered).collect::<Vec<_>>()
        );
    });
}

#[test]
fn kill_in_ring_send_sleep_loses_and_repeats_nothing() {
    send_asleep("sleep-out", true);
}

#[test]
fn kill_in_reconnecting_send_loses_and_repeats_nothing() {
    send_asleep("reconnect-out", false);
}

#[test]
fn kill_in_ring_claim_sleep_leaves_the_end_to_the_next() {
    asleep("come-out", Some(2_999), |shm, kill| {
        let before = shm.ring.sent();
        let mut held = Some(sender(shm));
        let mut leave = || drop(held.take());
        let seen = kill(&mut leave);
        leave();
        let sent = shm.ring.sent();
        assert!((before..=before + 1).contains(&sent), "{before} {sent}");
        assert!(seen.killed || sent == before + 1);
        let all: Vec<Message> = receiver(shm).try_iter().collect();
        assert_eq!(
            all,
            (before..sent).map(Message::numbered).collect::<Vec<_>>()
        );
    });
    asleep("come-in", Some(2_999), |shm, kill| {
        let before = shm.ring.received();
        sender(shm).try_send(Message::numbered(before)).unwrap();
        let mut held = Some(receiver(shm));
        let mut leave = || drop(held.take());
        let seen = kill(&mut leave);
        leave();
        assert!(rest_is_there(shm, before) || seen.killed);
    });
}

#[test]
fn kill_in_ring_wait_for_peer_leaves_its_end_to_the_next() {
    asleep("await-out", Some(997), |shm, kill| {
        let mut other = None;
        kill(&mut || {
            other.get_or_insert_with(|| receiver(shm));
        });
    });
    asleep("await-in", Some(997), |shm, kill| {
        let mut other = None;
        kill(&mut || {
            other.get_or_insert_with(|| sender(shm));
        });
    });
}
