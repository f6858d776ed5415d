//! Both ends of a ring are killed at random instants and replaced, and a peer writes random words.
//!
//! `SHM_SYNC_KILLS` sets the number of kills for a long run.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::time::{Duration, Instant};

use shm_core::sync::ClaimError;
use shm_core::{Shm, ShmLayout};
use shm_tests::{
    DEADLINE, Message, Names, Peer, RandomDelays, RingSegment, Timings, count_from_env, peer,
    pid_namespaces,
};

/// Polls until a condition holds.
fn until(shm: &Shm<RingSegment>, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < DEADLINE, "{:?}", shm.cell());
        std::thread::yield_now();
    }
}

/// Two peers that alternate at one end: one holds it, and one waits for it.
struct Rivals<'a> {
    /// Each with its identity in the segment.
    peers: Vec<(Peer, u64)>,
    start: &'a dyn Fn() -> (Peer, u64),
}

impl<'a> Rivals<'a> {
    fn new(start: &'a dyn Fn() -> (Peer, u64)) -> Self {
        Self {
            peers: vec![start(), start()],
            start,
        }
    }

    /// Kills one of the two. Returns how long it took the other to claim the end, if the victim held it.
    fn kill(
        &mut self,
        number: usize,
        shm: &Shm<RingSegment>,
        owner: &AtomicU64,
    ) -> Option<Duration> {
        let (mut victim, id) = self.peers.swap_remove(number);
        let owned = owner.load(Acquire) == id;
        let killed = Instant::now();
        victim.kill();
        if owned {
            until(shm, || owner.load(Acquire) != id);
        }
        let took = killed.elapsed();
        self.peers.push((self.start)());
        owned.then_some(took)
    }
}

/// Senders and receivers are killed at random instants. Each end has two peers, one of which waits to replace the other.
fn torture(tag: &str, kills: u64, how: &str, start: &dyn Fn() -> Peer) {
    let names = Names::new(tag);
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    let go = |command: String, hello: &str| {
        let mut peer = start();
        peer.ok(&format!("ring attach {name}"));
        // In its pid namespace it has a different pid.
        let id = peer.ok("ring alias");
        peer.tell(&command);
        assert_eq!(peer.hear(), hello);
        (peer, id.parse().unwrap())
    };
    let producer = || go("ring produce".to_owned(), "producing");
    let consumer = || go(format!("ring consume {how}"), "consuming");
    let mut senders = Rivals::new(&producer);
    let mut receivers = Rivals::new(&consumer);
    let mut instants = RandomDelays::new();
    let mut taken_over = Vec::new();
    for _ in 0..kills {
        instants.spin();
        let number = instants.next_number();
        let victim = (number >> 1) as usize % 2;
        taken_over.extend(if number & 1 == 0 {
            senders.kill(victim, &shm, &shm.sender)
        } else {
            receivers.kill(victim, &shm, &shm.receiver)
        });
        // Whichever died, the others continue.
        let before = shm.handled.load(Acquire);
        until(&shm, || shm.handled.load(Acquire) > before);
    }
    // First the senders, then the receivers, so that everything is received.
    shm.stop.store(1, Release);
    let sender = shm.sender.load(Acquire);
    for (mut peer, id) in senders.peers {
        if id == sender {
            assert!(peer.hear().starts_with("ok "));
        } else {
            peer.kill();
        }
    }
    until(&shm, || shm.handled.load(Acquire) == shm.ring.sent());
    shm.stop.store(2, Release);
    for (mut peer, _) in receivers.peers {
        peer.kill();
    }
    let sent = shm.ring.sent();
    assert_eq!(shm.wrong.load(Acquire), 0, "{:?}", shm.cell());
    let redelivered = shm.redelivered.load(Acquire);
    let (repeats, skips) = (shm.repeats.load(Acquire), shm.skips.load(Acquire));
    if how == "with" {
        assert_eq!(skips, 0);
    } else {
        assert_eq!(repeats, 0);
    }
    assert!(repeats + skips <= kills, "{repeats} {skips}");
    assert!(!taken_over.is_empty(), "no owner was ever hit");
    println!(
        "{tag}: {kills} kills, {sent} messages, {redelivered} delivered again, {repeats} repeated, {skips} skipped; taken over from owners: {}",
        Timings::new(taken_over)
    );
}

#[test]
fn killed_ends_lose_no_message_counted_after_its_use() {
    torture(
        "ring-kills",
        count_from_env("SHM_SYNC_KILLS", 60),
        "with",
        &|| peer!(),
    );
}

#[test]
fn killed_ends_repeat_no_message_counted_before_its_use() {
    torture(
        "ring-kills-copy",
        count_from_env("SHM_SYNC_KILLS", 60),
        "copy",
        &|| peer!(),
    );
}

#[test]
fn kills_across_pid_namespaces_are_handled_alike() {
    let Some(start) = pid_namespaces(env!("CARGO_BIN_EXE_peer")) else {
        return;
    };
    torture(
        "ring-ns",
        count_from_env("SHM_SYNC_KILLS", 60) / 3,
        "with",
        &start,
    );
}

