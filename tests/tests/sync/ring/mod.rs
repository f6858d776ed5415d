//! Rings: every message is received once and in order.

use std::sync::atomic::Ordering::Acquire;
use std::time::{Duration, Instant};

use shm_core::sync::{
    ClaimError, RecvError, RecvTimeoutError, Ring, SendError, SendTimeoutError, Sender,
    TryRecvError, TrySendError,
};
use shm_core::{Shm, ShmLayout};
use shm_tests::{Message, Names, Peer, RingSegment, count_from_env, peer};

mod chunks;
mod coming;
mod deaths;
mod deliveries;
mod limits;
mod reconnecting;

fn attached(name: &str) -> Peer {
    peer!("ring attach {name}")
}

/// Sends the next message.
fn send(sender: &mut Sender<'_, Message, 5>) {
    let next = sender.position();
    sender.try_send(Message::numbered(next)).unwrap();
}

#[test]
fn messages_arrive_in_order_with_all_calls_mixed() {
    let shm = RingSegment::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.ring.sender().unwrap(), shm.ring.receiver().unwrap());
    let mut room = [Message::numbered(0); 7];
    for round in 0..200 {
        let next = sender.position();
        let notes: Vec<Message> = (next..next + 5).map(Message::numbered).collect();
        match round % 4 {
            0 => sender.send_slice(&notes).unwrap(),
            1 => notes.iter().for_each(|note| sender.send(*note).unwrap()),
            2 => notes
                .iter()
                .for_each(|note| sender.send_with(|cell| cell.store(*note)).unwrap()),
            _ => {
                sender.try_send_slice(&notes[..2]).unwrap();
                sender.try_send_with(|cell| cell.store(notes[2])).unwrap();
                sender.try_send(notes[3]).unwrap();
                sender.send_timeout(notes[4], Duration::ZERO).unwrap();
            }
        }
        assert_eq!((shm.ring.len(), shm.ring.is_empty()), (5, false));
        assert_eq!(sender.try_send(notes[0]), Err(TrySendError::Full(notes[0])));
        match round % 7 {
            0 => assert_eq!(receiver.recv_slice(&mut room), Ok(5)),
            1 => room.fill_with({
                let receiver = &mut receiver;
                move || receiver.try_recv().unwrap_or(Message::numbered(0))
            }),
            2 => (0..5).for_each(|i| room[i] = receiver.recv_with(|cell, _| cell.load()).unwrap()),
            3 => {
                room[0] = receiver.recv_timeout(Duration::ZERO).unwrap();
                room[1] = receiver.recv().unwrap();
                assert_eq!(receiver.try_recv_slice(&mut room[2..4]), Ok(2));
                room[4] = receiver.try_recv_with(|cell, _| cell.load()).unwrap();
            }
            4 => {
                receiver.recv_into(&mut room[0]).unwrap();
                receiver.try_recv_into(&mut room[1]).unwrap();
                let out = &mut room[2];
                receiver.recv_into_timeout(out, Duration::ZERO).unwrap();
                receiver
                    .recv_with_timeout(Duration::ZERO, |cell, _| cell.load_into(&mut room[3]))
                    .unwrap();
                let out = &mut room[4..];
                assert_eq!(receiver.recv_slice_timeout(out, Duration::ZERO), Ok(1));
                assert_eq!(
                    receiver.try_recv_into(&mut room[5]),
                    Err(TryRecvError::Empty)
                );
            }
            _ => room[..5].copy_from_slice(&receiver.try_iter().collect::<Vec<_>>()),
        }
        assert_eq!(room[..5], notes[..]);
        assert!(shm.ring.is_empty());
        // An odd number, so that batches begin in every slot.
        send(&mut sender);
        assert!(receiver.recv().unwrap().is_whole());
    }
    assert_eq!((sender.position(), receiver.position()), (1200, 1200));
    assert_eq!((shm.ring.sent(), shm.ring.received()), (1200, 1200));
}

