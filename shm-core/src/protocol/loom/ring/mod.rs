//! The ring under loom. Bounds: a sender and a receiver, or one end and two successive owners of the other; up to four messages;
//! rings of one and two slots; three or four forced preemptions. A claim is a cell with an id.

mod joining;
mod looking;
mod patience;
mod reconnecting;

use std::marker::PhantomData;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicU64, fence};
use loom::thread;

use crate::primitive::Ordering;
use crate::primitive::model::{self, CommitOrder};
use crate::protocol::claim_word as word;
use crate::protocol::eventcount::{self, PATIENT, WAITERS, WaitEnv, WakeAll};
use crate::protocol::liveness::{PeerState, PeerWatch};
use crate::protocol::loom::interrupts::{Interrupts, Registered};
use crate::protocol::loom::{FutexQueue, Schedule, check, mutant_deadlocks, mutant_fails};
use crate::protocol::padded::Padded;
use crate::protocol::ring::{
    Counters, End, Idle, Mutations, Receiving, Sending, Side, count_delivery,
};
use crate::protocol::wait::WaitStep;

/// The single step that differs.
trait ModelMutations: Mutations + Send + Sync + 'static {
    /// The kernel's.
    const PROBE: Ordering = Ordering::Acquire;
    /// The ordering of a claim of an end.
    const CLAIM: Ordering = word::CLAIM;
    /// The ordering of a load of an end's claim.
    const OWNER: Ordering = word::LOAD;
    /// Whether a full fence precedes the wake-up of an end that leaves.
    const LEAVE_FENCED: bool = true;
    /// Whether an end that leaves wakes the other.
    const LEAVE_WAKES: bool = true;
    /// Whether an end that joins wakes the other, and whether a full fence precedes that.
    const JOIN_WAKES: bool = true;
    const JOIN_FENCED: bool = true;
    /// Whether ends interrupt registered ones before they sleep.
    const INTERRUPTS: bool = true;
    /// Whether a sender that is not patient any more takes its announcement back.
    const RETRACTS: bool = true;
}

struct Correct;
impl Mutations for Correct {}
impl ModelMutations for Correct {}

/// One end's claim, whether it ever had an owner, and whether the owner is alive.
struct EndState {
    owner: AtomicU32,
    joined: AtomicU32,
    lives: AtomicU32,
}

impl EndState {
    /// It never had an owner.
    fn free() -> Self {
        Self {
            owner: AtomicU32::new(0),
            joined: AtomicU32::new(0),
            lives: AtomicU32::new(1),
        }
    }

    fn taken() -> Self {
        Self {
            owner: AtomicU32::new(1),
            joined: AtomicU32::new(1),
            lives: AtomicU32::new(1),
        }
    }
}

/// A segment: the words, the slots, and the kernel's side.
struct Shared {
    counters: Counters,
    deliveries: AtomicU64,
    slots: Vec<UnsafeCell<u64>>,
    sender: EndState,
    receiver: EndState,
    /// Behind `data` and `room`.
    queues: [FutexQueue; 2],
    /// The threads of the sender and of the receiver, if they are registered.
    interrupts: [Interrupts; 2],
}

impl Shared {
    fn new(capacity: usize) -> Arc<Self> {
        Self::with_sender(capacity, EndState::taken())
    }

    fn with_sender(capacity: usize, sender: EndState) -> Arc<Self> {
        Arc::new(Self {
            counters: Counters {
                tail: Padded(AtomicU64::new(0)),
                head: Padded(AtomicU64::new(0)),
                data: Padded(AtomicU32::new(0)),
                room: Padded(AtomicU32::new(0)),
            },
            deliveries: AtomicU64::new(0),
            slots: (0..capacity).map(|_| UnsafeCell::new(0)).collect(),
            sender,
            receiver: EndState::taken(),
            queues: [FutexQueue::new(), FutexQueue::new()],
            interrupts: [Interrupts::new(), Interrupts::new()],
        })
    }

    fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    /// Loom fails if another thread may access the slot at the same time.
    fn write(&self, slot: usize, value: u64) {
        // SAFETY: the protocol under test is what makes this exclusive; loom checks that it does.
        self.slots[slot].with_mut(|place| unsafe { *place = value });
    }

    fn read(&self, slot: usize) -> u64 {
        // SAFETY: as in `write`.
        self.slots[slot].with(|place| unsafe { *place })
    }

    fn queue(&self, word: &AtomicU32) -> &FutexQueue {
        &self.queues[usize::from(std::ptr::eq(word, &*self.counters.room))]
    }
}

/// A participant.
struct Peer<'a, V> {
    shared: &'a Shared,
    schedule: Schedule,
    /// If its process is registered, and so is the other: the thread, and the other one's.
    registered: Option<(Registered<'a>, &'a Interrupts)>,
    /// Whether it is patient, until it probes.
    is_patient: bool,
    mutations: PhantomData<V>,
}

impl<'a, V: ModelMutations> Peer<'a, V> {
    /// One that sleeps until woken.
    fn until_woken(shared: &'a Shared) -> Self {
        Self {
            shared,
            schedule: Schedule::UntilWoken,
            registered: None,
            is_patient: false,
            mutations: PhantomData,
        }
    }

    /// One that sleeps until woken. Both ends are registered; this is the sender or the receiver.
    fn registered(shared: &'a Shared, own: usize) -> Self {
        let interrupts = &shared.interrupts;
        Self {
            registered: Some((interrupts[own].register(), &interrupts[1 - own])),
            ..Self::until_woken(shared)
        }
    }

    fn probing(shared: &'a Shared, probes: u32) -> Self {
        Self {
            schedule: Schedule::Probes(probes),
            ..Self::until_woken(shared)
        }
    }

    fn send(&mut self, end: &mut End<Sending, V>, value: u64) -> Result<(), Idle> {
        let shared = self.shared;
        let peer = PeerView::<V>::new(&shared.receiver);
        let watch = PeerWatch::new(&peer);
        if !end.finds_slot(&shared.counters, shared.capacity()) {
            end.wait(&shared.counters, shared.capacity(), self, &watch)?;
        }
        shared.write(end.slot(shared.capacity()), value);
        end.commit(&shared.counters, shared.capacity(), 1, &*self);
        Ok(())
    }

    fn receive(&mut self, end: &mut End<Receiving, V>) -> Result<u64, Idle> {
        let shared = self.shared;
        let peer = PeerView::<V>::new(&shared.sender);
        let watch = PeerWatch::new(&peer);
        if !end.finds_slot(&shared.counters, shared.capacity()) {
            end.wait(&shared.counters, shared.capacity(), self, &watch)?;
        }
        let value = shared.read(end.slot(shared.capacity()));
        end.commit(&shared.counters, shared.capacity(), 1, &*self);
        Ok(value)
    }

    /// Claims a free end.
    fn join<R: Side>(&self, end_state: &EndState) -> End<R, V> {
        assert!(word::claim_free_as(&end_state.owner, 1, V::CLAIM));
        V::mark_joined(&end_state.joined);
        let word = R::peer_wait_word(&self.shared.counters);
        if V::JOIN_WAKES && V::JOIN_FENCED {
            eventcount::notify(word, self);
        } else if V::JOIN_WAKES {
            eventcount::notify_published(word, self);
        }
        End::resume(&self.shared.counters)
    }

    /// Waits until there is a sender.
    fn wait_for_sender(&mut self, end: &End<Receiving, V>) -> bool {
        let shared = self.shared;
        let peer = PeerView::<V>::new(&shared.sender);
        let watch = PeerWatch::new(&peer);
        end.wait_for_peer(&shared.counters, shared.capacity(), self, &watch)
    }

    fn leave<R: Side>(&self, end_state: &EndState) {
        word::release(&end_state.owner, 1, false, self);
        let word = R::peer_wait_word(&self.shared.counters);
        if V::LEAVE_WAKES && V::LEAVE_FENCED {
            eventcount::notify(word, self);
        } else if V::LEAVE_WAKES {
            eventcount::notify_published(word, self);
        }
    }
}

