//! A process is killed after each k-th instruction of claiming the sender, sending, leaving, receiving and sleeping for any
//! of it: no receiver gets a torn message, one twice or in another order, and the next sender continues after the last
//! message.
//!
//! The long form stops at every instruction: `SHM_STEP_STRIDE=1`, in a release build, where there are fewer.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::time::Duration;

use shm_core::sync::Broadcast;
use shm_core::sync::broadcast::TryRecvError;
use shm_core::{Shm, ShmLayout};
use shm_tests::{DEADLINE, Names, Peer, SmallValue, peer, step};

type Queue = Broadcast<SmallValue, 5>;

fn attached(name: &str) -> Peer {
    peer!("broadcast attach {name}")
}

/// Kills at every `stride`-th instruction of a round, until the round ends.
fn at_every(tag: &str, how: &str, stride: u64, before: impl Fn(&str)) {
    let names = Names::new(tag);
    let name = names.name("t");
    let shm = Queue::create(&name).unwrap();
    let reader = Queue::attach_read_only(&name).unwrap();
    let (mut instruction, mut sent_by_the_dead, mut lost) = (0, 0, 0);
    loop {
        before(&name);
        let mut receiver = reader.receiver();
        let (mut behind, first) = (shm.receiver_from_oldest(), shm.sent().saturating_sub(5));
        let start = shm.sent();
        let killed = step::kill_at_instruction(
            attached(&name),
            &format!("broadcast round send {how}"),
            instruction,
        );
        // Message `n` is `n + 1`.
        let now = shm.sent();
        assert!((start..=start + 1).contains(&now), "{start} {now}");
        assert!(killed || now == start + 1);
        sent_by_the_dead += u64::from(killed && now > start);
        if now > start {
            assert_eq!(receiver.try_recv().unwrap(), [now; 8]);
        }
        let nothing = receiver.try_recv();
        assert!(matches!(
            nothing,
            Err(TryRecvError::Empty | TryRecvError::Disconnected)
        ));
        // A receiver as far behind as possible loses at most the message that was about to be overwritten.
        let mut next = first;
        while let Err(TryRecvError::Lagged(count)) | Ok(count) = behind.try_recv().map(|few| {
            assert_eq!(few, [few[0]; 8]);
            assert_eq!(few[0], next + 1);
            0
        }) {
            next += count.max(1);
            lost += count;
        }
        assert_eq!(next, now);
        // Long enough for any machine; a stuck process is stuck forever.
        let mut sender = shm.sender_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(sender.position(), now);
        sender.send([now + 1; 8]).unwrap();
        drop(sender);
        assert_eq!(receiver.try_recv().unwrap(), [now + 1; 8]);
        assert!(matches!(
            receiver.try_recv(),
            Err(TryRecvError::Disconnected)
        ));
        if !killed {
            break;
        }
        instruction += step::stride(stride);
    }
    println!(
        "{tag}: {instruction} instructions, {sent_by_the_dead} sent before they died, {lost} lost"
    );
    // With a stride of 1, kills also hit the instructions after the message.
    assert!(step::stride(stride) > 1 || sent_by_the_dead > 0);
}

#[test]
fn kill_in_broadcast_send_leaves_whole_messages() {
    at_every("broadcast-step", "copy", 449, |_| {});
}

#[test]
fn kill_in_broadcast_send_with_leaves_whole_messages() {
    at_every("broadcast-step-place", "place", 599, |_| {});
}

#[test]
fn kill_in_broadcast_takeover_leaves_whole_messages() {
    at_every("broadcast-step-take-over", "copy", 1499, |name| {
        let mut sender = attached(name);
        sender.ok("broadcast sender");
        sender.kill();
    });
}

/// The next sender continues after the last message, and every receiver gets that.
fn next_sends(shm: &Shm<Queue>) {
    let (now, mut receiver) = (shm.sent(), shm.receiver());
    // Long enough for any machine; a stuck process is stuck forever.
    let mut sender = shm.sender_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(sender.position(), now);
    sender.send([now + 1; 8]).unwrap();
    drop(sender);
    assert_eq!(receiver.try_recv().unwrap(), [now + 1; 8]);
    let nothing = receiver.try_recv();
    assert!(matches!(nothing, Err(TryRecvError::Disconnected)));
}