#[test]
fn batches_can_be_empty_or_exceed_the_ring() {
    let shm = RingSegment::create_anonymous().unwrap();
    let (mut sender, mut receiver) = (shm.ring.sender().unwrap(), shm.ring.receiver().unwrap());
    let notes: Vec<Message> = (0..12).map(Message::numbered).collect();
    assert_eq!(
        sender.try_send_slice(&notes),
        Err(TrySendError::Full(&notes[5..]))
    );
    sender.send_slice(&[]).unwrap();
    assert_eq!(receiver.recv_slice(&mut []), Ok(0));
    assert_eq!(receiver.try_recv_slice(&mut []), Ok(0));
    let mut two = [Message::numbered(99); 2];
    assert_eq!(receiver.recv_slice(&mut two), Ok(2));
    assert_eq!(two, notes[..2]);
    shm_tests::scope(|scope| {
        // The ends can move to other threads.
        scope.start(move || sender.send_slice(&notes[5..]).unwrap());
        let rest: Vec<u64> = receiver.into_iter().map(|note| note.number).collect();
        assert_eq!(rest, (2..12).collect::<Vec<_>>());
    });
}

#[test]
fn each_end_has_one_holder_at_a_time() {
    let names = Names::new("ring-ends");
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    let mut other = attached(&name);
    assert_eq!(other.ok("ring sender"), "0");
    assert!(matches!(shm.ring.sender(), Err(ClaimError::Taken(_))));
    let start = Instant::now();
    let short = Duration::from_millis(20);
    assert!(matches!(
        shm.ring.sender_timeout(short),
        Err(ClaimError::Taken(_))
    ));
    assert!(start.elapsed() >= short);
    // The other end is free, and one process can hold both.
    let receiver = shm.ring.receiver().unwrap();
    assert!(matches!(shm.ring.receiver(), Err(ClaimError::Taken(_))));
    assert_eq!(other.ok("ring receiver"), "taken");
    assert_eq!(other.ok("ring receiver 5"), "taken");
    // A waiting claim succeeds when the end is dropped.
    other.tell("ring receiver 100000");
    drop(receiver);
    assert_eq!(other.hear(), "ok 0");
    other.ok("ring drop");
    assert_eq!(shm.ring.sender().unwrap().position(), 0);
}

#[test]
fn try_calls_say_why_they_do_nothing() {
    let shm = RingSegment::create_anonymous().unwrap();
    let (short, note) = (Duration::from_millis(2), Message::numbered(0));
    // No peer has ever claimed the other end, so the calls wait.
    let mut sender = shm.ring.sender().unwrap();
    (0..5).for_each(|_| send(&mut sender));
    assert_eq!(sender.try_send(note), Err(TrySendError::Full(note)));
    assert_eq!(
        sender.send_timeout(note, short),
        Err(SendTimeoutError::Timeout(note))
    );
    let mut receiver = shm.stream.receiver().unwrap();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(receiver.recv_timeout(short), Err(RecvTimeoutError::Timeout));

    // The peer has joined and left again.
    drop(shm.ring.receiver().unwrap());
    drop(shm.stream.sender().unwrap());
    assert_eq!(sender.try_send(note), Err(TrySendError::Disconnected(note)));
    assert_eq!(
        sender.send_timeout(note, short),
        Err(SendTimeoutError::Disconnected(note))
    );
    assert_eq!(sender.send(note), Err(SendError(note)));
    assert_eq!(
        sender.send_slice(&[note; 2]),
        Err(SendError(&[note; 2][..]))
    );
    assert_eq!(
        sender.send_with(|_| panic!("called")),
        Err::<(), _>(SendError(()))
    );
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(
        receiver.recv_timeout(short),
        Err(RecvTimeoutError::Disconnected)
    );
    assert_eq!(receiver.recv(), Err(RecvError));
    assert_eq!(
        receiver.recv_with(|_, _| panic!("called")),
        Err::<(), _>(RecvError)
    );
    assert_eq!(receiver.recv_slice(&mut [note]), Err(RecvError));
    assert_eq!(receiver.iter().count(), 0);

    // The next one finds what was sent, and the ring continues.
    let mut next = shm.ring.receiver().unwrap();
    assert_eq!(next.recv(), Ok(note));
    send(&mut sender);
    drop(sender);
    let rest: Vec<u64> = next.iter().map(|note| note.number).collect();
    assert_eq!(rest, [1, 2, 3, 4, 5]);
}

