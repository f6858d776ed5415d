//! The ring under loom, which tries every order of steps and every value that the memory model allows a load.
//!
//! Bounds: a sender and a receiver, or one end and two owners of the other that follow each other, played by threads; up to
//! four messages; rings of one and two slots; three or four forced preemptions. A death is a thread that gives up its lock cell with
//! `Release` and stops; the probe reads that cell with `Acquire`, as the kernel's lock does. A claim is a cell with an id. Each
//! model that must fail differs from one that passes in a single step.

use std::marker::PhantomData;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, AtomicU64, fence};
use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
use loom::thread;

use super::presence::{self, Seen, Watch};
use super::protocol::{Counters, End, Idle, Other, Receiving, Role, Sending, Steps};
use crate::claim::Turn;
use crate::primitive::{Ordering, model};
use crate::sync::eventcount::{self, WakeAll, World};
use crate::sync::padded::Padded;

/// The single step that differs.
trait Variant: Steps + Send + Sync + 'static {
    const PROBE: Ordering = Ordering::Acquire;
    /// Whether who leaves wakes the other.
    const LEAVING_WAKES: bool = true;
    /// Whether who comes wakes the other, and whether a full fence precedes that.
    const COMING_WAKES: bool = true;
    const COMING_IS_FENCED: bool = true;
}

struct Sound;
impl Steps for Sound {}
impl Variant for Sound {}

/// One end's claim, whether somebody ever had it, and whether the one who has it lives.
struct Chair {
    owner: AtomicU32,
    came: AtomicU32,
    lives: AtomicU32,
}

impl Chair {
    /// Nobody ever had it.
    fn free() -> Self {
        Self {
            owner: AtomicU32::new(0),
            came: AtomicU32::new(0),
            lives: AtomicU32::new(1),
        }
    }

    fn taken() -> Self {
        Self {
            owner: AtomicU32::new(1),
            came: AtomicU32::new(1),
            lives: AtomicU32::new(1),
        }
    }
}

/// A segment: the words, the slots, and the kernel's side of it.
struct Shared {
    counters: Counters,
    slots: Vec<UnsafeCell<u64>>,
    sender: Chair,
    receiver: Chair,
    /// The futexes: the compare and the sleep are one step to who wakes.
    bucket: Mutex<()>,
    sleepers: [Condvar; 2],
}

impl Shared {
    fn new(capacity: usize) -> Arc<Self> {
        Self::with_sender(capacity, Chair::taken())
    }

    fn with_sender(capacity: usize, sender: Chair) -> Arc<Self> {
        Arc::new(Self {
            counters: Counters {
                tail: Padded(AtomicU64::new(0)),
                head: Padded(AtomicU64::new(0)),
                data: Padded(AtomicU32::new(0)),
                room: Padded(AtomicU32::new(0)),
            },
            slots: (0..capacity).map(|_| UnsafeCell::new(0)).collect(),
            sender,
            receiver: Chair::taken(),
            bucket: Mutex::new(()),
            sleepers: [Condvar::new(), Condvar::new()],
        })
    }

    fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    /// Loom fails if anybody else may be at the slot.
    fn write(&self, slot: usize, value: u64) {
        // SAFETY: the protocol under test is what makes this exclusive; loom checks that it does.
        self.slots[slot].with_mut(|place| unsafe { *place = value });
    }

    fn read(&self, slot: usize) -> u64 {
        // SAFETY: as in `write`.
        self.slots[slot].with(|place| unsafe { *place })
    }

    fn sleepers(&self, word: &AtomicU32) -> (MutexGuard<'_, ()>, &Condvar) {
        let number = usize::from(std::ptr::eq(word, &*self.counters.room));
        (self.bucket.lock().unwrap(), &self.sleepers[number])
    }
}

/// One who takes part.
struct Peer<'a, V> {
    shared: &'a Shared,
    /// How often to probe before giving up; `None`: never, and sleep until woken.
    probes: Option<u32>,
    variant: PhantomData<V>,
}

impl<'a, V: Variant> Peer<'a, V> {
    /// One that only a wake-up gets on.
    fn patient(shared: &'a Shared) -> Self {
        Self {
            shared,
            probes: None,
            variant: PhantomData,
        }
    }