impl<V: ModelMutations> WaitEnv for Peer<'_, V> {
    fn announcement(&self) -> u32 {
        if self.is_patient {
            WAITERS | PATIENT
        } else {
            WAITERS
        }
    }

    fn retraction(&self) -> u32 {
        if V::RETRACTS && !self.is_patient {
            PATIENT
        } else {
            0
        }
    }

    fn interrupts(&self) -> bool {
        V::INTERRUPTS && self.registered.is_some() && !self.is_patient
    }

    fn interrupt(&mut self) -> bool {
        if let Some((own, other)) = &self.registered {
            own.in_kernel(|| other.interrupt());
        }
        true
    }

    fn spins(&self) -> u32 {
        0
    }

    fn next_step(&mut self) -> WaitStep {
        let step = self.schedule.next();
        self.is_patient &= step == WaitStep::Sleep;
        step
    }

    fn sleep(&mut self, word: &AtomicU32, seen: u32) {
        let sleep = || self.shared.queue(word).sleep(word, seen);
        match &self.registered {
            Some((own, _)) => own.in_kernel(sleep),
            None => sleep(),
        }
    }
}

impl<V> word::WakeOne for Peer<'_, V> {
    /// Nobody sleeps on a claim.
    fn wake(&self, _: &AtomicU32) {}
}

impl<V: ModelMutations> WakeAll for Peer<'_, V> {
    fn order(&self) -> CommitOrder {
        match self.registered {
            Some(_) => CommitOrder::Registered,
            None => CommitOrder::Fenced,
        }
    }

    fn order_program(&self) {
        if let Some((own, _)) = &self.registered {
            own.poll();
        }
    }

    fn wake_all(&self, word: &AtomicU32) {
        self.shared.queue(word).wake_all();
    }
}

/// An end's claim as the other end sees it.
struct PeerView<'a, V>(&'a EndState, PhantomData<V>);

impl<'a, V> PeerView<'a, V> {
    fn new(end_state: &'a EndState) -> Self {
        Self(end_state, PhantomData)
    }
}

impl<V: ModelMutations> PeerState for PeerView<'_, V> {
    fn joined(&self) -> &AtomicU32 {
        &self.0.joined
    }

    fn owner(&self) -> u32 {
        word::owner(&self.0.owner, V::OWNER, true)
    }

    fn is_dead(&self, _: u32) -> bool {
        thread::yield_now();
        self.0.lives.load(V::PROBE) == 0
    }
}

/// `count` messages, both ends waiting for each other; then the sender leaves.
fn transfer<V: ModelMutations>(capacity: usize, count: u64, preemptions: usize) {
    check(preemptions, move || {
        let shared = Shared::new(capacity);
        let sender = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut end = End::resume(&shared.counters);
                let mut peer = Peer::<V>::until_woken(&shared);
                for number in 0..count {
                    peer.send(&mut end, number + 1).unwrap();
                }
                peer.leave::<Sending>(&shared.sender);
            }
        });
        let mut end = End::resume(&shared.counters);
        let mut peer = Peer::<V>::until_woken(&shared);
        for number in 0..count {
            assert_eq!(peer.receive(&mut end), Ok(number + 1));
        }
        assert_eq!(peer.receive(&mut end), Err(Idle::Gone));
        sender.join().unwrap();
    });
}

/// [`transfer`] between two registered processes.
fn registered<V: ModelMutations>(capacity: usize, count: u64, preemptions: usize) {
    check(preemptions, move || {
        let shared = Shared::new(capacity);
        let sender = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut end = End::resume(&shared.counters);
                let mut peer = Peer::<V>::registered(&shared, 0);
                for number in 0..count {
                    peer.send(&mut end, number + 1).unwrap();
                }
                peer.leave::<Sending>(&shared.sender);
            }
        });
        let mut end = End::resume(&shared.counters);
        let mut peer = Peer::<V>::registered(&shared, 1);
        for number in 0..count {
            assert_eq!(peer.receive(&mut end), Ok(number + 1));
        }
        drop(peer);
        sender.join().unwrap();
    });
}