#[test]
fn kill_in_broadcast_sender_wait_leaves_whole_messages() {
    let names = Names::new("broadcast-step-come");
    let name = names.name("t");
    let shm = Queue::create(&name).unwrap();
    let (mut sent_by_the_dead, mut not) = (0, 0);
    step::kill_around_sleep("broadcast-step-come", Some(2_999), 1_499, |point| {
        let start = shm.sent();
        let mut receiver = shm.receiver();
        let mut sender = Some(shm.sender().unwrap());
        let mut leave = || drop(sender.take());
        let command = "broadcast round send come";
        let seen = step::kill_at_point(attached(&name), command, point, &mut leave);
        // If it was killed before it slept.
        leave();
        let now = shm.sent();
        assert!((start..=start + 1).contains(&now), "{start} {now}");
        assert!(seen.killed || now == start + 1);
        if now > start {
            assert_eq!(receiver.try_recv().unwrap(), [now; 8]);
        }
        if seen.killed && now > start {
            sent_by_the_dead += 1;
        } else {
            not += 1;
        }
        next_sends(&shm);
        assert_eq!(receiver.try_recv().unwrap(), [now + 1; 8]);
        seen
    });
    println!("broadcast-step-come: {sent_by_the_dead} sent before they died, {not} not");
    assert!(not > 0 && (step::stride(1_499) > 1 || sent_by_the_dead > 0));
}

/// Kills at every `stride`-th instruction of one way to receive, through either kind of handle, next to a sender.
fn receiving(way: &str, kind: &str, stride: u64) {
    let names = Names::new(&format!("broadcast-step-{way}-{kind}"));
    let name = names.name("t");
    let shm = Queue::create(&name).unwrap();
    let mut instruction = 0;
    loop {
        let (start, mut receiver) = (shm.sent(), shm.receiver());
        let mut sender = shm.sender().unwrap();
        for number in start + 1..start + 4 {
            sender.send([number; 8]).unwrap();
        }
        let mut peer = peer!();
        peer.ok(&format!("broadcast {kind} {name}"));
        let command = format!("broadcast round receive {way}");
        let killed = step::kill_at_instruction(peer, &command, instruction);
        // Whatever it has received, others get everything.
        for number in start + 1..start + 4 {
            assert_eq!(receiver.try_recv().unwrap(), [number; 8]);
        }
        assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
        drop(sender);
        next_sends(&shm);
        if !killed {
            break;
        }
        instruction += step::stride(stride);
    }
    println!("{way}, {kind}: {instruction} instructions");
    assert!(instruction > 100, "{instruction}");
}

#[test]
fn kill_in_broadcast_recv_disturbs_nobody() {
    receiving("oldest", "attach", 3499);
    receiving("oldest", "attach-read-only", 3499);
}

#[test]
fn kill_in_broadcast_recv_timeout_disturbs_nobody() {
    receiving("in-vain", "attach", 2999);
    receiving("in-vain", "attach-read-only", 2999);
}

/// A peer sleeps until there is a message, or a sender, next to another that does.
fn asleep_until_told(way: &str, kind: &str, before: Option<u64>) {
    let names = Names::new(&format!("broadcast-step-{way}-{kind}"));
    let name = names.name("t");
    let shm = Queue::create(&name).unwrap();
    let comes = way == "await-sender";
    step::kill_around_sleep(&format!("{way}, {kind}"), before, 599, |point| {
        let start = shm.sent();
        let mut receiver = Some(shm.receiver());
        std::thread::scope(|scope| {
            let mut sender = (!comes).then(|| shm.sender().unwrap());
            let mut waiter = None;
            // Another sleeper, perhaps woken by the same call.
            let mut tell = || {
                if let Some(mut receiver) = receiver.take() {
                    waiter = Some(step::spawn_until_asleep(scope, move || {
                        comes.then(|| receiver.wait_for_sender_timeout(DEADLINE).unwrap());
                        receiver.recv_timeout(DEADLINE)
                    }));
                    let sender = sender.get_or_insert_with(|| shm.sender().unwrap());
                    // A sender that has joined sends after the peer was killed.
                    if !comes {
                        sender.send([start + 1; 8]).unwrap();
                    }
                }
            };
            let mut peer = peer!();
            peer.ok(&format!("broadcast {kind} {name}"));
            let command = format!("broadcast round receive {way}");
            let seen = step::kill_at_point(peer, &command, point, &mut tell);
            // If it was killed before it slept.
            tell();
            if let Some(sender) = sender.as_mut().filter(|_| comes) {
                sender.send([start + 1; 8]).unwrap();
            }
            let received = waiter.unwrap().join().unwrap();
            assert_eq!(received.unwrap(), [start + 1; 8]);
            drop(sender);
            next_sends(&shm);
            seen
        })
    });
}

#[test]
fn kill_in_broadcast_recv_sleep_disturbs_nobody() {
    asleep_until_told("await", "attach", Some(2_999));
    asleep_until_told("await-into", "attach", None);
    asleep_until_told("await-slice", "attach", None);
    asleep_until_told("await-boxed", "attach", None);
    asleep_until_told("await-with", "attach", None);
    asleep_until_told("await-next", "attach", None);
}

#[test]
fn kill_in_broadcast_wait_for_sender_disturbs_nobody() {
    asleep_until_told("await-sender", "attach", Some(2_999));
}

/// A polling process sleeps only for a moment, which ends within a step or two.
#[test]
fn kill_in_read_only_broadcast_polling_disturbs_nobody() {
    asleep_until_told("await", "attach-read-only", None);
    asleep_until_told("await-sender", "attach-read-only", None);
}