    fn probing(shared: &'a Shared, probes: u32) -> Self {
        Self {
            probes: Some(probes),
            ..Self::patient(shared)
        }
    }

    fn send(&mut self, end: &mut End<Sending, V>, value: u64) -> Result<(), Idle> {
        let shared = self.shared;
        let seat = Seat::<V>::new(&shared.receiver);
        let seen = Watch::new(&seat);
        if end.ready(&shared.counters, shared.capacity(), 1) == 0 {
            end.wait(&shared.counters, shared.capacity(), self, &seen)?;
        }
        shared.write(end.slot(shared.capacity()), value);
        end.pass(&shared.counters, 1, self);
        Ok(())
    }

    fn receive(&mut self, end: &mut End<Receiving, V>) -> Result<u64, Idle> {
        let shared = self.shared;
        let seat = Seat::<V>::new(&shared.sender);
        let seen = Watch::new(&seat);
        if end.ready(&shared.counters, shared.capacity(), 1) == 0 {
            end.wait(&shared.counters, shared.capacity(), self, &seen)?;
        }
        let value = shared.read(end.slot(shared.capacity()));
        end.pass(&shared.counters, 1, self);
        Ok(value)
    }

    /// Comes to an end that nobody has.
    fn come<R: Role>(&self, chair: &Chair) -> End<R, V> {
        chair
            .owner
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .unwrap();
        presence::come::<V>(&chair.came);
        let bed = R::their_bed(&self.shared.counters);
        if V::COMING_WAKES && V::COMING_IS_FENCED {
            eventcount::notify(bed, self);
        } else if V::COMING_WAKES {
            eventcount::notify_fenced(bed, self);
        }
        End::resume(&self.shared.counters)
    }

    /// Waits until there is a sender.
    fn wait_for_sender(&mut self, end: &End<Receiving, V>) -> bool {
        let shared = self.shared;
        let seat = Seat::<V>::new(&shared.sender);
        let seen = Watch::new(&seat);
        end.wait_for_other(&shared.counters, shared.capacity(), self, &seen)
    }

    fn leave<R: Role>(&self, chair: &Chair) {
        chair.owner.store(0, Ordering::Release);
        if V::LEAVING_WAKES {
            eventcount::notify(R::their_bed(&self.shared.counters), self);
        }
    }
}

impl<V: Variant> World for Peer<'_, V> {
    fn spins(&self) -> u32 {
        0
    }

    fn turn(&mut self) -> Turn {
        match &mut self.probes {
            None => Turn::Wait,
            Some(0) => Turn::Last,
            Some(left) => {
                *left -= 1;
                Turn::Probe
            }
        }
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        let (bucket, sleepers) = self.shared.sleepers(word);
        if word.load(Ordering::Relaxed) == seen {
            drop(sleepers.wait(bucket).unwrap());
        }
    }
}

impl<V: Variant> WakeAll for Peer<'_, V> {
    fn wake_all(&self, word: &AtomicU32) {
        let (_bucket, sleepers) = self.shared.sleepers(word);
        sleepers.notify_all();
    }
}

/// An end's claim as the other end sees it.
struct Seat<'a, V>(&'a Chair, PhantomData<V>);

impl<'a, V> Seat<'a, V> {
    fn new(chair: &'a Chair) -> Self {
        Self(chair, PhantomData)
    }
}

impl<V: Variant> Seen for Seat<'_, V> {
    fn came(&self) -> &AtomicU32 {
        &self.0.came
    }

    fn owner(&self) -> u32 {
        self.0.owner.load(Ordering::Acquire)
    }

    fn is_dead(&self, _: u32) -> bool {
        thread::yield_now();
        self.0.lives.load(V::PROBE) == 0
    }
}

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// `count` messages, both ends waiting for each other; then the sender leaves.
fn transfer<V: Variant>(capacity: usize, count: u64, preemptions: usize) {
    check(preemptions, move || {
        let shared = Shared::new(capacity);
        let sender = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut end = End::resume(&shared.counters);
                let mut peer = Peer::<V>::patient(&shared);
                for number in 0..count {
                    peer.send(&mut end, number + 1).unwrap();
                }
                peer.leave::<Sending>(&shared.sender);
            }
        });
        let mut end = End::resume(&shared.counters);
        let mut peer = Peer::<V>::patient(&shared);
        for number in 0..count {
            assert_eq!(peer.receive(&mut end), Ok(number + 1));
        }
        assert_eq!(peer.receive(&mut end), Err(Idle::Gone));
        sender.join().unwrap();
    });
}