/// The sender dies after it has committed one message and half written another. The receiver finds out, or a successor joins
/// first and sends the second one anew.
fn dead_sender<V: ModelMutations>(preemptions: usize) {
    check(preemptions, move || {
        let shared = Shared::new(2);
        let first = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut end = End::<Sending, V>::resume(&shared.counters);
                Peer::<V>::until_woken(&shared).send(&mut end, 1).unwrap();
                shared.write(1, 666);
                shared.sender.lives.store(0, Ordering::Release);
            }
        });
        let second = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                if !PeerWatch::new(&PeerView::<V>::new(&shared.sender)).is_dead() {
                    return false;
                }
                // The claim's compare-and-swap, and the successor's own lock.
                shared.sender.lives.store(1, Ordering::Relaxed);
                let mut end = End::<Sending, V>::resume(&shared.counters);
                assert_eq!(end.position(), 1);
                Peer::<V>::until_woken(&shared).send(&mut end, 2).unwrap();
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
        // It can only be dead after it has committed the first.
        assert!(!gone || found.contains(&1), "{found:?}");
        first.join().unwrap();
        let sent = if second.join().unwrap() { 2 } else { 1 };
        while end.ready(&shared.counters, 2, 1) > 0 {
            found.push(
                Peer::<V>::until_woken(&shared)
                    .receive(&mut end)
                    .unwrap_or_default(),
            );
        }
        assert_eq!(found, (1..=sent).collect::<Vec<_>>());
    });
}

/// The receiver dies after it has counted one message and half read the next. A successor, if it joins in time, gets the next
/// one, and knows whether that was delivered before. The sender, which has one slot, goes on, or finds the receiver gone.
fn dead_receiver<V: ModelMutations>(preemptions: usize) {
    check(preemptions, move || {
        let shared = Shared::new(1);
        let first = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut end = End::<Receiving, V>::resume(&shared.counters);
                let counted = Peer::<V>::probing(&shared, 0).receive(&mut end);
                let begun = (end.ready(&shared.counters, 1, 1) > 0).then(|| {
                    assert_eq!(count_delivery(&shared.deliveries, end.position()), 1);
                    shared.read(0);
                    end.position()
                });
                shared.receiver.lives.store(0, Ordering::Release);
                (counted.ok(), begun)
            }
        });
        let second = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                if !PeerWatch::new(&PeerView::<V>::new(&shared.receiver)).is_dead() {
                    return None;
                }
                shared.receiver.lives.store(1, Ordering::Relaxed);
                let mut end = End::<Receiving, V>::resume(&shared.counters);
                let position = end.position();
                let deliveries = count_delivery(&shared.deliveries, position);
                let value = Peer::<V>::probing(&shared, 0).receive(&mut end).ok()?;
                assert_eq!(value, position + 1);
                Some((value, deliveries))
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
        let (received, begun) = first.join().unwrap();
        let second = second.join().unwrap();
        if let Some((value, deliveries)) = second {
            let again = begun.is_some_and(|number| number + 1 == value);
            assert_eq!(deliveries, 1 + u32::from(again));
        }
        let received = [received, second.map(|(value, _)| value)];
        let received: Vec<u64> = received.into_iter().flatten().collect();
        assert!(received.len() as u64 <= sent);
        assert!(received.iter().copied().eq(1..=received.len() as u64));
        let head = shared.counters.head.load(Ordering::Relaxed);
        assert_eq!(head, received.len() as u64);
    });
}

#[test]
fn one_slot_passes_three_messages() {
    transfer::<Correct>(1, 3, 3);
}

#[test]
fn two_slots_pass_four_messages() {
    transfer::<Correct>(2, 4, 3);
}

#[test]
fn one_slot_passes_two_messages_under_four_preemptions() {
    transfer::<Correct>(1, 2, 4);
}

#[test]
fn a_dead_sender_has_sent_what_it_committed_and_no_more() {
    dead_sender::<Correct>(3);
}