#[test]
fn messages_room_and_departures_wake_sleepers() {
    let names = Names::new("ring-sleep");
    let name = names.name("t");
    let _shm = RingSegment::create(&name).unwrap();
    let (mut sender, mut receiver) = (attached(&name), attached(&name));
    sender.ok("ring sender");
    receiver.ok("ring receiver");
    receiver.tell("ring recv forever");
    assert_eq!(sender.ok("ring send forever"), "0");
    assert_eq!(receiver.hear(), "ok 0");
    for number in 1..6 {
        assert_eq!(sender.ok("ring send try"), number.to_string());
    }
    sender.tell("ring send forever");
    assert_eq!(receiver.ok("ring recv try"), "1");
    assert_eq!(sender.hear(), "ok 6");
    sender.tell("ring send forever");
    receiver.ok("ring drop");
    assert_eq!(sender.hear(), "ok disconnected");
    receiver.ok("ring receiver");
    for number in 2..7 {
        assert_eq!(receiver.ok("ring recv try"), number.to_string());
    }
    receiver.tell("ring recv forever");
    sender.ok("ring drop");
    assert_eq!(receiver.hear(), "ok disconnected");
}

#[test]
fn a_ring_can_be_inspected_read_only() {
    let names = Names::new("ring-read-only");
    let name = names.name("t");
    let shm = RingSegment::create(&name).unwrap();
    let reader = RingSegment::attach_read_only(&name).unwrap();
    assert_eq!((reader.ring.len(), reader.ring.capacity()), (0, 5));
    let mut sender = shm.ring.sender().unwrap();
    (0..3).for_each(|_| send(&mut sender));
    shm.ring.receiver().unwrap().recv().unwrap();
    assert_eq!((reader.ring.sent(), reader.ring.received()), (3, 1));
    assert_eq!((reader.ring.len(), reader.ring.is_empty()), (2, false));
    let shown = format!("{:?}", reader.ring);
    assert!(shown.contains("tail: 3, head: 1"), "{shown}");
    assert!(!shown.contains("rest"), "{shown}");
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(u8)]
enum Command {
    Start = 3,
    Stop = 9,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Pair {
    there: Ring<u8, 1>,
    back: Ring<[u64; 3], 4>,
}

#[derive(ShmLayout)]
#[repr(C, align(128))]
struct Nested {
    pairs: [Pair; 2],
    commands: Ring<Command, 3>,
}

#[test]
fn rings_nest_in_arrays_and_structs() {
    let shm = Nested::create_anonymous().unwrap();
    let second = &shm.pairs[1];
    let (mut there, mut back) = (
        second.there.sender().unwrap(),
        second.back.sender().unwrap(),
    );
    there.send(7).unwrap();
    back.send([1, 2, 3]).unwrap();
    assert_eq!(there.try_send(8), Err(TrySendError::Full(8)));
    assert_eq!(second.there.receiver().unwrap().recv(), Ok(7));
    assert_eq!(second.back.receiver().unwrap().recv(), Ok([1, 2, 3]));
    assert!(shm.pairs[0].there.is_empty());

    let alone = Ring::<u32, 8>::create_anonymous().unwrap();
    let mut sender = alone.sender().unwrap();
    sender.send_slice(&[1, 2, 3]).unwrap();
    drop(sender);
    assert_eq!(alone.receiver().unwrap().into_iter().sum::<u32>(), 6);
}

#[test]
fn enums_are_checked_on_receive() {
    // Zero is no `Command`, but a new ring is valid: its slots are empty.
    let shm = Nested::create_anonymous().unwrap();
    shm.validate().unwrap();
    let mut sender = shm.commands.sender().unwrap();
    sender.send(Command::Stop).unwrap();
    sender.send(Command::Start).unwrap();
    sender.send_with(|_| ()).unwrap(); // the zero that is in the slot
    drop(sender);
    let mut receiver = shm.commands.receiver().unwrap();
    let mut next = || receiver.recv_with(|cell, _| cell.try_load());
    assert_eq!(next().unwrap().unwrap(), Command::Stop);
    assert_eq!(next().unwrap().unwrap(), Command::Start);
    assert_eq!(next().unwrap().unwrap_err().found(), 0);
    assert!(next().is_err());
}

#[test]
fn every_ring_error_gives_advice() {
    let shm = Ring::<u64, 2>::create_anonymous().unwrap();
    let _sender = shm.sender().unwrap();
    let taken = shm.sender().map(drop).unwrap_err();
    assert!(matches!(taken, ClaimError::Taken(_)));
    let texts = [
        taken.to_string(),
        SendError(Message::numbered(0)).to_string(),
        TrySendError::Full(0).to_string(),
        TrySendError::Disconnected(0).to_string(),
        SendTimeoutError::Timeout(0).to_string(),
        SendTimeoutError::Disconnected(0).to_string(),
        RecvError.to_string(),
        TryRecvError::Empty.to_string(),
        TryRecvError::Disconnected.to_string(),
        RecvTimeoutError::Timeout.to_string(),
        RecvTimeoutError::Disconnected.to_string(),
    ];
    for text in &texts {
        assert!(text.len() > 30 && !text.contains("Note"), "{text}");
    }
    // Each names a remedy.
    let says = |what: &str| texts.iter().filter(|text| text.contains(what)).count();
    assert_eq!(
        (says("`wait_for_receiver`"), says("`wait_for_sender`")),
        (3, 3)
    );
}

/// The text of a layout mismatch.
#[test]
fn a_different_ring_is_a_different_layout() {
    let names = Names::new("ring-mismatch");
    let name = names.name("t");
    let _shm = Ring::<u32, 8>::create(&name).unwrap();
    let error = Ring::<u32, 16>::attach(&name).err().unwrap().to_string();
    assert!(
        error.contains("[u32; 8]") && error.contains("[u32; 16]"),
        "{error}"
    );
    let error = <[u64; 2]>::attach(&name).err().unwrap().to_string();
    assert!(error.contains("Ring<u32, 8>"), "{error}");
    assert!(
        Ring::<u32, 8>::LAYOUT
            .to_string()
            .starts_with("Ring<u32, 8>: 896 bytes")
    );
}

#[test]
fn send_and_recv_need_no_system_call() {
    let names = Names::new("ring-quiet");
    let name = names.name("t");
    let _shm = RingSegment::create(&name).unwrap();
    let mut peer = attached(&name);
    peer.tell("ring quiet 10000");
    assert_eq!(peer.hear(), "ok 60000");
    assert!(peer.wait().success());
}

/// Two processes that any system call kills.
fn keep_up(tag: &str, rounds: u64, lead: u64) {
    let names = Names::new(tag);
    let name = names.name("t");
    let _shm = RingSegment::create(&name).unwrap();
    let (mut sender, mut receiver) = (attached(&name), attached(&name));
    sender.tell(&format!("ring quiet-out {rounds} {lead}"));
    assert_eq!(sender.hear(), "sending");
    receiver.tell(&format!("ring quiet-in {rounds}"));
    let moved = format!("ok {}", rounds * 7);
    assert_eq!((sender.hear(), receiver.hear()), (moved.clone(), moved));
    assert!(sender.wait().success() && receiver.wait().success());
}

#[test]
fn taking_turns_needs_no_system_call() {
    keep_up("ring-turns", 300, 0);
}

#[test]
fn streaming_between_processes_needs_no_system_call() {
    keep_up("ring-along", 20_000, 500);
}

/// So many messages between two processes. The receiver checks each.
fn stream(name: &str, count: u64, how: (&str, &str)) {
    let (mut sender, mut receiver) = (attached(name), attached(name));
    receiver.tell(&format!("ring stream-in {}", how.1));
    assert_eq!(receiver.hear(), "receiving");
    sender.tell(&format!("ring stream-out {count} {}", how.0));
    assert!(sender.hear().starts_with("ok "));
    let answer = receiver.hear();
    let numbers: Vec<u64> = answer["ok ".len()..]
        .split(' ')
        .map(|word| word.parse().unwrap())
        .collect();
    let rate = count as f64 / numbers[1] as f64;
    println!("{count} messages, {how:?}: {rate:.2} million a second");
}

#[test]
fn millions_of_messages_arrive_once_and_in_order() {
    let names = Names::new("ring-stream");
    let name = names.name("t");
    let shm: Shm<RingSegment> = RingSegment::create(&name).unwrap();
    let count = count_from_env("SHM_RING_MESSAGES", 500_000);
    let ways = [
        ("one", "one"),
        ("many", "many"),
        ("many", "one"),
        ("one", "many"),
    ];
    for how in ways {
        stream(&name, count, how);
    }
    assert_eq!(shm.stream.sent(), 4 * count);
    assert_eq!(shm.stream.received(), 4 * count);
    assert_eq!(shm.wrong.load(Acquire), 0);
}

#[test]
fn ring_ends_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let shm = RingSegment::create_anonymous().unwrap();
    is_send(&shm.ring.sender().unwrap());
    is_send(&shm.ring.receiver().unwrap());
}