/// The sender dies when it has committed one message and half written another; the receiver finds out, or a successor comes
/// first and sends the second anew.
fn dead_sender<V: Variant>(preemptions: usize) {
    check(preemptions, move || {
        let shared = Shared::new(2);
        let first = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut end = End::<Sending, V>::resume(&shared.counters);
                Peer::<V>::patient(&shared).send(&mut end, 1).unwrap();
                shared.write(1, 666);
                shared.sender.lives.store(0, Ordering::Release);
            }
        });
        let second = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                if !Watch::new(&Seat::<V>::new(&shared.sender)).is_dead() {
                    return false;
                }
                // The claim's compare-and-swap, and the successor's own lock.
                shared.sender.lives.store(1, Ordering::Relaxed);
                let mut end = End::<Sending, V>::resume(&shared.counters);
                assert_eq!(end.position(), 1);
                Peer::<V>::patient(&shared).send(&mut end, 2).unwrap();
                true
            }
        });
        let mut end = End::resume(&shared.counters);
        let mut found = Vec::new();
        let mut gone = false;
        for _ in 0..2 {
            match Peer::<V>::probing(&shared, 1).receive(&mut end) {
                Ok(value) => found.push(value),
                Err(idle) => {
                    gone = idle == Idle::Gone;
                    break;
                }
            }
        }
        // Dead it can only be after it has committed the first.
        assert!(!gone || found.contains(&1), "{found:?}");
        first.join().unwrap();
        let sent = if second.join().unwrap() { 2 } else { 1 };
        while end.ready(&shared.counters, 2, 1) > 0 {
            found.push(
                Peer::<V>::patient(&shared)
                    .receive(&mut end)
                    .unwrap_or_default(),
            );
        }
        assert_eq!(found, (1..=sent).collect::<Vec<_>>());
    });
}

/// The receiver dies when it has counted one message and half read the next; a successor, if it comes in time, gets the next
/// one. The sender, which has one slot, goes on, or is told.
fn dead_receiver<V: Variant>(preemptions: usize) {
    check(preemptions, move || {
        let shared = Shared::new(1);
        let first = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut end = End::<Receiving, V>::resume(&shared.counters);
                let counted = Peer::<V>::probing(&shared, 0).receive(&mut end);
                if end.ready(&shared.counters, 1, 1) > 0 {
                    shared.read(0);
                }
                shared.receiver.lives.store(0, Ordering::Release);
                counted.ok()
            }
        });
        let second = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                if !Watch::new(&Seat::<V>::new(&shared.receiver)).is_dead() {
                    return None;
                }
                shared.receiver.lives.store(1, Ordering::Relaxed);
                let mut end = End::<Receiving, V>::resume(&shared.counters);
                let position = end.position();
                let value = Peer::<V>::probing(&shared, 0).receive(&mut end).ok()?;
                assert_eq!(value, position + 1);
                Some(value)
            }
        });
        let mut end = End::resume(&shared.counters);
        let mut sent = 0;
        for value in 1..=2 {
            if Peer::<V>::probing(&shared, 1)
                .send(&mut end, value)
                .is_err()
            {
                break;
            }
            sent = value;
        }
        assert!(sent >= 1, "there was room for one");
        let received = [first.join().unwrap(), second.join().unwrap()];
        let received: Vec<u64> = received.into_iter().flatten().collect();
        assert!(received.len() as u64 <= sent);
        assert!(received.iter().copied().eq(1..=received.len() as u64));
        let head = shared.counters.head.load(Ordering::Relaxed);
        assert_eq!(head, received.len() as u64);
    });
}

#[test]
fn one_slot_passes_three_messages() {
    transfer::<Sound>(1, 3, 3);
}

#[test]
fn two_slots_pass_four_messages() {
    transfer::<Sound>(2, 4, 3);
}

#[test]
fn one_slot_passes_two_messages_whatever_comes_between() {
    transfer::<Sound>(1, 2, 4);
}

#[test]
fn a_dead_sender_has_sent_what_it_committed_and_no_more() {
    dead_sender::<Sound>(3);
}