#[test]
fn a_dead_receiver_leaves_what_it_has_not_counted() {
    dead_receiver::<Correct>(3);
}

#[test]
fn registered_ends_wake_each_other() {
    registered::<Correct>(1, 2, 2);
}

#[test]
fn registered_ends_wake_each_other_in_a_ring_of_two() {
    registered::<Correct>(2, 3, 2);
}

/// A store without `Release`, followed by the correct fence.
fn publish_relaxed(counter: &AtomicU64, value: u64) {
    counter.store(value, Ordering::Relaxed);
    fence(Ordering::SeqCst);
}

/// Whether this is the sender's end.
fn is_sending<R: Side>(counters: &Counters) -> bool {
    std::ptr::eq(R::own(counters), &*counters.tail)
}

mutant_fails!(a_relaxed_commit_is_caught, transfer::<Mutant>(1, 2, 2),
    impl Mutations for Mutant {
        fn publish<R: Side>(counters: &Counters, value: u64, _: CommitOrder) {
            if is_sending::<R>(counters) {
                publish_relaxed(R::own(counters), value);
            } else {
                model::publish(R::own(counters), value, CommitOrder::Fenced);
            }
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_relaxed_count_of_what_was_received_is_caught, transfer::<Mutant>(1, 2, 2),
    impl Mutations for Mutant {
        fn publish<R: Side>(counters: &Counters, value: u64, _: CommitOrder) {
            if is_sending::<R>(counters) {
                model::publish(R::own(counters), value, CommitOrder::Fenced);
            } else {
                publish_relaxed(R::own(counters), value);
            }
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_relaxed_load_of_the_counter_is_caught, transfer::<Mutant>(1, 2, 2),
    impl Mutations for Mutant {
        const LOAD: Ordering = Ordering::Relaxed;
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(no_recheck_after_leaving_is_caught, transfer::<Mutant>(1, 2, 2),
    impl Mutations for Mutant {
        const RECHECKS: bool = false;
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(no_recheck_after_a_death_is_caught, dead_sender::<Mutant>(2),
    impl Mutations for Mutant {
        const RECHECKS: bool = false;
    }
    impl ModelMutations for Mutant {}
);
mutant_fails!(a_relaxed_load_of_the_claim_is_caught, transfer::<Mutant>(1, 2, 2),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const OWNER: Ordering = Ordering::Relaxed;
    }
);
mutant_deadlocks!(leaves_without_a_fence, leaving_without_a_fence_is_caught, transfer::<Mutant>(1, 2, 2),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const LEAVE_FENCED: bool = false;
    }
);
mutant_fails!(a_relaxed_probe_of_a_sender_is_caught, dead_sender::<Mutant>(2),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const PROBE: Ordering = Ordering::Relaxed;
    }
);
mutant_fails!(a_relaxed_probe_of_a_receiver_is_caught, dead_receiver::<Mutant>(2),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const PROBE: Ordering = Ordering::Relaxed;
    }
);
mutant_deadlocks!(commits_without_a_fence, a_commit_without_a_fence_is_caught, transfer::<Mutant>(1, 2, 2),
    impl Mutations for Mutant {
        fn publish<R: Side>(counters: &Counters, value: u64, _: CommitOrder) {
            R::own(counters).store(value, Ordering::Release);
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_deadlocks!(sleeps_without_an_interrupt, a_sleep_without_an_interrupt_is_caught, registered::<Mutant>(1, 2, 2),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const INTERRUPTS: bool = false;
    }
);
mutant_deadlocks!(never_reloads, a_counter_that_is_never_reloaded_is_caught, transfer::<Mutant>(1, 2, 2),
    impl Mutations for Mutant {
        fn load_peer<R: Side>(_: &Counters, seen: u64) -> u64 {
            seen
        }
    }
    impl ModelMutations for Mutant {}
);
mutant_deadlocks!(leaves_without_a_word, leaving_without_a_word_is_caught, transfer::<Mutant>(1, 2, 2),
    impl Mutations for Mutant {}
    impl ModelMutations for Mutant {
        const LEAVE_WAKES: bool = false;
    }
);
