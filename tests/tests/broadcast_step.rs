//! A process killed after each k-th instruction of becoming a sender, sending, leaving and receiving: nobody receives half a
//! message, one twice or in another order, and the next sender goes on behind the last message.
//!
//! The long form looks at every instruction: `SHM_STEP_STRIDE=1`, in a release build, where there are fewer.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use std::time::Duration;

use shm_core::ShmLayout;
use shm_core::sync::Broadcast;
use shm_core::sync::broadcast::TryRecvError;
use shm_tests::{Few, Names, Peer, peer, step};

type Queue = Broadcast<Few, 5>;

fn attached(name: &str) -> Peer {
    let mut peer = peer!();
    peer.ok(&format!("broadcast attach {name}"));
    peer
}

/// Kills at every `stride`-th instruction of a round, until that is over.
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
        let killed = step::kill_at(
            attached(&name),
            &format!("broadcast round{how}"),
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
        // One that is as far behind as can be loses at most the message that was to be overwritten.
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
        // Long enough for any machine; what is stuck is stuck for ever.
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
    println!("{instruction} instructions, {sent_by_the_dead} sent before they died, {lost} lost");
    // Whoever looks at every instruction also hits those behind the message.
    assert!(step::stride(stride) > 1 || sent_by_the_dead > 0);
}

#[test]
fn killed_at_any_instruction_of_coming_sending_and_leaving_no_message_is_half() {
    at_every("broadcast-step", "", 449, |_| {});
}

#[test]
fn killed_at_any_instruction_of_sending_in_place_no_message_is_half() {
    at_every("broadcast-step-place", " place", 599, |_| {});
}

#[test]
fn killed_at_any_instruction_of_a_take_over_no_message_is_half() {
    at_every("broadcast-step-take-over", "", 1499, |name| {
        let mut sender = attached(name);
        sender.ok("broadcast sender");
        sender.kill();
    });
}