#[test]
fn a_dead_receiver_leaves_what_it_has_not_counted() {
    dead_receiver::<Sound>(3);
}

/// A variant that differs in one step of the protocol, and a test that it is noticed.
macro_rules! fails {
    ($name:ident, $model:expr, Steps { $($steps:tt)* } $($variant:tt)*) => {
        #[test]
        #[should_panic]
        fn $name() {
            struct Broken;
            impl Steps for Broken { $($steps)* }
            impl Variant for Broken { $($variant)* }
            $model(Broken);
        }
    };
}

fn transfer_of<V: Variant>(_: V) {
    transfer::<V>(1, 2, 2);
}

fn dead_sender_of<V: Variant>(_: V) {
    dead_sender::<V>(2);
}

fn dead_receiver_of<V: Variant>(_: V) {
    dead_receiver::<V>(2);
}

/// A store without `Release`, and the fence behind it as it should be.
fn publish_relaxed(counter: &AtomicU64, value: u64) {
    counter.store(value, Ordering::Relaxed);
    fence(Ordering::SeqCst);
}

/// Whether this is the sender's end.
fn is_sending<R: Role>(counters: &Counters) -> bool {
    std::ptr::eq(R::mine(counters), &*counters.tail)
}

fails!(a_relaxed_commit_is_caught, transfer_of, Steps {
    fn publish<R: Role>(counters: &Counters, value: u64) {
        if is_sending::<R>(counters) {
            publish_relaxed(R::mine(counters), value);
        } else {
            model::publish(R::mine(counters), value);
        }
    }
});
fails!(a_relaxed_count_of_what_was_received_is_caught, transfer_of, Steps {
    fn publish<R: Role>(counters: &Counters, value: u64) {
        if is_sending::<R>(counters) {
            model::publish(R::mine(counters), value);
        } else {
            publish_relaxed(R::mine(counters), value);
        }
    }
});
fails!(a_relaxed_look_is_caught, transfer_of, Steps {
    const LOOK: Ordering = Ordering::Relaxed;
});
fails!(taking_one_that_left_for_gone_without_looking_again_is_caught, transfer_of, Steps {
    const LOOKS_AGAIN: bool = false;
});
fails!(taking_the_dead_for_gone_without_looking_again_is_caught, dead_sender_of, Steps {
    const LOOKS_AGAIN: bool = false;
});
fails!(a_relaxed_probe_of_a_sender_is_caught, dead_sender_of, Steps {}
    const PROBE: Ordering = Ordering::Relaxed;
);
fails!(a_relaxed_probe_of_a_receiver_is_caught, dead_receiver_of, Steps {}
    const PROBE: Ordering = Ordering::Relaxed;
);

/// Where nobody gets on loom ends the process, so such a variant is played in one of its own: by a test that is only run
/// from the one that expects its end.
macro_rules! hangs {
    ($name:ident, $played:ident, $model:expr, Steps { $($steps:tt)* } $($variant:tt)*) => {
        #[test]
        #[ignore = "fails, as it should: it is run by the test that expects it to"]
        fn $played() {
            struct Broken;
            impl Steps for Broken { $($steps)* }
            impl Variant for Broken { $($variant)* }
            $model(Broken);
        }

        #[test]
        fn $name() {
            let output = std::process::Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    &format!("{}::{}", module_path!().split_once("::").unwrap().1, stringify!($played)),
                    "--ignored",
                ])
                .output()
                .unwrap();
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(!output.status.success(), "{text}");
            assert!(text.contains("deadlock"), "{text}");
        }
    };
}

hangs!(a_commit_without_a_fence_is_caught, commits_without_a_fence, transfer_of, Steps {
    fn publish<R: Role>(counters: &Counters, value: u64) {
        R::mine(counters).store(value, Ordering::Release);
    }
});
hangs!(a_counter_that_is_never_looked_at_again_is_caught, never_looks_again, transfer_of, Steps {
    fn look<R: Role>(_: &Counters, seen: u64) -> u64 {
        seen
    }
});
hangs!(leaving_without_a_word_is_caught, leaves_without_a_word, transfer_of, Steps {}
    const LEAVING_WAKES: bool = false;
);

// Behind the macros that it uses.
mod coming;