/// Claims an end that a peer may have overwritten.
fn had<T>(claimed: Result<T, ClaimError>) -> Option<T> {
    match claimed {
        Ok(end) => Some(end),
        Err(ClaimError::Taken(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn ring_calls_end_while_a_peer_writes_random_words() {
    const ROUNDS: u32 = 400;
    let shm = RingSegment::create_anonymous().unwrap();
    let done = AtomicBool::new(false);
    let sizes = [AtomicU32::new(0), AtomicU32::new(0)];
    // At the offsets of the format: the ring is the first field.
    let word = |at: usize| {
        let place = shm.as_ptr().cast::<u8>().wrapping_add(at).cast_mut();
        // SAFETY: within the ring, aligned, mapped as long as the handle, and a word of four bytes.
        unsafe { AtomicU32::from_ptr(place.cast()) }
    };
    let counter = |at: usize| {
        let place = shm.as_ptr().cast::<u8>().wrapping_add(at).cast_mut();
        // SAFETY: as above, and a word of eight bytes.
        unsafe { AtomicU64::from_ptr(place.cast()) }
    };
    let short = Duration::from_micros(100);
    shm_tests::scope(|scope| {
        scope.start(|| {
            let mut random = RandomDelays::new();
            while !done.load(Acquire) {
                let value = random.next_number();
                // Plausible numbers, nearly plausible ones, and others.
                let near = counter(if value & 1 == 0 { 256 } else { 384 }).load(Relaxed);
                let number = match value >> 60 {
                    0..8 => near.wrapping_add(value % 13).wrapping_sub(6),
                    8..10 => value % 16,
                    10..12 => u64::MAX - value % 16,
                    _ => random.next_number(),
                };
                match value % 10 {
                    0 => word(0).store(number as u32 & 0xC000_0003, Relaxed),
                    1 => word(4).store(number as u32, Relaxed),
                    2 => word(128).store(number as u32 & 0xC000_0003, Relaxed),
                    3 => word(132).store(number as u32, Relaxed),
                    4 | 5 => counter(256).store(number, Relaxed),
                    6 => counter(384).store(number, Relaxed),
                    7 => word(512).store(number as u32, Relaxed),
                    8 => counter(136).store(number, Relaxed),
                    _ => word(640).store(number as u32, Relaxed),
                }
            }
        });
        let out = scope.spawn(|| {
            let mut rounds = 0;
            while rounds < ROUNDS {
                let Some(mut sender) = had(shm.ring.sender_timeout(short)) else {
                    continue;
                };
                rounds += 1;
                if rounds % 2 == 0 {
                    sender = sender.reconnecting();
                }
                let note = Message::numbered(u64::from(rounds));
                for _ in 0..20 {
                    let sent = [
                        sender.send_timeout(note, short).is_ok(),
                        sender.try_send(note).is_ok(),
                        sender.try_send_slice(&[note; 7]).is_ok(),
                        sender.try_send_with(|cell| cell.store(note)).is_ok(),
                        sender.send_slice_timeout(&[note; 7], short).is_ok(),
                        sender.wait_for_receiver_timeout(short).is_ok(),
                        sender
                            .try_write_chunk(7)
                            .is_ok_and(|chunk| chunk.commit_all().is_ok()),
                        sender.is_disconnected(),
                    ];
                    let count = sent.iter().filter(|sent| **sent).count();
                    sizes[0].fetch_add(count as u32, Relaxed);
                }
            }
        });
        let into = scope.spawn(|| {
            let mut rounds = 0;
            let mut room = [Message::numbered(0); 7];
            while rounds < ROUNDS {
                let Some(mut receiver) = had(shm.ring.receiver_timeout(short)) else {
                    continue;
                };
                rounds += 1;
                if rounds % 2 == 0 {
                    receiver = receiver.reconnecting();
                }
                for _ in 0..20 {
                    let received = [
                        receiver.recv_timeout(short).is_ok(),
                        receiver.try_recv().is_ok(),
                        receiver.try_recv_slice(&mut room).is_ok(),
                        receiver.try_recv_with(|cell, _| cell.load()).is_ok(),
                        receiver.recv_slice_timeout(&mut room, short).is_ok(),
                        receiver.wait_for_sender_timeout(short).is_ok(),
                        receiver.peek().is_ok(),
                        receiver
                            .try_read_chunk(7)
                            .is_ok_and(|chunk| chunk.commit(1).is_ok()),
                        receiver.is_disconnected(),
                    ];
                    let count = received.iter().filter(|received| **received).count();
                    sizes[1].fetch_add(count as u32, Relaxed);
                }
                assert!(shm.ring.len() <= 5);
            }
        });
        let ended = [out.join(), into.join()];
        done.store(true, Release);
        assert!(ended.iter().all(Result::is_ok));
    });
    // Some messages arrived.
    assert!(sizes.iter().all(|size| size.load(Relaxed) > 0), "{sizes:?}");
    // With its words restored, it is a valid ring.
    for at in [0, 4, 128, 132, 512, 640] {
        word(at).store(0, Release);
    }
    counter(256).store(0, Release);
    counter(384).store(0, Release);
    shm.ring
        .sender()
        .unwrap()
        .send(Message::numbered(1))
        .unwrap();
    assert_eq!(
        shm.ring.receiver().unwrap().recv(),
        Ok(Message::numbered(1))
    );
}
